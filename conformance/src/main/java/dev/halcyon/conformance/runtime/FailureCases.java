package dev.halcyon.conformance.runtime;

import static dev.halcyon.conformance.runtime.RuntimeCase.of;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Fence;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.Stream;

/** Failures of enqueued work: docs/spec/runtime.md, RT-FAIL. */
final class FailureCases implements CaseSource {
  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(
        of(
            "failure:check=poison",
            "RT-FAIL-1",
            "After a failed kernel every call of the stream is refused, with the failure as cause,"
                + " and it can be closed.",
            FailureCases::failurePoisons),
        of(
            "failure:check=others",
            "RT-FAIL-2",
            "Other streams, tensors and a new stream go on after the failure of one.",
            FailureCases::othersGoOn),
        of(
                "failure:check=arguments",
                "RT-FAIL-3",
                "A call that is refused for its arguments leaves the stream as it was.",
                FailureCases::argumentsDoNotPoison)
            .quick(),
        of(
            "failure:check=fence",
            "RT-FAIL-4",
            "A fence after failed work gives the failure to whoever awaits it, also later.",
            FailureCases::fencesCarryFailures),
        of(
            "failure:check=index",
            "RT-FAIL-5",
            "A row number beyond the table fails or is clamped; the memory behind the table is not"
                + " read.",
            FailureCases::indicesStayInside));
  }

  private static void failurePoisons(Workbench b) {
    CommandStream s = b.newStream("failing");
    HalException failure = b.provoke(s);
    Tensor t = b.f32(8);
    Check.Call[] calls = {
      () -> b.fill(s, t, 1),
      () -> b.get(s, t),
      () -> b.put(s, t, new float[8]),
      s::record,
      () -> s.synchronize(Subject.DEADLINE)
    };
    for (Check.Call call : calls) {
      HalException e =
          Check.fails(HalErrorCode.STREAM_POISONED, call, "use of a stream that failed");
      Check.that(
          e.getCause() instanceof HalException cause && cause.code() == failure.code(),
          () -> "the cause of a poisoned stream is " + e.getCause());
    }
    s.close();
  }

  private static void othersGoOn(Workbench b) {
    CommandStream other = b.newStream("other");
    Tensor t = b.f32(100);
    b.fill(other, t, 1);
    CommandStream failing = b.newStream("failing");
    b.provoke(failing);
    b.add(other, t, t);
    Check.all(2, b.get(other, t), "tensor of another stream");
    CommandStream next = b.newStream("next");
    b.add(next, t, t);
    Check.all(4, b.get(next, t), "tensor of a new stream");
    failing.close();
    b.add(next, t, t);
    Check.all(8, b.get(next, t), "tensor after the failed stream was closed");
  }

  private static void argumentsDoNotPoison(Workbench b) {
    CommandStream s = b.stream();
    Tensor t = b.f32(8);
    b.fill(s, t, 3);
    Check.fails(
        HalErrorCode.SHAPE_MISMATCH,
        () -> s.upload(MemorySegment.ofArray(new byte[5]), t),
        "upload of five bytes to eight floats");
    Check.fails(
        HalErrorCode.INVALID_ARGUMENT,
        () -> s.enqueue(b.plan(new Fill(1), t), t, t),
        "two operands for an operator of one");
    Check.fails(
        HalErrorCode.ALIASED_OPERANDS,
        () -> s.copy(t.slice(0, 0, 5), t.slice(0, 3, 5)),
        "copy between overlapping slices");
    b.add(s, t, t);
    Check.all(6, b.get(t), "tensor after refused calls");
  }

  private static void fencesCarryFailures(Workbench b) {
    HalErrorCode code = b.provoke(b.newStream("first")).code();
    CommandStream s = b.newStream("failing");
    Tensor table = b.f32(4, 8);
    Tensor out = b.f32(1, 8);
    Tensor beyond = b.i32(1 << 20);
    Fence f;
    b.occupy(s);
    try {
      b.run(s, new Gather(), table, beyond, out);
      f = s.record();
    } catch (HalException e) {
      throw Inapplicable.notSupported("failures surface when work is enqueued: no fence follows");
    }
    for (int i = 0; i < 2; i++) {
      Check.fails(code, () -> f.await(Subject.DEADLINE), "await of a fence after failed work");
    }
    Check.that(f.isSignalled(), () -> "a fence after failed work is never signalled");
    s.close();
    Check.fails(code, () -> f.await(Subject.DEADLINE), "await after the failed stream was closed");
  }

  private static void indicesStayInside(Workbench b) {
    CommandStream s = b.newStream("gathering");
    float[] numbers = new float[64];
    Arrays.fill(numbers, 0, 16, 1);
    Arrays.fill(numbers, 16, 64, 13);
    Tensor table = b.f32(numbers).slice(0, 0, 16).reshape(4, 4);
    Tensor out = b.f32(2, 4);
    try {
      b.run(s, new Gather(), table, b.i32(4, 5), out);
      s.synchronize(Subject.DEADLINE);
    } catch (HalException e) {
      Workbench.requireIndexFailure(e);
      return;
    }
    for (float v : b.get(out)) {
      Check.that(v != 13, () -> "a gather read behind its table");
    }
  }
}
