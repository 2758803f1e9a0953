package dev.halcyon.backend.emulated;

/** The program of one operator. Thread-safe. */
interface Kernel {
  /**
   * Runs it on the thread of a stream.
   *
   * @param operands in the order of the spec
   * @throws EmulatedFault for an index outside its tensor
   */
  void run(Elements[] operands);
}
