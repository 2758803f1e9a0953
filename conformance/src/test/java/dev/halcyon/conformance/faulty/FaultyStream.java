package dev.halcyon.conformance.faulty;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;

/** A stream of a {@link FaultyDevice}: that of the healthy one, with the bugs of a driver. */
final class FaultyStream implements BackendStream {
  private static final long TRUNCATED_BYTES = 32 << 20;

  private final BackendStream healthy;
  private final BackendStream transfers;
  private final Optional<Fault> fault;
  private final Queue<Runnable> late = new ArrayDeque<>();
  private Optional<BackendGraph> firstGraph = Optional.empty();
  private long uncounted;

  /**
   * Wraps a stream.
   *
   * @param transfers takes what overtakes
   */
  FaultyStream(BackendStream healthy, BackendStream transfers, Optional<Fault> fault) {
    this.healthy = healthy;
    this.transfers = transfers;
    this.fault = fault;
  }

  private boolean has(Fault f) {
    return fault.isPresent() && fault.get() == f;
  }

  /** The stream that operators of the healthy device enqueue on. */
  static BackendStream unwrap(BackendStream stream) {
    if (stream instanceof FaultyStream f) {
      f.runLate();
      return f.healthy;
    }
    return stream;
  }

  private void runLate() {
    while (!late.isEmpty()) {
      late.remove().run();
    }
  }

  @Override
  public void upload(MemorySegment source, BackendBuffer target, long targetOffset) {
    runLate();
    if (has(Fault.EXCEPTION_ESCAPES)) {
      throw new IllegalStateException("a pointer of the binding is null");
    }
    if (has(Fault.UPLOAD_KEEPS_SOURCE)) {
      late.add(() -> healthy.upload(source, target, targetOffset));
    } else if (has(Fault.UPLOAD_OVERTAKES)) {
      transfers.upload(source, target, targetOffset);
    } else {
      healthy.upload(source, target, targetOffset);
    }
  }

  @Override
  public void download(BackendBuffer source, long sourceOffset, MemorySegment target) {
    runLate();
    if (has(Fault.DOWNLOAD_TRUNCATED) && target.byteSize() > TRUNCATED_BYTES) {
      healthy.download(source, sourceOffset, target.asSlice(0, TRUNCATED_BYTES));
      return;
    }
    healthy.download(source, sourceOffset, target);
  }

  @Override
  public void copy(
      BackendBuffer source,
      long sourceOffset,
      BackendBuffer target,
      long targetOffset,
      long bytes) {
    runLate();
    healthy.copy(source, sourceOffset, target, targetOffset, bytes);
  }

  @Override
  public BackendFence record() {
    runLate();
    BackendFence fence = healthy.record();
    boolean early = has(Fault.FENCE_TOO_EARLY);
    boolean signals = early || has(Fault.SIGNAL_TOO_EARLY);
    return new BackendFence() {
      @Override
      public boolean isSignalled() {
        return signals || fence.isSignalled();
      }

      @Override
      public void await(Duration deadline) {
        if (!early) {
          fence.await(deadline);
        }
      }

      @Override
      public void close() {
        fence.close();
      }
    };
  }

  @Override
  public void waitFor(BackendFence fence) {
    runLate();
    if (!has(Fault.WAIT_IGNORED)) {
      healthy.waitFor(fence);
    }
  }

  @Override
  public void synchronize(Duration deadline) {
    runLate();
    if (has(Fault.MISSING_SYNC)) {
      return;
    }
    try {
      transfers.synchronize(deadline);
      healthy.synchronize(deadline);
    } catch (HalException e) {
      if (!has(Fault.FAILURE_SWALLOWED) || e.code() == HalErrorCode.DEADLINE_EXCEEDED) {
        throw e;
      }
    }
  }

  @Override
  public Optional<BackendGraph> instantiate(List<BoundOperator> commands) {
    if (has(Fault.GRAPHS_ONLY_CLAIMED)) {
      return Optional.empty();
    }
    if (has(Fault.STALE_GRAPH_OPERAND) && firstGraph.isPresent()) {
      return firstGraph;
    }
    List<BoundOperator> recorded =
        has(Fault.GRAPH_DROPS_LAST) && !commands.isEmpty()
            ? commands.subList(0, commands.size() - 1)
            : commands;
    firstGraph = healthy.instantiate(recorded).map(Graph::new);
    return firstGraph;
  }

  private final class Graph implements BackendGraph {
    private final BackendGraph graph;

    Graph(BackendGraph graph) {
      this.graph = graph;
    }

    @Override
    public void enqueue(BackendStream stream) {
      FaultyStream on = (FaultyStream) stream;
      long before = on.healthy.launches();
      graph.enqueue(unwrap(stream));
      if (has(Fault.REPLAY_NOT_COUNTED)) {
        on.uncounted += on.healthy.launches() - before;
      }
    }

    @Override
    public String implementation() {
      return graph.implementation();
    }

    @Override
    public void close() {
      graph.close();
    }
  }

  @Override
  public long launches() {
    return has(Fault.HOST_EXECUTION_CALLED_NATIVE) ? 0 : healthy.launches() - uncounted;
  }

  @Override
  public void close() {
    transfers.close();
    healthy.close();
  }
}
