package dev.halcyon.backend.emulated;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.NativeStatus;
import java.time.Duration;

/** The status numbers of the emulated driver and their mapping to {@link HalErrorCode}. */
final class EmulatedErrors {
  /** What the emulated driver returns. */
  enum Status {
    OUT_OF_MEMORY(2, HalErrorCode.OUT_OF_MEMORY),
    HOST_MEMORY_NOT_MAPPABLE(3, HalErrorCode.IMPORT_UNSUPPORTED),
    BUILD_FAILED(4, HalErrorCode.KERNEL_BUILD_FAILED),
    ILLEGAL_ADDRESS(10, HalErrorCode.KERNEL_FAILED),
    WRITE_TO_READ_ONLY(11, HalErrorCode.KERNEL_FAILED),
    INDEX_OUT_OF_RANGE(12, HalErrorCode.KERNEL_FAILED),
    LAUNCH_FAILED(13, HalErrorCode.KERNEL_FAILED),
    NOT_CAPTURABLE(20, HalErrorCode.CAPTURE_STATE),
    TIMEOUT(21, HalErrorCode.DEADLINE_EXCEEDED),
    DEVICE_LOST(30, HalErrorCode.DEVICE_LOST),
    UNKNOWN(99, HalErrorCode.NATIVE_CALL_FAILED);

    private final int number;
    private final HalErrorCode code;

    Status(int number, HalErrorCode code) {
      this.number = number;
      this.code = code;
    }
  }

  private EmulatedErrors() {}

  /**
   * The exception of a failed driver call.
   *
   * @param what the failure, with names and sizes
   */
  static HalException failure(Status status, String function, String what, String where) {
    return HalException.of(status.code, what)
        .on(where)
        .nativeStatus(new NativeStatus("emulated", status.number, function, status.name()))
        .remedy(remedy(status))
        .build();
  }

  /** The exception of a fault that a worker met. */
  static HalException failure(EmulatedFault fault, String command, String where) {
    return failure(fault.status(), command, command + " failed: " + fault.getMessage(), where);
  }

  static HalException deadline(Duration deadline, String where) {
    return failure(Status.TIMEOUT, "wait", "the device did not finish within " + deadline, where);
  }

  /** A failure of earlier work, thrown once more on the thread that hears of it. */
  static HalException again(HalException failure) {
    HalException.Builder b =
        HalException.of(failure.code(), failure.what())
            .on(failure.context())
            .remedy(failure.remedy())
            .cause(failure);
    failure.nativeStatus().ifPresent(b::nativeStatus);
    return b.build();
  }

  private static String remedy(Status status) {
    return switch (status) {
      case OUT_OF_MEMORY ->
          "close other arenas, or open the device with a larger option memory-mib";
      case HOST_MEMORY_NOT_MAPPABLE -> "copy it, or use a segment that every thread may access";
      case BUILD_FAILED -> "remove the operator from option fail-build";
      case ILLEGAL_ADDRESS, WRITE_TO_READ_ONLY, INDEX_OUT_OF_RANGE, LAUNCH_FAILED, UNKNOWN ->
          "run with -Dhalcyon.debug.sync=true to name the operator; turn it off by"
              + " -Dhalcyon.plan.disable=emulated:<Operator>";
      case NOT_CAPTURABLE -> "keep transfers, fences and waits out of a graph";
      case TIMEOUT -> "allow more time, or close the device if it hangs";
      case DEVICE_LOST -> "close the device and open it again";
    };
  }
}
