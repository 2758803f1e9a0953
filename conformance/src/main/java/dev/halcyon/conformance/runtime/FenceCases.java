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
import dev.halcyon.hal.op.Copy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Fences: docs/spec/runtime.md, RT-FENCE. */
final class FenceCases implements CaseSource {
  private static final int N = 2000;

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(
        of(
                "fence:check=wait",
                "RT-FENCE-1",
                "A stream that waits for a fence sees what the busy other stream wrote before it.",
                FenceCases::waitForOrders)
            .quick(),
        of(
            "fence:check=pingpong",
            "RT-FENCE-1",
            "Two streams add one in turn, each waiting for the other.",
            FenceCases::pingPong),
        of(
            "fence:check=join",
            "RT-FENCE-1",
            "A stream waits for three others before it reads their results.",
            FenceCases::joins),
        of(
            "fence:check=await",
            "RT-FENCE-2",
            "When await returns, a stream that waited for nothing sees the work before the fence.",
            FenceCases::awaitMeansDone),
        of(
            "fence:check=signalled",
            "RT-FENCE-2",
            "When a fence says it is signalled, the work before it is done.",
            FenceCases::signalledMeansDone),
        of(
            "fence:check=deadline",
            "RT-DEADLINE-1",
            "A wait ends at its deadline; the fence can be awaited again and is passed later.",
            FenceCases::deadlineEndsTheWait),
        of(
            "fence:check=stays",
            "RT-FENCE-3",
            "A passed fence stays signalled, through later work, three hundred other fences and the"
                + " close of its stream.",
            FenceCases::staysSignalled),
        of(
            "fence:check=pending-close",
            "RT-FENCE-3",
            "A fence that was pending when its stream was closed is passed afterwards.",
            FenceCases::pendingWhenClosed),
        of(
            "fence:check=own",
            "RT-FENCE-1",
            "A stream may wait for its own fence, and for one of a stream without work.",
            FenceCases::ownAndEmpty));
  }

  private static void waitForOrders(Workbench b) {
    CommandStream second = b.newStream("second");
    Tensor x = b.f32(N);
    Tensor y = b.f32(N);
    for (int i = 1; i <= 5; i++) {
      b.occupy(b.stream());
      b.fill(b.stream(), x, i);
      Fence filled = b.stream().record();
      second.waitFor(filled);
      b.run(second, new Copy(), x, y);
      Check.all(i, b.get(second, y), "copy by the waiting stream, round " + i);
    }
  }

  private static void pingPong(Workbench b) {
    CommandStream[] streams = {b.newStream("ping"), b.newStream("pong")};
    Tensor one = b.f32(N);
    Tensor sum = b.f32(N);
    b.fill(b.stream(), one, 1);
    Fence last = b.stream().record();
    for (int i = 0; i < 60; i++) {
      CommandStream s = streams[i % 2];
      s.waitFor(last);
      b.add(s, sum, one);
      last = s.record();
    }
    last.await(Subject.DEADLINE);
    Check.all(60, b.get(sum), "sum of sixty turns");
  }

  private static void joins(Workbench b) {
    Tensor total = b.f32(N);
    List<Tensor> terms = new ArrayList<>();
    List<Fence> done = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      CommandStream s = b.newStream("term " + i);
      Tensor t = b.f32(N);
      b.occupy(s);
      b.fill(s, t, i + 1);
      done.add(s.record());
      terms.add(t);
    }
    done.forEach(b.stream()::waitFor);
    terms.forEach(t -> b.add(b.stream(), total, t));
    Check.all(6, b.get(total), "sum of three streams");
  }

  private static void awaitMeansDone(Workbench b) {
    CommandStream s = b.newStream("busy");
    Tensor t = b.f32(N);
    for (int i = 1; i <= 5; i++) {
      b.occupy(s);
      b.fill(s, t, i);
      s.record().await(Subject.DEADLINE);
      Check.all(i, b.get(t), "tensor after await, round " + i);
    }
  }

  private static void signalledMeansDone(Workbench b) {
    CommandStream s = b.newStream("busy");
    Tensor t = b.f32(N);
    long end = System.nanoTime() + Subject.DEADLINE.toNanos();
    for (int i = 1; i <= 5; i++) {
      b.occupy(s);
      b.fill(s, t, i);
      Fence f = s.record();
      while (!f.isSignalled()) {
        Check.that(System.nanoTime() < end, () -> "a fence is never signalled");
        Thread.onSpinWait();
      }
      Check.all(i, b.get(t), "tensor after the signal, round " + i);
    }
  }

  private static void deadlineEndsTheWait(Workbench b) {
    CommandStream s = b.newStream("busy");
    b.occupy(s);
    Fence f = s.record();
    boolean exceeded = false;
    try {
      f.await(Duration.ZERO);
    } catch (HalException e) {
      Check.requireCode(HalErrorCode.DEADLINE_EXCEEDED, e, "await within no time");
      exceeded = true;
    }
    f.await(Subject.DEADLINE);
    Check.that(f.isSignalled(), () -> "an awaited fence is not signalled");
    f.await(Duration.ZERO);
    b.fill(s, b.f32(N), 1);
    s.synchronize(Subject.DEADLINE);
    if (!exceeded) {
      throw Inapplicable.notSupported("work is done when it is enqueued: no wait exceeds anything");
    }
  }

  private static void staysSignalled(Workbench b) {
    CommandStream s = b.newStream("fences");
    Tensor t = b.f32(10);
    b.fill(s, t, 1);
    Fence first = s.record();
    first.await(Subject.DEADLINE);
    List<Fence> others = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      b.fill(s, t, i);
      others.add(s.record());
    }
    Check.that(first.isSignalled(), () -> "a passed fence is no longer signalled");
    others.getLast().await(Subject.DEADLINE);
    s.close();
    for (Fence f : others) {
      Check.that(f.isSignalled(), () -> "a fence of a closed stream is not signalled");
      f.await(Duration.ZERO);
    }
    first.await(Duration.ZERO);
    b.stream().waitFor(first);
    b.fill(b.stream(), t, -1);
    Check.all(-1, b.get(t), "tensor after waiting for a fence of a closed stream");
  }

  private static void pendingWhenClosed(Workbench b) {
    CommandStream s = b.newStream("busy");
    b.occupy(s);
    Fence f = s.record();
    s.close();
    Check.that(f.isSignalled(), () -> "a fence of a closed stream is not signalled");
    f.await(Duration.ZERO);
  }

  private static void ownAndEmpty(Workbench b) {
    CommandStream s = b.newStream("own");
    Fence empty = b.newStream("empty").record();
    Tensor t = b.f32(N);
    b.fill(s, t, 1);
    Fence own = s.record();
    s.waitFor(own);
    s.waitFor(empty);
    b.add(s, t, t);
    Check.all(2, b.get(s, t), "tensor");
    empty.await(Subject.DEADLINE);
  }
}
