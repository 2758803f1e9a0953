package dev.halcyon.hal.spi;

/** A plan with its operands; enqueued any number of times, by one thread at a time. */
public interface BoundOperator {
  void enqueue(BackendStream stream);

  /** Frees what binding made; called once, after the last execution finished. */
  default void close() {}
}
