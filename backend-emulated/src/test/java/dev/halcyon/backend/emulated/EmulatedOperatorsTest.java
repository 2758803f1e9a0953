package dev.halcyon.backend.emulated;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.ArgMax;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.Iota;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.MoeGating;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.RotaryEmbedding;
import dev.halcyon.hal.op.ScatterAdd;
import dev.halcyon.hal.op.ScatterUpdate;
import dev.halcyon.hal.op.Select;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.testing.DeviceBench;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Every kernel against the reference backend of the HAL's own tests, which computes in double and
 * shares no code with this one; composites there are decomposed.
 */
class EmulatedOperatorsTest {
  private static final double NAN = Double.NaN;
  private static final double INF = Double.POSITIVE_INFINITY;

  private static DeviceBench emulated(DeviceOptions options, PlacementPolicy policy) {
    Device device =
        HalRegistry.of(new EmulatedBackendProvider())
            .open(DeviceUri.parse("emulated://0"), options);
    return new DeviceBench(device, policy);
  }

  /** Results that must be equal to the bit. */
  private static Map<String, Function<DeviceBench, double[]>> exact() {
    Map<String, Function<DeviceBench, double[]>> cases = new LinkedHashMap<>();
    for (DType d : new DType[] {DType.F32, DType.F16, DType.BF16, DType.I32, DType.I8, DType.U8}) {
      cases.put("fill " + d, b -> out(b, d, new long[] {3, 5}, t -> b.run(new Fill(2.5), t)));
      cases.put("fill -1e9 " + d, b -> out(b, d, new long[] {2}, t -> b.run(new Fill(-1e9), t)));
    }
    cases.put("fill scalar", b -> out(b, DType.F32, new long[0], t -> b.run(new Fill(7), t)));
    cases.put("iota", b -> out(b, DType.I32, new long[] {2, 3, 5}, t -> b.run(new Iota(), t)));
    cases.put(
        "copy transposed",
        b ->
            out(
                b,
                DType.F32,
                new long[] {7, 5},
                t -> b.run(new Copy(), b.random(1, 1, DType.F32, 5, 7).transpose(0, 1), t)));
    cases.put(
        "copy into a slice",
        b ->
            out(
                b,
                DType.F32,
                new long[] {6, 9},
                t ->
                    b.run(
                        new Copy(),
                        b.random(1, 1, DType.F32, 4, 5),
                        t.slice(0, 1, 4).slice(1, 3, 5))));
    double[] numbers = {0, -0.0, 1.5, 2.5, -2.5, 300, -300, 449, 1e9, -1e9, 1e-5, NAN, INF, -INF};
    for (DType d :
        new DType[] {
          DType.F16, DType.BF16, DType.F8_E4M3FN, DType.I64, DType.I32, DType.I8, DType.U8
        }) {
      cases.put(
          "cast to " + d,
          b ->
              out(
                  b,
                  d,
                  new long[] {numbers.length},
                  t -> b.run(new Cast(), b.f32(numbers, numbers.length), t)));
    }
    for (DType d : new DType[] {DType.F16, DType.F8_E4M3FN, DType.I64, DType.I8, DType.U8}) {
      int[] integers = {0, 1, -1, 127, 128, 255, 256, -129, 2049, 65519, 1 << 30};
      cases.put(
          "cast i32 to " + d,
          b ->
              out(
                  b,
                  d,
                  new long[] {integers.length},
                  t -> b.run(new Cast(), b.i32(integers, integers.length), t)));
    }
    cases.put(
        "gather",
        b ->
            out(
                b,
                DType.BF16,
                new long[] {2, 3, 4},
                t ->
                    b.run(
                        new Gather(),
                        b.random(3, 1, DType.BF16, 9, 4),
                        b.i32(new int[] {8, -1, 0, 3, 3, 5}, 2, 3),
                        t)));
    cases.put(
        "gather of columns",
        b ->
            out(
                b,
                DType.F32,
                new long[] {3, 2, 9},
                t ->
                    b.run(
                        new Gather(),
                        b.random(3, 1, DType.F32, 9, 4, 2).transpose(0, 2).transpose(0, 1),
                        b.i32(new int[] {3, -7, 0}, 3),
                        t)));
    cases.put(
        "gather of scalars",
        b ->
            out(
                b,
                DType.I32,
                new long[] {4},
                t ->
                    b.run(
                        new Gather(),
                        b.i32(new int[] {5, 6, 7}, 3),
                        b.i32(new int[] {2, -1, 0, 1}, 4),
                        t)));
    cases.put(
        "scatter update",
        b ->
            out(
                b,
                DType.F32,
                new long[] {5, 3},
                t ->
                    b.run(
                        new ScatterUpdate(),
                        b.i32(new int[] {4, -1, 0}, 3),
                        b.random(4, 1, DType.F32, 3, 3),
                        t)));
    cases.put("select", EmulatedOperatorsTest::select);
    cases.put("select f32", EmulatedOperatorsTest::selectByFloat);
    for (Binary.Op op : Binary.Op.values()) {
      cases.put(
          "i32 " + op,
          b ->
              out(
                  b,
                  DType.I32,
                  new long[] {2, 7},
                  t ->
                      b.run(
                          new Binary(op),
                          b.i32(new int[] {7, -7, 0, 5, -5, 1 << 30, 3}, 7),
                          b.i32(new int[] {3, -2}, 2, 1),
                          t)));
    }
    cases.put("i32 by zero", b -> byZero(b, Binary.Op.DIV));
    cases.put("i32 modulo zero", b -> byZero(b, Binary.Op.MOD));
    for (Reduce.Op op : Reduce.Op.values()) {
      cases.put(
          "reduce i32 " + op,
          b ->
              out(
                  b,
                  DType.I32,
                  new long[] {2, 1},
                  t -> b.run(new Reduce(op), b.i32(new int[] {3, -4, 5, 6, -9, 2}, 2, 3), t)));
      cases.put(
          "reduce nothing " + op,
          b ->
              out(
                  b,
                  DType.F32,
                  new long[] {2, 1},
                  t -> b.run(new Reduce(op), b.zeros(DType.F32, 2, 0), t)));
      cases.put(
          "reduce NaN " + op,
          b ->
              out(
                  b,
                  DType.F32,
                  new long[] {1},
                  t -> b.run(new Reduce(op), b.f32(new double[] {1, NAN, 2}, 3), t)));
    }
    double[] ties = {1, 3, 3, NAN, -INF, 3, 0, -0.0};
    for (int k : new int[] {1, 2, 8}) {
      cases.put(
          "top " + k,
          b -> {
            Tensor values = b.zeros(DType.F32, 1, k);
            Tensor ids = b.zeros(DType.I32, 1, k);
            b.run(new TopK(k), b.f32(ties, 1, 8), values, ids);
            return join(b.read(values), b.read(ids));
          });
    }
    cases.put(
        "argmax",
        b ->
            out(
                b,
                DType.I32,
                new long[] {3, 1},
                t ->
                    b.run(
                        new ArgMax(),
                        b.f32(new double[] {1, 2, 2, NAN, NAN, NAN, NAN, -3, -4}, 3, 3),
                        t)));
    return cases;
  }

