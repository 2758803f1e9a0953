package dev.halcyon.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.backend.cpu.kernels.CTier;
import dev.halcyon.backend.cpu.kernels.Raw;
import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MlaAttention;
import dev.halcyon.hal.op.MoeFfn;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.spi.BandwidthProbe;
import dev.halcyon.hal.spi.RandomFill;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Arrays;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The device as a whole: discovery, memory, streams, graphs, closing. */
class CpuDeviceTest {
  private static final String TIERS = "dev.halcyon.backend.cpu.CpuFixture#tiers";

  @Test
  void isDiscoveredAndDescribesTheHost() {
    HalRegistry registry = HalRegistry.discover();
    HalRegistry.Probed probed =
        registry.probeAll().stream()
            .filter(p -> p.backend().equals("cpu"))
            .findFirst()
            .orElseThrow();
    assertInstanceOf(BackendProbe.Available.class, probed.probe());
    assertEquals(1, probed.devices().size());
    try (Device d = registry.open("cpu://")) {
      assertEquals("cpu://", d.uri().toString());
      assertTrue(d.info().memoryBytes() > 1 << 28);
      assertTrue(!d.info().name().isEmpty());
      assertEquals(Runtime.getRuntime().availableProcessors(), d.info().computeUnits());
      for (Feature feature :
          new Feature[] {
            Feature.UNIFIED_MEMORY,
            Feature.ZERO_COPY_IMPORT,
            Feature.STACKED_PARTS,
            Feature.SUBNORMALS
          }) {
        assertTrue(d.capabilities().has(feature), feature.toString());
      }
    }
  }

  @Test
  void wrongOptionsAndPathsAreRefused() {
    assertEquals(HalErrorCode.INVALID_OPTION, refused("cpu://", "tier", "fpga").code());
    assertEquals(HalErrorCode.INVALID_OPTION, refused("cpu://", "threads", "0").code());
    assertEquals(HalErrorCode.INVALID_OPTION, refused("cpu://", "colour", "red").code());
    assertEquals(HalErrorCode.INVALID_OPTION, refused("cpu://", "compute", "f64").code());
    assertEquals(HalErrorCode.DEVICE_UNAVAILABLE, refused("cpu://7", "threads", "1").code());
  }

  private static HalException refused(String uri, String option, String value) {
    return assertThrows(
        HalException.class,
        () ->
            HalRegistry.discover()
                .open(DeviceUri.parse(uri), DeviceOptions.DEFAULT.with(option, value)));
  }

