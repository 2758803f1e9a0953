package dev.halcyon.conformance.onnx;

/** Ends the mapping of a node that operators of the HAL cannot express; the message says why. */
final class NotMapped extends RuntimeException {
  private static final long serialVersionUID = 1L;

  NotMapped(String reason) {
    super(reason, null, false, false);
  }
}
