package dev.halcyon.backend.opencl;

/** The primitives as this device runs them. */
final class PrimitivesTest extends PrimitiveCases {}
