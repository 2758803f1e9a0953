package dev.halcyon.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GatedMlp;
import dev.halcyon.hal.op.HeadMatMul;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The option compute=fast against an oracle that rounds activations alike. */
class ComputeTest {
  private static final DeviceOptions FAST =
      DeviceOptions.DEFAULT.with("threads", 3).with("compute", "fast");

  /** Weights whose products round their activations, and what they round to. */
  record Rounded(DType dtype, QuantScheme scheme, String activations) {}

  static Stream<Rounded> rounded() {
    return Stream.of(
        new Rounded(DType.BF16, QuantScheme.NONE, "bf16"),
        new Rounded(DType.I8, QuantScheme.perChannel(), "int8"),
        new Rounded(DType.I8, QuantScheme.grouped(32), "int8"),
        new Rounded(DType.I8, new Blocked(1, 96, ScaleFormat.BF16), "int8"),
        new Rounded(DType.I4, QuantScheme.perChannel(), "int8"),
        new Rounded(DType.I4, QuantScheme.grouped(32), "int8"),
        new Rounded(DType.I4, QuantScheme.grouped(128), "int8"));
  }

  private static Tensor weights(CpuFixture f, DType dtype, QuantScheme scheme, long... dims) {
    return new LinearTest.Form(dtype, scheme).make(f, dims);
  }

  private static String implementation(CpuFixture f, OperatorSpec spec, Tensor... operands) {
    return f.planner
        .plan(spec, Arrays.stream(operands).map(Tensor::type).toList())
        .implementation()
        .implementation();
  }

  /** Rows of k values as the option's contract rounds them. */
  private static double[] round(double[] x, int k, String activations) {
    double[] r = new double[x.length];
    for (int row = 0; row < x.length; row += k) {
      for (int i = 0; i < k; i += 32) {
        int end = Math.min(k, i + 32);
        float top = 0;
        for (int j = i; j < end; j++) {
          top = Math.max(top, Math.abs((float) x[row + j]));
        }
        for (int j = i; j < end; j++) {
          float v = (float) x[row + j];
          if (activations.equals("bf16")) {
            r[row + j] = BFloat16.toFloat(BFloat16.fromFloat(v));
          } else if (top > 0) {
            r[row + j] = Math.rint(v * (127 / top)) * (top / 127);
          }
        }
      }
    }
    return r;
  }

