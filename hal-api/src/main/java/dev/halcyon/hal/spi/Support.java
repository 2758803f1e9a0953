package dev.halcyon.hal.spi;

import java.util.Objects;

/** Whether and how a device executes an operator. */
public sealed interface Support {
  /**
   * Natively.
   *
   * @param detail the kernel or library function, for reports
   */
  record Native(String detail) implements Support {
    public Native {
      Objects.requireNonNull(detail);
    }
  }

  /**
   * Not at all.
   *
   * @param reason a short class: {@code operator}, {@code dtype}, {@code shape}, {@code layout},
   *     {@code driver}
   * @param detail the exact limit
   */
  record Unsupported(String reason, String detail) implements Support {
    public Unsupported {
      Objects.requireNonNull(reason);
      Objects.requireNonNull(detail);
    }
  }
}
