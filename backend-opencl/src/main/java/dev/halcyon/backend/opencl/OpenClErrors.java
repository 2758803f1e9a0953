package dev.halcyon.backend.opencl;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.NativeStatus;

/** The mapping of OpenCL's status numbers to {@link HalErrorCode}. */
final class OpenClErrors {
  static final int SUCCESS = 0;
  static final int PLATFORM_NOT_FOUND = -1001;

  private OpenClErrors() {}

  /** Throws unless {@code status} is CL_SUCCESS. */
  static void check(int status, String function, String where) {
    if (status != SUCCESS) {
      throw failure(status, function, where);
    }
  }

  /** The exception of a failed call. */
  static HalException failure(int status, String function, String where) {
    HalErrorCode code = code(status);
    return HalException.of(code, function + " failed with " + name(status))
        .on(where)
        .nativeStatus(new NativeStatus("OpenCL", status, function, name(status)))
        .remedy(remedy(code))
        .build();
  }

  static HalErrorCode code(int status) {
    return switch (status) {
      case -4, -6 -> HalErrorCode.OUT_OF_MEMORY;
      case -61 -> HalErrorCode.ALLOCATION_TOO_LARGE;
      case -2 -> HalErrorCode.DEVICE_LOST;
      case -3, -11, -15, -17 -> HalErrorCode.KERNEL_BUILD_FAILED;
      case -5, -12, -14, -52, -54, -55 -> HalErrorCode.KERNEL_FAILED;
      default -> HalErrorCode.NATIVE_CALL_FAILED;
    };
  }

  private static String remedy(HalErrorCode code) {
    return switch (code) {
      case OUT_OF_MEMORY ->
          "close other arenas, choose a smaller dtype or context, or another device";
      case ALLOCATION_TOO_LARGE -> "choose a smaller dtype or context, or another device";
      case DEVICE_LOST ->
          "close the device and open it again; see the system log for the driver's words";
      case KERNEL_BUILD_FAILED ->
          "update the OpenCL driver; report the build log with the driver's version";
      case KERNEL_FAILED ->
          "run with -Dhalcyon.debug.sync=true to name the operator; turn it off by"
              + " -Dhalcyon.plan.disable=opencl:<Operator>";
      default -> "see the OpenCL specification for this status of the function";
    };
  }

  /** The specification's name of a status. */
  static String name(int status) {
    return switch (status) {
      case 0 -> "CL_SUCCESS";
      case -1 -> "CL_DEVICE_NOT_FOUND";
      case -2 -> "CL_DEVICE_NOT_AVAILABLE";
      case -3 -> "CL_COMPILER_NOT_AVAILABLE";
      case -4 -> "CL_MEM_OBJECT_ALLOCATION_FAILURE";
      case -5 -> "CL_OUT_OF_RESOURCES";
      case -6 -> "CL_OUT_OF_HOST_MEMORY";
      case -7 -> "CL_PROFILING_INFO_NOT_AVAILABLE";
      case -8 -> "CL_MEM_COPY_OVERLAP";
      case -11 -> "CL_BUILD_PROGRAM_FAILURE";
      case -12 -> "CL_MAP_FAILURE";
      case -13 -> "CL_MISALIGNED_SUB_BUFFER_OFFSET";
      case -14 -> "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST";
      case -15 -> "CL_COMPILE_PROGRAM_FAILURE";
      case -17 -> "CL_LINK_PROGRAM_FAILURE";
      case -30 -> "CL_INVALID_VALUE";
      case -33 -> "CL_INVALID_DEVICE";
      case -34 -> "CL_INVALID_CONTEXT";
      case -36 -> "CL_INVALID_COMMAND_QUEUE";
      case -38 -> "CL_INVALID_MEM_OBJECT";
      case -42 -> "CL_INVALID_BINARY";
      case -43 -> "CL_INVALID_BUILD_OPTIONS";
      case -44 -> "CL_INVALID_PROGRAM";
      case -45 -> "CL_INVALID_PROGRAM_EXECUTABLE";
      case -46 -> "CL_INVALID_KERNEL_NAME";
      case -48 -> "CL_INVALID_KERNEL";
      case -49 -> "CL_INVALID_ARG_INDEX";
      case -50 -> "CL_INVALID_ARG_VALUE";
      case -51 -> "CL_INVALID_ARG_SIZE";
      case -52 -> "CL_INVALID_KERNEL_ARGS";
      case -53 -> "CL_INVALID_WORK_DIMENSION";
      case -54 -> "CL_INVALID_WORK_GROUP_SIZE";
      case -55 -> "CL_INVALID_WORK_ITEM_SIZE";
      case -57 -> "CL_INVALID_EVENT_WAIT_LIST";
      case -58 -> "CL_INVALID_EVENT";
      case -59 -> "CL_INVALID_OPERATION";
      case -61 -> "CL_INVALID_BUFFER_SIZE";
      case -63 -> "CL_INVALID_GLOBAL_WORK_SIZE";
      case PLATFORM_NOT_FOUND -> "CL_PLATFORM_NOT_FOUND_KHR";
      case -1138 -> "CL_INVALID_COMMAND_BUFFER_KHR";
      case -1139 -> "CL_INVALID_SYNC_POINT_WAIT_LIST_KHR";
      case -1140 -> "CL_INCOMPATIBLE_COMMAND_QUEUE_KHR";
      default -> "status " + status;
    };
  }
}
