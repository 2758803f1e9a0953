package dev.halcyon.backend.cpu;

import dev.halcyon.backend.cpu.kernels.Raw;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Blocks of native memory and moves between them; single values go through {@link Raw}. Nothing is
 * checked: addresses come from tensors the API has validated.
 *
 * @implNote Blocks come from {@code mmap} on Linux (pages appear when touched, and return to the
 *     system at once), else from an arena each.
 */
final class NativeMemory {
  private NativeMemory() {}

  static void copy(long source, long target, long bytes) {
    MemorySegment.copy(Raw.ALL, source, Raw.ALL, target, bytes);
  }

  static void copyIn(MemorySegment source, long target) {
    MemorySegment.copy(source, 0, Raw.ALL, target, source.byteSize());
  }

  static void copyOut(long source, MemorySegment target) {
    MemorySegment.copy(Raw.ALL, source, target, 0, target.byteSize());
  }

  static void fill(long address, long bytes, byte value) {
    Raw.ALL.asSlice(address, bytes).fill(value);
  }

  /** Blocks of at least this size ask for huge pages. */
  private static final long HUGE = 4 << 20;

  private static final int PROT_READ_WRITE = 3;
  private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
  private static final int MADV_HUGEPAGE = 14;
  private static final boolean LINUX = System.getProperty("os.name").equals("Linux");

  /** The C library's calls; loaded on first use. */
  private static final class LibC {
    private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO =
        STATE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    private static final MethodHandle MMAP =
        handle(
            "mmap",
            FunctionDescriptor.of(
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG),
            Linker.Option.captureCallState("errno"));
    private static final MethodHandle MUNMAP =
        handle(
            "munmap",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    private static final MethodHandle MADVISE =
        handle(
            "madvise",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT));

    private static MethodHandle handle(
        String name, FunctionDescriptor type, Linker.Option... options) {
      SymbolLookup lookup = Linker.nativeLinker().defaultLookup();
      return Linker.nativeLinker().downcallHandle(lookup.findOrThrow(name), type, options);
    }
  }

  private static final Map<Long, Arena> ARENAS = new ConcurrentHashMap<>();

  /**
   * Zeroed memory, aligned to a page (256 bytes where there is no {@code mmap}).
   *
   * @return the address, or minus the error number
   */
  static long map(long bytes) {
    if (!LINUX) {
      try {
        Arena arena = Arena.ofShared();
        long address = arena.allocate(bytes, 256).address();
        ARENAS.put(address, arena);
        return address;
      } catch (OutOfMemoryError e) {
        return -12;
      }
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment state = arena.allocate(LibC.STATE);
      long address =
          (long)
              LibC.MMAP.invokeExact(
                  state, 0L, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
      if (address == -1) {
        return -(int) LibC.ERRNO.get(state, 0L);
      }
      if (bytes >= HUGE) {
        // a wish: without huge pages it works all the same
        int ignored = (int) LibC.MADVISE.invokeExact(address, bytes, MADV_HUGEPAGE);
      }
      return address;
    } catch (Throwable e) {
      throw new IllegalStateException("mmap of " + bytes + " bytes", e);
    }
  }

  /** Frees what {@link #map} returned for the same size. */
  static void unmap(long address, long bytes) {
    if (!LINUX) {
      ARENAS.remove(address).close();
      return;
    }
    try {
      int ignored = (int) LibC.MUNMAP.invokeExact(address, bytes);
    } catch (Throwable e) {
      throw new IllegalStateException("munmap of " + bytes + " bytes", e);
    }
  }
}
