package dev.halcyon.conformance.onnx;

import com.google.protobuf.ByteString;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the files of an ONNX node test. Field numbers are those of ONNX's message definitions (IR
 * version 14 and before); fields that a node test does not need are skipped.
 */
final class OnnxReader {
  private static final int LARGEST_RANK = 64;

  private final Path file;

  private OnnxReader(Path file) {
    this.file = file;
  }

  /**
   * Reads a {@code ModelProto}.
   *
   * @throws HalException {@code GOLDEN_INVALID} naming the file and what is wrong with it
   */
  static OnnxModel model(Path file) {
    return new OnnxReader(file).read(OnnxReader::model);
  }

  /** Reads a {@code TensorProto}; errors as {@link #model}. */
  static OnnxTensor tensor(Path file) {
    return new OnnxReader(file).read(OnnxReader::tensor);
  }

  /** Reads a {@code SequenceProto} of tensors; errors as {@link #model}. */
  static List<OnnxTensor> sequence(Path file) {
    return new OnnxReader(file).read(OnnxReader::sequence);
  }

  private interface Parser<T> {
    T parse(OnnxReader reader, WireMessage message) throws IOException;
  }

  private <T> T read(Parser<T> parser) {
    try {
      return parser.parse(this, WireMessage.parse(ByteString.copyFrom(Files.readAllBytes(file))));
    } catch (NoSuchFileException e) {
      throw invalid("the file is missing");
    } catch (IOException e) {
      throw HalException.of(HalErrorCode.GOLDEN_INVALID, "not readable as ONNX: " + e.getMessage())
          .on(file.toString())
          .remedy("fetch the node test anew")
          .cause(e)
          .build();
    }
  }

  private HalException invalid(String what) {
    return HalException.of(HalErrorCode.GOLDEN_INVALID, what)
        .on(file.toString())
        .remedy("fetch the node test anew")
        .build();
  }

  private OnnxModel model(WireMessage m) throws IOException {
    if (!m.has(7)) {
      throw invalid("a model without a graph");
    }
    WireMessage graph = m.messages(7).getLast();
    int opset = 1;
    for (WireMessage set : m.messages(8)) {
      String domain = set.text(1);
      if (domain.isEmpty() || domain.equals("ai.onnx")) {
        opset = (int) set.integer(2);
      }
    }
    Map<String, OnnxTensor> initializers = new HashMap<>();
    for (WireMessage t : graph.messages(5)) {
      OnnxTensor tensor = tensor(t);
      initializers.put(tensor.name(), tensor);
    }
    List<OnnxNode> nodes = new ArrayList<>();
    for (WireMessage n : graph.messages(1)) {
      nodes.add(node(n));
    }
    List<OnnxValue> inputs = new ArrayList<>();
    for (WireMessage v : graph.messages(11)) {
      if (!initializers.containsKey(v.text(1))) {
        inputs.add(value(v));
      }
    }
    List<OnnxValue> outputs = new ArrayList<>();
    for (WireMessage v : graph.messages(12)) {
      outputs.add(value(v));
    }
    if (nodes.isEmpty() || outputs.isEmpty()) {
      throw invalid("a graph without " + (nodes.isEmpty() ? "nodes" : "outputs"));
    }
    return new OnnxModel(opset, nodes, initializers, inputs, outputs);
  }

  private static OnnxValue value(WireMessage v) throws IOException {
    List<WireMessage> types = v.messages(2);
    OnnxValue.Kind kind =
        types.isEmpty() || types.getLast().has(1)
            ? OnnxValue.Kind.TENSOR
            : types.getLast().has(4) ? OnnxValue.Kind.SEQUENCE : OnnxValue.Kind.OTHER;
    return new OnnxValue(v.text(1), kind);
  }

  private OnnxNode node(WireMessage n) throws IOException {
    Map<String, OnnxAttribute> attributes = new LinkedHashMap<>();
    for (WireMessage a : n.messages(5)) {
      OnnxAttribute attribute = attribute(a);
      attributes.put(attribute.name(), attribute);
    }
    return new OnnxNode(n.text(4), n.text(7), n.texts(1), n.texts(2), attributes);
  }

