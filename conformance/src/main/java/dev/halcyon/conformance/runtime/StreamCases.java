package dev.halcyon.conformance.runtime;

import static dev.halcyon.conformance.runtime.RuntimeCase.of;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Copy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** Streams, deadlines and launches: docs/spec/runtime.md, RT-STREAM, RT-DEADLINE, RT-LAUNCH. */
final class StreamCases implements CaseSource {
  private static final int STEPS = 200;

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(
        of(
                "stream:check=order",
                "RT-STREAM-1",
                "Two hundred additions, each on the result of the last, give two hundred.",
                StreamCases::commandsRunInOrder)
            .quick(),
        of(
            "stream:check=transfers",
            "RT-STREAM-1",
            "Uploads, kernels and downloads of one stream see each other's results in order.",
            StreamCases::transfersKeepOrder),
        of(
            "stream:check=overwrite",
            "RT-STREAM-1",
            "An upload does not overtake a kernel that still reads what it overwrites.",
            StreamCases::uploadsDoNotOvertake),
        of(
            "stream:check=concurrent",
            "RT-STREAM-2",
            "Four streams fed in turn each give their own result.",
            StreamCases::streamsAreIndependent),
        of(
            "stream:check=synchronize",
            "RT-STREAM-3",
            "After synchronize another stream sees everything.",
            StreamCases::synchronizeCompletes),
        of(
            "stream:check=close",
            "RT-STREAM-3",
            "Closing a stream completes what was enqueued on it.",
            StreamCases::closeCompletes),
        of(
            "stream:check=many",
            "RT-STREAM-2",
            "A hundred streams are opened, used and closed.",
            StreamCases::manyStreams),
        of(
            "deadline:check=synchronize",
            "RT-DEADLINE-1",
            "A deadline of zero ends a wait for pending work, which goes on undisturbed.",
            StreamCases::deadlineEndsTheWaitOnly),
        of(
            "launches:check=counted",
            "RT-LAUNCH-1",
            "Every plan on the device counts at least one launch, a transfer none.",
            StreamCases::launchesAreCounted));
  }

  private static void commandsRunInOrder(Workbench b) {
    Tensor one = b.f32(1000);
    Tensor sum = b.f32(1000);
    b.fill(b.stream(), one, 1);
    for (int i = 0; i < STEPS; i++) {
      b.add(b.stream(), sum, one);
    }
    Check.all(STEPS, b.get(sum), "sum");
  }

  private static void transfersKeepOrder(Workbench b) {
    Tensor x = b.f32(257);
    Tensor y = b.f32(257);
    for (int i = 0; i < 50; i++) {
      float[] values = new float[257];
      Arrays.fill(values, i);
      b.put(b.stream(), x, values);
      Arrays.fill(values, -1);
      b.add(b.stream(), x, x);
      b.run(new Copy(), x, y);
      b.fill(b.stream(), x, -5);
      Check.all(2 * i, b.get(y), "round " + i);
    }
  }

  private static void uploadsDoNotOvertake(Workbench b) {
    Tensor x = b.f32(5000);
    Tensor y = b.f32(5000);
    float[] values = new float[5000];
    for (int i = 1; i <= 5; i++) {
      b.fill(b.stream(), x, i);
      b.occupy(b.stream());
      b.run(new Copy(), x, y);
      b.put(b.stream(), x, values);
      Check.all(i, b.get(y), "copy enqueued before the upload, round " + i);
      Check.all(0, b.get(x), "uploaded tensor, round " + i);
    }
  }

  private static void streamsAreIndependent(Workbench b) {
    List<CommandStream> streams = new ArrayList<>();
    List<Tensor> ones = new ArrayList<>();
    List<Tensor> sums = new ArrayList<>();
    for (int s = 0; s < 4; s++) {
      streams.add(b.newStream("stream " + s));
      ones.add(b.f32(3000));
      sums.add(b.f32(3000));
      b.fill(streams.get(s), ones.get(s), s + 1);
    }
    for (int i = 0; i < 50; i++) {
      for (int s = 0; s < 4; s++) {
        b.add(streams.get(s), sums.get(s), ones.get(s));
      }
    }
    for (int s = 0; s < 4; s++) {
      Check.all(50 * (s + 1), b.get(streams.get(s), sums.get(s)), "sum of stream " + s);
    }
  }

  private static void synchronizeCompletes(Workbench b) {
    CommandStream s = b.newStream("busy");
    Tensor t = b.f32(1000);
    for (int i = 1; i <= 3; i++) {
      b.occupy(s);
      b.fill(s, t, i);
      s.synchronize(Subject.DEADLINE);
      Check.all(i, b.get(t), "tensor read by another stream after synchronize");
    }
  }

  private static void closeCompletes(Workbench b) {
    CommandStream s = b.newStream("busy");
    Tensor t = b.f32(1000);
    b.occupy(s);
    b.fill(s, t, 8);
    s.close();
    Check.all(8, b.get(t), "tensor written by a stream that was closed");
  }

  private static void manyStreams(Workbench b) {
    Tensor t = b.f32(10);
    for (int i = 0; i < 100; i++) {
      CommandStream s = b.device().newStream("stream " + i);
      b.fill(s, t, i);
      s.close();
    }
    Check.all(99, b.get(t), "tensor filled by a hundred streams");
  }

  private static void deadlineEndsTheWaitOnly(Workbench b) {
    CommandStream s = b.newStream("busy");
    Tensor t = b.f32(1000);
    b.occupy(s);
    b.fill(s, t, 6);
    boolean exceeded = false;
    try {
      s.synchronize(Duration.ZERO);
    } catch (HalException e) {
      Check.requireCode(HalErrorCode.DEADLINE_EXCEEDED, e, "synchronize within no time");
      exceeded = true;
    }
    b.fill(s, t.slice(0, 0, 10), 7);
    s.synchronize(Subject.DEADLINE);
    Check.all(6, b.get(t.slice(0, 10, 990)), "tensor after the deadline");
    Check.all(7, b.get(t.slice(0, 0, 10)), "tensor written after the deadline");
    if (!exceeded) {
      throw Inapplicable.notSupported("work is done when it is enqueued: no wait exceeds anything");
    }
  }

  private static void launchesAreCounted(Workbench b) {
    CommandStream s = b.newStream("counted");
    Tensor x = b.f32(100);
    Tensor y = b.f32(100);
    Check.equal(0L, s.launches(), "launches of a new stream");
    b.put(s, x, new float[100]);
    b.get(s, x);
    Check.equal(0L, s.launches(), "launches after transfers");
    long before = 0;
    for (int i = 0; i < 10; i++) {
      b.add(s, x, y);
      long now = s.launches();
      long last = before;
      Check.that(now > last, () -> "an addition on the device left launches at " + now);
      before = now;
    }
    s.synchronize(Subject.DEADLINE);
    Check.equal(before, s.launches(), "launches after synchronize");
  }
}
