package dev.halcyon.hal.tensor;

/**
 * How stored elements become numbers. A matrix element {@code (r, c)} of a blocked scheme means
 * {@code stored(r, c) * scale(r / blockRows, c / blockColumns)}; the scales are a tensor of their
 * own, attached to the data tensor by {@code Tensor.withScales}. Edge blocks may be ragged.
 */
public sealed interface QuantScheme {
  /** Elements mean themselves. */
  QuantScheme NONE = new None();

  /**
   * DeepSeek's FP8 weights: 128x128 blocks, f32 scales ({@code weight_scale_inv}, a multiplier
   * whatever it is called).
   */
  QuantScheme FP8_128X128 = new Blocked(128, 128, ScaleFormat.F32);

  /** DeepSeek's FP8 activations: one f32 scale per token and 128 channels. */
  QuantScheme FP8_1X128 = new Blocked(1, 128, ScaleFormat.F32);

  /** One f16 scale per {@code group} neighbours of a row. */
  static QuantScheme grouped(int group) {
    return new Blocked(1, group, ScaleFormat.F16);
  }

  /** One f32 scale per row. */
  static QuantScheme perChannel() {
    return new Blocked(1, Blocked.WHOLE_ROW, ScaleFormat.F32);
  }

  /** Storage of a scale. */
  enum ScaleFormat {
    F32(DType.F32),
    F16(DType.F16),
    BF16(DType.BF16),
    /** A power of two as its biased exponent byte: {@code 2^(b-127)}. */
    UE8M0(DType.U8);

    private final DType dtype;

    ScaleFormat(DType dtype) {
      this.dtype = dtype;
    }

    /** The dtype of a tensor of such scales. */
    public DType dtype() {
      return dtype;
    }
  }

  record None() implements QuantScheme {
    @Override
    public String toString() {
      return "none";
    }
  }

  /**
   * One scale per block of the last two axes.
   *
   * @param blockRows rows a scale serves, at least 1
   * @param blockColumns columns a scale serves, or {@link #WHOLE_ROW}
   * @param scaleFormat how the scales are stored
   */
  record Blocked(int blockRows, int blockColumns, ScaleFormat scaleFormat) implements QuantScheme {
    /** {@code blockColumns} of a scheme with one scale per row. */
    public static final int WHOLE_ROW = 0;

    public Blocked {
      if (blockRows < 1 || blockColumns < 0) {
        throw new IllegalArgumentException("block " + blockRows + "x" + blockColumns);
      }
    }

    /** Scale rows for {@code rows} matrix rows. */
    public long scaleRows(long rows) {
      return Math.ceilDiv(rows, blockRows);
    }

    /** Scale columns for {@code columns} matrix columns; none for none. */
    public long scaleColumns(long columns) {
      return blockColumns == WHOLE_ROW ? Math.min(1, columns) : Math.ceilDiv(columns, blockColumns);
    }

    /** Columns a scale serves in a matrix of {@code columns} columns: never {@link #WHOLE_ROW}. */
    public long effectiveBlockColumns(long columns) {
      return blockColumns == WHOLE_ROW ? Math.max(1, columns) : blockColumns;
    }

    /** The shape of the scale tensor of data of {@code shape} (rank at least 1). */
    public Shape scaleShape(Shape shape) {
      if (shape.rank() == 1) {
        return Shape.of(scaleColumns(shape.dim(0)));
      }
      return shape.with(-2, scaleRows(shape.dim(-2))).with(-1, scaleColumns(shape.dim(-1)));
    }

    @Override
    public String toString() {
      String columns = blockColumns == WHOLE_ROW ? "row" : String.valueOf(blockColumns);
      return blockRows
          + "x"
          + columns
          + ":"
          + scaleFormat.name().toLowerCase(java.util.Locale.ROOT);
    }
  }
}
