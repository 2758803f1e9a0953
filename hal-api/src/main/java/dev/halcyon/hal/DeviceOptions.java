package dev.halcyon.hal;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Backend-specific settings of an open device, by name: {@code threads}, for example.
 *
 * @param values the settings
 */
public record DeviceOptions(Map<String, String> values) {
  /** No settings. */
  public static final DeviceOptions DEFAULT = new DeviceOptions(Map.of());

  public DeviceOptions {
    values = Map.copyOf(values);
  }

  /** These options and one more. */
  public DeviceOptions with(String name, Object value) {
    Map<String, String> copy = new java.util.HashMap<>(values);
    copy.put(name, String.valueOf(value));
    return new DeviceOptions(copy);
  }

  /**
   * A positive integer setting, or {@code fallback} if absent.
   *
   * @throws HalException {@code INVALID_OPTION}
   */
  public int positiveInt(String name, int fallback) {
    String text = values.get(name);
    if (text == null) {
      return fallback;
    }
    try {
      int value = Integer.parseInt(text);
      if (value > 0) {
        return value;
      }
    } catch (NumberFormatException e) {
      // reported below, like a number out of range
    }
    throw HalException.of(
            HalErrorCode.INVALID_OPTION,
            "option " + name + "=" + text + " is not a positive integer")
        .remedy("give a whole number above zero")
        .build();
  }

  /**
   * Rejects settings the backend does not know.
   *
   * @throws HalException {@code INVALID_OPTION} naming the unknown and the known ones
   */
  public void requireKnown(Set<String> known) {
    for (String name : values.keySet()) {
      if (!known.contains(name)) {
        throw HalException.of(HalErrorCode.INVALID_OPTION, "unknown device option '" + name + "'")
            .remedy("known options: " + new TreeSet<>(known))
            .build();
      }
    }
  }
}
