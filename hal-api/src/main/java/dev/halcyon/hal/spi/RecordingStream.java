package dev.halcyon.hal.spi;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What a backend gives to {@link BoundOperator#enqueue} in place of a stream to record a native
 * graph: it takes launches, by the backend's own interface, and refuses everything else.
 *
 * @apiNote Transfers, fences and waits cannot be in a graph; {@link OperatorPlan#isRecordable}
 *     keeps plans that need them out of it.
 */
public abstract class RecordingStream implements BackendStream {
  /**
   * The error for a call that cannot be recorded.
   *
   * @param call its name, for example {@code upload}
   */
  protected abstract RuntimeException refused(String call);

  @Override
  public final void upload(MemorySegment source, BackendBuffer target, long targetOffset) {
    throw refused("upload");
  }

  @Override
  public final void download(BackendBuffer source, long sourceOffset, MemorySegment target) {
    throw refused("download");
  }

  @Override
  public final void copy(
      BackendBuffer source,
      long sourceOffset,
      BackendBuffer target,
      long targetOffset,
      long bytes) {
    throw refused("copy");
  }

  @Override
  public final BackendFence record() {
    throw refused("record");
  }

  @Override
  public final void waitFor(BackendFence fence) {
    throw refused("waitFor");
  }

  @Override
  public final void synchronize(Duration deadline) {
    throw refused("synchronize");
  }

  @Override
  public final Optional<BackendGraph> instantiate(List<BoundOperator> commands) {
    throw refused("instantiate");
  }
}
