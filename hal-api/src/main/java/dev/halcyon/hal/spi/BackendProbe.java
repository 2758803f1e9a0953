package dev.halcyon.hal.spi;

import java.util.Objects;

/** The verdict on a backend. */
public sealed interface BackendProbe {
  /**
   * A driver was opened and has a device.
   *
   * @param driver its name and version
   */
  record Available(String driver) implements BackendProbe {
    public Available {
      Objects.requireNonNull(driver);
    }
  }

  /**
   * Something is not installed.
   *
   * @param reason what is missing, by name
   * @param remedy how to get it
   */
  record Unavailable(String reason, String remedy) implements BackendProbe {
    public Unavailable {
      Objects.requireNonNull(reason);
      Objects.requireNonNull(remedy);
    }
  }

  /**
   * Something is installed but fails.
   *
   * @param cause the failure
   * @param remedy what to try
   */
  record Broken(Throwable cause, String remedy) implements BackendProbe {
    public Broken {
      Objects.requireNonNull(cause);
      Objects.requireNonNull(remedy);
    }
  }
}
