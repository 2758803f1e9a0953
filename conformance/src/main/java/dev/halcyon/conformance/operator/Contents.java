package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.Real;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the operands hold before the operator runs, in the order of the spec; empty for those that
 * are only written.
 *
 * @param operands one entry per operand
 */
public record Contents(List<Optional<HostTensor>> operands) {
  public Contents {
    operands = List.copyOf(operands);
  }

  /** Inputs first, then {@code outputs} operands that are only written. */
  public static Contents of(int outputs, HostTensor... inputs) {
    List<Optional<HostTensor>> all = new ArrayList<>();
    for (HostTensor t : inputs) {
      all.add(Optional.of(t));
    }
    for (int i = 0; i < outputs; i++) {
      all.add(Optional.empty());
    }
    return new Contents(all);
  }

  /** The content of a readable operand. */
  public HostTensor get(int operand) {
    return operands.get(operand).orElseThrow();
  }

  /** What a readable operand means, exactly. */
  public Real real(int operand) {
    return Real.of(get(operand));
  }

  /** These contents with one replaced. */
  Contents with(int operand, HostTensor content) {
    List<Optional<HostTensor>> all = new ArrayList<>(operands);
    all.set(operand, Optional.of(content));
    return new Contents(all);
  }
}