  private static double[] select(DeviceBench b) {
    return out(
        b,
        DType.I32,
        new long[] {2, 3},
        t ->
            b.run(
                new Select(),
                b.i32(new int[] {1, 0, -1}, 3),
                b.i32(new int[] {4}, 1),
                b.i32(new int[] {5, 6}, 2, 1),
                t));
  }

  private static double[] selectByFloat(DeviceBench b) {
    return out(
        b,
        DType.F32,
        new long[] {3},
        t ->
            b.run(
                new Select(),
                b.f32(new double[] {NAN, -0.0, 0.5}, 3),
                b.f32(new double[] {1, 2, 3}, 3),
                b.f32(new double[] {-1}, 1),
                t));
  }

  private static double[] byZero(DeviceBench b, Binary.Op op) {
    return out(
        b,
        DType.I32,
        new long[] {2},
        t -> b.run(new Binary(op), b.i32(new int[] {7, -7}, 2), b.i32(new int[] {0}, 1), t));
  }

  /** Results within a few roundings of f32. */
  private static Map<String, Function<DeviceBench, double[]>> close() {
    Map<String, Function<DeviceBench, double[]>> cases = new LinkedHashMap<>();
    double[] x = {0.5, -0.5, 3, -3, 20, -20, 100, -100, 1e-30, NAN, INF, -INF, 0, -0.0};
    for (Unary.Op op : Unary.Op.values()) {
      cases.put(
          "unary " + op,
          b ->
              out(
                  b,
                  DType.F32,
                  new long[] {x.length},
                  t -> b.run(new Unary(op), b.f32(x, x.length), t)));
    }
    double[] y = {2, -2, 0, 7, 1, 1, 3, -3, 1, 1, NAN, 2, 0, 1};
    for (Binary.Op op : Binary.Op.values()) {
      cases.put(
          "binary " + op,
          b ->
              out(
                  b,
                  DType.F32,
                  new long[] {x.length},
                  t -> b.run(new Binary(op), b.f32(x, x.length), b.f32(y, y.length), t)));
    }
    for (DType d : new DType[] {DType.F32, DType.F16, DType.BF16}) {
      cases.put("matmul " + d, b -> matMul(b, d));
    }
    cases.put(
        "scatter add",
        b ->
            out(
                b,
                DType.F32,
                new long[] {3, 4},
                t ->
                    b.run(
                        new ScatterAdd(),
                        b.i32(new int[] {2, 0, 2, -1, 2}, 5),
                        b.random(5, 1, DType.F32, 5, 4),
                        t)));
    for (Reduce.Op op : Reduce.Op.values()) {
      cases.put(
          "reduce " + op,
          b ->
              out(
                  b,
                  DType.F32,
                  new long[] {7, 1},
                  t -> b.run(new Reduce(op), b.random(6, 1, DType.F32, 33, 7).transpose(0, 1), t)));
    }
    Map<String, QuantScheme> schemes =
        Map.of(
            "128x128",
            QuantScheme.FP8_128X128,
            "1x128",
            QuantScheme.FP8_1X128,
            "ue8m0",
            new QuantScheme.Blocked(2, 16, QuantScheme.ScaleFormat.UE8M0),
            "group32",
            QuantScheme.grouped(32),
            "channel",
            QuantScheme.perChannel());
    schemes.forEach(
        (name, s) -> {
          for (DType d : new DType[] {DType.F8_E4M3FN, DType.I8, DType.I4}) {
            if (d == DType.F8_E4M3FN || !name.equals("ue8m0")) {
              cases.put("quantise " + d + " " + name, b -> quantized(b, d, s, 3, 200));
              cases.put("linear " + d + " " + name, b -> linear(b, d, s));
            }
          }
        });
    for (Epilogue e : Epilogue.values()) {
      cases.put("linear " + e, b -> linear(b, e));
    }
    cases.put("rms norm", EmulatedOperatorsTest::rmsNorm);
    cases.put(
        "swiglu",
        b -> {
          Tensor gate = b.random(1, 4, DType.F32, 3, 5);
          b.run(new SwiGlu(), gate, b.random(2, 4, DType.F32, 3, 5), gate);
          return b.read(gate);
        });
    for (RotaryEmbedding.Layout layout : RotaryEmbedding.Layout.values()) {
      cases.put("rotary " + layout, b -> rotary(b, layout));
    }
    for (MoeGating.Scoring s : MoeGating.Scoring.values()) {
      for (MoeGating.GroupRule rule : MoeGating.GroupRule.values()) {
        for (MoeGating.Choice c : MoeGating.Choice.values()) {
          for (MoeGating.Normalization n : MoeGating.Normalization.values()) {
            cases.put(
                "gating " + s + " " + rule + " " + c + " " + n,
                b -> gating(b, new MoeGating(3, 4, 2, rule, s, c, n, 2.5)));
          }
        }
      }
    }
    return cases;
  }

