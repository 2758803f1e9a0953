package dev.halcyon.backend.opencl;

/** Dense composites as this device runs them. */
final class CompositeTest extends CompositeCases {}
