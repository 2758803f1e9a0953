package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.testing.Requirements;
import dev.halcyon.models.ModelLocator;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.generate.GenerationRequest;
import dev.halcyon.models.generate.Generator;
import dev.halcyon.models.generate.TextModel;
import dev.halcyon.models.sampling.SamplingOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Loading, running and closing again and again keeps memory flat; the wrong order of closing is
 * named.
 */
class LeakTest {
  private static final int WARM_UP = 100;
  private static final int CYCLES = 200;
  private static final long RESIDENT_GROWTH = 12L << 20;
  private static final long HEAP_GROWTH = 1L << 20;

  @TempDir Path temp;

  /**
   * In a JVM of its own, whose heap has a fixed size: what grows is native memory, or really the
   * heap.
   */
  @ParameterizedTest
  @ValueSource(strings = {"cpu", "opencl"})
  void memoryStaysFlat(String backend) throws Exception {
    Requirements.requireBackend(backend);
    assumeTrue(Files.exists(Path.of("/proc/self/statm")), "reads /proc/self/statm");
    Child child =
        Child.run(
            Child.java(
                List.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch"),
                Cycles.class.getName(),
                backend + "://"),
            temp);
    assertEquals(0, child.code(), child.err());
    List<Long> sizes = child.out().lines().map(Long::parseLong).toList();
    assertTrue(sizes.get(1) - sizes.get(0) < HEAP_GROWTH, "heap: " + sizes);
    assertTrue(sizes.get(3) - sizes.get(2) < RESIDENT_GROWTH, "resident memory: " + sizes);
  }

  /** Loads, runs and closes; prints heap before and after, resident memory before and after. */
  static final class Cycles {
    private Cycles() {}

    public static void main(String[] args) throws IOException {
      Path model = ModelLocator.ofProcess().locate("demo");
      HalRegistry registry = HalRegistry.discover();
      for (int i = 0; i < WARM_UP; i++) {
        cycle(registry, args[0], model);
      }
      long heap = heapBytes();
      long resident = residentBytes();
      for (int i = 0; i < CYCLES; i++) {
        cycle(registry, args[0], model);
      }
      System.out.printf("%d%n%d%n%d%n%d%n", heap, heapBytes(), resident, residentBytes());
    }

    private static void cycle(HalRegistry registry, String device, Path folder) {
      try (Device d = registry.open(device);
          TextModel model = TextModel.open(folder, d, LoadOptions.DEFAULT);
          Generator generator = model.newGenerator(SessionOptions.of(64))) {
        generator.generate(
            model.folder().encode("Hello"), GenerationRequest.of(SamplingOptions.greedy(4)));
      }
    }

    private static long residentBytes() throws IOException {
      String[] fields = Files.readString(Path.of("/proc/self/statm")).split(" ");
      return Long.parseLong(fields[1]) * 4096;
    }

    private static long heapBytes() {
      System.gc();
      Runtime r = Runtime.getRuntime();
      return r.totalMemory() - r.freeMemory();
    }
  }

  @Test
  void wrongOrderOfClosingIsNamed() {
    Path demo =
        new ModelLocator(Map.of("HALCYON_CACHE", temp.resolve("m").toString()), temp)
            .locate("demo");
    Device device = HalRegistry.discover().open("cpu://");
    TextModel model = TextModel.open(demo, device, LoadOptions.DEFAULT);
    Generator generator = model.newGenerator(SessionOptions.of(64));
    assertCloseOrder(model);
    assertCloseOrder(device);
    generator.close();
    assertCloseOrder(device);
    model.close();
    device.close();
    device.close();
    model.close();
    generator.close();
  }

  private static void assertCloseOrder(AutoCloseable parent) {
    HalException e = assertThrows(HalException.class, parent::close);
    assertEquals(HalErrorCode.CLOSE_ORDER, e.code(), e.getMessage());
    assertTrue(e.getMessage().contains("remedy: "), e.getMessage());
  }
}
