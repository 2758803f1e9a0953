package dev.halcyon.hal;

/**
 * Every way the HAL and the models fail, one constant per documented error. {@link #id()} is stable
 * across releases and is the anchor of its section in {@code docs/errors.md}.
 */
public enum HalErrorCode {
  INVALID_ARGUMENT("HAL-1001"),
  SHAPE_MISMATCH("HAL-1002"),
  DTYPE_MISMATCH("HAL-1003"),
  OUT_OF_BOUNDS("HAL-1004"),
  ALIASED_OPERANDS("HAL-1005"),
  UNSUPPORTED_OPERATOR("HAL-1006"),

  INVALID_URI("HAL-1101"),
  UNKNOWN_BACKEND("HAL-1102"),
  DEVICE_UNAVAILABLE("HAL-1103"),
  BACKEND_BROKEN("HAL-1104"),
  DEVICE_LOST("HAL-1105"),
  INVALID_OPTION("HAL-1106"),

  OUT_OF_MEMORY("HAL-1201"),
  ALLOCATION_TOO_LARGE("HAL-1202"),
  IMPORT_UNSUPPORTED("HAL-1203"),

  USE_AFTER_CLOSE("HAL-1301"),
  CLOSE_ORDER("HAL-1302"),
  WRONG_THREAD("HAL-1303"),
  WRONG_DEVICE("HAL-1304"),

  DEADLINE_EXCEEDED("HAL-1401"),
  STREAM_POISONED("HAL-1402"),
  CAPTURE_STATE("HAL-1403"),

  KERNEL_FAILED("HAL-1501"),
  KERNEL_BUILD_FAILED("HAL-1502"),
  NATIVE_CALL_FAILED("HAL-1503"),

  MODEL_NOT_FOUND("HAL-2001"),
  CHECKPOINT_CORRUPT("HAL-2002"),
  TENSOR_MISSING("HAL-2003"),
  CONFIG_INVALID("HAL-2004"),
  UNSUPPORTED_ARCHITECTURE("HAL-2005"),
  TOKENIZER_MISSING("HAL-2006"),
  TOKENIZER_INVALID("HAL-2007"),
  CHAT_TEMPLATE_INVALID("HAL-2008"),
  CONTEXT_OVERFLOW("HAL-2009"),
  GOLDEN_INVALID("HAL-2010");

  private final String id;

  HalErrorCode(String id) {
    this.id = id;
  }

  /** The stable identifier, for example {@code HAL-1201}; resolves in {@code docs/errors.md}. */
  public String id() {
    return id;
  }
}