  private OnnxAttribute attribute(WireMessage a) throws IOException {
    String name = a.text(1);
    int type = (int) a.integer(20);
    return switch (type) {
      case 1 -> new OnnxAttribute(name, List.of(), single(a.floats(2)), "");
      case 2 -> new OnnxAttribute(name, List.of(a.integer(3)), List.of(), "");
      case 3 -> new OnnxAttribute(name, List.of(), List.of(), a.text(4));
      case 6 -> new OnnxAttribute(name, List.of(), a.floats(7), "");
      case 7 -> new OnnxAttribute(name, a.integers(8), List.of(), "");
      // tensors, graphs and lists of text: no mapped operator has one
      default -> new OnnxAttribute(name, List.of(), List.of(), "");
    };
  }

  /** A number of value 0 is not written at all by some writers. */
  private static List<Float> single(List<Float> values) {
    return values.isEmpty() ? List.of(0f) : values;
  }

  private List<OnnxTensor> sequence(WireMessage s) throws IOException {
    if (s.integer(2) != 1) {
      throw new NotMapped("a sequence of something else than dense tensors");
    }
    List<OnnxTensor> tensors = new ArrayList<>();
    for (WireMessage t : s.messages(3)) {
      tensors.add(tensor(t));
    }
    return tensors;
  }

  private OnnxTensor tensor(WireMessage t) throws IOException {
    String name = t.text(8);
    OnnxType type =
        OnnxType.of(t.integer(2))
            .orElseThrow(
                () -> invalid("tensor '" + name + "' has the unknown data type " + t.integer(2)));
    if (type == OnnxType.STRING) {
      throw new NotMapped("the HAL has no dtype STRING");
    }
    Shape shape = shape(name, t.integers(1));
    if (t.integer(14) == 1 || t.has(13)) {
      throw invalid("tensor '" + name + "' keeps its data in another file");
    }
    byte[] data = t.has(9) ? t.bytes(9).toByteArray() : typed(t, type, shape);
    long needed = OnnxTensor.byteSize(type, shape);
    if (data.length != needed) {
      throw invalid(
          String.format(
              "tensor '%s' of %s%s holds %d bytes instead of %d",
              name, type, shape, data.length, needed));
    }
    return new OnnxTensor(name, type, shape, data);
  }

  private Shape shape(String name, List<Long> dims) {
    if (dims.size() > LARGEST_RANK || dims.stream().anyMatch(d -> d < 0)) {
      throw invalid("tensor '" + name + "' has the impossible extents " + dims);
    }
    try {
      Shape shape = Shape.of(dims.stream().mapToLong(Long::longValue).toArray());
      Math.multiplyExact(shape.elementCount(), 128);
      return shape;
    } catch (ArithmeticException e) {
      throw invalid("tensor '" + name + "' has the impossible extents " + dims);
    }
  }

  /** The elements of the typed fields, as {@code raw_data} would hold them. */
  private byte[] typed(WireMessage t, OnnxType type, Shape shape) throws IOException {
    if (type.bits() < 8) {
      // packed into the low byte of each number
      return bytes(t.integers(5), 1);
    }
    return switch (type) {
      case FLOAT, COMPLEX64 -> {
        List<Float> values = t.floats(4);
        ByteBuffer b = little(4 * values.size());
        values.forEach(b::putFloat);
        yield b.array();
      }
      case DOUBLE, COMPLEX128 -> {
        List<Double> values = t.doubles(10);
        ByteBuffer b = little(8 * values.size());
        values.forEach(b::putDouble);
        yield b.array();
      }
      case INT64 -> bytes(t.integers(7), 8);
      case UINT32 -> bytes(t.integers(11), 4);
      case UINT64 -> bytes(t.integers(11), 8);
      default -> bytes(t.integers(5), type.bits() / 8);
    };
  }

  private static byte[] bytes(List<Long> values, int width) {
    byte[] all = new byte[values.size() * width];
    for (int i = 0; i < values.size(); i++) {
      for (int b = 0; b < width; b++) {
        all[i * width + b] = (byte) (values.get(i) >> 8 * b);
      }
    }
    return all;
  }

  private static ByteBuffer little(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }
}
