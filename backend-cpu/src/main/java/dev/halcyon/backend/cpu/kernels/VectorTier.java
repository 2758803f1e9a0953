package dev.halcyon.backend.cpu.kernels;

/**
 * The kernels over the Vector API. Needs {@code --add-modules jdk.incubator.vector}: obtain it from
 * {@link KernelTiers#vector()}, which never touches this class otherwise.
 */
final class VectorTier extends ScalarTier {
  VectorTier() {
    super("vector/" + VectorMath.BITS, new VectorMath());
  }
}
