package dev.halcyon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MiscellanyTest {
  @ParameterizedTest
  @CsvSource({
    "cpu, cpu, ''",
    "cpu://, cpu, ''",
    "opencl://0, opencl, 0",
    "opencl://0/1, opencl, 0/1",
    "cuda://GPU-8a_3.f, cuda, GPU-8a_3.f",
    "tornado-x2://opencl/0, tornado-x2, opencl/0"
  })
  void urisParse(String text, String scheme, String path) {
    DeviceUri uri = DeviceUri.parse(text);
    assertEquals(new DeviceUri(scheme, path), uri);
    assertEquals(uri, DeviceUri.parse(uri.toString()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "CPU://", "cpu:/0", "://0", "cpu:// 0", "cpu://a?b", "1cpu", "cpu://a://b"})
  void badUrisAreRefused(String text) {
    HalException e = assertThrows(HalException.class, () -> DeviceUri.parse(text));
    assertEquals(HalErrorCode.INVALID_URI, e.code());
    assertTrue(e.getMessage().contains("'" + text + "'"));
  }

  @Test
  void uriRecordsAreCheckedToo() {
    assertThrows(HalException.class, () -> new DeviceUri("Cpu", ""));
    assertThrows(HalException.class, () -> new DeviceUri("cpu", "a b"));
  }

  @Test
  void optionsAreReadAndUnknownOnesRefused() {
    DeviceOptions o = DeviceOptions.DEFAULT.with("threads", 4).with("mode", "fast");
    assertEquals(4, o.positiveInt("threads", 1));
    assertEquals(7, o.positiveInt("queues", 7));
    o.requireKnown(Set.of("threads", "mode"));
    HalException unknown =
        assertThrows(HalException.class, () -> o.requireKnown(Set.of("threads", "affinity")));
    assertEquals(HalErrorCode.INVALID_OPTION, unknown.code());
    assertTrue(unknown.getMessage().contains("'mode'"));
    assertTrue(unknown.remedy().contains("[affinity, threads]"));
    for (String bad : new String[] {"0", "-1", "x", "", "99999999999"}) {
      HalException e =
          assertThrows(
              HalException.class,
              () -> DeviceOptions.DEFAULT.with("threads", bad).positiveInt("threads", 1));
      assertEquals(HalErrorCode.INVALID_OPTION, e.code());
    }
  }

  @Test
  void exceptionsSayWhatWhereWhyAndWhatToDo() {
    Throwable cause = new IllegalStateException("x");
    NativeStatus status = new NativeStatus("OpenCL", -4, "clCreateBuffer", "no memory");
    HalException e =
        HalException.of(HalErrorCode.OUT_OF_MEMORY, "cannot allocate 3 bytes")
            .on("opencl://0")
            .nativeStatus(status)
            .remedy("close other arenas")
            .cause(cause)
            .build();
    assertEquals(
        "cannot allocate 3 bytes [opencl://0]; OpenCL clCreateBuffer = -4 (no memory); remedy:"
            + " close other arenas (HAL-1201 OUT_OF_MEMORY)",
        e.getMessage());
    assertSame(cause, e.getCause());
    assertEquals("opencl://0", e.context());
    assertEquals(status, e.nativeStatus().orElseThrow());
    assertEquals(
        "short (HAL-1004 OUT_OF_BOUNDS)",
        HalException.of(HalErrorCode.OUT_OF_BOUNDS, "short").build().getMessage());
    assertTrue(
        HalException.of(HalErrorCode.OUT_OF_BOUNDS, "short").build().nativeStatus().isEmpty());
  }

  @Test
  void errorCodesAreDistinct() {
    assertEquals(
        HalErrorCode.values().length,
        Arrays.stream(HalErrorCode.values()).map(HalErrorCode::id).distinct().count());
    for (HalErrorCode c : HalErrorCode.values()) {
      assertTrue(Pattern.matches("HAL-[12]\\d{3}", c.id()), c.id());
    }
  }

  @Test
  void leaksAreReportedOnceAndClosedObjectsNever() throws InterruptedException {
    PrintStream before = System.err;
    ByteArrayOutputStream caught = new ByteArrayOutputStream();
    System.setErr(new PrintStream(caught, true, StandardCharsets.UTF_8));
    try {
      Object[] owners = {new Object(), new Object()};
      LeakTracker.track(owners[0], "arena 'lost' (WEIGHTS) on reference://0");
      LeakTracker kept = LeakTracker.track(owners[1], "arena 'kept' (WEIGHTS) on reference://0");
      assertTrue(kept.close());
      assertTrue(!kept.close() && kept.isClosed());
      owners[0] = null;
      owners[1] = null;
      for (int i = 0; i < 100 && !caught.toString(StandardCharsets.UTF_8).contains("'lost'"); i++) {
        System.gc();
        Thread.sleep(20);
      }
    } finally {
      System.setErr(before);
    }
    String log = caught.toString(StandardCharsets.UTF_8);
    assertTrue(
        log.contains("WARN") && log.contains("'lost'") && log.contains("without close()"), log);
    assertTrue(!log.contains("'kept'"), log);
  }
}
