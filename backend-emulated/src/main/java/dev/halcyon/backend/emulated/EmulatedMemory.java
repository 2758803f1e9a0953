package dev.halcyon.backend.emulated;

import dev.halcyon.hal.spi.BackendBuffer;

/** A block of device memory, known by its device address. Maps to: CUdeviceptr, cl_mem. */
final class EmulatedMemory implements BackendBuffer {
  private final long address;
  private final long byteSize;
  private final Runnable release;

  /**
   * Names a mapped block.
   *
   * @param release unmaps it and gives its bytes back
   */
  EmulatedMemory(long address, long byteSize, Runnable release) {
    this.address = address;
    this.byteSize = byteSize;
    this.release = release;
  }

  /** Where the block begins in the device's address space. */
  long address() {
    return address;
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public void free() {
    release.run();
  }
}
