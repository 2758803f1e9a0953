package dev.halcyon.conformance.onnx;

import dev.halcyon.hal.Tensor;

/**
 * An output of a node on the device.
 *
 * @param type what the numbers are to ONNX
 * @param tensor dense, in the storage of {@code type}
 */
record Result(OnnxType type, Tensor tensor) {}