  private static double[] matMul(DeviceBench b, DType d) {
    return out(
        b,
        DType.F32,
        new long[] {2, 3, 70},
        t ->
            b.run(
                new MatMul(),
                b.random(1, 1, DType.F32, 2, 3, 19),
                b.random(2, 1, d, 70, 19).transpose(0, 1).broadcastTo(Shape.of(2, 19, 70)),
                t));
  }

  private static double[] quantized(
      DeviceBench b, DType d, QuantScheme s, long rows, long columns) {
    Tensor q = b.quantized(9, d, (QuantScheme.Blocked) s, rows, columns);
    Tensor whole = b.zeros(DType.F32, rows, columns);
    b.run(new Dequantize(), q, whole);
    return b.read(whole);
  }

  private static double[] linear(DeviceBench b, DType d, QuantScheme s) {
    Tensor w = b.quantized(9, d, (QuantScheme.Blocked) s, 5, 200);
    return out(
        b,
        DType.F32,
        new long[] {2, 5},
        t -> b.run(new Linear(Epilogue.NONE), b.random(2, 1, DType.F32, 2, 200), w, t));
  }

  private static double[] linear(DeviceBench b, Epilogue e) {
    Tensor x = b.random(1, 1, DType.F32, 4, 21);
    Tensor w = b.random(2, 1, DType.BF16, 6, 21);
    Tensor out = b.zeros(DType.F32, 4, 6);
    switch (e) {
      case NONE -> b.run(new Linear(e), x, w, out);
      case BIAS -> b.run(new Linear(e), x, w, b.random(3, 1, DType.F32, 6), out);
      case RESIDUAL -> {
        out = b.random(3, 1, DType.F32, 4, 6);
        b.run(new Linear(e), x, w, out, out);
      }
    }
    return b.read(out);
  }

