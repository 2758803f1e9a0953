package dev.halcyon.conformance;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Planner;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The device under test, with what most cases share: a stream, a scratch arena and planners. One
 * thread at a time. Close it to close the device.
 */
public final class Subject implements AutoCloseable {
  /** How long any single wait of a case may take. */
  public static final Duration DEADLINE = Duration.ofSeconds(60);

  private static final Logger LOG = LoggerFactory.getLogger(Subject.class);

  private final Supplier<Device> opener;
  private final Device device;
  private final Planner preferred;
  private final Planner decomposed;
  private MemoryArena scratch;
  private CommandStream stream;
  private Optional<Shared> shared = Optional.empty();

  private record Shared(Object key, AutoCloseable resource) {}

  /**
   * Opens the device.
   *
   * @param opener opens the device under test; called again by cases that need one of their own
   * @throws HalException as the opener
   */
  public Subject(Supplier<Device> opener) {
    this.opener = opener;
    this.device = opener.get();
    this.preferred = new Planner(device, PlacementPolicy.DEFAULT);
    this.decomposed = new Planner(device, PlacementPolicy.DECOMPOSED);
    this.scratch = device.newArena(MemoryArena.Kind.SCRATCH, "conformance");
    this.stream = device.newStream("conformance");
  }

  /** Opens {@code uri} through a registry. */
  public static Subject open(HalRegistry registry, DeviceUri uri, DeviceOptions options) {
    return new Subject(() -> registry.open(uri, options));
  }

  public Device device() {
    return device;
  }

  /** Another opening of the same device, for cases that close, lose or exhaust it. */
  public Device openFresh() {
    return opener.get();
  }

  /** The shared stream. A case that poisons or loses it uses one of its own instead. */
  public CommandStream stream() {
    return stream;
  }

  /** The shared scratch arena; reset by {@link #settle}. */
  public MemoryArena scratch() {
    return scratch;
  }

  /** The planner of a route; plans are kept for the whole run. */
  public Planner planner(Route route) {
    return switch (route) {
      case PREFERRED -> preferred;
      case DECOMPOSED -> decomposed;
    };
  }

  /**
   * Something on this device that is dear to make and serves several cases in a row, such as a
   * loaded model. One is kept: asking for another closes it. A case that breaks off closes it too.
   *
   * @param key equal keys share
   * @param type what the key stands for
   */
  public <T extends AutoCloseable> T shared(Object key, Class<T> type, Supplier<T> opener) {
    if (shared.isPresent() && shared.get().key().equals(key)) {
      return type.cast(shared.get().resource());
    }
    releaseShared();
    T opened = opener.get();
    shared = Optional.of(new Shared(key, opened));
    return opened;
  }

  /** Closes what {@link #shared} keeps. */
  void releaseShared() {
    Optional<Shared> old = shared;
    shared = Optional.empty();
    old.ifPresent(
        s -> {
          try {
            s.resource().close();
          } catch (Exception e) {
            LOG.warn("{} was not closed: {}", s.key(), e.toString());
          }
        });
  }

  /**
   * Brings stream and arena back to a state that the next case can use, whatever the last one did;
   * replaces what is broken.
   *
   * @throws HalException if the device itself is lost
   */
  public void settle() {
    try {
      stream.synchronize(DEADLINE);
      scratch.reset();
    } catch (HalException e) {
      renew();
    }
  }

  private void renew() {
    stream.close();
    scratch.close();
    scratch = device.newArena(MemoryArena.Kind.SCRATCH, "conformance");
    stream = device.newStream("conformance");
  }

  @Override
  public void close() {
    releaseShared();
    stream.close();
    scratch.close();
    device.close();
  }
}
