package dev.halcyon.backend.cpu;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.hal.testing.Requirements;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;

/** A device of one kernel tier with an arena and a stream, and the few calls every test makes. */
final class CpuFixture implements AutoCloseable {
  final Device device;
  final MemoryArena arena;
  final CommandStream stream;
  final Planner planner;
  final Planner decomposed;
  final Random random = new Random(42);

  private CpuFixture(Device device) {
    this.device = device;
    this.arena = device.newArena(MemoryArena.Kind.PERSISTENT, "test");
    this.stream = device.newStream("test");
    this.planner = new Planner(device, PlacementPolicy.DEFAULT);
    this.decomposed = new Planner(device, PlacementPolicy.DECOMPOSED);
  }

  /** The tiers, for parameterised tests. */
  static Stream<String> tiers() {
    return Stream.of("c", "vector", "scalar");
  }

  /** Opens a tier, or skips the test with the reason why there is none. */
  static CpuFixture open(String tier) {
    return open(tier, 3);
  }

  static CpuFixture open(String tier, int threads) {
    return open(tier, DeviceOptions.DEFAULT.with("threads", threads));
  }

  static CpuFixture open(String tier, DeviceOptions options) {
    try {
      return new CpuFixture(
          HalRegistry.discover().open(DeviceUri.parse("cpu://"), options.with("tier", tier)));
    } catch (HalException e) {
      if (e.code() != HalErrorCode.DEVICE_UNAVAILABLE) {
        throw e;
      }
      Requirements.require(tier.equals("c") ? "native" : "tier " + tier, false, e.getMessage());
      throw e;
    }
  }

  Tensor empty(DType dtype, long... dims) {
    return arena.allocate(TensorType.of(dtype, dims));
  }

  /** A dense tensor of these values. */
  Tensor of(DType dtype, double[] values, long... dims) {
    Tensor t = empty(dtype, dims);
    Values.write(t, values);
    return t;
  }

  /** Values in [-1, 1), rounded to the dtype. */
  Tensor uniform(DType dtype, long... dims) {
    return of(dtype, uniform(Shape.of(dims).elementCount()), dims);
  }

  double[] uniform(long n) {
    return random.doubles(n, -1, 1).toArray();
  }

  Tensor f32(long... dims) {
    return uniform(DType.F32, dims);
  }

  /** Small whole numbers in [low, high). */
  Tensor ints(int low, int high, long... dims) {
    double[] v = random.ints(Shape.of(dims).elementCount(), low, high).asDoubleStream().toArray();
    return of(DType.I32, v, dims);
  }

  Tensor ints(int[] values, long... dims) {
    return of(DType.I32, Arrays.stream(values).asDoubleStream().toArray(), dims);
  }

  /** Plans and runs; the plan must be native. */
  void run(OperatorSpec spec, Tensor... operands) {
    Plan plan = planner.plan(spec, Arrays.stream(operands).map(Tensor::type).toList());
    Assertions.assertEquals(Placement.NATIVE, plan.placement(), () -> "placement of " + plan);
    stream.enqueue(plan, operands);
  }

  /** Runs the decomposition. */
  void runDecomposed(OperatorSpec spec, Tensor... operands) {
    Plan plan = decomposed.plan(spec, Arrays.stream(operands).map(Tensor::type).toList());
    stream.enqueue(plan, operands);
  }

  /** A dense tensor of the type of {@code view} that starts out with its values. */
  Tensor copyOf(Tensor view) {
    return of(view.dtype(), Values.read(view), view.shape().dims());
  }

  /**
   * The layouts every operator meets: dense, every second row, a slice of wider rows, transposed.
   */
  List<Tensor> layouts(DType dtype, long rows, long columns) {
    return List.of(
        uniform(dtype, rows, columns),
        uniform(dtype, rows, 2 * columns)
            .reshape(rows, 2, columns)
            .slice(1, 1, 1)
            .reshape(rows, columns),
        uniform(dtype, rows + 2, columns + 5).slice(0, 1, rows).slice(1, 3, columns),
        uniform(dtype, columns, rows).transpose(0, 1));
  }

  @Override
  public void close() {
    stream.close();
    arena.close();
    device.close();
  }
}
