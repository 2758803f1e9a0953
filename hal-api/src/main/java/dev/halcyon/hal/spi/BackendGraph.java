package dev.halcyon.hal.spi;

/** A captured command list in the vendor's form. */
public interface BackendGraph {
  void enqueue(BackendStream stream);

  /** The vendor's mechanism, for reports: {@code cl_khr_command_buffer}, {@code CUDA graph}. */
  String implementation();

  void close();
}
