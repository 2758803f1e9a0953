package dev.halcyon.backend.emulated;

import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Recorded launches, enqueued as one command. Maps to: CUgraphExec, aclmdlRI, command buffer. */
final class EmulatedGraph implements BackendGraph {
  private final List<Launch> launches;

  private EmulatedGraph(List<Launch> launches) {
    this.launches = List.copyOf(launches);
  }

  /** Lets the commands enqueue themselves on a recorder. */
  static EmulatedGraph record(List<BoundOperator> commands, String where) {
    Recorder recorder = new Recorder(where);
    commands.forEach(c -> c.enqueue(recorder));
    return new EmulatedGraph(recorder.recorded);
  }

  @Override
  public void enqueue(BackendStream stream) {
    ((EmulatedStream) stream).launchAll("graph of " + launches.size() + " launches", launches);
  }

  @Override
  public String implementation() {
    return "emulated graph";
  }

  @Override
  public void close() {}

  /** A stream that executes nothing and notes launches; it can do nothing else. */
  private static final class Recorder implements BackendStream, LaunchTarget {
    private final List<Launch> recorded = new ArrayList<>();
    private final String where;

    Recorder(String where) {
      this.where = where;
    }

    @Override
    public void launch(Launch launch) {
      recorded.add(launch);
    }

    private RuntimeException refused(String call) {
      return EmulatedErrors.failure(
          EmulatedErrors.Status.NOT_CAPTURABLE, call, call + " while a graph is recorded", where);
    }

    @Override
    public void upload(MemorySegment source, BackendBuffer target, long targetOffset) {
      throw refused("upload");
    }

    @Override
    public void download(BackendBuffer source, long sourceOffset, MemorySegment target) {
      throw refused("download");
    }

    @Override
    public void copy(
        BackendBuffer source,
        long sourceOffset,
        BackendBuffer target,
        long targetOffset,
        long bytes) {
      throw refused("copy");
    }

    @Override
    public BackendFence record() {
      throw refused("record");
    }

    @Override
    public void waitFor(BackendFence fence) {
      throw refused("waitFor");
    }

    @Override
    public void synchronize(Duration deadline) {
      throw refused("synchronize");
    }

    @Override
    public Optional<BackendGraph> instantiate(List<BoundOperator> commands) {
      throw refused("instantiate");
    }

    @Override
    public long launches() {
      return recorded.size();
    }

    @Override
    public void close() {}
  }
}
