package dev.halcyon.hal.testing;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.Quantize;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/**
 * A device with a stream, an arena and short ways to fill and read tensors, for tests of operators.
 */
public final class DeviceBench implements AutoCloseable {
  private final Device device;
  private final CommandStream stream;
  private final MemoryArena arena;
  private final Operators ops;

  /** Operators are planned under {@code policy}. */
  public DeviceBench(Device device, PlacementPolicy policy) {
    this.device = device;
    this.stream = device.newStream("bench");
    this.arena = device.newArena(MemoryArena.Kind.PERSISTENT, "bench");
    this.ops = new Operators(new Planner(device, policy), stream);
  }

  /** A healthy reference device, everything decomposed. */
  public static DeviceBench reference() {
    return new DeviceBench(
        ReferenceBackend.open(ReferenceOptions.DEFAULT), PlacementPolicy.DECOMPOSED);
  }

  public Device device() {
    return device;
  }

  public CommandStream stream() {
    return stream;
  }

  public MemoryArena arena() {
    return arena;
  }

  public Planner planner() {
    return ops.planner();
  }

  public void run(OperatorSpec spec, Tensor... operands) {
    ops.run(spec, operands);
  }

  /** Zeros. */
  public Tensor zeros(DType dtype, long... dims) {
    return arena.allocate(TensorType.of(dtype, dims));
  }

  public Tensor f32(double[] values, long... dims) {
    Tensor t = zeros(DType.F32, dims);
    float[] f = new float[values.length];
    for (int i = 0; i < f.length; i++) {
      f[i] = (float) values[i];
    }
    stream.upload(MemorySegment.ofArray(f), t);
    return t;
  }

  public Tensor i32(int[] values, long... dims) {
    Tensor t = zeros(DType.I32, dims);
    stream.upload(MemorySegment.ofArray(values), t);
    return t;
  }

  /** Seeded values in (-amplitude, amplitude), rounded to {@code dtype}. */
  public Tensor random(long seed, double amplitude, DType dtype, long... dims) {
    Tensor wide = f32(uniform(seed, amplitude, (int) Shape.of(dims).elementCount()), dims);
    if (dtype == DType.F32) {
      return wide;
    }
    Tensor t = zeros(dtype, dims);
    run(new Cast(), wide, t);
    return t;
  }

  /** Seeded values, quantised. */
  public Tensor quantized(long seed, DType dtype, QuantScheme.Blocked scheme, long... dims) {
    Tensor t = arena.allocate(TensorType.of(dtype, dims).withQuant(scheme));
    run(new Quantize(), random(seed, 1, DType.F32, dims), t);
    return t;
  }

  public static double[] uniform(long seed, double amplitude, int n) {
    Random r = new Random(seed);
    double[] v = new double[n];
    for (int i = 0; i < n; i++) {
      v[i] = (float) ((2 * r.nextDouble() - 1) * amplitude);
    }
    return v;
  }

  /** What the elements mean, row-major: of any dtype and strides, scales applied. */
  public double[] read(Tensor t) {
    Tensor plain = t;
    if (t.type().isQuantized()) {
      plain = zeros(DType.F32, t.shape().dims());
      run(new Dequantize(), t, plain);
    } else if (t.dtype() != DType.F32) {
      plain = zeros(DType.F32, t.shape().dims());
      run(new Cast(), t, plain);
    } else if (!t.type().isContiguous()) {
      plain = zeros(DType.F32, t.shape().dims());
      stream.copy(t, plain);
    }
    MemorySegment host = MemorySegment.ofArray(new float[(int) plain.type().elementCount()]);
    stream.download(plain, host);
    float[] f = host.toArray(ValueLayout.JAVA_FLOAT);
    double[] v = new double[f.length];
    for (int i = 0; i < f.length; i++) {
      v[i] = f[i];
    }
    return v;
  }

  @Override
  public void close() {
    stream.close();
    arena.close();
    device.close();
  }
}
