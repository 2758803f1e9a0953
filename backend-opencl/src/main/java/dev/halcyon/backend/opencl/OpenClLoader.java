package dev.halcyon.backend.opencl;

import dev.halcyon.hal.spi.BackendProbe;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Loads OpenCL once and says what it found; the one place that knows the quirks of JOCL's loading.
 *
 * <p>JOCL's first class loads its native part in a static initialiser and stays unusable if that
 * fails. So libOpenCL and a platform with a device are looked for through FFM first, and JOCL is
 * touched only then. JOCL would also load whatever lies under a fixed name in the temporary folder;
 * it is given the {@link PrivateCache} for that.
 */
final class OpenClLoader {
  private static final String INSTALL =
      "install an OpenCL driver, for example 'apt-get install pocl-opencl-icd ocl-icd-libopencl1'"
          + " for the CPU, or the GPU vendor's driver with its ICD; 'clinfo -l' lists what is seen";
  private static final long ALL_DEVICES = 0xffffffffL;
  private static Optional<BackendProbe> failure = Optional.empty();
  private static boolean probed;
  private static Optional<SymbolLookup> library = Optional.empty();

  private OpenClLoader() {}

  /** Empty if OpenCL is ready, else why not. Cached. */
  static synchronized Optional<BackendProbe> failure() {
    if (!probed) {
      failure = probe();
      probed = true;
    }
    return failure;
  }

  /** The symbols of libOpenCL, after {@link #failure} was empty. */
  static synchronized SymbolLookup library() {
    return library.orElseThrow(() -> new IllegalStateException("OpenCL is not loaded"));
  }

  private static Optional<BackendProbe> probe() {
    try {
      Optional<SymbolLookup> found = findLibrary();
      if (found.isEmpty()) {
        return unavailable(
            "the OpenCL loader is not installed (none of " + names() + " can be loaded)");
      }
      int devices = countDevices(found.get());
      if (devices < 0) {
        return unavailable(
            devices == -1
                ? "the OpenCL loader is installed but no driver is registered with it"
                : "OpenCL drivers are installed but none of their platforms has a device");
      }
      loadJocl();
      library = found;
      return Optional.empty();
    } catch (Throwable e) {
      if (e instanceof VirtualMachineError fatal && !(e instanceof InternalError)) {
        throw fatal;
      }
      return Optional.of(
          new BackendProbe.Broken(
              e,
              "check 'clinfo', and that the JVM runs with --enable-native-access=ALL-UNNAMED;"
                  + " reinstall the OpenCL driver"));
    }
  }

  private static Optional<BackendProbe> unavailable(String reason) {
    return Optional.of(new BackendProbe.Unavailable(reason, INSTALL));
  }

  private static List<String> names() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    if (os.contains("win")) {
      return List.of("OpenCL.dll");
    }
    return os.contains("mac")
        ? List.of("/System/Library/Frameworks/OpenCL.framework/OpenCL")
        : List.of("libOpenCL.so.1", "libOpenCL.so");
  }

  private static Optional<SymbolLookup> findLibrary() {
    for (String name : names()) {
      try {
        return Optional.of(SymbolLookup.libraryLookup(name, Arena.global()));
      } catch (IllegalArgumentException e) {
        // not there: try the next name
      }
    }
    return Optional.empty();
  }

  /** Devices over all platforms; -1 without platforms, -2 if no platform has one. */
  private static int countDevices(SymbolLookup symbols) throws Throwable {
    Linker linker = Linker.nativeLinker();
    MethodHandle platforms =
        linker.downcallHandle(
            symbols.findOrThrow("clGetPlatformIDs"),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS));
    MethodHandle devices =
        linker.downcallHandle(
            symbols.findOrThrow("clGetDeviceIDs"),
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS));
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
      int status = (int) platforms.invokeExact(0, MemorySegment.NULL, count);
      int n = count.get(ValueLayout.JAVA_INT, 0);
      if (status == OpenClErrors.PLATFORM_NOT_FOUND || status == OpenClErrors.SUCCESS && n == 0) {
        return -1;
      }
      OpenClErrors.check(status, "clGetPlatformIDs", "opencl");
      MemorySegment ids = arena.allocate(ValueLayout.ADDRESS, n);
      OpenClErrors.check(
          (int) platforms.invokeExact(n, ids, MemorySegment.NULL), "clGetPlatformIDs", "opencl");
      int total = 0;
      for (int i = 0; i < n; i++) {
        count.set(ValueLayout.JAVA_INT, 0, 0);
        int found =
            (int)
                devices.invokeExact(
                    ids.getAtIndex(ValueLayout.ADDRESS, i),
                    ALL_DEVICES,
                    0,
                    MemorySegment.NULL,
                    count);
        total += found == OpenClErrors.SUCCESS ? count.get(ValueLayout.JAVA_INT, 0) : 0;
      }
      return total == 0 ? -2 : total;
    }
  }

  /**
   * Loads JOCL's first class with its native part out of the private cache.
   *
   * <p>JOCL looks for a file of a fixed name in {@code java.io.tmpdir} and loads it unchecked if it
   * is there; the property points at the private folder meanwhile, where the checked file lies.
   */
  private static void loadJocl() throws IOException, ClassNotFoundException {
    String file = System.mapLibraryName(libraryName());
    ClassLoader loader = OpenClLoader.class.getClassLoader();
    Class<?> anchor = Class.forName("org.jocl.NativePointerObject", false, loader);
    byte[] bytes;
    try (InputStream in = anchor.getResourceAsStream("/lib/" + file)) {
      if (in == null) {
        throw new UnsatisfiedLinkError("JOCL has no native part for this platform (" + file + ")");
      }
      bytes = in.readAllBytes();
    }
    Path folder = PrivateCache.folder("jocl-" + PrivateCache.sha256(bytes));
    Path target = folder.resolve(file);
    if (!PrivateCache.holds(target, bytes)) {
      PrivateCache.write(target, bytes);
    }
    String property = "java.io.tmpdir";
    String before = System.getProperty(property);
    System.setProperty(property, folder.toString());
    try {
      Class.forName("org.jocl.CL", true, loader);
    } finally {
      System.setProperty(property, before);
    }
  }

  private static String libraryName() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    String system = os.contains("win") ? "windows" : os.contains("mac") ? "apple" : "linux";
    String cpu =
        arch.equals("amd64") || arch.equals("x86_64")
            ? "x86_64"
            : arch.startsWith("aarch64") ? "arm64" : arch;
    return "JOCL_2_0_6-" + system + "-" + cpu;
  }
}
