package dev.halcyon.backend.emulated;

import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.tensor.DType;

/** Kernels that write or move elements without arithmetic. */
final class Moves {
  private Moves() {}

  static Kernel fill(Fill spec) {
    return t -> {
      long bits = EmulatedTypes.bitsOf(spec.value(), t[0].dtype());
      Rows r = new Rows(t[0].shape(), t[0]);
      while (r.next()) {
        for (long i = 0; i < r.length(); i++) {
          t[0].setBits(r.at(0, i), bits);
        }
      }
    };
  }

  static Kernel iota() {
    return t -> {
      DType dtype = t[0].dtype();
      Rows r = new Rows(t[0].shape(), t[0]);
      while (r.next()) {
        for (long i = 0; i < r.length(); i++) {
          t[0].setBits(r.at(0, i), EmulatedTypes.cast(i, dtype));
        }
      }
    };
  }

  static Kernel copy() {
    return t -> {
      Rows r = new Rows(t[1].shape(), t[0], t[1]);
      while (r.next()) {
        for (long i = 0; i < r.length(); i++) {
          t[1].setBits(r.at(1, i), t[0].getBits(r.at(0, i)));
        }
      }
    };
  }

  static Kernel cast() {
    return t -> {
      boolean floating = t[0].dtype().isFloating();
      DType to = t[1].dtype();
      Rows r = new Rows(t[1].shape(), t[0], t[1]);
      while (r.next()) {
        for (long i = 0; i < r.length(); i++) {
          long from = r.at(0, i);
          long bits =
              floating
                  ? EmulatedTypes.cast(t[0].getFloat(from), to)
                  : EmulatedTypes.cast(t[0].getLong(from), to);
          t[1].setBits(r.at(1, i), bits);
        }
      }
    };
  }
}