  private static double[] rmsNorm(DeviceBench b) {
    return out(
        b,
        DType.F32,
        new long[] {3, 17},
        t ->
            b.run(
                new RmsNorm(1e-6),
                b.random(1, 2, DType.F32, 3, 40).slice(1, 5, 17),
                b.random(2, 1, DType.F16, 17),
                t));
  }

  private static double[] rotary(DeviceBench b, RotaryEmbedding.Layout layout) {
    return out(
        b,
        DType.F32,
        new long[] {4, 2, 11},
        t ->
            b.run(
                new RotaryEmbedding(layout, 3, 6),
                b.random(1, 2, DType.F32, 4, 2, 11),
                b.i32(new int[] {5, 0, -1, 2}, 4),
                b.random(2, 1, DType.F32, 6, 3),
                b.random(3, 1, DType.F32, 6, 3),
                t));
  }

  private static double[] gating(DeviceBench b, MoeGating spec) {
    Tensor logits = b.random(11, 3, DType.F32, 5, 16);
    Tensor weights = b.zeros(DType.F32, 5, 3);
    Tensor ids = b.zeros(DType.I32, 5, 3);
    if (spec.choice() == MoeGating.Choice.BIASED) {
      b.run(spec, logits, b.random(12, 1, DType.F32, 16), weights, ids);
    } else {
      b.run(spec, logits, weights, ids);
    }
    return join(b.read(weights), b.read(ids));
  }

  private interface Body {
    void into(Tensor out);
  }

  private static double[] out(DeviceBench b, DType dtype, long[] dims, Body body) {
    Tensor t = b.zeros(dtype, dims);
    body.into(t);
    return b.read(t);
  }

