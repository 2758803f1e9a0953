package dev.halcyon.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.BFloat16;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Float8;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * A device with what tests need around it: tensors of given values under any view, runs, values
 * read back.
 */
final class Bench implements AutoCloseable {
  /** How a test tensor lies in memory. */
  enum View {
    DENSE,
    /** The last two axes swapped in memory. */
    TRANSPOSED,
    /** A window of a larger tensor; rows stay adjacent. */
    SLICED,
    /** Every second element of the last axis. */
    STEPPED
  }

  /**
   * A view with the tensor it looks at and what it should hold, rounded to its dtype, in logical
   * order.
   */
  record Cell(Tensor root, Tensor view, double[] values) {}

  final Device device;
  final MemoryArena arena;
  final CommandStream stream;
  final Planner planner;
  final Planner decomposed;
  final Random random = new Random(20260701);

  Bench(String... options) {
    device = TestDevice.open(options);
    arena = device.newArena(MemoryArena.Kind.PERSISTENT, "test");
    stream = device.newStream("test");
    planner = new Planner(device, PlacementPolicy.DEFAULT);
    decomposed = new Planner(device, PlacementPolicy.DECOMPOSED);
  }

  @Override
  public void close() {
    stream.close();
    arena.close();
    device.close();
  }

  /** Uniform in (-scale, scale). */
  double[] numbers(long count, double scale) {
    return random.doubles(count, -scale, scale).map(v -> (float) v).toArray();
  }

  double[] integers(long count, int bound) {
    return random.ints(count, 0, bound).asDoubleStream().toArray();
  }

  static long count(long... dims) {
    return Arrays.stream(dims).reduce(1, (a, b) -> a * b);
  }

  Cell f32(View view, double scale, long... dims) {
    return of(DType.F32, view, numbers(count(dims), scale), dims);
  }

  Cell f32(long... dims) {
    return f32(View.DENSE, 1, dims);
  }

  Cell i32(double[] values, long... dims) {
    return of(DType.I32, View.DENSE, values, dims);
  }

  /** An output, holding a number no operator writes by accident. */
  Cell out(DType dtype, View view, long... dims) {
    double[] junk = new double[(int) count(dims)];
    Arrays.fill(junk, dtype.isFloating() && dtype.bits() > 8 ? -77 : 77);
    return of(dtype, view, junk, dims);
  }

  Cell of(DType dtype, View view, double[] values, long... dims) {
    int rank = dims.length;
    View v = rank == 0 || view == View.TRANSPOSED && rank < 2 ? View.DENSE : view;
    long[] rootDims = dims.clone();
    switch (v) {
      case DENSE -> {}
      case TRANSPOSED -> {
        rootDims[rank - 1] = dims[rank - 2];
        rootDims[rank - 2] = dims[rank - 1];
      }
      case SLICED -> {
        for (int i = 0; i < rank; i++) {
          rootDims[i] += 3;
        }
      }
      case STEPPED -> {
        rootDims = Arrays.copyOf(dims, rank + 1);
        rootDims[rank] = 2;
      }
    }
    Tensor root = arena.allocate(TensorType.of(dtype, rootDims));
    Tensor t = root;
    switch (v) {
      case DENSE -> {}
      case TRANSPOSED -> t = t.transpose(rank - 2, rank - 1);
      case SLICED -> {
        for (int i = 0; i < rank; i++) {
          t = t.slice(i, i % 2 + 1, dims[i]);
        }
      }
      case STEPPED -> t = t.slice(rank, 1, 1).reshape(dims);
    }
    double[] rounded = Arrays.stream(values).map(x -> round(dtype, x)).toArray();
    byte[] bytes = new byte[(int) root.type().byteSize()];
    Arrays.fill(bytes, (byte) 0x11);
    MemorySegment memory = MemorySegment.ofArray(bytes);
    for (int i = 0; i < rounded.length; i++) {
      put(memory, dtype, elementOffset(root, t, i), rounded[i]);
    }
    stream.upload(memory, root);
    return new Cell(root, t, rounded);
  }

  static long elementOffset(Tensor root, Tensor view, long index) {
    long[] dims = view.shape().dims();
    long[] strides = view.type().strides().toArray();
    long o = (view.byteOffset() - root.byteOffset()) * 8 / root.dtype().bits();
    for (int d = dims.length - 1; d >= 0; d--) {
      o += index % dims[d] * strides[d];
      index /= dims[d];
    }
    return o;
  }

