package dev.halcyon.cli;

import dev.halcyon.hal.plan.Placement;
import dev.halcyon.hal.plan.PlacementReport;
import java.util.List;
import java.util.OptionalDouble;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What {@code --json} prints: one document, numbers as numbers, null where there is no value. */
final class Json {
  private static final JsonMapper MAPPER =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  private Json() {}

  static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  static ArrayNode array() {
    return MAPPER.createArrayNode();
  }

  static ArrayNode array(int[] values) {
    ArrayNode a = array();
    for (int v : values) {
      a.add(v);
    }
    return a;
  }

  static ArrayNode array(List<Double> values) {
    ArrayNode a = array();
    values.forEach(a::add);
    return a;
  }

  /** Sets a number that JSON can hold, null otherwise. */
  static void number(ObjectNode object, String name, OptionalDouble value) {
    if (value.isPresent() && Double.isFinite(value.getAsDouble())) {
      object.put(name, value.getAsDouble());
    } else {
      object.putNull(name);
    }
  }

  static ObjectNode placement(PlacementReport report) {
    ObjectNode o = object();
    o.put("summary", report.summary());
    o.put("native", report.count(Placement.NATIVE));
    o.put("decomposed", report.count(Placement.DECOMPOSED));
    o.put("host", report.count(Placement.HOST));
    ArrayNode decisions = o.putArray("decisions");
    for (PlacementReport.Decision d : report.decisions()) {
      decisions
          .addObject()
          .put("operator", d.operator())
          .put("placement", d.placement().name())
          .put("implementation", d.implementation())
          .put("reason", d.reason())
          .put("example", d.example())
          .put("plans", d.plans());
    }
    ArrayNode missing = o.putArray("missing");
    for (PlacementReport.Missing m : report.missing()) {
      ObjectNode entry =
          missing
              .addObject()
              .put("operator", m.operator())
              .put("reason", m.reason())
              .put("example", m.example());
      ArrayNode neededBy = entry.putArray("neededBy");
      m.neededBy().forEach(neededBy::add);
    }
    return o;
  }

  static void print(Console console, JsonNode node) {
    console.println(MAPPER.writeValueAsString(node));
  }

  /** The only element itself if there is one device, else all. */
  static void printOneOrMany(Console console, ArrayNode nodes) {
    print(console, nodes.size() == 1 ? nodes.get(0) : nodes);
  }
}
