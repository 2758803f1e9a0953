package dev.halcyon.backend.cpu.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Which tiers there are, and what is said where one is missing. */
class KernelTiersTest {
  @Test
  void theVectorTierNamesItsWidth() {
    KernelTiers.Offer offer = KernelTiers.vector();
    assertEquals("", offer.reason());
    assertTrue(offer.tier().orElseThrow().name().matches("vector/(128|256|512)"));
    assertEquals("scalar", KernelTiers.scalar().name());
  }

  /** In a process of its own, for the module is there or not from the start. */
  @Test
  void withoutTheModuleThereIsAReasonAndTheScalarTierStillRuns() throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                WithoutModule.class.getName())
            .redirectErrorStream(true)
            .start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), out);
    assertTrue(out.contains("--add-modules jdk.incubator.vector"), out);
    assertTrue(out.contains("sum 3.0"), out);
  }

  static final class WithoutModule {
    private WithoutModule() {}

    public static void main(String[] args) {
      System.out.println(KernelTiers.vector().reason());
      try (Bench bench = new Bench(KernelTiers.scalar())) {
        long y = bench.floats(1);
        bench.run(Kernels.ADD, Bench.slots(0, bench.floats(1f), bench.floats(2f), y), 1);
        System.out.println("sum " + Raw.f32(y));
      }
    }
  }
}