  static double round(DType dtype, double v) {
    return switch (dtype) {
      case F32 -> (float) v;
      case F16 -> Float.float16ToFloat(Float.floatToFloat16((float) v));
      case BF16 -> BFloat16.toFloat(BFloat16.fromFloat((float) v));
      case F8_E4M3FN -> Float8.toFloat(Float8.fromFloat((float) v));
      case I64 -> (long) v;
      case I32 -> (int) v;
      case I8 -> Math.clamp((long) Math.rint(v), -128, 127);
      case U8 -> Math.clamp((long) Math.rint(v), 0, 255);
      case I4 -> Math.clamp((long) Math.rint(v), -8, 7);
    };
  }

  static void put(MemorySegment m, DType dtype, long index, double v) {
    switch (dtype) {
      case F32 -> m.set(ValueLayout.JAVA_FLOAT_UNALIGNED, index * 4, (float) v);
      case F16 ->
          m.set(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2, Float.floatToFloat16((float) v));
      case BF16 ->
          m.set(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2, BFloat16.fromFloat((float) v));
      case F8_E4M3FN -> m.set(ValueLayout.JAVA_BYTE, index, Float8.fromFloat((float) v));
      case I64 -> m.set(ValueLayout.JAVA_LONG_UNALIGNED, index * 8, (long) v);
      case I32 -> m.set(ValueLayout.JAVA_INT_UNALIGNED, index * 4, (int) v);
      case I8, U8 -> m.set(ValueLayout.JAVA_BYTE, index, (byte) (int) v);
      case I4 -> {
        byte old = m.get(ValueLayout.JAVA_BYTE, index / 2);
        int n = (int) v & 15;
        m.set(
            ValueLayout.JAVA_BYTE,
            index / 2,
            (byte) (index % 2 == 0 ? old & 0xf0 | n : old & 15 | n << 4));
      }
    }
  }

  static double get(MemorySegment m, DType dtype, long index) {
    return switch (dtype) {
      case F32 -> m.get(ValueLayout.JAVA_FLOAT_UNALIGNED, index * 4);
      case F16 -> Float.float16ToFloat(m.get(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2));
      case BF16 -> BFloat16.toFloat(m.get(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2));
      case F8_E4M3FN -> Float8.toFloat(m.get(ValueLayout.JAVA_BYTE, index));
      case I64 -> m.get(ValueLayout.JAVA_LONG_UNALIGNED, index * 8);
      case I32 -> m.get(ValueLayout.JAVA_INT_UNALIGNED, index * 4);
      case I8 -> m.get(ValueLayout.JAVA_BYTE, index);
      case U8 -> m.get(ValueLayout.JAVA_BYTE, index) & 0xff;
      case I4 -> {
        int n = m.get(ValueLayout.JAVA_BYTE, index / 2) >> (index % 2 == 0 ? 0 : 4) & 15;
        yield n - (n & 8) * 2;
      }
    };
  }

  /**
   * A weight [.., R, K] as stored, with scales for a blocked scheme, and the values it stands for.
   */
  Cell weight(DType dtype, QuantScheme scheme, double scale, long... dims) {
    if (!(scheme instanceof QuantScheme.Blocked b)) {
      return of(dtype, View.DENSE, numbers(count(dims), scale), dims);
    }
    TensorType type = TensorType.of(dtype, Shape.of(dims)).withQuant(b);
    Tensor t = arena.allocate(type);
    long n = count(dims);
    long rows = dims[dims.length - 2];
    long columns = dims[dims.length - 1];
    int top = dtype == DType.I4 ? 8 : dtype == DType.I8 ? 127 : 400;
    double[] stored = Arrays.stream(numbers(n, top)).map(x -> round(dtype, x)).toArray();
    MemorySegment data = MemorySegment.ofArray(new byte[(int) type.byteSize()]);
    for (int i = 0; i < n; i++) {
      put(data, dtype, i, stored[i]);
    }
    stream.upload(data, t);
    Tensor scales = t.scales().orElseThrow();
    double[] s = new double[(int) scales.type().elementCount()];
    MemorySegment scaleBytes = MemorySegment.ofArray(new byte[(int) scales.type().byteSize()]);
    for (int i = 0; i < s.length; i++) {
      double wanted = (0.5 + random.nextDouble()) * scale / top;
      if (b.scaleFormat() == QuantScheme.ScaleFormat.UE8M0) {
        int e = Math.getExponent(wanted);
        s[i] = Math.scalb(1.0, e);
        scaleBytes.set(ValueLayout.JAVA_BYTE, i, (byte) (e + 127));
      } else {
        s[i] = round(scales.dtype(), wanted);
        put(scaleBytes, scales.dtype(), i, s[i]);
      }
    }
    stream.upload(scaleBytes, scales);
    double[] values = new double[(int) n];
    long scaleRows = b.scaleRows(rows);
    long scaleColumns = b.scaleColumns(columns);
    for (int i = 0; i < n; i++) {
      long r = i / columns % rows;
      long m = i / columns / rows;
      long at =
          (m * scaleRows + r / b.blockRows()) * scaleColumns
              + i % columns / b.effectiveBlockColumns(columns);
      values[i] = stored[i] * s[(int) at];
    }
    return new Cell(t, t, values);
  }

