package dev.halcyon.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.op.Unary;
import dev.halcyon.hal.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Loading in fresh processes: with and without drivers, and what it leaves on disk. */
@EnabledOnOs(OS.LINUX)
final class LoaderTest {
  @TempDir Path folder;

  @BeforeEach
  void require() {
    TestDevice.require();
  }

  private String run(Map<String, String> environment, String... options)
      throws IOException, InterruptedException {
    List<String> command =
        Stream.concat(
                Stream.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED"),
                Stream.concat(
                    Stream.of(options),
                    Stream.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        ProbeProgram.class.getName())))
            .toList();
    ProcessBuilder b = new ProcessBuilder(command).redirectErrorStream(true);
    b.environment().putAll(environment);
    Process p = b.start();
    String text = new String(p.getInputStream().readAllBytes());
    assertEquals(0, p.waitFor(), text);
    return text;
  }

  @Test
  void noDriverIsUnavailableWithARemedy() throws Exception {
    String text = run(Map.of("OCL_ICD_VENDORS", folder + "/"));
    assertTrue(
        text.contains("Unavailable[reason=the OpenCL loader is installed but no driver"), text);
    assertTrue(text.contains("apt-get install pocl-opencl-icd"), text);
    assertTrue(text.contains("HAL-1103"), text);
  }

  @Test
  void noLoaderIsUnavailable() throws Exception {
    for (String name : new String[] {"libOpenCL.so.1", "libOpenCL.so"}) {
      Files.writeString(folder.resolve(name), "not a library");
    }
    String text = run(Map.of("LD_LIBRARY_PATH", folder.toString()));
    assertTrue(text.contains("Unavailable[reason=the OpenCL loader is not installed"), text);
  }

  @Test
  void nativePartComesFromThePrivateCache() throws Exception {
    Path temporary = Files.createDirectory(folder.resolve("tmp"));
    Path planted = temporary.resolve("libJOCL_2_0_6-linux-x86_64.so");
    Files.writeString(planted, "planted by somebody else");
    String[] options = {
      "-Dhalcyon.cache=" + folder.resolve("cache"), "-Djava.io.tmpdir=" + temporary
    };
    assertTrue(run(Map.of(), options).contains("opened"));
    try (Stream<Path> files = Files.walk(folder.resolve("cache"))) {
      Path library = files.filter(f -> f.toString().endsWith(".so")).findFirst().orElseThrow();
      for (Path p = library.getParent(); !p.equals(folder.resolve("cache")); p = p.getParent()) {
        assertEquals(
            "rwx------",
            PosixFilePermissions.toString(Files.getPosixFilePermissions(p)),
            p.toString());
      }
      // a damaged file is replaced
      Files.writeString(library, "damaged");
      assertTrue(run(Map.of(), options).contains("opened"));
      assertTrue(Files.size(library) > 100_000);
    }
    assertEquals("planted by somebody else", Files.readString(planted));
  }

  @Test
  void compiledKernelsAreKeptAndRebuiltWhenDamaged() throws Exception {
    String before = System.getProperty("halcyon.cache", "");
    System.setProperty("halcyon.cache", folder.toString());
    try {
      Path programs = PrivateCache.folder("programs");
      add();
      List<Path> kept;
      try (Stream<Path> files = Files.list(programs)) {
        kept = files.toList();
      }
      assertFalse(kept.isEmpty());
      Path first = kept.getFirst();
      byte[] good = Files.readAllBytes(first);
      long written = Files.getLastModifiedTime(first).toMillis();
      add();
      assertEquals(written, Files.getLastModifiedTime(first).toMillis(), "read, not built again");
      byte[] bad = good.clone();
      bad[bad.length / 2] ^= 1;
      Files.write(first, bad);
      add();
      byte[] rebuilt = Files.readAllBytes(first);
      assertEquals(
          PrivateCache.sha256(Arrays.copyOfRange(rebuilt, 64, rebuilt.length)),
          new String(rebuilt, 0, 64, StandardCharsets.US_ASCII),
          "the damaged file was replaced by a whole one");
      Files.write(first, new byte[3]);
      add();
      assertTrue(Files.size(first) > 64);
    } finally {
      if (before.isEmpty()) {
        System.clearProperty("halcyon.cache");
      } else {
        System.setProperty("halcyon.cache", before);
      }
    }
  }

  private static void add() {
    try (Bench bench = new Bench("program-cache", "1")) {
      Bench.Cell a = bench.f32(5);
      Bench.Cell out = bench.out(DType.F32, Bench.View.DENSE, 5);
      bench.run(new Unary(Unary.Op.ABS), a, out);
      bench.check("abs", out, Arrays.stream(a.values()).map(Math::abs).toArray(), 0, 0);
    }
  }

  @Test
  void buildFailuresCarryTheLog() {
    try (Device d = TestDevice.open()) {
      OpenClDevice device = (OpenClDevice) d.backend();
      HalException e =
          assertThrows(
              HalException.class,
              () ->
                  device
                      .programs()
                      .get(
                          OpenClPrograms.Key.of(
                              "elementwise", "-DKIND=0 -DTO=0 -DOP=0 -DARITY=none")));
      assertEquals(HalErrorCode.KERNEL_BUILD_FAILED, e.code());
      assertTrue(e.nativeStatus().isPresent());
      assertTrue(e.what().contains("error"), e.what());
    }
  }
}
