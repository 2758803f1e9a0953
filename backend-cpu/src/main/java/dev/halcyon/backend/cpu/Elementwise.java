package dev.halcyon.backend.cpu;

import static dev.halcyon.backend.cpu.kernels.Raw.f32;
import static dev.halcyon.backend.cpu.kernels.Raw.i32;
import static dev.halcyon.backend.cpu.kernels.Raw.i8;

import dev.halcyon.backend.cpu.kernels.Kernels;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/** Unary, Binary and Select: one loop per function, any strides. */
final class Elementwise {
  private Elementwise() {}

  static CpuPlan unary(Unary spec, List<TensorType> types) {
    Nest nest = Nest.elements(types.get(1).shape(), types.get(0), types.get(1));
    return CpuPlan.of("loop " + spec.op(), (t, w) -> new UnaryLoop(nest, List.of(t), spec.op()));
  }

  static CpuPlan binary(CpuDevice device, Binary spec, List<TensorType> types) {
    TensorType out = types.get(2);
    Nest nest = Nest.elements(out.shape(), types.get(0), types.get(1), out);
    if (out.dtype() == DType.I32) {
      return CpuPlan.of(
          "loop " + spec.op() + " i32", (t, w) -> new IntLoop(nest, List.of(t), spec.op()));
    }
    if (spec.op() == Binary.Op.ADD && nest.rows() == 1 && nest.isInnerDense(4)) {
      long chunk = Chunks.of(nest.inner(), 1024, 12, device.workers().threads());
      return CpuPlan.of(
          device.tier().name() + " ADD",
          (t, w) ->
              new KernelCommand(
                  Kernels.ADD,
                  new Slots(device.pool()).put(1, t[0]).put(2, t[1]).put(3, t[2]),
                  nest.inner(),
                  chunk));
    }
    return CpuPlan.of("loop " + spec.op(), (t, w) -> new FloatLoop(nest, List.of(t), spec.op()));
  }

  static CpuPlan select(List<TensorType> types) {
    Nest nest =
        Nest.elements(types.get(3).shape(), types.get(0), types.get(1), types.get(2), types.get(3));
    DType condition = types.get(0).dtype();
    return CpuPlan.of("loop SELECT", (t, w) -> new SelectLoop(nest, List.of(t), condition));
  }

  private static final class UnaryLoop extends StridedLoop {
    private final Unary.Op op;

    UnaryLoop(Nest nest, List<Tensor> operands, Unary.Op op) {
      super(nest, operands);
      this.op = op;
    }

    @Override
    int operands() {
      return 2;
    }

    @Override
    void row(long x, long y, long c, long d, long n) {
      long sx = step(0);
      long sy = step(1);
      switch (op) {
        case NEG -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, -f32(x + i * sx));
          }
        }
        case ABS -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, Math.abs(f32(x + i * sx)));
          }
        }
        case EXP -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, (float) Math.exp(f32(x + i * sx)));
          }
        }
        case LOG -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, (float) Math.log(f32(x + i * sx)));
          }
        }
        case SQRT -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, (float) Math.sqrt(f32(x + i * sx)));
          }
        }
        case RSQRT -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, (float) (1 / Math.sqrt(f32(x + i * sx))));
          }
        }
        case RECIPROCAL -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, 1 / f32(x + i * sx));
          }
        }
        case SIGMOID -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, (float) (1 / (1 + Math.exp(-f32(x + i * sx)))));
          }
        }
        case SILU -> {
          for (long i = 0; i < n; i++) {
            double v = f32(x + i * sx);
            f32(y + i * sy, (float) (v / (1 + Math.exp(-v))));
          }
        }
        case TANH -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, (float) Math.tanh(f32(x + i * sx)));
          }
        }
        case COS -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, (float) Math.cos(f32(x + i * sx)));
          }
        }
        case SIN -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, (float) Math.sin(f32(x + i * sx)));
          }
        }
      }
    }
  }

  private static final class FloatLoop extends StridedLoop {
    private final Binary.Op op;

    FloatLoop(Nest nest, List<Tensor> operands, Binary.Op op) {
      super(nest, operands);
      this.op = op;
    }

    @Override
    int operands() {
      return 3;
    }

    @Override
    void row(long a, long b, long y, long d, long n) {
      long sa = step(0);
      long sb = step(1);
      long sy = step(2);
      switch (op) {
        case ADD -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, f32(a + i * sa) + f32(b + i * sb));
          }
        }
        case SUB -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, f32(a + i * sa) - f32(b + i * sb));
          }
        }
        case MUL -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, f32(a + i * sa) * f32(b + i * sb));
          }
        }
        case DIV -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, f32(a + i * sa) / f32(b + i * sb));
          }
        }
        case MOD -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, mod(f32(a + i * sa), f32(b + i * sb)));
          }
        }
        case MAX -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, Math.max(f32(a + i * sa), f32(b + i * sb)));
          }
        }
        case MIN -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, Math.min(f32(a + i * sa), f32(b + i * sb)));
          }
        }
        case EQUAL -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, f32(a + i * sa) == f32(b + i * sb) ? 1 : 0);
          }
        }
        case LESS -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, f32(a + i * sa) < f32(b + i * sb) ? 1 : 0);
          }
        }
        case LESS_EQUAL -> {
          for (long i = 0; i < n; i++) {
            f32(y + i * sy, f32(a + i * sa) <= f32(b + i * sb) ? 1 : 0);
          }
        }
      }
    }

    private static float mod(float a, float b) {
      float r = a % b;
      return r != 0 && r < 0 != b < 0 ? r + b : r;
    }
  }

  private static final class IntLoop extends StridedLoop {
    private final Binary.Op op;

    IntLoop(Nest nest, List<Tensor> operands, Binary.Op op) {
      super(nest, operands);
      this.op = op;
    }

    @Override
    int operands() {
      return 3;
    }

    @Override
    void row(long pa, long pb, long y, long d, long n) {
      long sa = step(0);
      long sb = step(1);
      long sy = step(2);
      for (long i = 0; i < n; i++) {
        int a = i32(pa + i * sa);
        int b = i32(pb + i * sb);
        i32(
            y + i * sy,
            switch (op) {
              case ADD -> a + b;
              case SUB -> a - b;
              case MUL -> a * b;
              case DIV -> b == 0 ? 0 : Math.floorDiv(a, b);
              case MOD -> b == 0 ? 0 : Math.floorMod(a, b);
              case MAX -> Math.max(a, b);
              case MIN -> Math.min(a, b);
              case EQUAL -> a == b ? 1 : 0;
              case LESS -> a < b ? 1 : 0;
              case LESS_EQUAL -> a <= b ? 1 : 0;
            });
      }
    }
  }

  private static final class SelectLoop extends StridedLoop {
    private final DType condition;

    SelectLoop(Nest nest, List<Tensor> operands, DType condition) {
      super(nest, operands);
      this.condition = condition;
    }

    @Override
    int operands() {
      return 4;
    }

    @Override
    void row(long c, long a, long b, long y, long n) {
      long sc = step(0);
      long sa = step(1);
      long sb = step(2);
      long sy = step(3);
      for (long i = 0; i < n; i++) {
        boolean chosen =
            switch (condition) {
              case F32 -> f32(c + i * sc) != 0;
              case U8 -> i8(c + i * sc) != 0;
              default -> i32(c + i * sc) != 0;
            };
        // f32 and i32 alike: four bytes are moved
        i32(y + i * sy, chosen ? i32(a + i * sa) : i32(b + i * sb));
      }
    }
  }
}
