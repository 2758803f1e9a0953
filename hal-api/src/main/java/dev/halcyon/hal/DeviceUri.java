package dev.halcyon.hal;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names a device: {@code cpu://}, {@code opencl://0}, {@code opencl://<platform>/<n>}, {@code
 * cuda://GPU-<uuid>}.
 *
 * @param scheme the backend's name
 * @param path which device of it; empty for the default
 */
public record DeviceUri(String scheme, String path) {
  private static final Pattern SYNTAX =
      Pattern.compile("([a-z][a-z0-9-]*)(?:://([A-Za-z0-9_./-]*))?");

  public DeviceUri {
    if (!SYNTAX.matcher(scheme + "://" + path).matches()) {
      throw invalid(scheme + "://" + path);
    }
  }

  /**
   * Parses {@code scheme://path}; a bare {@code scheme} means its default device.
   *
   * @throws HalException {@code INVALID_URI}
   */
  public static DeviceUri parse(String text) {
    Matcher m = SYNTAX.matcher(text);
    if (!m.matches()) {
      throw invalid(text);
    }
    return new DeviceUri(m.group(1), m.group(2) == null ? "" : m.group(2));
  }

  private static HalException invalid(String text) {
    return HalException.of(HalErrorCode.INVALID_URI, "'" + text + "' is not a device URI")
        .remedy(
            "write it as backend://device, for example cpu:// or opencl://0; 'halcyon devices'"
                + " lists them")
        .build();
  }

  @Override
  public String toString() {
    return scheme + "://" + path;
  }
}
