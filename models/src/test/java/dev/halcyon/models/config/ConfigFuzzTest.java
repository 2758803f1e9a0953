package dev.halcyon.models.config;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.testing.GoldenResources;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.constraints.IntRange;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Damaged configurations are either understood or refused with a code of their own. */
class ConfigFuzzTest {
  private static final Set<HalErrorCode> EXPECTED =
      EnumSet.of(HalErrorCode.CONFIG_INVALID, HalErrorCode.UNSUPPORTED_ARCHITECTURE);
  private static final String[] VALUES = {
    "0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "1.5",
    "-0.0",
    "1e308",
    "1e999",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "99999999999999999999999",
    "true",
    "false",
    "null",
    "\"\"",
    "\"yarn\"",
    "\"x\"",
    "[]",
    "[1,2]",
    "[128,128]",
    "{}",
    "{\"type\":\"yarn\",\"factor\":1}",
    "{\"rope_type\":\"yarn\",\"factor\":1e6,\"beta_fast\":1e-300}",
    "\"NaN\""
  };

  private static byte[] golden(String variant) throws IOException {
    return Files.readAllBytes(GoldenResources.anyCheckpoint(variant).resolve("config.json"));
  }

  @Property(tries = 1000, shrinking = ShrinkingMode.OFF)
  void replacedFields(@ForAll long seed, @ForAll @IntRange(min = 1, max = 4) int changes)
      throws IOException {
    Random random = new Random(seed);
    String variant = GoldenResources.VARIANTS.get(random.nextInt(GoldenResources.VARIANTS.size()));
    ObjectNode node = (ObjectNode) JsonMapper.shared().readTree(golden(variant));
    for (int i = 0; i < changes; i++) {
      List<String> names = new ArrayList<>(node.propertyNames());
      String name = names.get(random.nextInt(names.size()));
      if (random.nextInt(5) == 0) {
        node.remove(name);
      } else {
        node.set(name, JsonMapper.shared().readTree(VALUES[random.nextInt(VALUES.length)]));
      }
    }
    parse(node.toString().getBytes(StandardCharsets.UTF_8));
  }

  @Property(tries = 1000, shrinking = ShrinkingMode.OFF)
  void mutatedBytes(@ForAll long seed, @ForAll @IntRange(min = 1, max = 6) int changes)
      throws IOException {
    Random random = new Random(seed);
    byte[] bytes = golden("dsv3-fp8-tiny");
    for (int i = 0; i < changes; i++) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(3)) {
        case 0 -> bytes[at] = (byte) random.nextInt();
        case 1 -> bytes[at] = (byte) "0123456789-.eE\"{}[],:".charAt(random.nextInt(21));
        default -> bytes = java.util.Arrays.copyOf(bytes, Math.max(1, at));
      }
    }
    parse(bytes);
  }

  private static void parse(byte[] json) {
    long start = System.nanoTime();
    try {
      DeepSeekConfig c = ConfigReader.parse(new ByteArrayInputStream(json), "fuzz");
      assertTrue(c.softmaxScale() > 0 && Double.isFinite(c.softmaxScale()));
      for (float f : c.rotaryTable().cos(0, 2)) {
        assertTrue(Float.isFinite(f), c.rope().toString());
      }
    } catch (HalException e) {
      assertTrue(EXPECTED.contains(e.code()), e.getMessage());
      assertTrue(e.getMessage().length() < 1500, e.getMessage());
    }
    assertTrue(System.nanoTime() - start < 5_000_000_000L, "took too long");
  }
}
