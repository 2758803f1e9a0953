package dev.halcyon.hal;

import dev.halcyon.hal.spi.BackendDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * An open device. Thread-safe. Close its arenas, streams and graphs first: closing a device with
 * live children throws {@code CLOSE_ORDER} and names them.
 */
public final class Device implements AutoCloseable {
  private final BackendDevice backend;
  private final DeviceInfo info;
  private final DeviceCapabilities capabilities;
  private final LeakTracker tracker;

  /** Held while children are made and while the device closes: no child slips in between. */
  private final Object closing = new Object();

  private final Set<Object> children = ConcurrentHashMap.newKeySet();

  /**
   * Wraps a backend's device.
   *
   * @apiNote Users call {@link HalRegistry#open}; tests and tools may wrap a device of their own.
   */
  public Device(BackendDevice backend) {
    this.backend = backend;
    this.info = backend.info();
    this.capabilities = backend.capabilities();
    this.tracker = LeakTracker.track(this, "device " + info.uri());
  }

  public DeviceInfo info() {
    return info;
  }

  public DeviceUri uri() {
    return info.uri();
  }

  public DeviceCapabilities capabilities() {
    return capabilities;
  }

  /**
   * An empty arena.
   *
   * @param label names it in errors and leak reports
   */
  public MemoryArena newArena(MemoryArena.Kind kind, String label) {
    synchronized (closing) {
      requireOpen();
      MemoryArena arena = new MemoryArena(this, kind, label);
      children.add(arena);
      return arena;
    }
  }

  /**
   * A new in-order stream.
   *
   * @param label names it in errors and leak reports
   */
  public CommandStream newStream(String label) {
    synchronized (closing) {
      requireOpen();
      CommandStream stream = new CommandStream(this, backend.newStream(label), label);
      children.add(stream);
      return stream;
    }
  }

  /**
   * The backend's device.
   *
   * @apiNote For the planner and for tools of the same backend; it checks nothing.
   */
  public BackendDevice backend() {
    return backend;
  }

  /** What is still open, by name. */
  public List<String> liveChildren() {
    return new ArrayList<>(children).stream().map(Object::toString).sorted().toList();
  }

  void childOpened(Object child) {
    children.add(child);
  }

  void childClosed(Object child) {
    children.remove(child);
  }

  private void requireOpen() {
    if (tracker.isClosed()) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the device is closed")
          .on(uri().toString())
          .remedy("open it again through HalRegistry.open")
          .build();
    }
  }

  @Override
  public void close() {
    synchronized (closing) {
      if (tracker.isClosed()) {
        return;
      }
      List<String> live = liveChildren();
      if (!live.isEmpty()) {
        throw HalException.of(HalErrorCode.CLOSE_ORDER, "device closed before " + live)
            .on(uri().toString())
            .remedy("close graphs, streams and arenas before their device")
            .build();
      }
      if (tracker.close()) {
        backend.close();
      }
    }
  }

  @Override
  public String toString() {
    return "device " + uri() + " (" + info.name() + ")";
  }
}
