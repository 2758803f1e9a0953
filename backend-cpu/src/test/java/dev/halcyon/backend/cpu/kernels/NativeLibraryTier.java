package dev.halcyon.backend.cpu.kernels;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.Optional;

/** The C kernels as the build left them among the classes: the tier to compare with. */
final class NativeLibraryTier implements KernelTier {
  private final String name;
  private final MethodHandle run;

  private NativeLibraryTier(Path library) throws Throwable {
    SymbolLookup symbols = SymbolLookup.libraryLookup(library, Arena.global());
    Linker linker = Linker.nativeLinker();
    run =
        linker.downcallHandle(
            symbols.findOrThrow("hc_run"),
            FunctionDescriptor.ofVoid(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG));
    MemorySegment isa =
        (MemorySegment)
            linker
                .downcallHandle(
                    symbols.findOrThrow("hc_isa"), FunctionDescriptor.of(ValueLayout.ADDRESS))
                .invokeExact();
    name = "c/" + isa.reinterpret(16).getString(0);
  }

  /** Empty where the C tier was not built. */
  static Optional<KernelTier> find() {
    String arch = System.getProperty("os.arch").equals("amd64") ? "x86_64" : "aarch64";
    URL url =
        KernelTier.class
            .getClassLoader()
            .getResource("native/linux-" + arch + "/libhalcyon_cpu.so");
    if (url == null || !url.getProtocol().equals("file")) {
      return Optional.empty();
    }
    try {
      return Optional.of(new NativeLibraryTier(Path.of(url.toURI())));
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    } catch (Throwable e) {
      throw new AssertionError("the C tier does not load", e);
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public void run(int kernel, long slotsAddress, long begin, long end) {
    try {
      run.invokeExact(kernel, slotsAddress, begin, end);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
