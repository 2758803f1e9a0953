package dev.halcyon.backend.cpu;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.NativeStatus;
import java.time.Duration;

/** The failures of the CPU backend. */
final class CpuErrors {
  private CpuErrors() {}

  static HalException outOfMemory(long bytes, long available, long errno) {
    HalException.Builder b =
        HalException.of(
                HalErrorCode.OUT_OF_MEMORY,
                "cannot allocate "
                    + bytes
                    + " bytes of host memory, "
                    + available
                    + " are available")
            .on("cpu://")
            .remedy("close other arenas or programs, or choose a smaller dtype or context");
    if (errno != 0) {
      b.nativeStatus(new NativeStatus("libc", errno, "mmap", errno == 12 ? "ENOMEM" : ""));
    }
    return b.build();
  }

  static HalException kernelFailed(String what, Throwable cause) {
    return HalException.of(HalErrorCode.KERNEL_FAILED, what + " failed: " + cause)
        .on("cpu://")
        .remedy(
            "if weights are mapped from a file, check that it was not truncated; else report this")
        .cause(cause)
        .build();
  }

  static HalException deadline(String what, Duration deadline) {
    return HalException.of(
            HalErrorCode.DEADLINE_EXCEEDED, what + " was still running after " + deadline)
        .on("cpu://")
        .remedy("wait longer, or give the process more cores")
        .build();
  }

  /** An index among device values that points outside a tensor. */
  static HalException index(String operator, String operand, long at, long value, long limit) {
    return HalException.of(
            HalErrorCode.OUT_OF_BOUNDS,
            operator
                + ": "
                + operand
                + "["
                + at
                + "] = "
                + value
                + " is outside [0, "
                + limit
                + ")")
        .on("cpu://")
        .remedy("correct the values of the operand '" + operand + "'")
        .build();
  }

  static HalException invalidOption(String what, String remedy) {
    return HalException.of(HalErrorCode.INVALID_OPTION, what).on("cpu://").remedy(remedy).build();
  }

  static HalException unavailable(String what, String remedy) {
    return HalException.of(HalErrorCode.DEVICE_UNAVAILABLE, what)
        .on("cpu://")
        .remedy(remedy)
        .build();
  }
}
