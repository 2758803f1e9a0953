package dev.halcyon.conformance.onnx;

class OpenClMappingTest extends OperatorMappings {
  OpenClMappingTest() {
    super("opencl://0");
  }
}
