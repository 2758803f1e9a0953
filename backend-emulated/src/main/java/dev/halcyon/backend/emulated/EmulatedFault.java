package dev.halcyon.backend.emulated;

/** A fault that a command met while it executed, as the device reports it to its driver. */
final class EmulatedFault extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final EmulatedErrors.Status status;

  EmulatedFault(EmulatedErrors.Status status, String what) {
    super(what);
    this.status = status;
  }

  EmulatedErrors.Status status() {
    return status;
  }
}
