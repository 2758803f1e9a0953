package dev.halcyon.backend.emulated;

import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.RecordingStream;
import java.util.ArrayList;
import java.util.List;

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
  private static final class Recorder extends RecordingStream implements LaunchTarget {
    private final List<Launch> recorded = new ArrayList<>();
    private final String where;

    Recorder(String where) {
      this.where = where;
    }

    @Override
    public void launch(Launch launch) {
      recorded.add(launch);
    }

    @Override
    protected RuntimeException refused(String call) {
      return EmulatedErrors.failure(
          EmulatedErrors.Status.NOT_CAPTURABLE, call, call + " while a graph is recorded", where);
    }

    @Override
    public long launches() {
      return recorded.size();
    }

    @Override
    public void close() {}
  }
}
