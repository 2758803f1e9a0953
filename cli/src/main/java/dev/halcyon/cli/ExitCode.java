package dev.halcyon.cli;

/** How the command ends; documented by {@code halcyon --help}. */
final class ExitCode {
  static final int OK = 0;

  /** Devices, or a device and the reference, do not agree; conformance is not met. */
  static final int DISAGREEMENT = 1;

  /** A device lacks operators of the model. */
  static final int INCOMPLETE = 1;

  /** The command line, a file, a model or a device is at fault; the message says which. */
  static final int BAD_INPUT = 2;

  /** Conformance: a device is not there; nothing is known about it. */
  static final int DEVICE_UNAVAILABLE = 3;

  /** A defect of this program; EX_SOFTWARE of sysexits.h. */
  static final int DEFECT = 70;

  /** Standard output cannot be written; EX_IOERR of sysexits.h. */
  static final int OUTPUT_FAILED = 74;

  /** 128 + SIGINT. */
  static final int INTERRUPTED = 130;

  /** 128 + SIGPIPE: the reader of standard output went away. */
  static final int OUTPUT_CLOSED = 141;

  private ExitCode() {}
}
