package dev.halcyon.backend.emulated;

import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;

/**
 * Elementwise kernels. Arithmetic is f32; a transcendental function is that of the f32 argument,
 * rounded once.
 */
final class Elementwise {
  private Elementwise() {}

  static Kernel unary(Unary.Op op) {
    return t -> {
      Rows r = new Rows(t[1].shape(), t[0], t[1]);
      while (r.next()) {
        for (long i = 0; i < r.length(); i++) {
          t[1].setFloat(r.at(1, i), apply(op, t[0].getFloat(r.at(0, i))));
        }
      }
    };
  }

  private static float apply(Unary.Op op, float x) {
    return switch (op) {
      case NEG -> -x;
      case ABS -> Math.abs(x);
      case EXP -> (float) Math.exp(x);
      case LOG -> (float) Math.log(x);
      case SQRT -> (float) Math.sqrt(x);
      case RSQRT -> (float) (1 / Math.sqrt(x));
      case RECIPROCAL -> 1 / x;
      case SIGMOID -> sigmoid(x);
      case SILU -> x * sigmoid(x);
      case TANH -> (float) Math.tanh(x);
      case COS -> (float) Math.cos(x);
      case SIN -> (float) Math.sin(x);
    };
  }

  static float sigmoid(float x) {
    return (float) (1 / (1 + Math.exp(-x)));
  }

  static Kernel binary(Binary.Op op) {
    return t -> {
      Rows r = new Rows(t[2].shape(), t[0], t[1], t[2]);
      boolean floating = t[2].dtype() == DType.F32;
      while (r.next()) {
        for (long i = 0; i < r.length(); i++) {
          if (floating) {
            float v = apply(op, t[0].getFloat(r.at(0, i)), t[1].getFloat(r.at(1, i)));
            t[2].setFloat(r.at(2, i), v);
          } else {
            int v = apply(op, t[0].getInt(r.at(0, i)), t[1].getInt(r.at(1, i)));
            t[2].setInt(r.at(2, i), v);
          }
        }
      }
    };
  }

  private static float apply(Binary.Op op, float a, float b) {
    return switch (op) {
      case ADD -> a + b;
      case SUB -> a - b;
      case MUL -> a * b;
      case DIV -> a / b;
      case MOD -> {
        float r = a % b;
        yield r != 0 && r < 0 != b < 0 ? r + b : r;
      }
      case MAX -> Math.max(a, b);
      case MIN -> Math.min(a, b);
      case EQUAL -> a == b ? 1 : 0;
      case LESS -> a < b ? 1 : 0;
      case LESS_EQUAL -> a <= b ? 1 : 0;
    };
  }

  private static int apply(Binary.Op op, int a, int b) {
    return switch (op) {
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
    };
  }

  static Kernel select() {
    return t -> {
      Rows r = new Rows(t[3].shape(), t[0], t[1], t[2], t[3]);
      boolean floating = t[0].dtype() == DType.F32;
      while (r.next()) {
        for (long i = 0; i < r.length(); i++) {
          long c = r.at(0, i);
          boolean first = floating ? t[0].getFloat(c) != 0 : t[0].getLong(c) != 0;
          long bits = first ? t[1].getBits(r.at(1, i)) : t[2].getBits(r.at(2, i));
          t[3].setBits(r.at(3, i), bits);
        }
      }
    };
  }

  static Kernel swiGlu() {
    return t -> {
      Rows r = new Rows(t[2].shape(), t[0], t[1], t[2]);
      while (r.next()) {
        for (long i = 0; i < r.length(); i++) {
          float gate = t[0].getFloat(r.at(0, i));
          t[2].setFloat(r.at(2, i), gate * sigmoid(gate) * t[1].getFloat(r.at(1, i)));
        }
      }
    };
  }
}
