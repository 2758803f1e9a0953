package dev.halcyon.backend.cpu;

import dev.halcyon.hal.spi.BackendBuffer;
import java.lang.foreign.MemorySegment;

/** Host memory: allocated off the heap, or imported where it lies. */
final class CpuMemory implements BackendBuffer {
  private final long address;
  private final long byteSize;
  private final MemorySegment imported;

  private CpuMemory(long address, long byteSize, MemorySegment imported) {
    this.address = address;
    this.byteSize = byteSize;
    this.imported = imported;
  }

  /** Zeroed memory, aligned to a page. */
  static CpuMemory allocate(long byteSize) {
    long available = CpuHost.availableMemory();
    if (byteSize > available) {
      throw CpuErrors.outOfMemory(byteSize, available, 0);
    }
    long address = NativeMemory.map(byteSize);
    if (address < 0) {
      throw CpuErrors.outOfMemory(byteSize, available, -address);
    }
    return new CpuMemory(address, byteSize, MemorySegment.NULL);
  }

  /** The memory of {@code segment} itself; it is kept reachable. */
  static CpuMemory of(MemorySegment segment) {
    return new CpuMemory(segment.address(), segment.byteSize(), segment);
  }

  long address() {
    return address;
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public void free() {
    if (imported.equals(MemorySegment.NULL)) {
      NativeMemory.unmap(address, byteSize);
    }
  }
}
