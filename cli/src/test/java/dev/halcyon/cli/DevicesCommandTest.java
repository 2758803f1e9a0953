package dev.halcyon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendProbe;
import dev.halcyon.hal.spi.BackendProvider;
import dev.halcyon.hal.testing.ReferenceBackend;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class DevicesCommandTest {
  private static final BackendProvider WORKING =
      new Fake(
          "alpha",
          new BackendProbe.Available("Driver 1.2"),
          List.of(info("alpha://0"), info("alpha://1")));
  private static final BackendProvider MISSING =
      new Fake(
          "beta",
          new BackendProbe.Unavailable("libbeta.so is not installed", "install beta"),
          List.of());
  private static final BackendProvider BROKEN =
      new Fake(
          "gamma",
          new BackendProbe.Broken(new IllegalStateException("it burns"), "call help"),
          List.of());
  private static final Command COMMAND =
      Command.PLAIN.withBackends(HalRegistry.of(WORKING, MISSING, BROKEN));

  @Test
  void jsonHasOneObjectPerDeviceOrBackend() {
    JsonNode all = COMMAND.run("devices", "--json").assertOk().json();
    assertEquals(4, all.size());
    for (JsonNode o : all) {
      assertEquals(
          new TreeSet<>(
              List.of(
                  "uri", "backend", "state", "name", "driver", "memoryBytes", "reason", "remedy")),
          new TreeSet<>(o.propertyNames()));
    }
    JsonNode second = all.get(1);
    assertEquals("alpha://1", second.get("uri").stringValue());
    assertEquals("AVAILABLE", second.get("state").stringValue());
    assertEquals("A chip", second.get("name").stringValue());
    assertEquals("Driver 1.2", second.get("driver").stringValue());
    assertEquals(16L << 30, second.get("memoryBytes").longValue());
    assertTrue(second.get("reason").isNull());
    JsonNode beta = all.get(2);
    assertEquals("beta", beta.get("backend").stringValue());
    assertEquals("UNAVAILABLE", beta.get("state").stringValue());
    assertEquals("libbeta.so is not installed", beta.get("reason").stringValue());
    assertEquals("install beta", beta.get("remedy").stringValue());
    assertTrue(beta.get("uri").isNull());
    assertTrue(beta.get("memoryBytes").isNull());
    assertEquals("BROKEN", all.get(3).get("state").stringValue());
    assertTrue(all.get(3).get("reason").stringValue().contains("it burns"));
  }

  @Test
  void tableNamesStatesReasonsAndRemedies() {
    String out = COMMAND.run("devices").assertOk().out();
    for (String word :
        List.of(
            "alpha://1",
            "AVAILABLE",
            "A chip",
            "17.2 GB",
            "libbeta.so",
            "install beta",
            "BROKEN",
            "it burns",
            "call help")) {
      assertTrue(out.contains(word), word + " not in " + out);
    }
    assertFalse(out.contains("\u001b"), "no colours where no terminal is");
  }

  @Test
  void coloursOnlyOnATerminalThatWantsThem() {
    Command terminal = COMMAND.withTerminals(new Terminals(true, true, true));
    assertTrue(terminal.run("devices").out().contains("\u001b["));
    assertFalse(
        terminal.withEnvironment(Map.of("NO_COLOR", "1")).run("devices").out().contains("\u001b"));
    assertFalse(
        terminal.withEnvironment(Map.of("TERM", "dumb")).run("devices").out().contains("\u001b"));
  }

  @Test
  void chosenDevicesThatAreNotThereSayWhy() {
    String[] run = {"run", "--model", "no-such-model", "--prompt", "x", "--device"};
    COMMAND
        .run(with(run, "delta://0"))
        .assertBadInput(HalErrorCode.UNKNOWN_BACKEND, "delta://0", "alpha");
    COMMAND
        .run(with(run, "beta://0"))
        .assertBadInput(HalErrorCode.DEVICE_UNAVAILABLE, "libbeta.so", "install beta");
    Command.Result broken = COMMAND.run(with(run, "gamma://0"));
    assertEquals(ExitCode.BAD_INPUT, broken.code());
    assertTrue(broken.complaint().contains("call help"), broken.err());
    COMMAND
        .run(with(run, "not a uri"))
        .assertBadInput(HalErrorCode.INVALID_URI, "not a uri", "halcyon devices");
    Command.PLAIN
        .withBackends(HalRegistry.of(MISSING))
        .run(with(run, "all"))
        .assertBadInput(HalErrorCode.DEVICE_UNAVAILABLE, "halcyon devices");
  }

  @Test
  void simulatedDevicesAreListedAsSuchAndRunOnlyWhenNamed() {
    Command command = Command.PLAIN.withBackends(HalRegistry.of(cpu(), new ReferenceBackend()));
    JsonNode all = command.run("devices", "--json").assertOk().json();
    assertEquals("AVAILABLE", all.get(0).get("state").stringValue());
    assertEquals("reference://0", all.get(1).get("uri").stringValue());
    assertEquals("SIMULATED", all.get(1).get("state").stringValue());
    String table = command.run("devices").assertOk().out();
    assertTrue(
        table.lines().anyMatch(l -> l.contains("reference://1") && l.contains("SIMULATED")), table);

    String[] plan = {"plan", "--model", "demo", "--context", "16", "--json", "--device"};
    JsonNode chosen = command.run(with(plan, "all")).assertOk().json();
    assertTrue(chosen.isObject(), "one device: " + chosen);
    assertEquals("cpu://", chosen.get("device").stringValue());
    assertEquals(
        "reference://1",
        command.run(with(plan, "reference://1")).assertOk().json().get("device").stringValue());
    Command.PLAIN
        .withBackends(HalRegistry.of(new ReferenceBackend()))
        .run(with(plan, "all"))
        .assertBadInput(HalErrorCode.DEVICE_UNAVAILABLE, "simulated devices run when named");
  }

  private static String[] with(String[] args, String last) {
    String[] all = java.util.Arrays.copyOf(args, args.length + 1);
    all[args.length] = last;
    return all;
  }

  private static BackendProvider cpu() {
    return ServiceLoader.load(BackendProvider.class).stream()
        .map(ServiceLoader.Provider::get)
        .filter(p -> p.name().equals("cpu"))
        .findFirst()
        .orElseThrow();
  }

  private static DeviceInfo info(String uri) {
    return new DeviceInfo(
        DeviceUri.parse(uri), "A chip", DeviceInfo.Kind.OTHER, "Driver 1.2", 16L << 30, 4);
  }

  private record Fake(String name, BackendProbe probe, List<DeviceInfo> devices)
      implements BackendProvider {
    @Override
    public int apiVersion() {
      return API_VERSION;
    }

    @Override
    public BackendDevice open(DeviceUri uri, DeviceOptions options) {
      throw new UnsupportedOperationException("never opened");
    }
  }
}
