package dev.halcyon.conformance.waiver;

import dev.halcyon.conformance.CaseQuery;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.json.JsonReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads a file of waivers: a JSON array of objects, in which Java comments and trailing commas are
 * allowed. docs/conformance.md describes the fields.
 */
public final class WaiverFile {
  private static final Set<String> FIELDS =
      Set.of("device", "driver", "query", "issue", "expect", "expires");
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(JsonReadFeature.ALLOW_JAVA_COMMENTS)
          .enable(JsonReadFeature.ALLOW_TRAILING_COMMA)
          .build();

  private final Path file;

  private WaiverFile(Path file) {
    this.file = file;
  }

  /**
   * Reads {@code file}.
   *
   * @throws HalException {@code INVALID_OPTION} naming file, line and field if it is missing or
   *     malformed
   */
  public static List<Waiver> read(Path file) {
    return new WaiverFile(file).read();
  }

  private List<Waiver> read() {
    if (!Files.isRegularFile(file)) {
      throw invalid(0, "does not exist");
    }
    String text;
    try {
      text = Files.readString(file);
    } catch (IOException e) {
      throw invalid(0, "cannot be read: " + e.getMessage());
    }
    List<Waiver> waivers = new ArrayList<>();
    try (JsonParser parser = MAPPER.createParser(text)) {
      if (parser.nextToken() != JsonToken.START_ARRAY) {
        throw invalid(1, "must be an array of waivers");
      }
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        int line = parser.currentTokenLocation().getLineNr();
        if (parser.currentToken() != JsonToken.START_OBJECT) {
          throw invalid(line, "a waiver must be an object");
        }
        waivers.add(waiver(line, parser.readValueAsTree()));
      }
    } catch (JacksonException e) {
      int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
      throw invalid(line, "is not JSON: " + e.getOriginalMessage());
    }
    return waivers;
  }

  private Waiver waiver(int line, JsonNode node) {
    for (String name : node.propertyNames()) {
      if (!FIELDS.contains(name)) {
        throw invalid(line, "unknown field '" + name + "'; the fields are " + sorted());
      }
    }
    List<CaseQuery> queries = new ArrayList<>();
    JsonNode query = node.path("query");
    if (query.isArray() && !query.isEmpty()) {
      query.forEach(q -> queries.add(query(line, q)));
    } else {
      queries.add(query(line, query));
    }
    String expires = text(line, node.path("expires"), "expires");
    LocalDate date;
    try {
      date = LocalDate.parse(expires);
    } catch (DateTimeParseException e) {
      throw invalid(line, "'expires' must be a date like 2027-03-31, got '" + expires + "'");
    }
    return new Waiver(
        line,
        text(line, node.path("device"), "device"),
        node.has("driver") ? text(line, node.path("driver"), "driver") : "*",
        queries,
        text(line, node.path("issue"), "issue"),
        text(line, node.path("expect"), "expect"),
        date);
  }

  private static List<String> sorted() {
    return FIELDS.stream().sorted().toList();
  }

  private CaseQuery query(int line, JsonNode node) {
    try {
      return CaseQuery.parse(text(line, node, "query"));
    } catch (IllegalArgumentException e) {
      throw invalid(line, "'query': " + e.getMessage());
    }
  }

  private String text(int line, JsonNode node, String field) {
    if (!node.isString() || node.stringValue().isBlank()) {
      throw invalid(line, "'" + field + "' must be a text that is not empty");
    }
    return node.stringValue();
  }

  private HalException invalid(int line, String what) {
    return HalException.of(HalErrorCode.INVALID_OPTION, "the waivers file " + what)
        .on(file + (line > 0 ? ":" + line : ""))
        .remedy("see docs/conformance.md, section Waivers")
        .build();
  }
}
