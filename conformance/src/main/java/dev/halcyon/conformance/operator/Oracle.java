package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.Expected;
import java.util.List;

/**
 * An operator's definition in double, written from docs/spec and sharing no code with a backend.
 */
@FunctionalInterface
public interface Oracle {
  /**
   * What each written operand must hold, in the order of the spec; a quantised one has two entries,
   * stored numbers and scales.
   */
  List<Expected> expect(Contents before);
}
