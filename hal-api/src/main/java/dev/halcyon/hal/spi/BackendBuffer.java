package dev.halcyon.hal.spi;

/** Device memory made by {@link BackendDevice}. */
public interface BackendBuffer {
  long byteSize();

  /** Frees it; called once, when no enqueued work uses it. */
  void free();
}
