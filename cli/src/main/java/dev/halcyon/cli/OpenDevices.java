package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** Devices in the order they were chosen, closed together. */
final class OpenDevices implements Iterable<Device>, AutoCloseable {
  private final List<Device> devices = new ArrayList<>();

  void add(Device device) {
    devices.add(device);
  }

  int count() {
    return devices.size();
  }

  @Override
  public Iterator<Device> iterator() {
    return List.copyOf(devices).iterator();
  }

  /** Closes all of them, also if one refuses. */
  @Override
  public void close() {
    RuntimeException failure = null;
    for (Device d : devices.reversed()) {
      try {
        d.close();
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    devices.clear();
    if (failure != null) {
      throw failure;
    }
  }
}
