package dev.halcyon.backend.opencl;

import dev.halcyon.hal.HalException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * The functions of cl_khr_command_buffer, which JOCL does not have; handles are JOCL's raw ones.
 */
final class CommandBufferApi {
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final MemoryLayout POINTER = ValueLayout.ADDRESS;
  private static final int CAPABILITIES = 0x12A9;
  private static final long SIMULTANEOUS_CAPABILITY = 1 << 2;
  private static final long FLAGS = 0x1293;
  private static final long SIMULTANEOUS_USE = 1;

  private final MethodHandle create;
  private final MethodHandle command;
  private final MethodHandle seal;
  private final MethodHandle enqueue;
  private final MethodHandle release;
  private final boolean simultaneous;

  private CommandBufferApi(long platform, boolean simultaneous) {
    this.simultaneous = simultaneous;
    create =
        handle(
            platform,
            "clCreateCommandBufferKHR",
            FunctionDescriptor.of(LONG, INT, POINTER, POINTER, POINTER));
    command =
        handle(
            platform,
            "clCommandNDRangeKernelKHR",
            FunctionDescriptor.of(
                INT, LONG, LONG, POINTER, LONG, INT, POINTER, POINTER, POINTER, INT, POINTER,
                POINTER, POINTER));
    seal = handle(platform, "clFinalizeCommandBufferKHR", FunctionDescriptor.of(INT, LONG));
    enqueue =
        handle(
            platform,
            "clEnqueueCommandBufferKHR",
            FunctionDescriptor.of(INT, INT, POINTER, LONG, INT, POINTER, POINTER));
    release = handle(platform, "clReleaseCommandBufferKHR", FunctionDescriptor.of(INT, LONG));
  }

  private static MethodHandle handle(long platform, String name, FunctionDescriptor type) {
    MemorySegment address = OpenClApi.extension(platform, name);
    if (address.equals(MemorySegment.NULL)) {
      throw new UnsupportedOperationException(name);
    }
    return Linker.nativeLinker().downcallHandle(address, type);
  }

  static Optional<CommandBufferApi> find(OpenClCatalogue.Entry entry) {
    try {
      boolean simultaneous =
          (OpenClCatalogue.number(entry.device(), CAPABILITIES) & SIMULTANEOUS_CAPABILITY) != 0;
      return Optional.of(new CommandBufferApi(entry.platform().getNativePointer(), simultaneous));
    } catch (UnsupportedOperationException | HalException e) {
      return Optional.empty();
    }
  }

  /** Whether a command buffer may be enqueued again before it has finished. */
  boolean isSimultaneous() {
    return simultaneous;
  }

  long create(long queue) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment status = arena.allocate(INT);
      MemorySegment properties =
          simultaneous ? arena.allocateFrom(LONG, FLAGS, SIMULTANEOUS_USE, 0) : MemorySegment.NULL;
      long buffer =
          (long) create.invokeExact(1, arena.allocateFrom(LONG, queue), properties, status);
      OpenClErrors.check(status.get(INT, 0), "clCreateCommandBufferKHR", OpenClCatalogue.SCHEME);
      return buffer;
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /**
   * Adds a kernel after the command of sync point {@code after} (0 for the first); returns its sync
   * point.
   */
  int command(long buffer, long kernel, KernelCall call, int after) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment point = arena.allocate(INT);
      MemorySegment list = after == 0 ? MemorySegment.NULL : arena.allocateFrom(INT, after);
      int status =
          (int)
              command.invokeExact(
                  buffer,
                  0L,
                  MemorySegment.NULL,
                  kernel,
                  call.dimensions(),
                  MemorySegment.NULL,
                  call.global(),
                  call.local(),
                  after == 0 ? 0 : 1,
                  list,
                  point,
                  MemorySegment.NULL);
      OpenClErrors.check(
          status, "clCommandNDRangeKernelKHR(" + call.name() + ")", OpenClCatalogue.SCHEME);
      return point.get(INT, 0);
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  void seal(long buffer) {
    try {
      OpenClErrors.check(
          (int) seal.invokeExact(buffer), "clFinalizeCommandBufferKHR", OpenClCatalogue.SCHEME);
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Enqueues on the queue in {@code queues}. */
  int enqueue(long buffer, MemorySegment queues) {
    try {
      return (int)
          enqueue.invokeExact(1, queues, buffer, 0, MemorySegment.NULL, MemorySegment.NULL);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  void release(long buffer) {
    try {
      OpenClErrors.check(
          (int) release.invokeExact(buffer), "clReleaseCommandBufferKHR", OpenClCatalogue.SCHEME);
    } catch (RuntimeException e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
