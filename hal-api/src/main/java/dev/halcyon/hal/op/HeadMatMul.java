package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * One small matrix product per head with a range of rows of one weight, the absorbed projections of
 * MLA: head h uses rows {@code [h * rowsPerHead + rowOffset, + rows)} of W, called W_h [rows, C].
 *
 * <ul>
 *   <li>{@code ROWS_OUT}: {@code out[t, h, :] = W_h x[t, h, :]}, x [T, H, C], out [T, H, rows]
 *       (latent to values)
 *   <li>{@code ROWS_IN}: {@code out[t, h, :] = W_h^T x[t, h, :]}, x [T, H, rows], out [T, H, C]
 *       (query into the latent)
 * </ul>
 *
 * <p>Operands: x F32, any strides but adjacent in the last axis; weight [H * rowsPerHead, C]
 * floating or quantised; out F32 likewise. Blocks of a quantised weight count from its row 0, not
 * from the head.
 *
 * @param rowsPerHead rows of the weight that belong to one head
 * @param rowOffset first row used within a head
 * @param rows rows used per head
 * @param orientation which side of the product the rows are on
 */
public record HeadMatMul(int rowsPerHead, int rowOffset, int rows, Orientation orientation)
    implements CompositeSpec {
  /** Which side of the product the rows of the weight are on. */
  public enum Orientation {
    ROWS_OUT,
    ROWS_IN
  }

  private static final List<Operand> OPERANDS =
      List.of(Operand.in("x"), Operand.in("weight"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 3).rank(1, 2).rank(2, 3);
    long heads = r.dim(0, 1);
    long c = r.dim(1, 1);
    r.dtype(0, DType.F32)
        .weight(1)
        .dtype(2, DType.F32)
        .that(
            rows > 0 && rowOffset >= 0 && rowOffset + rows <= rowsPerHead,
            HalErrorCode.INVALID_ARGUMENT,
            "rows must lie within rowsPerHead")
        .shape(1, heads * rowsPerHead, c)
        .shape(0, r.dim(0, 0), heads, orientation == Orientation.ROWS_OUT ? c : rows)
        .shape(2, r.dim(0, 0), heads, orientation == Orientation.ROWS_OUT ? rows : c);
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref w = d.operand(1);
    if (w.type().isQuantized() || w.type().dtype() == DType.F8_E4M3FN) {
      w = d.asF32(w);
    }
    Decomposition.Ref x = d.operand(0).transpose(0, 1);
    Decomposition.Ref perHead =
        w.reshape(x.dim(0), rowsPerHead, w.dim(1)).slice(1, rowOffset, rows);
    Decomposition.Ref b = orientation == Orientation.ROWS_OUT ? perHead.transpose(1, 2) : perHead;
    d.emit(new MatMul(), x, b, d.operand(2).transpose(0, 1));
  }
}
