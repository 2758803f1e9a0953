package dev.halcyon.backend.opencl;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.ConcurrentLinkedDeque;
import org.jocl.CL;
import org.jocl.cl_kernel;
import org.jocl.cl_program;

/**
 * The kernel objects of one call site. A kernel carries its constant arguments from its creation
 * on; binding takes one and sets only the longs, closing the binding gives it back. A command
 * already enqueued keeps the arguments it was given.
 */
final class KernelPool {
  /** A kernel object with the arguments it has now. Used by one binding at a time. */
  static final class Kernel {
    private final cl_kernel kernel;
    private final long handle;
    private final long[] longs;
    private final MemorySegment scratch;
    private final String name;

    private Kernel(cl_program program, KernelCall call) {
      int[] status = new int[1];
      this.name = call.name();
      this.kernel = CL.clCreateKernel(program, name, status);
      OpenClErrors.check(status[0], "clCreateKernel(" + name + ")", OpenClCatalogue.SCHEME);
      this.handle = kernel.getNativePointer();
      this.longs = new long[call.argumentCount()];
      Arrays.fill(longs, Long.MIN_VALUE);
      this.scratch = Arena.ofAuto().allocate(64, 64);
    }

    long handle() {
      return handle;
    }

    /** Sets a memory argument; always, for a handle may come back as another buffer. */
    void setMemory(int index, long memory) {
      scratch.set(ValueLayout.JAVA_LONG, 0, memory);
      set(index, 8, scratch);
    }

    /** Sets an argument of 8 bytes, an offset or a stride, unless it has this value. */
    void setLong(int index, long value) {
      if (longs[index] != value) {
        scratch.set(ValueLayout.JAVA_LONG, 0, value);
        set(index, 8, scratch);
        longs[index] = value;
      }
    }

    void set(int index, byte[] value) {
      MemorySegment.copy(value, 0, scratch, ValueLayout.JAVA_BYTE, 0, value.length);
      set(index, value.length, scratch);
    }

    private void set(int index, long size, MemorySegment value) {
      int status = OpenClApi.setArg(handle, index, size, value);
      if (status != OpenClErrors.SUCCESS) {
        throw OpenClErrors.failure(
            status,
            "clSetKernelArg(" + name + ", " + index + ", " + size + " bytes)",
            OpenClCatalogue.SCHEME);
      }
    }
  }

  private final cl_program program;
  private final ConcurrentLinkedDeque<Kernel> free = new ConcurrentLinkedDeque<>();
  private boolean closed;

  KernelPool(cl_program program) {
    this.program = program;
  }

  Kernel take(KernelCall call) {
    Kernel k = free.pollFirst();
    if (k != null) {
      return k;
    }
    Kernel made = new Kernel(program, call);
    call.setConstants(made);
    return made;
  }

  synchronized void giveBack(Kernel kernel) {
    if (closed) {
      CL.clReleaseKernel(kernel.kernel);
    } else {
      free.addFirst(kernel);
    }
  }

  /** Frees the kernels in it; those still out are freed when they come back. */
  synchronized void close() {
    closed = true;
    for (Kernel k = free.pollFirst(); k != null; k = free.pollFirst()) {
      CL.clReleaseKernel(k.kernel);
    }
  }
}
