package dev.halcyon.conformance.report;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.util.DefaultPrettyPrinter;
import tools.jackson.databind.DeserializationContext;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.SerializationContext;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.ValueDeserializer;
import tools.jackson.databind.ValueSerializer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.module.SimpleModule;

/**
 * {@code results.json}: a {@link RunReport} field by field, a case to a line, durations in seconds,
 * null where there is no value.
 */
public final class ReportJson {
  /** Report, list of devices, device. */
  private static final int DEVICE_LEVEL = 3;

  /** And its list of cases. */
  private static final int CASES_LEVEL = DEVICE_LEVEL + 1;

  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .defaultPrettyPrinter(
              new DefaultPrettyPrinter()
                  .withObjectIndenter(new OuterLines(DEVICE_LEVEL))
                  .withArrayIndenter(new OuterLines(CASES_LEVEL)))
          .addModule(
              new SimpleModule()
                  .addSerializer(Duration.class, new SecondsSerializer())
                  .addDeserializer(Duration.class, new SecondsDeserializer()))
          .build();

  /**
   * A line for each entry of an outer level, a space within.
   *
   * @param deepest level whose entries get a line
   */
  private record OuterLines(int deepest) implements DefaultPrettyPrinter.Indenter {
    @Override
    public void writeIndentation(JsonGenerator out, int level) {
      out.writeRaw(level <= deepest ? "\n" + "  ".repeat(Math.min(level, deepest)) : " ");
    }

    @Override
    public boolean isInline() {
      return false;
    }
  }

  private static final class SecondsSerializer extends ValueSerializer<Duration> {
    @Override
    public void serialize(Duration value, JsonGenerator out, SerializationContext context) {
      out.writeNumber(value.toNanos() * 1e-9);
    }
  }

  private static final class SecondsDeserializer extends ValueDeserializer<Duration> {
    @Override
    public Duration deserialize(JsonParser in, DeserializationContext context) {
      return Duration.ofNanos(Math.round(in.getDoubleValue() * 1e9));
    }
  }

  private ReportJson() {}

  /** The report as a document. */
  public static String write(RunReport report) {
    return MAPPER.writeValueAsString(report);
  }

  /**
   * Reads what {@link #write} wrote.
   *
   * @throws HalException {@code INVALID_OPTION} if the file is missing, is no report, or was
   *     written by a version of Halcyon with another schema
   */
  public static RunReport read(Path file) {
    if (!Files.isRegularFile(file)) {
      throw invalid(file, "does not exist");
    }
    try {
      JsonNode root = MAPPER.readTree(Files.readString(file));
      JsonNode schema = root.path("schema");
      if (!schema.isInt() || !root.path("devices").isArray()) {
        throw invalid(file, "is no conformance report");
      }
      if (schema.intValue() != RunReport.SCHEMA) {
        throw invalid(
            file, "has schema " + schema.intValue() + ", this version reads " + RunReport.SCHEMA);
      }
      return MAPPER.treeToValue(root, RunReport.class);
    } catch (IOException e) {
      throw invalid(file, "cannot be read: " + e.getMessage());
    } catch (JacksonException e) {
      throw invalid(file, "is no conformance report: " + e.getOriginalMessage());
    }
  }

  private static HalException invalid(Path file, String what) {
    return HalException.of(HalErrorCode.INVALID_OPTION, "the file " + what)
        .on(file.toString())
        .remedy("name a results.json that 'halcyon conformance --out' wrote")
        .build();
  }
}
