package dev.halcyon.hal.op;

import java.util.Objects;

/**
 * One formal operand of an operator.
 *
 * @param name the name in formulas and error messages
 * @param role how the operator uses it
 */
public record Operand(String name, Role role) {
  /** How an operator uses an operand. */
  public enum Role {
    /** Read only; must not overlap an output. */
    IN,
    /**
     * Read only; may be the very same view as an output (in place), but not overlap one otherwise.
     */
    IN_PLACE,
    /** Written completely, never read. */
    OUT,
    /** Read and updated. */
    INOUT;

    public boolean isWritten() {
      return this == OUT || this == INOUT;
    }
  }

  public Operand {
    Objects.requireNonNull(name);
    Objects.requireNonNull(role);
  }

  static Operand in(String name) {
    return new Operand(name, Role.IN);
  }

  static Operand inPlace(String name) {
    return new Operand(name, Role.IN_PLACE);
  }

  static Operand out(String name) {
    return new Operand(name, Role.OUT);
  }

  static Operand inout(String name) {
    return new Operand(name, Role.INOUT);
  }
}