  @ParameterizedTest
  @MethodSource("rounded")
  void linear(Rounded form) {
    try (CpuFixture f = CpuFixture.open("c", FAST)) {
      for (int k : new int[] {2, 30, 34, 64, 262, 1090}) {
        for (int m : new int[] {1, 3, 4, 5, 18, 131}) {
          int n = 77;
          Tensor w = weights(f, form.dtype(), form.scheme(), n, k);
          Tensor x = f.f32(m, k + 3).slice(1, 1, k);
          Tensor y = f.f32(m, n);
          String how = implementation(f, new Linear(Epilogue.NONE), x, w, y);
          assertTrue(how.endsWith(form.activations() + " activations"), how);
          f.run(new Linear(Epilogue.NONE), x, w, y);
          double[] seen = round(Values.read(x), k, form.activations());
          double[] expected = Oracle.linear(seen, Values.read(w), m, n, k);
          Values.assertNear(expected, Values.read(y), 2e-4, form + " m=" + m + " k=" + k);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("rounded")
  void gatedMlpStaysNearF32(Rounded form) {
    try (CpuFixture f = CpuFixture.open("c", FAST);
        CpuFixture exact = CpuFixture.open("c")) {
      for (int m : new int[] {1, 7, 40}) {
        Tensor x = f.f32(m, 128);
        Tensor gate = weights(f, form.dtype(), form.scheme(), 96, 128);
        Tensor up = weights(f, form.dtype(), form.scheme(), 96, 128);
        Tensor down = weights(f, form.dtype(), form.scheme(), 128, 96);
        Tensor y = f.empty(DType.F32, m, 128);
        f.run(new GatedMlp(Epilogue.NONE), x, gate, up, down, y);
        double[] fast = Values.read(y);
        exact.run(
            new GatedMlp(Epilogue.NONE),
            copy(exact, x),
            copy(exact, gate),
            copy(exact, up),
            copy(exact, down),
            y = exact.empty(DType.F32, m, 128));
        double[] reference = Values.read(y);
        double error = 0;
        double size = 0;
        for (int i = 0; i < fast.length; i++) {
          error += (fast[i] - reference[i]) * (fast[i] - reference[i]);
          size += reference[i] * reference[i];
        }
        double relative = Math.sqrt(error / size);
        assertTrue(relative > 1e-5 && relative < 2e-2, form + " m=" + m + ": " + relative);
      }
    }
  }

  private static Tensor copy(CpuFixture target, Tensor t) {
    Tensor c = target.arena.allocate(t.type());
    Values.write(c, Values.stored(t));
    t.scales().ifPresent(s -> Values.write(c.scales().orElseThrow(), Values.read(s)));
    return c;
  }

  @Test
  void otherProductsStayF32() {
    try (CpuFixture f = CpuFixture.open("c", FAST)) {
      List<LinearTest.Form> forms =
          List.of(
              new LinearTest.Form(DType.F32, QuantScheme.NONE),
              new LinearTest.Form(DType.F16, QuantScheme.NONE),
              new LinearTest.Form(DType.F8_E4M3FN, QuantScheme.FP8_128X128),
              new LinearTest.Form(DType.I8, new Blocked(1, 48, ScaleFormat.BF16)),
              new LinearTest.Form(DType.BF16, new Blocked(3, 50, ScaleFormat.F16)));
      for (LinearTest.Form form : forms) {
        Tensor w = form.make(f, 33, 150);
        Tensor x = f.f32(6, 150);
        Tensor y = f.empty(DType.F32, 6, 33);
        String how = implementation(f, new Linear(Epilogue.NONE), x, w, y);
        assertFalse(how.contains("activations"), how);
        f.run(new Linear(Epilogue.NONE), x, w, y);
        double[] expected = Oracle.linear(Values.read(x), Values.read(w), 6, 33, 150);
        Values.assertNear(expected, Values.read(y), 2e-5, form.toString());
      }
      Tensor w = f.uniform(DType.BF16, 64, 40);
      HeadMatMul in = new HeadMatMul(32, 0, 32, HeadMatMul.Orientation.ROWS_IN);
      String how = implementation(f, in, f.f32(1, 2, 32), w, f.f32(1, 2, 40));
      assertFalse(how.contains("activations"), how);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"vector", "scalar"})
  void tiersWithoutSuchProductsStayF32(String tier) {
    try (CpuFixture f = CpuFixture.open(tier, FAST)) {
      Tensor w = f.uniform(DType.BF16, 33, 150);
      Tensor x = f.f32(6, 150);
      Tensor y = f.empty(DType.F32, 6, 33);
      String how = implementation(f, new Linear(Epilogue.NONE), x, w, y);
      assertFalse(how.contains("activations"), how);
      f.run(new Linear(Epilogue.NONE), x, w, y);
      double[] expected = Oracle.linear(Values.read(x), Values.read(w), 6, 33, 150);
      Values.assertNear(expected, Values.read(y), 2e-5, tier);
    }
  }

  @Test
  void f32IsTheDefault() {
    try (CpuFixture f = CpuFixture.open("c");
        CpuFixture named = CpuFixture.open("c", DeviceOptions.DEFAULT.with("compute", "f32"))) {
      Linear linear = new Linear(Epilogue.NONE);
      Tensor[] t = {f.f32(2, 8), f.uniform(DType.BF16, 5, 8), f.f32(2, 5)};
      String how = implementation(f, linear, t);
      assertFalse(how.contains("activations"), how);
      assertEquals(how, implementation(named, linear, t));
    }
  }
}
