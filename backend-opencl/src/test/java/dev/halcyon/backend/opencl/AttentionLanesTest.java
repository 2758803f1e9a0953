package dev.halcyon.backend.opencl;

/** The same with work-groups of several work-items and short vectors, as GPUs run them. */
final class AttentionLanesTest extends AttentionCases {
  AttentionLanesTest() {
    super("lanes", "8", "vector-width", "4");
  }
}
