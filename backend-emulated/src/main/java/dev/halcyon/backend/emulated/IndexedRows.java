package dev.halcyon.backend.emulated;

import dev.halcyon.hal.tensor.DType;

/** Kernels that pick rows by an index tensor. Every index is checked: none leaves its tensor. */
final class IndexedRows {
  private IndexedRows() {}

  /** A row number from the device; negative means "no row". */
  static int row(Elements indices, long at, long rows) {
    int row = indices.getInt(at);
    if (row >= rows) {
      throw new EmulatedFault(
          EmulatedErrors.Status.INDEX_OUT_OF_RANGE, "row " + row + " of " + rows);
    }
    return row;
  }

  static Kernel gather() {
    return t -> {
      Elements table = t[0];
      Elements indices = t[1];
      Elements out = t[2];
      int picked = indices.type().rank();
      Elements rowOfTable = table.axes(1, table.type().rank());
      Elements rowOfOut = out.axes(picked, out.type().rank());
      Rows places = new Rows(indices.shape(), indices, out.axes(0, picked));
      while (places.next()) {
        for (long i = 0; i < places.length(); i++) {
          int row = row(indices, places.at(0, i), table.type().dim(0));
          long from = row * table.stride(0);
          long to = places.at(1, i);
          Rows r = new Rows(rowOfOut.shape(), rowOfTable, rowOfOut);
          while (r.next()) {
            for (long j = 0; j < r.length(); j++) {
              out.setBits(to + r.at(1, j), row < 0 ? 0 : table.getBits(from + r.at(0, j)));
            }
          }
        }
      }
    };
  }

  /** Rows in ascending order, so that equal indices add in a defined one. */
  static Kernel scatterAdd() {
    return t -> {
      boolean floating = t[2].dtype() == DType.F32;
      scatter(
          t,
          (to, from) -> {
            if (floating) {
              t[2].setFloat(to, t[2].getFloat(to) + t[1].getFloat(from));
            } else {
              t[2].setInt(to, t[2].getInt(to) + t[1].getInt(from));
            }
          });
    };
  }

  static Kernel scatterUpdate() {
    return t -> scatter(t, (to, from) -> t[2].setBits(to, t[1].getBits(from)));
  }

  private interface Combine {
    void into(long to, long from);
  }

  private static void scatter(Elements[] t, Combine combine) {
    Elements indices = t[0];
    Elements source = t[1];
    Elements out = t[2];
    for (long i = 0; i < source.type().dim(0); i++) {
      int row = row(indices, i * indices.stride(0), out.type().dim(0));
      for (long j = 0; row >= 0 && j < source.type().dim(1); j++) {
        combine.into(
            row * out.stride(0) + j * out.stride(1), i * source.stride(0) + j * source.stride(1));
      }
    }
  }
}
