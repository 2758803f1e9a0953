package dev.halcyon.hal;

import java.util.Objects;
import java.util.Optional;

/**
 * The one exception of the HAL and the models. Its message says what failed, where, why and what to
 * do, and ends in an identifier that resolves in {@code docs/errors.md}.
 *
 * <p>Build one with {@link #of(HalErrorCode, String)}:
 *
 * <pre>{@code
 * throw HalException.of(HalErrorCode.OUT_OF_MEMORY, "cannot allocate 3221225472 bytes for arena 'weights'")
 *     .on("opencl://0")
 *     .nativeStatus(new NativeStatus("OpenCL", -4, "clCreateBuffer", "CL_MEM_OBJECT_ALLOCATION_FAILURE"))
 *     .remedy("close other arenas, or choose a smaller --dtype")
 *     .build();
 * }</pre>
 */
public final class HalException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final HalErrorCode code;
  private final String what;
  private final String context;
  private final String remedy;
  private final transient NativeStatus nativeStatus;

  private HalException(Builder b) {
    super(b.message(), b.cause);
    this.code = b.code;
    this.what = b.what;
    this.context = b.context;
    this.remedy = b.remedy;
    this.nativeStatus = b.nativeStatus;
  }

  /**
   * Starts an exception of {@code code}; {@code what} says what failed, with names and sizes,
   * without a full stop.
   */
  public static Builder of(HalErrorCode code, String what) {
    return new Builder(code, what);
  }

  public HalErrorCode code() {
    return code;
  }

  /** What failed, without context, remedy and code. */
  public String what() {
    return what;
  }

  /** Where: device, stream, operator, file or option; empty if unknown. */
  public String context() {
    return context;
  }

  /** What the reader can do about it; empty if nothing. */
  public String remedy() {
    return remedy;
  }

  /** The vendor's status, if a native call was the cause. */
  public Optional<NativeStatus> nativeStatus() {
    return Optional.ofNullable(nativeStatus);
  }

  /** Collects the parts of a {@link HalException}. */
  public static final class Builder {
    private final HalErrorCode code;
    private final String what;
    private String context = "";
    private String remedy = "";
    private NativeStatus nativeStatus;
    private Throwable cause;

    private Builder(HalErrorCode code, String what) {
      this.code = Objects.requireNonNull(code);
      this.what = Objects.requireNonNull(what);
    }

    /** Where it failed: a device, stream, operator, file or option. */
    public Builder on(String context) {
      this.context = Objects.requireNonNull(context);
      return this;
    }

    /** What the reader can do, as an imperative without a full stop. */
    public Builder remedy(String remedy) {
      this.remedy = Objects.requireNonNull(remedy);
      return this;
    }

    public Builder nativeStatus(NativeStatus status) {
      this.nativeStatus = Objects.requireNonNull(status);
      return this;
    }

    public Builder cause(Throwable cause) {
      this.cause = cause;
      return this;
    }

    public HalException build() {
      return new HalException(this);
    }

    private String message() {
      StringBuilder s = new StringBuilder(what);
      if (!context.isEmpty()) {
        s.append(" [").append(context).append(']');
      }
      if (nativeStatus != null) {
        s.append("; ").append(nativeStatus);
      }
      if (!remedy.isEmpty()) {
        s.append("; remedy: ").append(remedy);
      }
      return s.append(" (")
          .append(code.id())
          .append(' ')
          .append(code.name())
          .append(')')
          .toString();
    }
  }
}
