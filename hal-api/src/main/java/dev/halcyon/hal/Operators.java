package dev.halcyon.hal;

import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * Plans and enqueues in one call: the way model code speaks to a device.
 *
 * <pre>{@code
 * ops.run(new RmsNorm(1e-6), x, weight, out);
 * }</pre>
 *
 * <p>As thread-safe as its stream: one thread at a time.
 *
 * @param planner makes the plans, on the device of the stream
 * @param stream takes them
 */
public record Operators(Planner planner, CommandStream stream) {
  public Operators {
    if (planner.device() != stream.device()) {
      throw HalException.of(
              HalErrorCode.WRONG_DEVICE, "planner of " + planner.device().uri() + " with " + stream)
          .remedy("use a planner and a stream of one device")
          .build();
    }
  }

  /**
   * Enqueues {@code spec} on {@code operands}, in the order of {@link OperatorSpec#operands()}.
   *
   * @throws HalException as {@link Planner#plan} and {@link CommandStream#enqueue}
   */
  public void run(OperatorSpec spec, Tensor... operands) {
    TensorType[] types = new TensorType[operands.length];
    for (int i = 0; i < operands.length; i++) {
      types[i] = operands[i].type();
    }
    stream.enqueue(planner.plan(spec, List.of(types)), operands);
  }
}
