package dev.halcyon.backend.opencl;

/** Mixtures of experts as this device runs them. */
final class MoeTest extends MoeCases {}
