package dev.halcyon.backend.opencl;

/** Attention as this device runs them. */
final class AttentionTest extends AttentionCases {}
