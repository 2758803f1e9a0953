package dev.halcyon.models.json;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeType;

/**
 * Reads one JSON object from a file nobody vouches for: size, depth and number length are bounded,
 * duplicate keys and trailing text are refused. Every failure is a {@link HalException} of the code
 * given by the caller.
 */
public final class JsonReader {
  /** Jackson's factory with the limits of this reader; shared because factories are thread-safe. */
  public static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(64).maxNumberLength(64).build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
          .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
          .build();

  private static final JsonMapper MAPPER =
      JsonMapper.builder(FACTORY).enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private JsonReader() {}

  /**
   * Reads the object in {@code file}.
   *
   * @param maxBytes refuse larger files before reading them
   * @param code the code of every failure
   * @param remedy what the user should do if the file is unusable
   */
  public static JsonNode readObject(Path file, long maxBytes, HalErrorCode code, String remedy) {
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      bytes = bounded(in, file.toString(), maxBytes, code, remedy);
    } catch (NoSuchFileException e) {
      throw HalException.of(code, "file not found: " + file).remedy(remedy).cause(e).build();
    } catch (IOException e) {
      throw HalException.of(code, "cannot read " + file + ": " + reason(e))
          .remedy(remedy)
          .cause(e)
          .build();
    }
    return parseObject(bytes, file.toString(), code, remedy);
  }

  /** Reads the object in {@code in}, which stays open; {@code source} names it in errors. */
  public static JsonNode readObject(
      InputStream in, String source, long maxBytes, HalErrorCode code, String remedy) {
    try {
      return parseObject(bounded(in, source, maxBytes, code, remedy), source, code, remedy);
    } catch (IOException e) {
      throw HalException.of(code, "cannot read " + source + ": " + reason(e))
          .remedy(remedy)
          .cause(e)
          .build();
    }
  }

  private static byte[] bounded(
      InputStream in, String source, long maxBytes, HalErrorCode code, String remedy)
      throws IOException {
    byte[] bytes = in.readNBytes((int) Math.min(maxBytes + 1, Integer.MAX_VALUE - 8));
    if (bytes.length > maxBytes) {
      throw HalException.of(code, source + " is larger than " + maxBytes + " bytes")
          .remedy(remedy)
          .build();
    }
    return bytes;
  }

  private static JsonNode parseObject(
      byte[] bytes, String source, HalErrorCode code, String remedy) {
    JsonNode node;
    try {
      node = MAPPER.readTree(bytes);
    } catch (JacksonException e) {
      throw HalException.of(code, source + " is not valid JSON: " + describe(e))
          .remedy(remedy)
          .cause(e)
          .build();
    }
    if (!node.isObject()) {
      String found =
          node.getNodeType() == JsonNodeType.MISSING ? "nothing" : "a JSON " + node.getNodeType();
      throw HalException.of(
              code,
              source
                  + " must hold a JSON object but holds "
                  + found.toLowerCase(java.util.Locale.ROOT))
          .remedy(remedy)
          .build();
    }
    return node;
  }

  /** Jackson's words and place, on one line and without the input itself. */
  public static String describe(JacksonException e) {
    String text =
        e.getOriginalMessage() == null ? e.getClass().getSimpleName() : e.getOriginalMessage();
    if (text.length() > 200) {
      text = text.substring(0, 200) + "...";
    }
    var at = e.getLocation();
    return text.replace('\n', ' ')
        + (at == null || at.getLineNr() < 0
            ? ""
            : " at line " + at.getLineNr() + ", column " + at.getColumnNr());
  }

  private static String reason(IOException e) {
    return e.getClass().getSimpleName() + (e.getMessage() == null ? "" : " " + e.getMessage());
  }
}
