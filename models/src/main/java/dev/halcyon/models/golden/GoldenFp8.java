package dev.halcyon.models.golden;

import java.util.Optional;

/**
 * Operator-level vectors of a quantised checkpoint: tensors {@code actquant.{in,q,scale}} and
 * {@code fp8gemm.{in,q,qscale,out}}.
 *
 * @param gemmWeight checkpoint tensor that {@code fp8gemm} multiplies with; empty if the file has
 *     none
 * @param scaleFormat {@code scale_fmt} of the activations; empty for plain floats
 */
public record GoldenFp8(Optional<String> gemmWeight, Optional<String> scaleFormat) {}
