package dev.halcyon.conformance.runtime;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.Fence;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.Gather;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.time.Duration;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * One case for every documented error: {@code hal:runtime/error:code=...}. A case brings the device
 * to the error, or is NOT_RUN and says where else the code is tested: an exhaustive switch keeps
 * the list complete.
 */
final class ErrorCases implements CaseSource {
  @Override
  public Stream<ConformanceCase> cases() {
    return Arrays.stream(HalErrorCode.values()).map(ErrorCases::errorCase);
  }

  private static ConformanceCase errorCase(HalErrorCode code) {
    Optional<String> elsewhere = elsewhere(code);
    RuntimeCase.Body body =
        elsewhere.isPresent()
            ? b -> {
              throw Inapplicable.notRun(elsewhere.get());
            }
            : b -> bringTo(code, b);
    return new RuntimeCase(
        CaseId.of("hal:runtime/error").with("code", code.name()),
        elsewhere
            .map(s -> code.id() + " cannot be asked of a device that works: " + s + ".")
            .orElse("A mistake that is " + code.id() + " gives that code, in one line."),
        Set.of("RT-ERROR-1"),
        EnumSet.of(Profile.RUNTIME),
        body);
  }

  /** Where a code is tested that no call brings a working device to; empty if one does. */
  static Optional<String> elsewhere(HalErrorCode code) {
    return switch (code) {
      case INVALID_ARGUMENT,
          SHAPE_MISMATCH,
          DTYPE_MISMATCH,
          OUT_OF_BOUNDS,
          ALIASED_OPERANDS,
          UNSUPPORTED_OPERATOR,
          INVALID_URI,
          UNKNOWN_BACKEND,
          DEVICE_UNAVAILABLE,
          INVALID_OPTION,
          OUT_OF_MEMORY,
          ALLOCATION_TOO_LARGE,
          USE_AFTER_CLOSE,
          CLOSE_ORDER,
          WRONG_THREAD,
          WRONG_DEVICE,
          DEADLINE_EXCEEDED,
          STREAM_POISONED,
          CAPTURE_STATE,
          KERNEL_FAILED ->
          Optional.empty();
      case IMPORT_UNSUPPORTED ->
          Optional.of(
              "importHost turns it into an empty result, which hal:runtime/import:memory=any"
                  + " checks");
      case BACKEND_BROKEN ->
          Optional.of(
              "a property of an installation, not of a device; the tests of hal-api cover it");
      case DEVICE_LOST, KERNEL_BUILD_FAILED, NATIVE_CALL_FAILED ->
          Optional.of("a fault of driver or hardware; the kit's self-test plants it");
      case MODEL_NOT_FOUND,
          CHECKPOINT_CORRUPT,
          TENSOR_MISSING,
          CONFIG_INVALID,
          UNSUPPORTED_ARCHITECTURE,
          TOKENIZER_MISSING,
          TOKENIZER_INVALID,
          CHAT_TEMPLATE_INVALID,
          CONTEXT_OVERFLOW,
          GOLDEN_INVALID ->
          Optional.of("it belongs to the package models, whose tests cover it");
    };
  }

