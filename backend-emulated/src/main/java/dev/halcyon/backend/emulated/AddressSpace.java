package dev.halcyon.backend.emulated;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.NavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * The memory of one device by device addresses. They are no host pointers (no processor accepts
 * them), each device has its own, unmapped gaps lie between allocations, and none is used twice: so
 * every access outside an allocation, after its end or on the wrong device is a fault. Thread-safe.
 */
final class AddressSpace {
  private static final long FIRST = 0x0E00_0000_0000_0000L;
  private static final long PER_DEVICE = 1L << 48;
  private static final long ALIGNMENT = 256;
  private static final long GAP = 4096;

  private final NavigableMap<Long, MemorySegment> blocks = new ConcurrentSkipListMap<>();
  private long next;

  AddressSpace(int device) {
    this.next = FIRST + device * PER_DEVICE;
  }

  /** Makes {@code bytes} accessible to the device; returns the address, aligned to 256 bytes. */
  synchronized long map(MemorySegment bytes) {
    long address = next;
    next = Math.ceilDiv(address + bytes.byteSize() + GAP, ALIGNMENT) * ALIGNMENT;
    blocks.put(address, bytes);
    return address;
  }

  void unmap(long address) {
    blocks.remove(address);
  }

  /**
   * The bytes {@code [address, address + size)}.
   *
   * @throws EmulatedFault unless they lie in one live allocation
   */
  MemorySegment read(long address, long size) {
    if (size == 0) {
      return MemorySegment.NULL;
    }
    Map.Entry<Long, MemorySegment> block = blocks.floorEntry(address);
    if (block == null || address - block.getKey() > block.getValue().byteSize() - size) {
      throw new EmulatedFault(
          EmulatedErrors.Status.ILLEGAL_ADDRESS,
          "access to " + size + " bytes at 0x" + Long.toHexString(address));
    }
    return block.getValue().asSlice(address - block.getKey(), size);
  }

  /** Like {@link #read}, for bytes that will be written. */
  MemorySegment write(long address, long size) {
    MemorySegment bytes = read(address, size);
    if (bytes.isReadOnly()) {
      throw new EmulatedFault(
          EmulatedErrors.Status.WRITE_TO_READ_ONLY,
          "write of " + size + " bytes to read-only memory at 0x" + Long.toHexString(address));
    }
    return bytes;
  }
}
