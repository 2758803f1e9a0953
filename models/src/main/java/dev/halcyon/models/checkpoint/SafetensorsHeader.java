package dev.halcyon.models.checkpoint;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.json.JsonReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The parsed and validated header of a safetensors file. Format:
 * github.com/huggingface/safetensors, section "Format".
 *
 * <p>The same rules as the reference implementation: one object, unique names, {@code __metadata__}
 * maps strings to strings, tensors ordered by offset cover the data section from its first to its
 * last byte without gap or overlap.
 */
record SafetensorsHeader(Map<String, Entry> entries, Map<String, String> metadata) {
  static final long MAX_HEADER_BYTES = 100_000_000;
  private static final int MAX_RANK = 32;
  private static final String REMEDY =
      "the file is damaged or not safetensors: fetch or convert it again";

  /** One tensor; {@code begin} and {@code end} count from the start of the data section. */
  record Entry(String name, String dtype, long[] shape, long begin, long end) {}

  /**
   * Parses the header bytes of {@code file}.
   *
   * @param json the header, without the eight length bytes
   * @param dataBytes size of the data section
   */
  static SafetensorsHeader parse(Path file, byte[] json, long dataBytes) {
    if (json.length == 0 || json[0] != '{') {
      throw corrupt(file, "the header must start with '{'");
    }
    Map<String, Entry> entries = new LinkedHashMap<>();
    Map<String, String> metadata = new LinkedHashMap<>();
    try (JsonParser p =
        JsonReader.FACTORY.createParser(tools.jackson.core.ObjectReadContext.empty(), json)) {
      p.nextToken();
      while (p.nextToken() == JsonToken.PROPERTY_NAME) {
        String name = p.currentName();
        if (name.equals("__metadata__")) {
          readMetadata(file, p, metadata);
        } else {
          entries.put(name, readEntry(file, p, name));
        }
      }
      if (p.nextToken() != null) {
        throw corrupt(file, "text follows the header's object");
      }
    } catch (JacksonException e) {
      throw HalException.of(
              HalErrorCode.CHECKPOINT_CORRUPT, "invalid header: " + JsonReader.describe(e))
          .on(file.toString())
          .remedy(REMEDY)
          .cause(e)
          .build();
    }
    checkLayout(file, entries, dataBytes);
    return new SafetensorsHeader(entries, metadata);
  }

  private static void readMetadata(Path file, JsonParser p, Map<String, String> metadata) {
    expect(
        file, p.nextToken() == JsonToken.START_OBJECT, "__metadata__ must be an object of strings");
    while (p.nextToken() == JsonToken.PROPERTY_NAME) {
      String key = p.currentName();
      expect(
          file,
          p.nextToken() == JsonToken.VALUE_STRING,
          "__metadata__ must be an object of strings");
      metadata.put(key, p.getString());
    }
  }

  private static Entry readEntry(Path file, JsonParser p, String name) {
    expect(
        file,
        p.nextToken() == JsonToken.START_OBJECT,
        "tensor '" + brief(name) + "' must be described by an object");
    String dtype = null;
    long[] shape = null;
    long[] offsets = null;
    while (p.nextToken() == JsonToken.PROPERTY_NAME) {
      String key = p.currentName();
      JsonToken value = p.nextToken();
      switch (key) {
        case "dtype" -> {
          expect(
              file,
              value == JsonToken.VALUE_STRING,
              "dtype of tensor '" + brief(name) + "' must be a string");
          dtype = p.getString();
        }
        case "shape" -> shape = readLongs(file, p, "shape of tensor '" + brief(name) + "'");
        case "data_offsets" ->
            offsets = readLongs(file, p, "data_offsets of tensor '" + brief(name) + "'");
        default ->
            throw corrupt(file, "unknown key '" + brief(key) + "' of tensor '" + brief(name) + "'");
      }
    }
    if (dtype == null || shape == null || offsets == null) {
      throw corrupt(file, "tensor '" + brief(name) + "' needs dtype, shape and data_offsets");
    }
    expect(
        file,
        offsets.length == 2 && offsets[0] <= offsets[1],
        "data_offsets of tensor '" + brief(name) + "' must be two ascending numbers");
    return new Entry(name, dtype, shape, offsets[0], offsets[1]);
  }

  private static long[] readLongs(Path file, JsonParser p, String what) {
    expect(
        file,
        p.currentToken() == JsonToken.START_ARRAY,
        what + " must be an array of non-negative integers");
    long[] values = new long[MAX_RANK];
    int n = 0;
    while (p.nextToken() != JsonToken.END_ARRAY) {
      expect(
          file,
          p.currentToken() == JsonToken.VALUE_NUMBER_INT && p.getLongValue() >= 0,
          what + " must be an array of non-negative integers");
      expect(file, n < MAX_RANK, what + " has more than " + MAX_RANK + " entries");
      values[n++] = p.getLongValue();
    }
    return java.util.Arrays.copyOf(values, n);
  }

  private static void checkLayout(Path file, Map<String, Entry> entries, long dataBytes) {
    List<Entry> ordered = new ArrayList<>(entries.values());
    ordered.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long at = 0;
    for (Entry e : ordered) {
      String name = "tensor '" + brief(e.name()) + "'";
      if (e.end() > dataBytes) {
        throw corrupt(
            file,
            name
                + " ends at byte "
                + e.end()
                + " of the data section, which has only "
                + dataBytes
                + " bytes",
            "the file is truncated: fetch it again");
      }
      if (e.begin() != at) {
        throw corrupt(
            file,
            name
                + " starts at byte "
                + e.begin()
                + " of the data section, expected "
                + at
                + " (gap or overlap)");
      }
      at = e.end();
      int bits = SafetensorsDtype.bits(e.dtype());
      long expected;
      try {
        long elements = elementCount(e.shape());
        expected =
            bits == 0
                ? e.end() - e.begin()
                : Math.ceilDiv(Math.multiplyExact(elements, (long) bits), 8L);
      } catch (ArithmeticException overflow) {
        throw corrupt(
            file, "shape of " + name + " overflows: " + java.util.Arrays.toString(e.shape()));
      }
      if (expected != e.end() - e.begin()) {
        throw corrupt(
            file,
            name
                + " of shape "
                + java.util.Arrays.toString(e.shape())
                + " and dtype "
                + brief(e.dtype())
                + " needs "
                + expected
                + " bytes but has "
                + (e.end() - e.begin()));
      }
    }
    if (at != dataBytes) {
      throw corrupt(file, (dataBytes - at) + " bytes after the last tensor belong to none");
    }
  }

  private static long elementCount(long[] shape) {
    long n = 1;
    for (long d : shape) {
      if (d == 0) {
        return 0;
      }
    }
    for (long d : shape) {
      n = Math.multiplyExact(n, d);
    }
    return n;
  }

  private static void expect(Path file, boolean condition, String what) {
    if (!condition) {
      throw corrupt(file, what);
    }
  }

  static HalException corrupt(Path file, String what) {
    return corrupt(file, what, REMEDY);
  }

  static HalException corrupt(Path file, String what, String remedy) {
    return HalException.of(HalErrorCode.CHECKPOINT_CORRUPT, what)
        .on(file.toString())
        .remedy(remedy)
        .build();
  }

  private static String brief(String s) {
    return s.length() <= 120 ? s : s.substring(0, 120) + "...";
  }
}
