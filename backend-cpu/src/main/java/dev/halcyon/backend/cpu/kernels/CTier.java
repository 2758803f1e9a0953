package dev.halcyon.backend.cpu.kernels;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** The C kernels, called through the foreign function interface. The library stays loaded. */
public final class CTier implements KernelTier {
  /** There is no library for this machine, or not the right one. */
  public static final class UnavailableException extends Exception {
    private static final long serialVersionUID = 1L;
    private final String remedy;

    UnavailableException(String message, String remedy) {
      super(message);
      this.remedy = remedy;
    }

    UnavailableException(String message, String remedy, Throwable cause) {
      super(message, cause);
      this.remedy = remedy;
    }

    /** What the reader can do. */
    public String remedy() {
      return remedy;
    }
  }

  /**
   * Linked when first used, after {@link #load} has set the path; a constant so that calls compile
   * to direct ones.
   */
  private static final class Library {
    private static final SymbolLookup LOOKUP = SymbolLookup.libraryLookup(path, Arena.global());
    private static final MethodHandle RUN =
        handle(
            "hc_run",
            FunctionDescriptor.ofVoid(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG));

    static MethodHandle handle(String name, FunctionDescriptor type) {
      return Linker.nativeLinker().downcallHandle(LOOKUP.findOrThrow(name), type);
    }
  }

  private static volatile Path path;

  private final String name;
  private final RoundedProducts roundedProducts;

  private CTier(String name, RoundedProducts roundedProducts) {
    this.name = name;
    this.roundedProducts = roundedProducts;
  }

  /**
   * Loads the library.
   *
   * @throws UnavailableException if there is none for this platform, or of another version
   */
  public static synchronized CTier load() throws UnavailableException {
    if (path == null) {
      path = NativeLibrary.locate();
    }
    try {
      int version =
          (int)
              Library.handle("hc_abi_version", FunctionDescriptor.of(ValueLayout.JAVA_INT))
                  .invokeExact();
      if (version != Kernels.ABI_VERSION) {
        throw new UnavailableException(
            path
                + " has version "
                + version
                + " of the kernel interface, not "
                + Kernels.ABI_VERSION,
            "rebuild the project: mvn clean package");
      }
      MemorySegment isa =
          (MemorySegment)
              Library.handle("hc_isa", FunctionDescriptor.of(ValueLayout.ADDRESS)).invokeExact();
      int dot =
          (int) Library.handle("hc_dot", FunctionDescriptor.of(ValueLayout.JAVA_INT)).invokeExact();
      return new CTier(
          "c/" + isa.reinterpret(64).getString(0),
          dot == 0 ? RoundedProducts.AT_F32_SPEED : RoundedProducts.DOT_INSTRUCTIONS);
    } catch (UnavailableException | RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public RoundedProducts roundedProducts() {
    return roundedProducts;
  }

  @Override
  public void run(int kernel, long slotsAddress, long begin, long end) {
    try {
      Library.RUN.invokeExact(kernel, slotsAddress, begin, end);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}
