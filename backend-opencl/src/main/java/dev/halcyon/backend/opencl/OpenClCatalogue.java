package dev.halcyon.backend.opencl;

import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceUri;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_device_id;
import org.jocl.cl_platform_id;

/** The devices of all platforms, in the order of the loader: platform by platform. */
final class OpenClCatalogue {
  static final String SCHEME = "opencl";
  private static final int DEVICE_VERSION = 0x102F;
  private static final int DRIVER_VERSION = 0x102D;

  /**
   * A device that can be opened.
   *
   * @param index its number over all platforms
   * @param platformIndex its platform's number
   * @param deviceIndex its number on the platform
   * @param platform the platform's handle
   * @param device its handle
   * @param platformName the platform's name
   * @param info what it is
   */
  record Entry(
      int index,
      int platformIndex,
      int deviceIndex,
      cl_platform_id platform,
      cl_device_id device,
      String platformName,
      DeviceInfo info) {
    /** Whether {@code path} of a URI names this device. */
    boolean isNamed(String path) {
      return path.isEmpty() && index == 0
          || path.equals(String.valueOf(index))
          || path.equals(platformIndex + "/" + deviceIndex);
    }
  }

  private OpenClCatalogue() {}

  static List<Entry> list() {
    List<Entry> all = new ArrayList<>();
    int[] count = new int[1];
    OpenClErrors.check(CL.clGetPlatformIDs(0, null, count), "clGetPlatformIDs", SCHEME);
    cl_platform_id[] platforms = new cl_platform_id[count[0]];
    OpenClErrors.check(
        CL.clGetPlatformIDs(platforms.length, platforms, null), "clGetPlatformIDs", SCHEME);
    for (int p = 0; p < platforms.length; p++) {
      cl_platform_id platform = platforms[p];
      count[0] = 0;
      int status = CL.clGetDeviceIDs(platform, CL.CL_DEVICE_TYPE_ALL, 0, null, count);
      if (status != OpenClErrors.SUCCESS || count[0] == 0) {
        continue;
      }
      cl_device_id[] devices = new cl_device_id[count[0]];
      OpenClErrors.check(
          CL.clGetDeviceIDs(platform, CL.CL_DEVICE_TYPE_ALL, devices.length, devices, null),
          "clGetDeviceIDs",
          SCHEME);
      String platformName = text(platform, CL.CL_PLATFORM_NAME);
      for (int d = 0; d < devices.length; d++) {
        int index = all.size();
        all.add(
            new Entry(
                index,
                p,
                d,
                platform,
                devices[d],
                platformName,
                info(index, platformName, devices[d])));
      }
    }
    return List.copyOf(all);
  }

  static Optional<Entry> find(DeviceUri uri) {
    return list().stream().filter(e -> e.isNamed(uri.path())).findFirst();
  }

  private static DeviceInfo info(int index, String platformName, cl_device_id device) {
    long type = number(device, CL.CL_DEVICE_TYPE);
    DeviceInfo.Kind kind =
        (type & CL.CL_DEVICE_TYPE_GPU) != 0
            ? DeviceInfo.Kind.GPU
            : (type & CL.CL_DEVICE_TYPE_CPU) != 0 ? DeviceInfo.Kind.CPU : DeviceInfo.Kind.OTHER;
    return new DeviceInfo(
        new DeviceUri(SCHEME, String.valueOf(index)),
        text(device, CL.CL_DEVICE_NAME),
        kind,
        platformName
            + ", "
            + text(device, DEVICE_VERSION)
            + ", driver "
            + text(device, DRIVER_VERSION),
        number(device, CL.CL_DEVICE_GLOBAL_MEM_SIZE),
        (int) number(device, CL.CL_DEVICE_MAX_COMPUTE_UNITS));
  }

  /** An integer property of up to 8 bytes. */
  static long number(cl_device_id device, int property) {
    // a direct buffer: under -Xcheck:jni results do not come back through arrays
    ByteBuffer value = ByteBuffer.allocateDirect(8).order(ByteOrder.nativeOrder());
    OpenClErrors.check(
        CL.clGetDeviceInfo(device, property, 8, Pointer.to(value), null),
        "clGetDeviceInfo",
        SCHEME);
    return value.getLong(0);
  }

  /** The name of a property as text. */
  static String text(cl_device_id device, int property) {
    long[] size = new long[1];
    if (CL.clGetDeviceInfo(device, property, 0, null, size) != OpenClErrors.SUCCESS) {
      return "";
    }
    ByteBuffer bytes = ByteBuffer.allocateDirect((int) size[0]);
    CL.clGetDeviceInfo(device, property, bytes.capacity(), Pointer.to(bytes), null);
    return text(bytes);
  }

  private static String text(cl_platform_id platform, int property) {
    long[] size = new long[1];
    if (CL.clGetPlatformInfo(platform, property, 0, null, size) != OpenClErrors.SUCCESS) {
      return "";
    }
    ByteBuffer bytes = ByteBuffer.allocateDirect((int) size[0]);
    CL.clGetPlatformInfo(platform, property, bytes.capacity(), Pointer.to(bytes), null);
    return text(bytes);
  }

  /** The text in a buffer, without the terminating zero. */
  static String text(ByteBuffer buffer) {
    return StandardCharsets.UTF_8
        .decode(buffer.duplicate().rewind())
        .toString()
        .replace("\0", "")
        .strip();
  }
}
