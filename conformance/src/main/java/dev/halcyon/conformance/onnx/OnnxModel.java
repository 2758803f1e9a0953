package dev.halcyon.conformance.onnx;

import java.util.List;
import java.util.Map;

/**
 * What a node test needs of a {@code ModelProto}.
 *
 * @param opset version of the standard operator set
 * @param nodes in the order of the file
 * @param initializers constants by name
 * @param inputs graph inputs that are fed, in order
 * @param outputs graph outputs, in order
 */
record OnnxModel(
    int opset,
    List<OnnxNode> nodes,
    Map<String, OnnxTensor> initializers,
    List<OnnxValue> inputs,
    List<OnnxValue> outputs) {
  OnnxModel {
    nodes = List.copyOf(nodes);
    initializers = Map.copyOf(initializers);
    inputs = List.copyOf(inputs);
    outputs = List.copyOf(outputs);
  }
}
