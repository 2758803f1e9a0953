package dev.halcyon.backend.opencl;

import dev.halcyon.hal.spi.BackendBuffer;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_mem;

/** A buffer; on devices that share the host's memory also its bytes. Maps to: cl_mem. */
final class OpenClMemory implements BackendBuffer {
  private final cl_mem mem;
  private final long handle;
  private final long byteSize;
  private final Optional<MemorySegment> host;
  private final Runnable afterRelease;

  /**
   * Wraps a buffer.
   *
   * @param host the buffer's own bytes, where kernels and host see each other's writes without
   *     mapping
   * @param afterRelease frees what the buffer lay in
   */
  OpenClMemory(cl_mem mem, long byteSize, Optional<MemorySegment> host, Runnable afterRelease) {
    this.mem = mem;
    this.handle = mem.getNativePointer();
    this.byteSize = byteSize;
    this.host = host;
    this.afterRelease = afterRelease;
  }

  /**
   * A pointer for JOCL to the first byte of native memory of any size. JOCL takes only the address
   * of a direct buffer, and a ByteBuffer ends at 2 GiB: so a short one at the same address stands
   * for the whole.
   */
  static Pointer pointer(MemorySegment memory) {
    return Pointer.to(MemorySegment.ofAddress(memory.address()).reinterpret(16).asByteBuffer());
  }

  cl_mem mem() {
    return mem;
  }

  long handle() {
    return handle;
  }

  Optional<MemorySegment> host() {
    return host;
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public void free() {
    OpenClErrors.check(
        CL.clReleaseMemObject(mem), "clReleaseMemObject", "buffer of " + byteSize + " bytes");
    afterRelease.run();
  }
}
