package dev.halcyon.conformance.onnx;

import com.google.protobuf.ByteString;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.tensor.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A node test made up here: a node, inputs, and outputs that were worked out by hand. */
final class NodeFolder {
  private record Content(OnnxType type, Shape shape, double[] values) {}

  private final String operator;
  private final Wire node = new Wire();
  private final List<Content> inputs = new ArrayList<>();
  private final List<List<Content>> outputs = new ArrayList<>();
  private final List<String> kinds = new ArrayList<>();
  private long opset = 25;
  private String domain = "";
  private int names;

  NodeFolder(String operator) {
    this.operator = operator;
  }

  NodeFolder opset(long version) {
    opset = version;
    return this;
  }

  NodeFolder domain(String name) {
    domain = name;
    return this;
  }

  NodeFolder attribute(String name, long value) {
    node.message(5, new Wire().text(1, name).integer(3, value).integer(20, 2));
    return this;
  }

  NodeFolder attribute(String name, float value) {
    node.message(5, new Wire().text(1, name).number(2, value).integer(20, 1));
    return this;
  }

  NodeFolder attribute(String name, String value) {
    node.message(5, new Wire().text(1, name).text(4, value).integer(20, 3));
    return this;
  }

  NodeFolder attribute(String name, long[] values) {
    Wire attribute = new Wire().text(1, name).integer(20, 7);
    for (long v : values) {
      attribute.integer(8, v);
    }
    node.message(5, attribute);
    return this;
  }

  NodeFolder input(OnnxType type, Shape shape, double... values) {
    inputs.add(new Content(type, shape, values));
    node.text(1, "in" + names++);
    return this;
  }

  /** An I64 vector: axes, shapes, indices. */
  NodeFolder integers(double... values) {
    return input(OnnxType.INT64, Shape.of(values.length), values);
  }

  NodeFolder f32(Shape shape, double... values) {
    return input(OnnxType.FLOAT, shape, values);
  }

  /** An optional input left out. */
  NodeFolder absent() {
    node.text(1, "");
    return this;
  }

  NodeFolder output(OnnxType type, Shape shape, double... values) {
    outputs.add(List.of(new Content(type, shape, values)));
    kinds.add("tensor");
    return this;
  }

  NodeFolder gives(Shape shape, double... values) {
    return output(OnnxType.FLOAT, shape, values);
  }

  /** An output that is a sequence of F32 tensors of one shape. */
  NodeFolder sequence(Shape shape, double[]... tensors) {
    List<Content> all = new ArrayList<>();
    for (double[] values : tensors) {
      all.add(new Content(OnnxType.FLOAT, shape, values));
    }
    outputs.add(all);
    kinds.add("sequence");
    return this;
  }

  /** Writes the folder {@code root/name} and returns it. */
  Path write(Path root, String name) throws IOException {
    Path set = Files.createDirectories(root.resolve(name).resolve("test_data_set_0"));
    Wire graph = new Wire();
    node.text(4, operator).text(7, domain);
    for (int i = 0; i < outputs.size(); i++) {
      node.text(2, "out" + i);
    }
    graph.message(1, node);
    for (int i = 0; i < inputs.size(); i++) {
      graph.message(11, value("in" + i, "tensor"));
      Files.write(set.resolve("input_" + i + ".pb"), tensor(inputs.get(i)).toByteArray());
    }
    for (int i = 0; i < outputs.size(); i++) {
      graph.message(12, value("out" + i, kinds.get(i)));
      Wire content = new Wire();
      if (kinds.get(i).equals("sequence")) {
        content.integer(2, 1);
        outputs.get(i).forEach(c -> content.message(3, tensor(c)));
      }
      Files.write(
          set.resolve("output_" + i + ".pb"),
          kinds.get(i).equals("sequence")
              ? content.toByteArray()
              : tensor(outputs.get(i).getFirst()).toByteArray());
    }
    Wire model =
        new Wire().integer(1, 10).message(7, graph).message(8, new Wire().integer(2, opset));
    Files.write(set.getParent().resolve("model.onnx"), model.toByteArray());
    return set.getParent();
  }

  private static Wire value(String name, String kind) {
    return new Wire()
        .text(1, name)
        .message(2, new Wire().message(kind.equals("tensor") ? 1 : 4, new Wire()));
  }

  private static Wire tensor(Content c) {
    Wire tensor = new Wire();
    for (long d : c.shape.dims()) {
      tensor.integer(1, d);
    }
    return tensor.integer(2, code(c.type)).bytes(9, ByteString.copyFrom(raw(c)));
  }

  static long code(OnnxType type) {
    long code = 0;
    while (OnnxType.of(code).filter(t -> t == type).isEmpty()) {
      code++;
    }
    return code;
  }

  /** Elements of types that the HAL lacks are given as their bits. */
  private static byte[] raw(Content c) {
    byte[] raw = new byte[(int) OnnxTensor.byteSize(c.type, c.shape)];
    int width = c.type.bits();
    for (int i = 0; i < c.values.length; i++) {
      boolean coded = c.type.isFloating() && c.type.isNative();
      long bits =
          coded
              ? StorageFormat.of(c.type.storage())
                  .encode(StorageFormat.of(c.type.storage()).round(c.values[i]))
              : (long) c.values[i];
      for (int b = 0; b < Math.max(1, width / 8); b++) {
        int at = i * width / 8 + b;
        int shift = i * width % 8;
        long part = bits >> 8 * b & (width < 8 ? (1 << width) - 1 : 255);
        raw[at] |= (byte) (part << shift);
      }
    }
    return raw;
  }

  @Override
  public String toString() {
    return operator;
  }
}
