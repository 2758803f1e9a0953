package dev.halcyon.hal.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.Fence;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceDevice;
import dev.halcyon.hal.testing.ReferenceOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class MetaDeviceTest {
  private static final TensorType ROWS = TensorType.of(DType.F32, 3, 8);
  private static final TensorType ROW = TensorType.of(DType.F32, 8);

  private final Device real =
      ReferenceBackend.open(ReferenceOptions.DEFAULT.nativeGraphs().maxAllocation(1 << 20));
  private final MetaDevice meta = MetaDevice.of(real);
  private final Device device = new Device(meta);
  private MemoryArena arena;
  private CommandStream stream;

  @BeforeEach
  void open() {
    arena = device.newArena(MemoryArena.Kind.SCRATCH, "types");
    stream = device.newStream("types");
  }

  @AfterEach
  void close() {
    stream.close();
    arena.close();
    device.close();
    real.close();
  }

  @Test
  void standsForTheRealDeviceWithoutUsingIt() {
    assertEquals("meta://reference/0", device.uri().toString());
    assertTrue(device.capabilities().has(Feature.STACKED_PARTS));
    assertFalse(device.capabilities().has(Feature.NATIVE_GRAPHS));
    HalException e =
        assertThrows(
            HalException.class, () -> arena.allocate(TensorType.of(DType.F32, (1 << 18) + 1)));
    assertEquals(HalErrorCode.ALLOCATION_TOO_LARGE, e.code());
    arena.allocate(TensorType.of(DType.F32, 1 << 18));
    assertTrue(arena.byteSize() >= 1 << 20);
    assertEquals(0, ((ReferenceDevice) real.backend()).allocatedBytes());
  }

  @Test
  void remembersEveryOperatorOnceInOrder() {
    Planner planner = new Planner(device, PlacementPolicy.DEFAULT);
    Operators ops = new Operators(planner, stream);
    Tensor x = arena.allocate(ROWS);
    Tensor out = arena.allocate(ROWS);
    ops.run(new SwiGlu(), x, x, out);
    stream.beginCapture();
    ops.run(new RmsNorm(1e-6), x, arena.allocate(ROW), out);
    ops.run(new SwiGlu(), x, x, out);
    try (CommandGraph graph = stream.endCapture()) {
      stream.replay(graph);
    }
    assertEquals(
        List.of(
            new Planner.Request(new SwiGlu(), List.of(ROWS, ROWS, ROWS)),
            new Planner.Request(new RmsNorm(1e-6), List.of(ROWS, ROW, ROWS))),
        meta.takeRequests());
    assertTrue(meta.takeRequests().isEmpty());
    HalException e =
        assertThrows(HalException.class, () -> ops.run(new SwiGlu(), x, out, out.slice(0, 0, 2)));
    assertEquals(HalErrorCode.SHAPE_MISMATCH, e.code());
  }

  @Test
  void holdsNoData() {
    Tensor x = arena.allocate(ROW);
    stream.upload(MemorySegment.ofArray(new float[8]), x);
    meta.fillRandom(x, 1, 1);
    try (Arena host = Arena.ofConfined();
        MemoryArena weights = device.newArena(MemoryArena.Kind.WEIGHTS, "imported")) {
      MemorySegment memory = host.allocate(32, 4);
      assertEquals(ROW, weights.importHost(memory, ROW).orElseThrow().type());
      assertEquals(32, weights.importedBytes());
    }
    Fence fence = stream.record();
    fence.await(Duration.ofSeconds(1));
    stream.waitFor(fence);
    stream.synchronize(Duration.ofSeconds(1));
    assertEquals(0, stream.launches());
    HalException e =
        assertThrows(
            HalException.class, () -> stream.download(x, MemorySegment.ofArray(new float[8])));
    assertEquals(HalErrorCode.INVALID_ARGUMENT, e.code());
  }
}