  @Test
  void theSystemPropertyForcesATier() {
    System.setProperty("halcyon.cpu.tier", "scalar");
    try (Device d = HalRegistry.discover().open("cpu://")) {
      assertEquals("scalar", d.info().driver());
    } finally {
      System.clearProperty("halcyon.cpu.tier");
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void transfers(String tier) {
    try (CpuFixture f = CpuFixture.open(tier);
        Arena host = Arena.ofConfined()) {
      float[] values = {1, 2, 3, 4};
      Tensor t = f.empty(DType.F32, 4);
      f.stream.upload(MemorySegment.ofArray(values), t);
      float[] back = new float[4];
      f.stream.download(t, MemorySegment.ofArray(back));
      assertArrayEquals(values, back);
      MemorySegment nativeBack = host.allocate(16);
      f.stream.download(t, nativeBack);
      assertEquals(3f, nativeBack.getAtIndex(ValueLayout.JAVA_FLOAT, 2));
      assertTrue(f.stream.record().isSignalled());
      f.stream.synchronize(Duration.ofSeconds(1));
      assertEquals(0, f.stream.launches());
      f.run(new RmsNorm(1e-6), f.f32(1, 4), t, f.empty(DType.F32, 1, 4));
      assertEquals(1, f.stream.launches());
    }
  }

  @Test
  void memoryIsAlignedZeroedAndLimited() {
    try (CpuFixture f = CpuFixture.open("scalar")) {
      var buffer = f.device.backend().allocate(3 << 20);
      long address = ((CpuMemory) buffer).address();
      assertEquals(0, address % 256);
      for (long i = 0; i < 3 << 20; i += 4096) {
        assertEquals(0, Raw.i64(address + i));
      }
      buffer.free();
      long tooMuch = CpuHost.availableMemory() + (1L << 30);
      HalException e = assertThrows(HalException.class, () -> f.device.backend().allocate(tooMuch));
      assertEquals(HalErrorCode.OUT_OF_MEMORY, e.code());
      assertTrue(e.getMessage().contains(String.valueOf(tooMuch)), e.getMessage());
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void readOnlyImportsWorkInPlace(String tier) {
    try (CpuFixture f = CpuFixture.open(tier);
        Arena host = Arena.ofShared()) {
      MemorySegment m = host.allocate(40);
      for (int i = 0; i < 10; i++) {
        m.setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
      }
      Tensor w = f.arena.importHost(m.asReadOnly(), TensorType.of(DType.F32, 10)).orElseThrow();
      Tensor y = f.empty(DType.F32, 10);
      f.run(new Binary(Binary.Op.ADD), w, w, y);
      m.setAtIndex(ValueLayout.JAVA_FLOAT, 3, 50);
      assertEquals(6, Values.read(y)[3]);
      f.run(new Binary(Binary.Op.ADD), w, w, y);
      assertEquals(100, Values.read(y)[3]);
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void aReplayedGraphEqualsEagerExecutionBitwise(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor x = f.f32(2, 96);
      Tensor norm = f.uniform(DType.BF16, 96);
      Tensor normed = f.empty(DType.F32, 2, 96);
      Tensor w = f.uniform(DType.BF16, 2 * 80, 96);
      Tensor q = f.empty(DType.F32, 2, 2 * 80);
      Tensor cache = f.uniform(DType.F16, 512, 80);
      Tensor table = f.ints(0, 31, 1, 30);
      Tensor sequence = f.ints(new int[] {0, 0}, 2);
      Tensor positions = f.ints(new int[] {400, 401}, 2);
      Tensor attended = f.empty(DType.F32, 2, 2, 64);
      Tensor weights = f.f32(2, 3);
      Tensor ids = f.ints(0, 8, 2, 3);
      Tensor gate = f.uniform(DType.BF16, 8, 40, 96);
      Tensor up = f.uniform(DType.BF16, 8, 40, 96);
      Tensor down = f.uniform(DType.BF16, 8, 96, 40);
      Tensor out = f.empty(DType.F32, 2, 96);
      OperatorSpec[] specs = {
        new RmsNorm(1e-6),
        new Linear(Epilogue.NONE),
        new MlaAttention(0.1, 64, 16),
        new MoeFfn(MoeFfn.Shared.NONE, Epilogue.RESIDUAL)
      };
      Tensor[][] operands = {
        {x, norm, normed},
        {normed, w, q},
        {q.reshape(2, 2, 80), cache, table, sequence, positions, attended},
        {normed, weights, ids, gate, up, down, x, out}
      };
      for (int i = 0; i < specs.length; i++) {
        f.run(specs[i], operands[i]);
      }
      double[] eager = Values.read(out);
      double[] attention = Values.read(attended);
      f.stream.beginCapture();
      for (int i = 0; i < specs.length; i++) {
        f.run(specs[i], operands[i]);
      }
      try (CommandGraph graph = f.stream.endCapture()) {
        assertEquals(CommandGraph.Kind.REPLAYED, graph.kind());
        for (int round = 0; round < 3; round++) {
          Values.write(out, new double[192]);
          Values.write(attended, new double[256]);
          f.stream.replay(graph);
          assertArrayEquals(eager, Values.read(out));
          assertArrayEquals(attention, Values.read(attended));
        }
        // routing and positions are read when the graph runs
        Values.write(ids, new double[] {7, 6, 5, 0, 1, 2});
        f.stream.replay(graph);
        double[] replayed = Values.read(out);
        assertNotEquals(Arrays.toString(eager), Arrays.toString(replayed));
        f.run(specs[3], operands[3]);
        assertArrayEquals(Values.read(out), replayed);
      }
    }
  }

  @Test
  void usedAfterCloseAndClosedOutOfOrder() {
    Device device = HalRegistry.discover().open("cpu://");
    MemoryArena arena = device.newArena(MemoryArena.Kind.PERSISTENT, "a");
    var stream = device.newStream("s");
    HalException order = assertThrows(HalException.class, device::close);
    assertEquals(HalErrorCode.CLOSE_ORDER, order.code());
    Tensor t = arena.allocate(TensorType.of(DType.F32, 4));
    arena.close();
    HalException dead = assertThrows(HalException.class, () -> stream.fill(t, 1));
    assertEquals(HalErrorCode.USE_AFTER_CLOSE, dead.code());
    stream.close();
    HalException closed = assertThrows(HalException.class, stream::record);
    assertEquals(HalErrorCode.USE_AFTER_CLOSE, closed.code());
    device.close();
    HalException gone = assertThrows(HalException.class, () -> device.newStream("late"));
    assertEquals(HalErrorCode.USE_AFTER_CLOSE, gone.code());
  }

  @Test
  void openingAndClosingLeaksNoMemory() throws IOException {
    Assumptions.assumeTrue(Files.exists(Path.of("/proc/self/status")), "needs /proc");
    for (int i = 0; i < 40; i++) {
      cycle();
    }
    long before = residentBytes();
    for (int i = 0; i < 200; i++) {
      cycle();
    }
    long growth = residentBytes() - before;
    // a cycle touches 6 MiB: a leak of it would show as more than a gigabyte
    assertTrue(growth < 100L << 20, "resident memory grew by " + (growth >> 20) + " MiB");
  }

  private static void cycle() {
    try (CpuFixture f = CpuFixture.open("scalar", 3)) {
      Tensor w = f.empty(DType.F32, 512, 1024);
      f.stream.fill(w, 0.5);
      Tensor x = f.f32(1, 1024);
      Tensor y = f.empty(DType.F32, 1, 512);
      Plan plan = f.planner.plan(new Linear(Epilogue.NONE), x.type(), w.type(), y.type());
      f.stream.enqueue(plan, x, w, y);
      f.stream.beginCapture();
      f.stream.enqueue(plan, x, w, y);
      try (CommandGraph graph = f.stream.endCapture()) {
        f.stream.replay(graph);
      }
    }
  }

  private static long residentBytes() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
              .filter(l -> l.startsWith("VmRSS:"))
              .mapToLong(l -> Long.parseLong(l.replaceAll("[^0-9]", "")))
              .findFirst()
              .orElseThrow()
          << 10;
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void randomFillHasItsAmplitudeAndRepeats(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      RandomFill fill = (RandomFill) f.device.backend();
      for (LinearTest.Form form : LinearTest.forms()) {
        TensorType type = TensorType.of(form.dtype(), 33, 128).withQuant(form.scheme());
        Tensor a = f.arena.allocate(type);
        Tensor b = f.arena.allocate(type);
        fill.fillRandom(a, 7, 0.25);
        fill.fillRandom(b, 7, 0.25);
        double[] v = Values.read(a);
        assertArrayEquals(v, Values.read(b), form.toString());
        double max = Arrays.stream(v).map(Math::abs).max().orElseThrow();
        assertTrue(max > 0.12 && max < 0.37, form + " has amplitude " + max);
        assertEquals(0, Arrays.stream(v).average().orElseThrow(), 0.03, form.toString());
        fill.fillRandom(b, 8, 0.25);
        assertNotEquals(Arrays.toString(v), Arrays.toString(Values.read(b)));
      }
      HalException e =
          assertThrows(HalException.class, () -> fill.fillRandom(f.empty(DType.I32, 4), 1, 1));
      assertEquals(HalErrorCode.DTYPE_MISMATCH, e.code());
    }
  }

  @Test
  void bandwidthIsMeasured() {
    try (CpuFixture f = CpuFixture.open("scalar", 2)) {
      double rate = ((BandwidthProbe) f.device.backend()).readBytesPerSecond(Duration.ofMillis(20));
      assertTrue(rate > 1e7 && rate < 1e13, "bytes per second: " + rate);
    }
  }

  /** From a jar the library is unpacked into a private folder, and found there the next time. */
  @Test
  void theLibraryLoadsFromAJar(@TempDir Path temp) throws Exception {
    URL library =
        CTier.class.getResource("/native/linux-x86_64/libhalcyon_cpu.so") == null
            ? CTier.class.getResource("/native/linux-aarch64/libhalcyon_cpu.so")
            : CTier.class.getResource("/native/linux-x86_64/libhalcyon_cpu.so");
    Assumptions.assumeTrue(library != null, "no C library was built");
    Path classes =
        Path.of(
            URI.create(CTier.class.getProtectionDomain().getCodeSource().getLocation().toString()));
    Assumptions.assumeTrue(Files.isDirectory(classes), "already running from a jar");
    Path jar = temp.resolve("cpu.jar");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar));
        Stream<Path> files = Files.walk(classes)) {
      for (Path p : files.filter(Files::isRegularFile).toList()) {
        out.putNextEntry(new JarEntry(classes.relativize(p).toString()));
        Files.copy(p, out);
      }
    }
    System.setProperty("halcyon.cpu.cache", temp.resolve("cache").toString());
    try {
      for (int round = 0; round < 2; round++) {
        try (URLClassLoader loader =
            new URLClassLoader(
                new URL[] {jar.toUri().toURL()}, ClassLoader.getPlatformClassLoader())) {
          Object tier = loader.loadClass(CTier.class.getName()).getMethod("load").invoke(null);
          assertTrue(tier.getClass().getMethod("name").invoke(tier).toString().startsWith("c/"));
        }
      }
    } finally {
      System.clearProperty("halcyon.cpu.cache");
    }
    try (Stream<Path> files = Files.walk(temp.resolve("cache"))) {
      Path[] found = files.filter(Files::isRegularFile).toArray(Path[]::new);
      assertEquals(1, found.length);
      assertEquals(
          "rwx------",
          PosixFilePermissions.toString(Files.getPosixFilePermissions(found[0].getParent())));
    }
  }
}