  private static double[] join(double[] a, double[] b) {
    double[] all = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, all, a.length, b.length);
    return all;
  }

  @TestFactory
  Stream<DynamicTest> exactKernelsEqualTheReference() {
    return tests(exact(), 0);
  }

  @TestFactory
  Stream<DynamicTest> arithmeticKernelsAreCloseToTheReference() {
    return tests(close(), 2e-6);
  }

  private static Stream<DynamicTest> tests(
      Map<String, Function<DeviceBench, double[]>> cases, double tolerance) {
    return cases.entrySet().stream()
        .map(c -> DynamicTest.dynamicTest(c.getKey(), () -> compare(c.getValue(), tolerance)));
  }

  private static void compare(Function<DeviceBench, double[]> body, double tolerance) {
    double[] expected;
    try (DeviceBench b = DeviceBench.reference()) {
      expected = body.apply(b);
    }
    try (DeviceBench b = emulated(DeviceOptions.DEFAULT, PlacementPolicy.DEFAULT)) {
      double[] actual = body.apply(b);
      assertEquals(expected.length, actual.length);
      for (int i = 0; i < actual.length; i++) {
        double allowed = tolerance * Math.max(1, Math.abs(expected[i]));
        boolean same =
            Double.compare(expected[i] + 0.0, actual[i] + 0.0) == 0
                || Math.abs(expected[i] - actual[i]) <= allowed;
        int at = i;
        assertTrue(same, () -> at + ": " + actual[at] + ", expected " + expected[at]);
      }
    }
  }

  @Test
  void someCompositesAreNativeAndTheOthersDecomposed() {
    try (DeviceBench b = emulated(DeviceOptions.DEFAULT, PlacementPolicy.DEFAULT)) {
      rmsNorm(b);
      gating(
          b,
          new MoeGating(
              3,
              4,
              2,
              MoeGating.GroupRule.MAX,
              MoeGating.Scoring.SIGMOID,
              MoeGating.Choice.SCORES,
              MoeGating.Normalization.SUM,
              1));
      assertEquals(0, b.planner().report().count(Placement.DECOMPOSED));
      b.run(
          new MaskedSoftmax(1),
          b.random(1, 1, DType.F32, 2, 4),
          b.i32(new int[] {4, 2}, 2),
          b.zeros(DType.F32, 2, 4));
      assertEquals(1, b.planner().report().count(Placement.DECOMPOSED));
    }
  }

  @Test
  void subnormalsAreKeptOrFlushedAsTheCapabilitySays() {
    double tiny = 1e-40;
    try (DeviceBench b = emulated(DeviceOptions.DEFAULT, PlacementPolicy.DEFAULT)) {
      assertArrayEquals(new double[] {(float) tiny}, negated(b, -tiny));
    }
    DeviceOptions without = DeviceOptions.DEFAULT.with("features", "native_graphs");
    try (DeviceBench b = emulated(without, PlacementPolicy.DEFAULT)) {
      assertArrayEquals(new double[] {0}, negated(b, -tiny));
    }
  }

  private static double[] negated(DeviceBench b, double v) {
    return out(
        b,
        DType.F32,
        new long[] {1},
        t -> b.run(new Unary(Unary.Op.NEG), b.f32(new double[] {v}, 1), t));
  }

  @Test
  void stackedPartsAreReadWhereTheyLie() {
    try (DeviceBench b = emulated(DeviceOptions.DEFAULT, PlacementPolicy.DEFAULT)) {
      Tensor first = b.random(1, 1, DType.F32, 3, 4);
      Tensor second = b.random(2, 1, DType.F32, 3, 4);
      Tensor out = b.zeros(DType.F32, 2, 3, 4);
      b.run(new Copy(), Tensor.stack(List.of(first, second)), out);
      assertArrayEquals(join(b.read(first), b.read(second)), b.read(out));
      Tensor quantized = b.quantized(3, DType.I8, dequantizable(), 3, 4);
      Tensor quantizedToo = b.quantized(4, DType.I8, dequantizable(), 3, 4);
      b.run(new Dequantize(), Tensor.stack(List.of(quantized, quantizedToo)), out);
      assertArrayEquals(join(b.read(quantized), b.read(quantizedToo)), b.read(out));
    }
  }

  private static QuantScheme.Blocked dequantizable() {
    return new QuantScheme.Blocked(2, 2, QuantScheme.ScaleFormat.F32);
  }
}
