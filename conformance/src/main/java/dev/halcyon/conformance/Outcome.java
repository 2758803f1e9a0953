package dev.halcyon.conformance;

/** How a case ended. */
public sealed interface Outcome {
  /** Of all requirements met: the share of a bound above which the outcome is {@link Warn}. */
  double HEADROOM_WARNING = 0.8;

  /** What was measured. */
  Evidence evidence();

  /** The requirement is met. */
  record Pass(Evidence evidence) implements Outcome {}

  /** Met, but something deserves a look: little headroom, for instance. */
  record Warn(String reason, Evidence evidence) implements Outcome {}

  /** Not met. */
  record Fail(String reason, Evidence evidence) implements Outcome {}

  /** The device says that it cannot do this, as it may; counted and shown first. */
  record NotSupported(String reason) implements Outcome {
    @Override
    public Evidence evidence() {
      return Evidence.NONE;
    }
  }

  /** Something the case needs is absent here: data, or a second device. */
  record NotRun(String reason) implements Outcome {
    @Override
    public Evidence evidence() {
      return Evidence.NONE;
    }
  }

  /** The case itself broke off: nothing is known about the device. */
  record Fault(Throwable cause) implements Outcome {
    @Override
    public Evidence evidence() {
      return Evidence.NONE;
    }
  }

  /** {@link Pass}, or {@link Warn} if little is left of a bound. */
  static Outcome met(Evidence evidence) {
    double used = evidence.headroom().orElse(0);
    return used > HEADROOM_WARNING
        ? new Warn(String.format(java.util.Locale.ROOT, "used %.2f of the bound", used), evidence)
        : new Pass(evidence);
  }
}
