package dev.halcyon.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.backend.opencl.Bench.Cell;
import dev.halcyon.backend.opencl.Bench.View;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Dequantize;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.spi.BandwidthProbe;
import dev.halcyon.hal.spi.RandomFill;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Devices, memory and errors. */
final class DeviceTest {
  private static void assertCode(HalErrorCode code, Executable call) {
    HalException e = assertThrows(HalException.class, call);
    assertEquals(code, e.code(), e.getMessage());
    assertFalse(e.what().isEmpty());
  }

  @Test
  void namesOfDevices() {
    TestDevice.require();
    List<DeviceInfo> devices = new OpenClBackendProvider().devices();
    assertEquals("opencl://0", devices.getFirst().uri().toString());
    HalRegistry registry = HalRegistry.of(new OpenClBackendProvider());
    for (String uri : List.of("opencl", "opencl://0", "opencl://0/0")) {
      try (Device d = registry.open(uri)) {
        assertEquals(devices.getFirst(), d.info());
      }
    }
    assertCode(HalErrorCode.DEVICE_UNAVAILABLE, () -> registry.open("opencl://99"));
    assertCode(HalErrorCode.DEVICE_UNAVAILABLE, () -> registry.open("opencl://gpu"));
    assertCode(HalErrorCode.INVALID_OPTION, () -> TestDevice.open("speed", "9").close());
    assertCode(HalErrorCode.INVALID_OPTION, () -> TestDevice.open("lanes", "many").close());
  }

  @Test
  void memoryLimits() {
    try (Device d = TestDevice.open("memory-mib", "64")) {
      try (MemoryArena arena = d.newArena(MemoryArena.Kind.PERSISTENT, "small")) {
        arena.allocate(TensorType.of(DType.U8, 40 << 20));
        assertCode(
            HalErrorCode.OUT_OF_MEMORY, () -> arena.allocate(TensorType.of(DType.U8, 40 << 20)));
      }
      try (MemoryArena arena = d.newArena(MemoryArena.Kind.PERSISTENT, "again")) {
        arena.allocate(TensorType.of(DType.U8, 60 << 20));
        long tooMuch = d.capabilities().maxAllocationBytes() + 1;
        assertCode(
            HalErrorCode.ALLOCATION_TOO_LARGE,
            () -> arena.allocate(TensorType.of(DType.U8, tooMuch)));
      }
    }
  }

  @Test
  void newMemoryIsZeroAndAligned() {
    try (Bench bench = new Bench()) {
      for (long n : new long[] {1, 1000, 3 << 20}) {
        Tensor t = bench.arena.allocate(TensorType.of(DType.U8, n));
        byte[] bytes = new byte[(int) n];
        Arrays.fill(bytes, (byte) 1);
        bench.stream.download(t, MemorySegment.ofArray(bytes));
        for (byte b : bytes) {
          assertEquals(0, b);
        }
        assertEquals(0, t.byteOffset() % 256);
      }
    }
  }