  private static void bringTo(HalErrorCode code, Workbench b) {
    Tensor t = b.f32(4, 8);
    switch (code) {
      case INVALID_ARGUMENT -> fails(code, b.arena()::reset);
      case SHAPE_MISMATCH -> {
        fails(code, () -> b.put(b.stream(), t, new float[31]));
        fails(code, () -> b.plan(new MatMul(), t, t, t));
      }
      case DTYPE_MISMATCH -> fails(code, () -> b.plan(new Gather(), t, t, t));
      case OUT_OF_BOUNDS -> {
        fails(code, () -> t.slice(0, 3, 2));
        fails(code, () -> t.part(4));
      }
      case ALIASED_OPERANDS -> {
        fails(code, () -> b.stream().copy(t.slice(0, 0, 2), t.slice(0, 1, 2)));
        fails(code, () -> b.fill(b.stream(), b.f32(1, 8).broadcastTo(t.shape()), 1));
      }
      case UNSUPPORTED_OPERATOR ->
          fails(
              code,
              () ->
                  new Planner(b.device(), PlacementPolicy.DEFAULT.withoutNative("Fill"))
                      .plan(new Fill(1), t.type()));
      case INVALID_URI -> fails(code, () -> DeviceUri.parse("cpu:/0"));
      case UNKNOWN_BACKEND -> fails(code, () -> HalRegistry.discover().open("no-such-backend://0"));
      case DEVICE_UNAVAILABLE ->
          fails(code, () -> registry(b).open(b.device().uri().scheme() + "://no-such-device"));
      case INVALID_OPTION ->
          fails(
              code,
              () ->
                  registry(b)
                      .open(b.device().uri(), DeviceOptions.DEFAULT.with("no-such-option", 1)));
      case OUT_OF_MEMORY -> {
        Exhaustion.requireOwnMemory(b.device());
        HalException e = Exhaustion.of(b.fresh().arena());
        Check.that(!e.remedy().isEmpty(), () -> "no remedy: " + e.getMessage());
      }
      case ALLOCATION_TOO_LARGE -> {
        long limit = b.device().capabilities().maxAllocationBytes();
        fails(code, () -> b.arena().allocate(TensorType.of(DType.U8, limit + 1)));
      }
      case USE_AFTER_CLOSE -> {
        CommandStream s = b.newStream("closed");
        s.close();
        fails(code, () -> b.fill(s, t, 1));
      }
      case CLOSE_ORDER -> fails(code, b.fresh().device()::close);
      case WRONG_THREAD -> ThreadCases.collide(b);
      case WRONG_DEVICE -> {
        Workbench other = b.fresh();
        Tensor foreign = other.f32(4, 8);
        Fence fence = other.stream().record();
        fails(code, () -> b.fill(b.stream(), foreign, 1));
        fails(code, () -> b.stream().waitFor(fence));
        fails(code, () -> b.stream().enqueue(other.plan(new Fill(1), foreign), t));
      }
      case DEADLINE_EXCEEDED -> deadline(b);
      case STREAM_POISONED -> {
        CommandStream s = b.newStream("failing");
        b.provoke(s);
        fails(code, () -> b.fill(s, t, 1));
      }
      case CAPTURE_STATE -> fails(code, b.stream()::endCapture);
      case KERNEL_FAILED -> {
        if (b.provoke(b.newStream("failing")).code() != code) {
          throw Inapplicable.notSupported(
              "a wrong row number is OUT_OF_BOUNDS here: no kernel fails on request");
        }
      }
      default -> throw new IllegalStateException("no way to " + code);
    }
    b.fill(b.stream(), t, 2);
    Check.all(2, b.get(t), "a tensor after the error");
  }

  private static void fails(HalErrorCode code, Check.Call call) {
    Check.fails(code, call, "a call that is " + code.id());
  }

  /** The backends here, if the device under test is of one of them. */
  private static HalRegistry registry(Workbench b) {
    HalRegistry registry = HalRegistry.discover();
    String scheme = b.device().uri().scheme();
    if (registry.probeAll().stream().noneMatch(p -> p.backend().equals(scheme))) {
      throw Inapplicable.notRun("no backend on the class path opens " + scheme + "://");
    }
    return registry;
  }

  private static void deadline(Workbench b) {
    CommandStream s = b.newStream("busy");
    b.occupy(s);
    try {
      s.synchronize(Duration.ZERO);
    } catch (HalException e) {
      Check.requireCode(HalErrorCode.DEADLINE_EXCEEDED, e, "synchronize within no time");
      s.synchronize(Subject.DEADLINE);
      return;
    }
    throw Inapplicable.notSupported("work is done when it is enqueued: no wait exceeds anything");
  }
}
