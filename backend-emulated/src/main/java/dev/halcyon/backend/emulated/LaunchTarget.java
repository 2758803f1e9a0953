package dev.halcyon.backend.emulated;

/** What takes kernel launches: a stream, or a graph being recorded. */
interface LaunchTarget {
  /** Takes one launch; it executes later. */
  void launch(Launch launch);
}
