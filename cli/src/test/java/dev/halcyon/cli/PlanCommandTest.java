package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.testing.ReferenceBackend;
import dev.halcyon.hal.testing.ReferenceOptions;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class PlanCommandTest {
  private static final String CONFIG =
      Command.GOLDEN.resolve("dsv3-fp8-tiny/fp8/config.json").toString();
  private static final String MODEL = Command.GOLDEN.resolve("dsv3-fp8-tiny/fp8").toString();

  private static Command reference(String... without) {
    return Command.PLAIN.withBackends(
        HalRegistry.of(new ReferenceBackend(ReferenceOptions.DEFAULT.without(without))));
  }

  @Test
  void jsonTellsMemoryAndPlacement() {
    JsonNode o =
        Command.PLAIN.run("plan", "--model", MODEL, "--context", "100", "--json").assertOk().json();
    assertEquals(
        new TreeSet<>(
            Set.of(
                "device",
                "model",
                "dtype",
                "complete",
                "weightBytes",
                "activeWeightBytesPerToken",
                "cacheBytesPerToken",
                "contextLength",
                "cacheBytes",
                "memoryBytes",
                "placement")),
        new TreeSet<>(o.propertyNames()));
    assertEquals("cpu://", o.get("device").stringValue());
    assertTrue(o.get("complete").booleanValue());
    long perToken = o.get("cacheBytesPerToken").longValue();
    assertTrue(perToken > 0);
    assertEquals(100, o.get("contextLength").intValue());
    assertEquals(128 * perToken, o.get("cacheBytes").longValue(), "whole blocks of 64");
    assertTrue(o.get("placement").get("native").intValue() > 5);
    assertTrue(o.get("placement").get("missing").isEmpty());

    JsonNode declared =
        Command.PLAIN
            .run("plan", "--config", CONFIG, "--context", "100", "--json")
            .assertOk()
            .json();
    assertEquals(CONFIG, declared.get("model").stringValue());
    for (String equal : List.of("activeWeightBytesPerToken", "cacheBytesPerToken", "placement")) {
      assertEquals(o.get(equal), declared.get(equal), equal);
    }
    JsonNode small =
        Command.PLAIN
            .run("plan", "--config", CONFIG, "--dtype", "int4", "--kv-dtype", "f32", "--json")
            .assertOk()
            .json();
    assertTrue(
        small.get("activeWeightBytesPerToken").longValue()
            < o.get("activeWeightBytesPerToken").longValue());
    assertEquals(2 * perToken, small.get("cacheBytesPerToken").longValue());
    assertTrue(small.get("contextLength").intValue() > 100, "the model's");
  }

  @Test
  void textIsTheSameForPeople() {
    Command.Result r = Command.PLAIN.run("plan", "--model", "demo", "--context", "64").assertOk();
    for (String word :
        List.of(
            "cpu://", "demo", "active weights", "per decoded token", "64 tokens", "MoeGating")) {
      assertTrue(r.out().contains(word), word + " not in " + r.out());
    }
    assertTrue(r.out().contains("NATIVE") && r.out().contains(" 0 on the host"), r.out());
  }

  @Test
  void devicesThatLackOperatorsEndWithOne() {
    Command lacking = reference("TopK", "Reduce");
    Command.Result r =
        lacking.run("plan", "--model", MODEL, "--device", "reference://0", "--context", "32");
    assertEquals(ExitCode.INCOMPLETE, r.code(), r.err());
    for (String word :
        List.of(
            "MISSING", "TopK is turned off", "Reduce is turned off", "needed by", "MoeGating")) {
      assertTrue(r.out().contains(word), word + " not in " + r.out());
    }
    Command.Result json =
        lacking.run("plan", "--config", CONFIG, "--device", "reference://0", "--json");
    assertEquals(ExitCode.INCOMPLETE, json.code(), json.err());
    assertFalse(json.json().get("complete").booleanValue());
    JsonNode missing = json.json().get("placement").get("missing");
    Set<String> operators = new TreeSet<>();
    missing.forEach(m -> operators.add(m.get("operator").stringValue()));
    assertEquals(Set.of("TopK", "Reduce"), operators);
    assertFalse(missing.get(0).get("neededBy").isEmpty());
    assertFalse(missing.get(0).get("reason").stringValue().isEmpty());

    String[] run = {"run", "--model", MODEL, "--prompt", "x", "--device", "reference://0"};
    lacking
        .run(run)
        .assertBadInput(
            HalErrorCode.UNSUPPORTED_OPERATOR, "TopK is turned off", "Reduce is turned off");
  }

  @Test
  void primitivesAreEnough() {
    JsonNode o =
        reference()
            .run("plan", "--model", MODEL, "--device", "reference://0", "--json")
            .assertOk()
            .json();
    assertTrue(o.get("placement").get("decomposed").intValue() >= 9, o.toString());
  }

  @Test
  void badInputIsTwo() {
    Command.PLAIN.run("plan").assertBadInput(HalErrorCode.INVALID_OPTION, "--model", "--config");
    Command.PLAIN
        .run("plan", "--model", "demo", "--config", CONFIG)
        .assertBadInput(HalErrorCode.INVALID_OPTION, "--model", "--config");
    Command.PLAIN
        .run("plan", "--config", "no-such-file.json")
        .assertBadInput(HalErrorCode.MODEL_NOT_FOUND, "no-such-file.json");
    Command.PLAIN
        .run("plan", "--model", "demo", "--context", "0")
        .assertBadInput(HalErrorCode.INVALID_OPTION, "contextLength");
    Command.PLAIN
        .run("plan", "--model", "demo", "--context", "1000000000")
        .assertBadInput(HalErrorCode.CONTEXT_OVERFLOW, "max_position_embeddings");
    Command.PLAIN
        .run("plan", "--model", "demo", "--device", "nothing://0")
        .assertBadInput(HalErrorCode.UNKNOWN_BACKEND, "nothing://0");
  }
}
