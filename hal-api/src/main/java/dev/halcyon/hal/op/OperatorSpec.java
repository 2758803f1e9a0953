package dev.halcyon.hal.op;

import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * An operator as an immutable value: attributes only, no data. A spec is planned against operand
 * types and the plan is enqueued on a stream with operands, in the order of {@link #operands()}.
 *
 * @apiNote Specs are compared by value; equal specs with equal types share one plan.
 */
public sealed interface OperatorSpec permits PrimitiveSpec, CompositeSpec {
  /** The operator's name in reports and in {@code halcyon.plan.disable}. */
  default String name() {
    return getClass().getSimpleName();
  }

  /** The formal operands, outputs last. */
  List<Operand> operands();

  /**
   * Checks operand count, shapes and dtypes. Backends receive only types that passed.
   *
   * @throws HalException {@code SHAPE_MISMATCH}, {@code DTYPE_MISMATCH} or {@code INVALID_ARGUMENT}
   *     naming the operand
   */
  void check(List<TensorType> types);
}
