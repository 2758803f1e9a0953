package dev.halcyon.models.sampling;

import static dev.halcyon.models.testing.HalAssertions.assertFails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final SamplingOptions WARM =
      SamplingOptions.greedy(16).withTemperature(1).withSeed(42);

  private static float[] randomLogits(int n, long seed) {
    Random random = new Random(seed);
    float[] logits = new float[n];
    for (int i = 0; i < n; i++) {
      logits[i] = (float) random.nextGaussian() * 2;
    }
    return logits;
  }

  @Test
  void greedyTakesTheLowestOfEqualMaxima() {
    Sampler s = new Sampler(SamplingOptions.greedy(1));
    assertEquals(2, s.sample(new float[] {0, 1, 3, 3, -1}));
    assertEquals(1, s.sample(new float[] {9, 9, 0, 5, 3}, 2, 2));
    assertEquals(1, s.sample(new float[] {Float.NEGATIVE_INFINITY, -5}));
    assertEquals(0, s.sample(new float[] {-0.0f, 0.0f}));
  }

  @Test
  void segmentsAndArraysGiveTheSame() {
    float[] logits = randomLogits(1000, 1);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocate(4001).asSlice(1);
      MemorySegment.copy(logits, 0, segment, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, 1000);
      Sampler a = new Sampler(WARM);
      Sampler b = new Sampler(WARM);
      for (int i = 0; i < 50; i++) {
        assertEquals(a.sample(logits), b.sample(segment));
      }
    }
  }

  @Test
  void brokenLogitsAreErrors() {
    for (SamplingOptions options :
        List.of(SamplingOptions.greedy(1), WARM, WARM.withTopK(2), WARM.withTopP(0.5))) {
      Sampler s = new Sampler(options);
      assertFails(
          HalErrorCode.INVALID_ARGUMENT,
          () -> s.sample(new float[] {1, Float.NaN}),
          "logit 1 is NaN");
      assertFails(
          HalErrorCode.INVALID_ARGUMENT,
          () -> s.sample(new float[] {Float.NaN, 1}),
          "logit 0 is NaN");
      assertFails(
          HalErrorCode.INVALID_ARGUMENT,
          () -> s.sample(new float[] {1, Float.POSITIVE_INFINITY}),
          "+Infinity");
      assertFails(
          HalErrorCode.INVALID_ARGUMENT,
          () -> s.sample(new float[] {Float.NEGATIVE_INFINITY}),
          "all logits");
      assertFails(HalErrorCode.INVALID_ARGUMENT, () -> s.sample(new float[0]), "no logits");
    }
  }

  @Test
  void aSeedRepeats() {
    float[] logits = randomLogits(500, 3);
    for (SamplingOptions options :
        List.of(WARM, WARM.withTopK(40), WARM.withTopP(0.9), WARM.withTopK(40).withTopP(0.9))) {
      Sampler a = new Sampler(options);
      Sampler b = new Sampler(options);
      Sampler other = new Sampler(options.withSeed(43));
      int different = 0;
      for (int i = 0; i < 100; i++) {
        int token = a.sample(logits);
        assertEquals(token, b.sample(logits));
        different += token == other.sample(logits) ? 0 : 1;
      }
      assertTrue(different > 10);
    }
  }

  @Test
  void theSeedMeansTheSameEverywhere() {
    Sampler s = new Sampler(WARM);
    float[] flat = new float[1000];
    int[] drawn = IntStream.range(0, 4).map(i -> s.sample(flat)).toArray();
    // SplitMix64 from 42: the first four outputs, as fractions of 2^64, times 1000
    assertEquals(List.of(741, 159, 278, 344), Arrays.stream(drawn).boxed().toList());
  }

  @Test
  void topKAndTopPKeepExactlyTheBest() {
    for (int round = 0; round < 20; round++) {
      float[] logits = randomLogits(60, round);
      logits[7] = logits[11];
      Integer[] order = IntStream.range(0, 60).boxed().toArray(Integer[]::new);
      Arrays.sort(
          order, Comparator.comparingDouble((Integer i) -> -logits[i]).thenComparing(i -> i));
      assertEquals(Set.copyOf(Arrays.asList(order).subList(0, 5)), drawn(WARM.withTopK(5), logits));
      double total = 0;
      for (float l : logits) {
        total += Math.exp(l);
      }
      double mass = 0;
      int kept = 0;
      while (mass < 0.6 * total) {
        mass += Math.exp(logits[order[kept++]]);
      }
      assertEquals(
          Set.copyOf(Arrays.asList(order).subList(0, kept)), drawn(WARM.withTopP(0.6), logits));
      double five = 0;
      for (int i = 0; i < 5; i++) {
        five += Math.exp(logits[order[i]]);
      }
      mass = 0;
      kept = 0;
      while (mass < 0.5 * five) {
        mass += Math.exp(logits[order[kept++]]);
      }
      assertEquals(
          Set.copyOf(Arrays.asList(order).subList(0, kept)),
          drawn(WARM.withTopK(5).withTopP(0.5), logits));
    }
  }

  private static Set<Integer> drawn(SamplingOptions options, float[] logits) {
    Sampler s = new Sampler(options);
    Set<Integer> seen = new HashSet<>();
    for (int i = 0; i < 4000; i++) {
      seen.add(s.sample(logits));
    }
    return seen;
  }

  @Test
  void frequenciesFollowTheDistribution() {
    float[] logits = {0, (float) Math.log(2), (float) Math.log(4), Float.NEGATIVE_INFINITY};
    int draws = 70_000;
    for (SamplingOptions options : List.of(WARM, WARM.withTopK(3))) {
      Sampler s = new Sampler(options);
      int[] counts = new int[4];
      for (int i = 0; i < draws; i++) {
        counts[s.sample(logits)]++;
      }
      assertEquals(draws / 7.0, counts[0], 600);
      assertEquals(draws * 2 / 7.0, counts[1], 700);
      assertEquals(draws * 4 / 7.0, counts[2], 800);
      assertEquals(0, counts[3]);
    }
    Sampler cold = new Sampler(WARM.withTemperature(1e-6));
    for (int i = 0; i < 100; i++) {
      assertEquals(2, cold.sample(logits));
    }
  }

  @Test
  void topKBeyondTheVocabularyIsAll() {
    assertEquals(Set.of(0, 1, 2), drawn(WARM.withTopK(1000), new float[] {0, 0, 0}));
    assertEquals(Set.of(1), drawn(WARM.withTopP(1e-9), new float[] {0, 1, 0.5f}));
    assertEquals(Set.of(1), drawn(WARM.withTopK(1), new float[] {0, 1, 1}));
  }

  @Test
  void optionsAreValidated() {
    assertFails(
        HalErrorCode.INVALID_OPTION,
        () -> WARM.withTemperature(-1),
        "temperature",
        "-1.0",
        "remedy");
    assertFails(HalErrorCode.INVALID_OPTION, () -> WARM.withTemperature(Double.NaN), "temperature");
    assertFails(HalErrorCode.INVALID_OPTION, () -> WARM.withTopK(-1), "top-k");
    assertFails(HalErrorCode.INVALID_OPTION, () -> WARM.withTopP(0), "top-p");
    assertFails(HalErrorCode.INVALID_OPTION, () -> WARM.withTopP(1.1), "top-p");
    assertFails(HalErrorCode.INVALID_OPTION, () -> WARM.withMaxTokens(0), "max-tokens");
    assertFails(HalErrorCode.INVALID_OPTION, () -> WARM.withStop(List.of("")), "stop");
    assertFails(
        HalErrorCode.INVALID_OPTION, () -> WARM.withStopTokenIds(Set.of(-2)), "stop-token-ids");
  }
}
