package dev.halcyon.hal.spi;

/** A plan with its operands; enqueued any number of times, by one thread at a time. */
public interface BoundOperator {
  void enqueue(BackendStream stream);

  /**
   * Frees what binding made; called once, when it will not be enqueued again.
   *
   * @implSpec A stream closes what it enqueues eagerly at once, and on an asynchronous device that
   *     execution may not have finished: memory that an execution reads must outlive it, by the
   *     stream's or the driver's own means.
   */
  default void close() {}
}
