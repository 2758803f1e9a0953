package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
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
  private static final int CYCLES = 200;
  private static final int WARM_UP = 60;
  private static final long RSS_GROWTH = 24L << 20;
  private static final long HEAP_GROWTH = 8L << 20;

  @TempDir static Path cache;

  private static Path demo() {
    return new ModelLocator(Map.of("HALCYON_CACHE", cache.resolve("models").toString()), cache)
        .locate("demo");
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "opencl"})
  void memoryStaysFlat(String backend) throws IOException {
    Requirements.requireBackend(backend);
    assumeTrue(Files.exists(Path.of("/proc/self/statm")), "reads /proc/self/statm");
    Path model = demo();
    HalRegistry registry = HalRegistry.discover();
    long rss = 0;
    long heap = 0;
    for (int i = 0; i < CYCLES; i++) {
      if (i == WARM_UP) {
        heap = heapBytes();
        rss = residentBytes();
      }
      cycle(registry, backend + "://", model);
    }
    long heapGrowth = heapBytes() - heap;
    long rssGrowth = residentBytes() - rss;
    assertTrue(heapGrowth < HEAP_GROWTH, "heap grew by " + heapGrowth + " bytes");
    assertTrue(rssGrowth < RSS_GROWTH, "resident memory grew by " + rssGrowth + " bytes");
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
    for (int i = 0; i < 3; i++) {
      System.gc();
    }
    Runtime r = Runtime.getRuntime();
    return r.totalMemory() - r.freeMemory();
  }

  @Test
  void wrongOrderOfClosingIsNamed() {
    Device device = HalRegistry.discover().open("cpu://");
    TextModel model = TextModel.open(demo(), device, LoadOptions.DEFAULT);
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
