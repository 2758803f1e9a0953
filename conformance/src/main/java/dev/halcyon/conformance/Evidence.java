package dev.halcyon.conformance;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a judgement rests on.
 *
 * @param headroom the largest share of its bound that an element used: 1 is the limit; empty where
 *     everything must be exact
 * @param nmse error energy over signal energy; empty without floating outputs
 * @param worst the element that decided, with expected and actual value; empty if none
 * @param placement where the operator ran: the name of a {@code Placement}, or empty
 * @param implementation kernel, library function or steps, as the plan reports it
 * @param launches kernels and library calls the device was given
 * @param facts what else a reader wants to know, by name, in order: experts a router chose, for
 *     instance
 */
public record Evidence(
    OptionalDouble headroom,
    OptionalDouble nmse,
    Optional<String> worst,
    String placement,
    String implementation,
    long launches,
    Map<String, String> facts) {
  public Evidence {
    facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
  }

  /** Evidence without further facts. */
  public Evidence(
      OptionalDouble headroom,
      OptionalDouble nmse,
      Optional<String> worst,
      String placement,
      String implementation,
      long launches) {
    this(headroom, nmse, worst, placement, implementation, launches, Map.of());
  }

  /** Nothing was measured. */
  public static final Evidence NONE =
      new Evidence(OptionalDouble.empty(), OptionalDouble.empty(), Optional.empty(), "", "", 0);
}
