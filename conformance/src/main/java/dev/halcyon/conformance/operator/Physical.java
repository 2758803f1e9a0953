package dev.halcyon.conformance.operator;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;

/**
 * The dense tensor in memory that an operand is a view of.
 *
 * @param shape its extents
 * @param firstRow row of the last two axes where the view begins
 * @param firstColumn element of the last axis where the view begins
 */
record Physical(Shape shape, long firstRow, long firstColumn) {
  static final Physical NONE = new Physical(Shape.of(0), 0, 0);

  private static final int PAD_COLUMNS = 5;
  private static final int FIRST_COLUMN = 2;

  static Physical of(TensorType type, Layout layout) {
    Shape s = type.shape();
    return switch (layout) {
      case SLICED -> sliced(type);
      case TRANSPOSED -> new Physical(s.with(-1, s.dim(-2)).with(-2, s.dim(-1)), 0, 0);
      case BROADCAST -> new Physical(s.with(0, Math.min(1, s.dim(0))), 0, 0);
      case DENSE, OFFSET, MISALIGNED, IN_PLACE -> new Physical(s, 0, 0);
      case MIXED -> throw new IllegalArgumentException("choose a layout per operand first");
      case STACKED -> throw new IllegalArgumentException("each part lies somewhere else");
    };
  }

  /**
   * Whole blocks of a quantised tensor lie around the view, none behind a ragged one; odd numbers
   * of elements otherwise.
   */
  private static Physical sliced(TensorType type) {
    Shape s = type.shape();
    if (type.quant() instanceof QuantScheme.Blocked b) {
      // a view may end inside a block of scales only where the tensor ends
      long after = s.dim(-2) % b.blockRows() == 0 ? b.blockRows() : 0;
      return new Physical(s.with(-2, b.blockRows() + s.dim(-2) + after), b.blockRows(), 0);
    }
    Shape wide = s.with(-1, s.dim(-1) + PAD_COLUMNS);
    return s.rank() < 2
        ? new Physical(wide, 0, FIRST_COLUMN)
        : new Physical(wide.with(-2, s.dim(-2) + 2), 1, FIRST_COLUMN);
  }

  /** Where the scales of this tensor lie. */
  Physical scales(QuantScheme.Blocked scheme) {
    return new Physical(scheme.scaleShape(shape), firstRow == 0 ? 0 : 1, 0);
  }

  Tensor view(Tensor whole, TensorType type, Layout layout) {
    return switch (layout) {
      case SLICED -> {
        Tensor t = type.isQuantized() ? whole : whole.slice(-1, firstColumn, type.dim(-1));
        yield type.rank() < 2 ? t : t.slice(-2, firstRow, type.dim(-2));
      }
      case TRANSPOSED -> whole.transpose(-2, -1);
      case BROADCAST -> whole.broadcastTo(type.shape());
      default -> whole;
    };
  }

  /** Elements from the first of the memory to the first of the view. */
  long firstElement() {
    return shape.rank() < 2 ? firstColumn : firstRow * shape.dim(-1) + firstColumn;
  }
}
