package dev.halcyon.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.EmbeddingLookup;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.HeadMatMul;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.Quantize;
import dev.halcyon.hal.op.QuantizedLinear;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.QuantScheme.Blocked;
import dev.halcyon.hal.tensor.QuantScheme.ScaleFormat;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Matrix products with every form of weight. */
class LinearTest {
  private static final String TIERS = "dev.halcyon.backend.cpu.CpuFixture#tiers";

  /** A stored form: dtype and scheme. */
  record Form(DType dtype, QuantScheme scheme) {
    Tensor make(CpuFixture f, long... dims) {
      return scheme instanceof Blocked b
          ? Values.randomQuantized(f, dtype, b, dims)
          : f.uniform(dtype, dims);
    }
  }

  static List<Form> forms() {
    List<Form> forms = new ArrayList<>();
    for (DType t : new DType[] {DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN}) {
      forms.add(new Form(t, QuantScheme.NONE));
    }
    forms.add(new Form(DType.F8_E4M3FN, QuantScheme.FP8_128X128));
    forms.add(new Form(DType.F8_E4M3FN, new Blocked(128, 128, ScaleFormat.UE8M0)));
    forms.add(new Form(DType.F8_E4M3FN, QuantScheme.FP8_1X128));
    forms.add(new Form(DType.F8_E4M3FN, new Blocked(7, 19, ScaleFormat.F32)));
    forms.add(new Form(DType.I8, QuantScheme.perChannel()));
    forms.add(new Form(DType.I8, QuantScheme.grouped(32)));
    forms.add(new Form(DType.I8, new Blocked(1, 48, ScaleFormat.BF16)));
    forms.add(new Form(DType.I4, QuantScheme.grouped(32)));
    forms.add(new Form(DType.I4, QuantScheme.grouped(128)));
    forms.add(new Form(DType.I4, QuantScheme.perChannel()));
    forms.add(new Form(DType.BF16, new Blocked(3, 50, ScaleFormat.F16)));
    return forms;
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void everyWeight(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (Form form : forms()) {
        for (int m : new int[] {1, 3, 4, 5, 18}) {
          for (int n : new int[] {1, 131, 400}) {
            int k = 262;
            Tensor w = form.make(f, n, k);
            Tensor x = f.f32(m, k + 3).slice(1, 1, k);
            Tensor y = f.empty(DType.F32, m, n + 2).slice(1, 2, n);
            f.run(new Linear(Epilogue.NONE), x, w, y);
            double[] expected = Oracle.linear(Values.read(x), Values.read(w), m, n, k);
            String what = form + " m=" + m + " n=" + n;
            Values.assertNear(expected, Values.read(y), 2e-4, what);
            Tensor bias = f.f32(n);
            f.run(new Linear(Epilogue.BIAS), x, w, bias, y);
            Values.assertNear(
                Oracle.add(expected, Values.read(bias)), Values.read(y), 2e-4, "bias " + what);
            Tensor residual = f.f32(m, n);
            double[] sum = Oracle.add(expected, Values.read(residual));
            f.run(new Linear(Epilogue.RESIDUAL), x, w, residual, residual);
            Values.assertNear(sum, Values.read(residual), 2e-4, "residual " + what);
            if (n == 131) {
              Tensor z = f.empty(DType.F32, m, n);
              f.runDecomposed(new Linear(Epilogue.NONE), x, w, z);
              Values.assertNear(expected, Values.read(z), 2e-4, "decomposed " + what);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void slicedQuantisedWeights(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      Tensor w =
          Values.randomQuantized(f, DType.F8_E4M3FN, (Blocked) QuantScheme.FP8_128X128, 300, 384)
              .slice(0, 128, 172)
              .slice(1, 128, 256);
      Tensor x = f.f32(2, 256);
      Tensor y = f.empty(DType.F32, 2, 172);
      f.run(new Linear(Epilogue.NONE), x, w, y);
      Values.assertNear(
          Oracle.linear(Values.read(x), Values.read(w), 2, 172, 256),
          Values.read(y),
          2e-4,
          "slice");
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void emptyBatchAndEmptyInner(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      f.run(
          new Linear(Epilogue.NONE),
          f.empty(DType.F32, 0, 8),
          f.f32(5, 8),
          f.empty(DType.F32, 0, 5));
      Tensor y = f.f32(2, 5);
      f.runDecomposed(
          new Linear(Epilogue.NONE), f.empty(DType.F32, 2, 0), f.empty(DType.F32, 5, 0), y);
      Values.assertNear(new double[10], Values.read(y), 0, "no inner elements");
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void unalignedImports(String tier) {
    try (CpuFixture f = CpuFixture.open(tier);
        Arena host = Arena.ofShared()) {
      for (DType t : new DType[] {DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN}) {
        for (int shift : new int[] {1, 3, 6}) {
          int n = 77;
          int k = 130;
          TensorType type = TensorType.of(t, n, k);
          MemorySegment memory = host.allocate(type.byteSize() + 64, 64);
          Tensor w = f.arena.importHost(memory.asSlice(shift, type.byteSize()), type).orElseThrow();
          Values.write(w, f.uniform((long) n * k));
          Tensor x = f.f32(3, k);
          Tensor y = f.empty(DType.F32, 3, n);
          f.run(new Linear(Epilogue.NONE), x, w, y);
          Values.assertNear(
              Oracle.linear(Values.read(x), Values.read(w), 3, n, k),
              Values.read(y),
              2e-4,
              t + " at " + shift);
        }
      }
      f.stream.synchronize(java.time.Duration.ofSeconds(1));
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void quantizedLinear(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (Blocked scheme :
          new Blocked[] {(Blocked) QuantScheme.FP8_1X128, new Blocked(1, 128, ScaleFormat.UE8M0)}) {
        for (int m : new int[] {1, 7}) {
          Tensor w =
              Values.randomQuantized(
                  f, DType.F8_E4M3FN, (Blocked) QuantScheme.FP8_128X128, 150, 300);
          Tensor x = f.f32(m, 300);
          Tensor y = f.empty(DType.F32, m, 150);
          QuantizedLinear spec = new QuantizedLinear(DType.F8_E4M3FN, scheme);
          f.run(spec, x, w, y);
          Tensor z = f.empty(DType.F32, m, 150);
          f.runDecomposed(spec, x, w, z);
          Values.assertNear(Values.read(z), Values.read(y), 1e-3, "decomposed " + scheme);
          // each element of x moved by at most 2^-4 of itself (half a step of three bits)
          double[] exact = Oracle.linear(Values.read(x), Values.read(w), m, 150, 300);
          Values.assertNear(exact, Values.read(y), 2, scheme.toString());
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void headMatMul(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (Form form : forms()) {
        int heads = 5;
        int rows = 33;
        int offset = 7;
        int perHead = 48;
        int c = 70;
        int tokens = 3;
        Tensor w = form.make(f, heads * perHead, c);
        double[] wv = Values.read(w);
        for (HeadMatMul.Orientation o : HeadMatMul.Orientation.values()) {
          boolean out = o == HeadMatMul.Orientation.ROWS_OUT;
          int in = out ? c : rows;
          int width = out ? rows : c;
          Tensor x = f.f32(heads, tokens, in + 4).transpose(0, 1).slice(2, 2, in);
          Tensor y = f.empty(DType.F32, tokens, heads, width);
          HeadMatMul spec = new HeadMatMul(perHead, offset, rows, o);
          f.run(spec, x, w, y);
          double[] xv = Values.read(x);
          double[] expected = new double[tokens * heads * width];
          for (int t = 0; t < tokens; t++) {
            for (int h = 0; h < heads; h++) {
              for (int r = 0; r < rows; r++) {
                for (int j = 0; j < c; j++) {
                  double weight = wv[(h * perHead + offset + r) * c + j];
                  int from = out ? j : r;
                  int to = out ? r : j;
                  expected[(t * heads + h) * width + to] +=
                      weight * xv[(t * heads + h) * in + from];
                }
              }
            }
          }
          Values.assertNear(expected, Values.read(y), 1e-4, form + " " + o);
          Tensor z = f.empty(DType.F32, tokens, heads, width);
          f.runDecomposed(spec, x, w, z);
          Values.assertNear(expected, Values.read(z), 1e-4, "decomposed " + form + " " + o);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void embedding(String tier) {
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (DType t : new DType[] {DType.F32, DType.F16, DType.BF16}) {
        Tensor table = f.uniform(t, 50, 37);
        Tensor ids = f.ints(0, 50, 9);
        Tensor y = f.empty(DType.F32, 9, 37);
        f.run(new EmbeddingLookup(), table, ids, y);
        double[] rows = Values.read(table);
        int[] id = Values.ints(ids);
        double[] expected = new double[9 * 37];
        java.util.Arrays.setAll(expected, i -> rows[id[i / 37] * 37 + i % 37]);
        Values.assertNear(expected, Values.read(y), 0, t.toString());
      }
      HalException e =
          assertThrows(
              HalException.class,
              () ->
                  f.run(
                      new EmbeddingLookup(),
                      f.f32(50, 4),
                      f.ints(new int[] {50}, 1),
                      f.empty(DType.F32, 1, 4)));
      assertEquals(HalErrorCode.OUT_OF_BOUNDS, e.code());
    }
  }

  @ParameterizedTest
  @MethodSource(TIERS)
  void quantizeAndBack(String tier) {
    record Case(DType dtype, Blocked scheme, double step) {}
    List<Case> cases =
        List.of(
            new Case(DType.F8_E4M3FN, (Blocked) QuantScheme.FP8_1X128, 1 / 16.0),
            new Case(DType.F8_E4M3FN, (Blocked) QuantScheme.FP8_128X128, 1 / 16.0),
            new Case(DType.F8_E4M3FN, new Blocked(1, 128, ScaleFormat.UE8M0), 1 / 16.0),
            new Case(DType.I8, (Blocked) QuantScheme.perChannel(), 1 / 250.0),
            new Case(DType.I8, (Blocked) QuantScheme.grouped(32), 1 / 250.0),
            new Case(DType.I8, new Blocked(2, 5, ScaleFormat.BF16), 1 / 200.0),
            new Case(DType.I4, (Blocked) QuantScheme.grouped(32), 1 / 7.9),
            new Case(DType.I4, new Blocked(1, 7, ScaleFormat.F32), 1 / 7.9),
            new Case(DType.I4, new Blocked(1, 32, ScaleFormat.UE8M0), 1 / 7.0));
    try (CpuFixture f = CpuFixture.open(tier)) {
      for (Case c : cases) {
        for (long[] dims : new long[][] {{5, 200}, {3, 5, 131}, {77}}) {
          Tensor q = f.arena.allocate(TensorType.of(c.dtype, dims).withQuant(c.scheme));
          Tensor x = f.f32(dims);
          double[] in = Values.read(x);
          // a block of zeros
          java.util.Arrays.fill(in, 0, 20, 0);
          Values.write(x, in);
          f.run(new Quantize(), x, q);
          double[] meant = Values.read(q);
          Values.assertNear(in, meant, 1.01 * c.step, "quantise " + c);
          Tensor back = f.empty(DType.F32, dims);
          f.run(new Dequantize(), q, back);
          Values.assertNear(meant, Values.read(back), 1e-6, "dequantise " + c);
          Tensor strided =
              f.empty(DType.F32, back.type().elementCount(), 3).slice(1, 1, 1).reshape(dims);
          f.run(new Dequantize(), q, strided);
          Values.assertNear(meant, Values.read(strided), 1e-6, "dequantise to strided " + c);
        }
      }
    }
  }
}
