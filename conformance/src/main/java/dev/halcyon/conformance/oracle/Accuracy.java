package dev.halcyon.conformance.oracle;

import dev.halcyon.hal.tensor.DType;
import java.util.List;

/**
 * How far results of an operator may be from the exact ones, and why: one row of {@code
 * accuracy.tsv}.
 *
 * @param operator the operator's name, with its function where accuracy depends on it: {@code
 *     Unary.EXP}
 * @param dtypes dtypes of operands that the row covers
 * @param kind the class of accuracy
 * @param parameter units of the last place (ULP), a formula (BOUND) or parts (INHERITED); else
 *     empty
 * @param justification the source of the number
 */
public record Accuracy(
    String operator, List<DType> dtypes, Kind kind, String parameter, String justification) {
  /** Classes of accuracy. */
  public enum Kind {
    /** Nothing is rounded: every bit is defined. */
    EXACT,
    /** The nearest number of the dtype, ties to even. */
    CORRECTLY_ROUNDED,
    /** Within so many units in the last place of the exact result. */
    ULP,
    /** Within an analytic bound that depends on the data. */
    BOUND,
    /** The running error analysis of its parts. */
    INHERITED
  }

  public Accuracy {
    dtypes = List.copyOf(dtypes);
  }

  /** The units in the last place of a row that names a number. */
  public double ulps() {
    return Double.parseDouble(parameter);
  }
}
