package dev.halcyon.conformance.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Status;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.HalRegistry;
import dev.halcyon.hal.tensor.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Damaged files end in an error that names the file and what is wrong with it. */
class MalformedNodeTestTest {
  @TempDir Path root;
  private Path folder;

  @BeforeEach
  void write() throws IOException {
    folder =
        new NodeFolder("Neg")
            .f32(Shape.of(2), 1, 2)
            .gives(Shape.of(2), -1, -2)
            .write(root, "test_neg");
  }

  private Path data(String name) {
    return folder.resolve("test_data_set_0").resolve(name);
  }

  private CaseResult run() {
    try (Subject subject =
        Subject.open(HalRegistry.discover(), DeviceUri.parse("cpu://"), DeviceOptions.DEFAULT)) {
      return new Runner(subject).run(new OnnxCases(root).cases().findFirst().orElseThrow());
    }
  }

  private void assertInvalid(String message, String file) {
    Outcome.Fault fault = assertInstanceOf(Outcome.Fault.class, run().outcome());
    HalException e = assertInstanceOf(HalException.class, fault.cause());
    assertEquals(HalErrorCode.GOLDEN_INVALID, e.code());
    assertTrue(e.what().contains(message), e::getMessage);
    assertTrue(e.context().endsWith(file), e::getMessage);
  }

  private static Wire tensor(long type, long... dims) {
    Wire t = new Wire().integer(2, type);
    for (long d : dims) {
      t.integer(1, d);
    }
    return t;
  }

  private void writeInput(Wire tensor) throws IOException {
    Files.write(data("input_0.pb"), tensor.toByteArray());
  }

  @Test
  void intact() {
    CaseResult result = run();
    assertEquals(Status.PASS, result.status());
    assertEquals("hal:onnx/test_neg", result.id().toString());
  }

  @Test
  void truncatedModel() throws IOException {
    Path model = folder.resolve("model.onnx");
    byte[] whole = Files.readAllBytes(model);
    Files.write(model, Arrays.copyOf(whole, whole.length / 2));
    assertInvalid("not readable as ONNX", "model.onnx");
  }

  @Test
  void modelWithoutGraph() throws IOException {
    Files.write(folder.resolve("model.onnx"), new Wire().integer(1, 10).toByteArray());
    assertInvalid("a model without a graph", "model.onnx");
  }

  @Test
  void graphWithoutNodes() throws IOException {
    Wire graph = new Wire().text(2, "empty");
    Files.write(folder.resolve("model.onnx"), new Wire().message(7, graph).toByteArray());
    assertInvalid("a graph without nodes", "model.onnx");
  }

  @Test
  void truncatedTensor() throws IOException {
    byte[] whole = Files.readAllBytes(data("input_0.pb"));
    Files.write(data("input_0.pb"), Arrays.copyOf(whole, whole.length - 3));
    assertInvalid("not readable as ONNX", "input_0.pb");
  }

  @Test
  void extentsThatDoNotFitTheData() throws IOException {
    writeInput(tensor(1, 3).bytes(9, ByteString.copyFrom(new byte[8])));
    assertInvalid("FLOAT[3] holds 8 bytes instead of 12", "input_0.pb");
  }

  @Test
  void impossibleExtents() throws IOException {
    writeInput(tensor(1, -1));
    assertInvalid("impossible extents [-1]", "input_0.pb");
    writeInput(tensor(1, 1L << 40, 1L << 40));
    assertInvalid("impossible extents", "input_0.pb");
  }

  @Test
  void unknownDataType() throws IOException {
    writeInput(tensor(99, 1));
    assertInvalid("unknown data type 99", "input_0.pb");
  }

  @Test
  void externalData() throws IOException {
    writeInput(tensor(1, 2).integer(14, 1).message(13, new Wire().text(1, "location")));
    assertInvalid("keeps its data in another file", "input_0.pb");
  }

  @Test
  void missingFiles() throws IOException {
    Files.delete(data("output_0.pb"));
    assertInvalid("the file is missing", "output_0.pb");
    Files.delete(data("input_0.pb"));
    assertInvalid("the file is missing", "input_0.pb");
    Files.delete(data(""));
    assertInvalid("no folder test_data_set_N", "test_neg");
  }

  /** Whatever a byte is changed to, reading ends in a result or in an error of the kit. */
  @Test
  void anyDamageIsNoticedOrReadable() throws IOException {
    for (Path file : new Path[] {folder.resolve("model.onnx"), data("input_0.pb")}) {
      byte[] whole = Files.readAllBytes(file);
      for (int at = 0; at < whole.length; at++) {
        for (int mask : new int[] {0x01, 0x08, 0x80, 0xff}) {
          byte[] damaged = whole.clone();
          damaged[at] ^= (byte) mask;
          Files.write(file, damaged);
          read(file);
        }
        Files.write(file, Arrays.copyOf(whole, at));
        read(file);
      }
    }
  }

  private static void read(Path file) {
    try {
      if (file.endsWith("model.onnx")) {
        OnnxReader.model(file);
      } else {
        OnnxReader.tensor(file);
      }
    } catch (HalException e) {
      assertEquals(HalErrorCode.GOLDEN_INVALID, e.code());
    } catch (NotMapped e) {
      assertTrue(e.getMessage().contains("STRING"), e::getMessage);
    }
  }

  @Test
  void typedFields() throws IOException {
    writeInput(tensor(1, 2).number(4, 1).number(4, 2));
    assertEquals(Status.PASS, run().status());
  }

  @Test
  void folderWithoutNodeTests() throws IOException {
    Path empty = Files.createDirectory(root.resolve("empty"));
    HalException none = assertThrows(HalException.class, () -> new OnnxCases(empty));
    assertEquals(HalErrorCode.INVALID_ARGUMENT, none.code());
    HalException absent =
        assertThrows(HalException.class, () -> new OnnxCases(root.resolve("absent")));
    assertEquals(HalErrorCode.INVALID_ARGUMENT, absent.code());
  }
}