  /** A view of a cell, with the values it selects. */
  Cell slice(Cell c, int axis, long start, long length) {
    long[] dims = c.view.shape().dims();
    long inner = count(Arrays.copyOfRange(dims, axis + 1, dims.length));
    List<Double> picked = new ArrayList<>();
    for (int i = 0; i < c.values.length; i++) {
      long at = i / inner % dims[axis];
      if (at >= start && at < start + length) {
        picked.add(c.values[i]);
      }
    }
    return new Cell(
        c.root, c.view.slice(axis, start, length), picked.stream().mapToDouble(x -> x).toArray());
  }

  Plan plan(Planner by, OperatorSpec spec, Cell... cells) {
    return by.plan(spec, Arrays.stream(cells).map(c -> c.view.type()).toArray(TensorType[]::new));
  }

  /** Runs natively. */
  void run(OperatorSpec spec, Cell... cells) {
    Plan p = plan(planner, spec, cells);
    assertEquals(Placement.NATIVE, p.placement(), () -> p + " on " + p.types());
    long before = stream.launches();
    stream.enqueue(p, Arrays.stream(cells).map(Cell::view).toArray(Tensor[]::new));
    boolean empty = cells[cells.length - 1].values.length == 0;
    assertTrue(empty || stream.launches() > before, "a native plan launches");
  }

  /** Runs by decomposition. */
  void runDecomposed(OperatorSpec spec, Cell... cells) {
    stream.enqueue(
        plan(decomposed, spec, cells), Arrays.stream(cells).map(Cell::view).toArray(Tensor[]::new));
  }

  double[] read(Cell c) {
    MemorySegment m = MemorySegment.ofArray(new byte[(int) c.root.type().byteSize()]);
    stream.download(c.root, m);
    double[] all = new double[c.values.length];
    boolean[] mine = new boolean[(int) c.root.type().elementCount()];
    for (int i = 0; i < all.length; i++) {
      long o = elementOffset(c.root, c.view, i);
      mine[(int) o] = true;
      all[i] = get(m, c.root.dtype(), o);
    }
    // outside the view nothing was written
    int bytes = c.root.dtype().bits() / 8;
    for (int i = 0; bytes > 0 && c.root != c.view && i < mine.length; i++) {
      for (int b = 0; !mine[i] && b < bytes; b++) {
        assertEquals(
            0x11, m.get(ValueLayout.JAVA_BYTE, (long) i * bytes + b), "guard at element " + i);
      }
    }
    return all;
  }

  /** Compares with {@code |got - want| <= relative * max(|want|, floor)}. */
  void check(String what, Cell out, double[] want, double relative, double floor) {
    double[] got = read(out);
    assertEquals(want.length, got.length, what);
    for (int i = 0; i < want.length; i++) {
      boolean same = got[i] == want[i] || Double.isNaN(got[i]) && Double.isNaN(want[i]);
      if (!same && !(Math.abs(got[i] - want[i]) <= relative * Math.max(Math.abs(want[i]), floor))) {
        throw new AssertionError(
            what
                + ": element "
                + i
                + " of "
                + out.view.type()
                + " is "
                + got[i]
                + ", expected "
                + want[i]);
      }
    }
  }

  void checkExact(String what, Cell out, double[] want) {
    check(what, out, want, 0, 0);
  }

  static MemorySegment mapped(Arena arena, byte[] bytes, int misalignment) {
    MemorySegment m =
        arena.allocate(bytes.length + misalignment + 64L, 64).asSlice(misalignment, bytes.length);
    MemorySegment.copy(bytes, 0, m, ValueLayout.JAVA_BYTE, 0, bytes.length);
    return m;
  }
}
