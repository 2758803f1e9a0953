package dev.halcyon.models.config;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.halcyon.models.golden.GoldenFile;
import dev.halcyon.models.testing.GoldenResources;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

class RotaryTableTest {
  static final java.util.List<String> VARIANTS = GoldenResources.VARIANTS;

  @ParameterizedTest
  @FieldSource("VARIANTS")
  void equalsTheReference(String variant) {
    DeepSeekConfig config = ConfigReader.read(GoldenResources.anyCheckpoint(variant));
    try (GoldenFile golden = GoldenFile.read(GoldenResources.golden(variant))) {
      assertEquals(golden.softmaxScale(), config.softmaxScale(), 1e-9 * golden.softmaxScale());
      RotaryTable table = config.rotaryTable();
      int positions = (int) golden.shape("rope.cos")[0];
      assertEquals(golden.shape("rope.cos")[1], table.pairs());
      compare(golden.floats("rope.cos"), table.cos(0, positions));
      compare(golden.floats("rope.sin"), table.sin(0, positions));
    }
  }

  /** The reference computes the angle in float32: at position 199 its rounding is up to 1.2e-5. */
  private static void compare(float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], 2e-5f);
    }
  }

  @Test
  void publishedModels() {
    RopeConfig v3 = yarn(1e4, 40, 4096, 32, 1, 1.0);
    assertEquals(0.135233779, RotaryTable.softmaxScale(v3, 192), 1e-9);
    assertEquals(
        0.114721387, RotaryTable.softmaxScale(yarn(1e4, 40, 4096, 32, 1, 0.707), 192), 1e-9);
    assertEquals(0.130860800, RotaryTable.softmaxScale(yarn(5e4, 32, 4096, 1, 1, 1.0), 192), 1e-9);
    // correction range of DeepSeek-V3 is 10..23: pairs up to 10 keep their frequency, pairs from 23
    // on are divided by 40
    double[] f = RotaryTable.of(v3, 64).inverseFrequencies();
    assertEquals(Math.pow(1e4, -20.0 / 64), f[10], 1e-12);
    assertEquals(Math.pow(1e4, -46.0 / 64) / 40, f[23], 1e-12);
    assertEquals(1.0, RotaryTable.of(v3, 64).multiplier());
    // beta_fast = beta_slow: the range of Kimi-K2 is 19..20
    double[] k = RotaryTable.of(yarn(5e4, 32, 4096, 1, 1, 1.0), 64).inverseFrequencies();
    assertEquals(Math.pow(5e4, -38.0 / 64), k[19], 1e-12);
    assertEquals(Math.pow(5e4, -40.0 / 64) / 32, k[20], 1e-12);
  }

  @Test
  void withoutMscaleTheYarnDefaultScalesCosAndSin() {
    RopeConfig.Yarn bare =
        new RopeConfig.Yarn(
            40,
            4096,
            32,
            1,
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            true);
    RopeConfig rope = new RopeConfig(1e4, RopeConfig.Layout.INTERLEAVED, Optional.of(bare));
    assertEquals(0.1 * Math.log(40) + 1, RotaryTable.of(rope, 64).multiplier(), 1e-12);
    assertEquals(1 / Math.sqrt(192), RotaryTable.softmaxScale(rope, 192), 1e-12);
  }

  @Test
  void positionsStartAnywhere() {
    RotaryTable t =
        RotaryTable.of(new RopeConfig(1e4, RopeConfig.Layout.INTERLEAVED, Optional.empty()), 8);
    float[] all = t.cos(0, 12);
    float[] tail = t.cos(10, 2);
    for (int i = 0; i < tail.length; i++) {
      assertEquals(all[40 + i], tail[i]);
    }
    assertEquals((float) Math.sin(10), t.sin(10, 1)[0]);
  }

  private static RopeConfig yarn(
      double theta, double factor, int original, double fast, double slow, double mscale) {
    return new RopeConfig(
        theta,
        RopeConfig.Layout.INTERLEAVED,
        Optional.of(
            new RopeConfig.Yarn(
                factor,
                original,
                fast,
                slow,
                OptionalDouble.of(mscale),
                OptionalDouble.of(mscale),
                OptionalDouble.empty(),
                true)));
  }
}
