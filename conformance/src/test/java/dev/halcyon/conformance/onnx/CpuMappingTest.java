package dev.halcyon.conformance.onnx;

class CpuMappingTest extends OperatorMappings {
  CpuMappingTest() {
    super("cpu://");
  }
}
