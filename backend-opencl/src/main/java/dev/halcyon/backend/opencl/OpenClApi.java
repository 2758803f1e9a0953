package dev.halcyon.backend.opencl;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Calls into libOpenCL through FFM with JOCL's raw handles: the ones on the hot path, where JOCL
 * costs 30 times as much and allocates, and the ones JOCL lacks.
 */
final class OpenClApi {
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final MemoryLayout POINTER = ValueLayout.ADDRESS;
  private static final int EVENT_STATUS = 0x11D3;

  private static final SymbolLookup LIBRARY = OpenClLoader.library();
  private static final MethodHandle SET_ARG =
      handle("clSetKernelArg", FunctionDescriptor.of(INT, LONG, INT, LONG, POINTER));
  private static final MethodHandle ENQUEUE =
      handle(
          "clEnqueueNDRangeKernel",
          FunctionDescriptor.of(
              INT, LONG, LONG, INT, POINTER, POINTER, POINTER, INT, POINTER, POINTER));
  private static final MethodHandle EVENT_INFO =
      handle("clGetEventInfo", FunctionDescriptor.of(INT, LONG, INT, LONG, POINTER, POINTER));
  private static final MethodHandle FLUSH = handle("clFlush", FunctionDescriptor.of(INT, LONG));
  private static final MethodHandle EXTENSION =
      handle(
          "clGetExtensionFunctionAddressForPlatform",
          FunctionDescriptor.of(POINTER, LONG, POINTER));

  private OpenClApi() {}

  private static MethodHandle handle(String name, FunctionDescriptor type) {
    return Linker.nativeLinker().downcallHandle(LIBRARY.findOrThrow(name), type);
  }

  static int setArg(long kernel, int index, long size, MemorySegment value) {
    try {
      return (int) SET_ARG.invokeExact(kernel, index, size, value);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Enqueues without waiting list and event. */
  static int enqueue(
      long queue, long kernel, int dimensions, MemorySegment global, MemorySegment local) {
    try {
      return (int)
          ENQUEUE.invokeExact(
              queue,
              kernel,
              dimensions,
              MemorySegment.NULL,
              global,
              local,
              0,
              MemorySegment.NULL,
              MemorySegment.NULL);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** The execution status of an event: 0 complete, positive pending, negative failed. */
  static int eventStatus(long event, MemorySegment scratch) {
    try {
      int status =
          (int) EVENT_INFO.invokeExact(event, EVENT_STATUS, 4L, scratch, MemorySegment.NULL);
      return status == OpenClErrors.SUCCESS ? scratch.get(INT, 0) : status;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  static int flush(long queue) {
    try {
      return (int) FLUSH.invokeExact(queue);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** An extension function of a platform, or NULL. */
  static MemorySegment extension(long platform, String name) {
    try (Arena arena = Arena.ofConfined()) {
      return (MemorySegment) EXTENSION.invokeExact(platform, arena.allocateFrom(name));
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
