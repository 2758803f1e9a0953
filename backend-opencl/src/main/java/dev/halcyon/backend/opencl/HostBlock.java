package dev.halcyon.backend.opencl;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Zeroed, aligned host memory. Maps to: calloc, which gives untouched pages for large blocks, so
 * that zeroing costs nothing before the first use.
 */
record HostBlock(MemorySegment base, MemorySegment memory) {
  private static final MethodHandle CALLOC =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().findOrThrow("calloc"),
              FunctionDescriptor.of(
                  ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
  private static final MethodHandle FREE =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().findOrThrow("free"),
              FunctionDescriptor.ofVoid(ValueLayout.ADDRESS));

  static HostBlock zeroed(long byteSize, long alignment) {
    MemorySegment base;
    try {
      base = (MemorySegment) CALLOC.invokeExact(byteSize + alignment, 1L);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (base.equals(MemorySegment.NULL)) {
      throw HalException.of(
              HalErrorCode.OUT_OF_MEMORY, "the host has no " + byteSize + " bytes left")
          .remedy("close other arenas or programs, or choose a smaller dtype or context")
          .build();
    }
    long aligned = Math.ceilDiv(base.address(), alignment) * alignment;
    return new HostBlock(base, MemorySegment.ofAddress(aligned).reinterpret(byteSize));
  }

  void free() {
    try {
      FREE.invokeExact(base);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
