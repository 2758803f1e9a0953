package dev.halcyon.hal.plan;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Attention;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Epilogue;
import dev.halcyon.hal.op.GroupedMatMul;
import dev.halcyon.hal.op.Linear;
import dev.halcyon.hal.op.MaskedSoftmax;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.MoeDispatch;
import dev.halcyon.hal.op.RmsNorm;
import dev.halcyon.hal.op.SwiGlu;
import dev.halcyon.hal.op.TopK;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.hal.testing.DeviceBench;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceDevice;
import dev.halcyon.hal.testing.ReferenceOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PlannerTest {
  private static final TensorType ROWS = TensorType.of(DType.F32, 3, 8);
  private static final TensorType ROW = TensorType.of(DType.F32, 8);

  private final List<Device> devices = new ArrayList<>();

  private Planner planner(ReferenceOptions options, PlacementPolicy policy) {
    Device d = ReferenceBackend.open(options);
    devices.add(d);
    return new Planner(d, policy);
  }

  @AfterEach
  void close() {
    System.clearProperty("halcyon.plan.disable");
    devices.forEach(Device::close);
  }

  private static HalException unsupported(org.junit.jupiter.api.function.Executable call) {
    HalException e = assertThrows(HalException.class, call);
    assertEquals(HalErrorCode.UNSUPPORTED_OPERATOR, e.code(), e.getMessage());
    return e;
  }

  @Test
  void equalRequestsShareAPlan() {
    Planner p = planner(ReferenceOptions.DEFAULT, PlacementPolicy.DEFAULT);
    List<TensorType> mutable = new ArrayList<>(List.of(ROWS, ROW, ROWS));
    Plan first = p.plan(new RmsNorm(1e-6), mutable);
    mutable.set(0, ROW);
    assertSame(first, p.plan(new RmsNorm(1e-6), TensorType.of(DType.F32, 3, 8), ROW, ROWS));
    assertNotSame(first, p.plan(new RmsNorm(1e-5), ROWS, ROW, ROWS));
    assertEquals(List.of(ROWS, ROW, ROWS), first.types());
    assertEquals(Placement.DECOMPOSED, first.placement());
    assertEquals(
        Placement.NATIVE,
        p.plan(new MatMul(), ROWS, ROWS.transpose(0, 1), TensorType.of(DType.F32, 3, 3))
            .placement());
  }

  @Test
  void badTypesAreRefusedBeforePlanning() {
    Planner p = planner(ReferenceOptions.DEFAULT, PlacementPolicy.DEFAULT);
    HalException e =
        assertThrows(HalException.class, () -> p.plan(new RmsNorm(1e-6), ROWS, ROWS, ROWS));
    assertEquals(HalErrorCode.SHAPE_MISMATCH, e.code());
    assertTrue(e.what().contains("operand 'weight' f32[3x8]"), e.what());
    e = assertThrows(HalException.class, () -> p.plan(new RmsNorm(1e-6), ROWS, ROW));
    assertEquals(HalErrorCode.INVALID_ARGUMENT, e.code());
    e =
        assertThrows(
            HalException.class,
            () -> p.plan(new RmsNorm(1e-6), ROWS.withDtype(DType.F16), ROW, ROWS));
    assertEquals(HalErrorCode.DTYPE_MISMATCH, e.code());
    TensorType ids = TensorType.of(DType.I32, 3);
    HalException block =
        assertThrows(
            HalException.class,
            () ->
                p.plan(
                    new Attention(1, 0),
                    TensorType.of(DType.F32, 3, 2, 4),
                    TensorType.of(DType.F32, 8, 1, 4),
                    TensorType.of(DType.F32, 8, 1, 4),
                    TensorType.of(DType.I32, 1, 2),
                    ids,
                    ids,
                    TensorType.of(DType.F32, 3, 2, 4)));
    assertEquals(HalErrorCode.INVALID_ARGUMENT, block.code());
    assertTrue(p.report().decisions().isEmpty());
  }

  @Test
  void nativeVersionsAreTurnedOffByPolicyAndProperty() {
    Planner policy =
        planner(ReferenceOptions.DEFAULT, PlacementPolicy.DEFAULT.withoutNative("Unary"));
    HalException e = unsupported(() -> policy.plan(new Unary(Unary.Op.NEG), ROW, ROW));
    assertTrue(
        e.what().contains("Unary") && e.what().contains("native version turned off"), e.what());
    System.setProperty("halcyon.plan.disable", "other:MatMul, reference:TopK ,reference:*");
    Planner property = planner(ReferenceOptions.DEFAULT, PlacementPolicy.DEFAULT);
    TensorType one = TensorType.of(DType.F32, 1);
    unsupported(() -> property.plan(new TopK(1), ROW, one, one.withDtype(DType.I32)));
    property.plan(new Unary(Unary.Op.NEG), ROW, ROW);
    assertEquals(
        "native version turned off", decision(property, new SwiGlu(), ROWS, ROWS, ROWS).reason());
    PlacementPolicy both = PlacementPolicy.DECOMPOSED.withoutNative("TopK").withoutNative("Copy");
    assertEquals(Set.of("*", "TopK", "Copy"), both.disabledNative());
  }

  private static PlacementReport.Decision decision(
      Planner p, dev.halcyon.hal.op.OperatorSpec spec, TensorType... types) {
    p.plan(spec, types);
    return p.report().decisions().stream()
        .filter(d -> d.operator().equals(spec.name()))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void errorsNameEveryMissingPart() {
    Planner p =
        planner(
            ReferenceOptions.DEFAULT.without("TopK", "Iota", "MatMul"), PlacementPolicy.DEFAULT);
    TensorType ids = TensorType.of(DType.I32, 3, 2);
    HalException e =
        unsupported(
            () ->
                p.plan(
                    new MoeDispatch(4),
                    ids,
                    TensorType.of(DType.I32, 5),
                    TensorType.of(DType.I32, 6)));
    assertTrue(
        e.what().contains("TopK is turned off") && e.what().contains("Iota is turned off"),
        e.what());
    TensorType square = TensorType.of(DType.BF16, 8, 8);
    HalException all =
        unsupported(
            () ->
                p.planAll(
                    List.of(
                        new Planner.Request(new Linear(Epilogue.NONE), List.of(ROWS, square, ROWS)),
                        new Planner.Request(
                            new Linear(Epilogue.NONE),
                            List.of(ROWS, square.withDtype(DType.F16), ROWS)),
                        new Planner.Request(new SwiGlu(), List.of(ROWS, ROWS, ROWS)),
                        new Planner.Request(
                            new MoeDispatch(4),
                            List.of(
                                ids, TensorType.of(DType.I32, 5), TensorType.of(DType.I32, 6))))));
    for (String part :
        List.of(
            "MatMul is turned off",
            "needed by Linear (operator: no composites here)",
            "needed by MoeDispatch (operator: no composites here)",
            "TopK is turned off",
            "Iota is turned off")) {
      assertTrue(all.what().contains(part), part + " in " + all.what());
    }
    assertFalse(all.what().contains("SwiGlu"));
    PlacementReport report = p.report();
    assertEquals(
        List.of("Iota", "MatMul", "TopK"),
        report.missing().stream().map(PlacementReport.Missing::operator).distinct().toList());
    assertTrue(report.summary().endsWith(report.missing().size() + " missing"), report::summary);
    assertTrue(
        report.toString().contains("MISSING") && report.toString().contains("needed by Linear"),
        report::toString);
    TensorType one = TensorType.of(DType.F32, 1);
    HalException itself =
        unsupported(
            () ->
                p.planAll(
                    List.of(
                        new Planner.Request(
                            new TopK(1), List.of(ROW, one, one.withDtype(DType.I32))))));
    assertTrue(itself.what().startsWith("one operator is missing: TopK on "), itself.what());
    assertFalse(itself.what().contains("needed by"), itself.what());
    assertEquals(
        1, p.planAll(List.of(new Planner.Request(new SwiGlu(), List.of(ROWS, ROWS, ROWS)))).size());
  }

  @Test
  void reportsGroupDecisions() {
    Planner p = planner(ReferenceOptions.DEFAULT, PlacementPolicy.DEFAULT);
    p.plan(new SwiGlu(), ROWS, ROWS, ROWS);
    TensorType two = TensorType.of(DType.F32, 2, 8);
    p.plan(new SwiGlu(), two, two, two);
    PlacementReport r = p.report();
    assertEquals("reference://0", r.device());
    assertEquals(
        List.of("Binary", "SwiGlu", "Unary"),
        r.decisions().stream().map(PlacementReport.Decision::operator).toList());
    PlacementReport.Decision swiglu = r.decisions().get(1);
    assertEquals(Placement.DECOMPOSED, swiglu.placement());
    assertEquals(2, swiglu.plans());
    assertEquals("2 steps", swiglu.implementation());
    assertEquals("operator: no composites here", swiglu.reason());
    assertEquals(1, r.count(Placement.DECOMPOSED));
    assertEquals("reference://0: 2 native, 1 decomposed, 0 on the host", r.summary());
    assertTrue(
        r.toString().lines().count() == 4 && r.toString().contains("reference Unary"),
        r.toString());
  }

  @Test
  void hostPlansComputeElsewhereAndSaySo() {
    Device host = ReferenceBackend.open(ReferenceOptions.DEFAULT);
    devices.add(host);
    Device lacking = ReferenceBackend.open(ReferenceOptions.DEFAULT.deferred().without("Binary"));
    PlacementPolicy policy =
        PlacementPolicy.DEFAULT.withHost(host, "SwiGlu").withHost(host, "Binary");
    try (DeviceBench b = new DeviceBench(lacking, policy)) {
      Tensor gate = b.f32(new double[] {1, -2, 0.5}, 1, 3);
      Tensor up = b.f32(new double[] {2, 3, 4}, 1, 3);
      Plan sum = b.planner().plan(new Binary(Binary.Op.ADD), gate.type(), up.type(), up.type());
      assertEquals(Placement.HOST, sum.placement());
      assertTrue(sum.toString().contains("reference://0 reference Binary"), sum.toString());
      b.run(new Binary(Binary.Op.ADD), gate, up, up);
      assertArrayEquals(new double[] {3, 1, 4.5}, b.read(up));
      Tensor stacked = Tensor.stack(List.of(gate, up));
      Tensor out = b.zeros(DType.F32, 2, 1, 3);
      b.run(new Binary(Binary.Op.ADD), stacked, gate, out);
      assertArrayEquals(new double[] {2, -4, 1, 4, -1, 5}, b.read(out));
      b.run(new SwiGlu(), gate, up, gate);
      double silu = 1 / (1 + Math.exp(-1));
      assertEquals(3 * silu, b.read(gate)[0], 1e-6);
      assertTrue(host.liveChildren().isEmpty());
      Tensor wide = out.reshape(2, 3).slice(1, 0, 2);
      Tensor sums = b.zeros(DType.F32, 2, 2);
      HalException strided = unsupported(() -> b.run(new Binary(Binary.Op.ADD), wide, wide, sums));
      assertTrue(strided.getMessage().contains("on the host"), strided.getMessage());
    }
    assertEquals(0, ((ReferenceDevice) host.backend()).openBuffers());
  }

  @Test
  void graphsWithHostPlansAreReplayed() {
    Device host = ReferenceBackend.open(ReferenceOptions.DEFAULT);
    devices.add(host);
    Device lacking =
        ReferenceBackend.open(ReferenceOptions.DEFAULT.deferred().nativeGraphs().without("Binary"));
    try (DeviceBench b =
        new DeviceBench(lacking, PlacementPolicy.DEFAULT.withHost(host, "Binary"))) {
      Tensor gate = b.f32(new double[] {1, -2, 0.5}, 1, 3);
      Tensor up = b.f32(new double[] {2, 3, 4}, 1, 3);
      Tensor out = b.zeros(DType.F32, 1, 3);
      b.run(new SwiGlu(), gate, up, out);
      double[] eager = b.read(out);
      b.stream().beginCapture();
      b.run(new SwiGlu(), gate, up, out);
      try (CommandGraph g = b.stream().endCapture()) {
        assertEquals(CommandGraph.Kind.REPLAYED, g.kind());
        b.stream().fill(out, 0);
        b.stream().replay(g);
        assertArrayEquals(eager, b.read(out));
      }
    }
  }

  @Test
  void plansAreMadeOnceByManyThreads() throws InterruptedException {
    Planner p = planner(ReferenceOptions.DEFAULT, PlacementPolicy.DEFAULT);
    Set<Plan> made = ConcurrentHashMap.newKeySet();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      threads.add(Thread.ofVirtual().start(() -> made.add(p.plan(new SwiGlu(), ROWS, ROWS, ROWS))));
    }
    for (Thread t : threads) {
      t.join();
    }
    assertEquals(1, made.size());
  }

  @Test
  void temporariesShareMemory() {
    Planner p = planner(ReferenceOptions.DEFAULT, PlacementPolicy.DEFAULT);
    long expertBytes = 64 * 64 * 4;
    TensorType x = TensorType.of(DType.F32, 2, 64);
    Plan grouped =
        p.plan(
            new GroupedMatMul(),
            x,
            TensorType.of(DType.I32, 33),
            TensorType.of(DType.F8_E4M3FN, 32, 64, 64).withQuant(QuantScheme.FP8_128X128),
            x);
    assertTrue(
        grouped.workspaceBytes() < 2 * expertBytes,
        "one expert's weights at a time, not 32: " + grouped.workspaceBytes());
    Plan softmax =
        p.plan(
            new MaskedSoftmax(1),
            TensorType.of(DType.F32, 64, 64),
            TensorType.of(DType.I32, 64),
            TensorType.of(DType.F32, 64, 64));
    assertTrue(
        softmax.workspaceBytes() < 3 * expertBytes, "mask and values: " + softmax.workspaceBytes());
  }

  @Test
  void nothingGoesToTheHostUnlisted() {
    Device host = ReferenceBackend.open(ReferenceOptions.DEFAULT);
    devices.add(host);
    Planner p =
        planner(
            ReferenceOptions.DEFAULT.without("Binary"),
            PlacementPolicy.DEFAULT.withHost(host, "TopK"));
    unsupported(() -> p.plan(new Binary(Binary.Op.ADD), ROW, ROW, ROW));
    unsupported(() -> p.plan(new SwiGlu(), ROWS, ROWS, ROWS));
  }

  @Test
  void emptyBatchesPlanAndRun() {
    try (DeviceBench b = DeviceBench.reference()) {
      Tensor none = b.zeros(DType.F32, 0, 8);
      b.run(new SwiGlu(), none, none, none);
      b.run(new RmsNorm(1e-6), none, b.zeros(DType.F32, 8), none);
      Tensor offsets = b.i32(new int[] {1, 2, 3}, 3);
      b.run(new MoeDispatch(2), b.zeros(DType.I32, 0, 2), offsets, b.zeros(DType.I32, 0));
      assertArrayEquals(new double[] {0, 0, 0}, b.read(offsets));
    }
  }
}