  @Test
  void closeOrderAndUseAfterClose() {
    Device d = TestDevice.open();
    MemoryArena arena = d.newArena(MemoryArena.Kind.PERSISTENT, "arena");
    CommandStream stream = d.newStream("stream");
    Tensor t = arena.allocate(TensorType.of(DType.F32, 4));
    assertCode(HalErrorCode.CLOSE_ORDER, d::close);
    stream.fill(t, 1);
    arena.close();
    assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> stream.fill(t, 2));
    stream.close();
    assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> stream.synchronize(Duration.ofSeconds(1)));
    d.close();
    d.close();
    assertCode(HalErrorCode.USE_AFTER_CLOSE, () -> d.newStream("late"));
  }

  @Test
  void mappedWeightsAreReadInPlaceAtAnyAlignment(@TempDir Path folder) throws IOException {
    try (Bench bench = new Bench()) {
      if (!bench.device.capabilities().has(Feature.ZERO_COPY_IMPORT)) {
        return;
      }
      for (DType dtype : new DType[] {DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN}) {
        for (int shift : new int[] {0, 1, 2, 3, 5}) {
          int n = 9;
          int k = 70;
          double[] w =
              Arrays.stream(bench.numbers(n * k, 1)).map(v -> Bench.round(dtype, v)).toArray();
          byte[] bytes = new byte[n * k * dtype.bits() / 8];
          for (int i = 0; i < w.length; i++) {
            Bench.put(MemorySegment.ofArray(bytes), dtype, i, w[i]);
          }
          Path file = folder.resolve(dtype + "." + shift);
          byte[] all = new byte[shift + bytes.length];
          System.arraycopy(bytes, 0, all, shift, bytes.length);
          Files.write(file, all);
          try (Arena arena = Arena.ofShared();
              FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
              MemoryArena weights = bench.device.newArena(MemoryArena.Kind.WEIGHTS, "mapped")) {
            MemorySegment mapped =
                channel.map(FileChannel.MapMode.READ_ONLY, 0, all.length, arena).asSlice(shift);
            Tensor t = weights.importHost(mapped, TensorType.of(dtype, n, k)).orElseThrow();
            Cell cell = new Cell(t, t, w);
            for (int m : new int[] {1, 5}) {
              Cell x = bench.f32(m, k);
              Cell out = bench.out(DType.F32, View.DENSE, m, n);
              bench.run(new Linear(Epilogue.NONE), x, cell, out);
              bench.check(
                  dtype + " at " + shift,
                  out,
                  Reference.linear(x.values(), 0, m, k, w, 0, n),
                  2e-6,
                  10);
            }
            if (dtype == DType.F32) {
              Cell out = bench.out(DType.F32, View.DENSE, n, k);
              bench.run(new Unary(Unary.Op.NEG), cell, out);
              bench.checkExact("elementwise", out, Arrays.stream(w).map(v -> -v).toArray());
            }
            assertEquals(mapped.byteSize(), weights.importedBytes());
            bench.stream.synchronize(Duration.ofMinutes(1));
          }
        }
      }
    }
  }

  @Test
  void largeSegmentsAreImportedWhole() {
    try (Bench bench = new Bench();
        Arena arena = Arena.ofShared();
        MemoryArena weights = bench.device.newArena(MemoryArena.Kind.WEIGHTS, "large")) {
      long bytes =
          Math.min(bench.device.capabilities().maxAllocationBytes(), (3L << 30) / 2) & -4096;
      if (!bench.device.capabilities().has(Feature.ZERO_COPY_IMPORT)) {
        return;
      }
      HostBlock block = HostBlock.zeroed(bytes, 4096);
      MemorySegment memory = block.memory().reinterpret(arena, s -> block.free());
      memory.set(ValueLayout.JAVA_BYTE, bytes - 1, (byte) 42);
      Tensor t = weights.importHost(memory, TensorType.of(DType.U8, bytes)).orElseThrow();
      byte[] one = new byte[1];
      bench.stream.download(t.slice(0, bytes - 1, 1), MemorySegment.ofArray(one));
      assertEquals(42, one[0]);
      bench.stream.fill(t.slice(0, bytes - 2, 1), 7);
      bench.stream.synchronize(Duration.ofMinutes(1));
      assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, bytes - 2));
      long tooMuch = bench.device.capabilities().maxAllocationBytes() + 1;
      assertTrue(
          weights
              .importHost(
                  MemorySegment.ofAddress(memory.address()).reinterpret(tooMuch),
                  TensorType.of(DType.U8, tooMuch))
              .isEmpty());
    }
  }

  @Test
  void syntheticWeightsAndBandwidth() {
    try (Bench bench = new Bench()) {
      RandomFill fill = (RandomFill) bench.device.backend();
      for (DType dtype : new DType[] {DType.F32, DType.F16, DType.BF16, DType.F8_E4M3FN}) {
        Cell c = bench.of(dtype, View.DENSE, new double[3000], 3000);
        fill.fillRandom(c.view(), 5, 0.5);
        double[] got = bench.read(c);
        assertTrue(Arrays.stream(got).allMatch(v -> Math.abs(v) <= 0.5));
        assertEquals(0, Arrays.stream(got).average().orElseThrow(), 0.03);
        assertEquals(1.0 / 12, Arrays.stream(got).map(v -> v * v).average().orElseThrow(), 0.01);
      }
      for (DType dtype : new DType[] {DType.F8_E4M3FN, DType.I8, DType.I4}) {
        Tensor q =
            bench.arena.allocate(TensorType.of(dtype, 64, 64).withQuant(QuantScheme.FP8_128X128));
        fill.fillRandom(q, 5, 0.5);
        Cell out = bench.out(DType.F32, View.DENSE, 64, 64);
        bench.run(new Dequantize(), new Cell(q, q, new double[4096]), out);
        double[] got = bench.read(out);
        assertTrue(Arrays.stream(got).allMatch(v -> Math.abs(v) <= 0.5001));
        assertTrue(
            Arrays.stream(got).map(v -> v * v).average().orElseThrow() > 0.06,
            "spread over the range");
      }
      assertCode(
          HalErrorCode.DTYPE_MISMATCH,
          () -> fill.fillRandom(bench.arena.allocate(TensorType.of(DType.I32, 4)), 1, 1));
      double rate =
          ((BandwidthProbe) bench.device.backend()).readBytesPerSecond(Duration.ofMillis(200));
      assertTrue(rate > 1e8 && rate < 1e13, rate + " bytes per second");
    }
  }
}
