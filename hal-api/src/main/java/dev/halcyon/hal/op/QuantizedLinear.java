package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * {@code out = Q(x) W^T} where Q rounds x to {@code activation} with {@code scheme}, as DeepSeek's
 * FP8 inference code does before each product (W8A8 likewise). Source: deepseek-ai/DeepSeek-V3
 * inference/kernel.py, act_quant and fp8_gemm.
 *
 * <p>Operands: x F32 [M, K]; weight [N, K] quantised; out F32 [M, N].
 *
 * @param activation F8_E4M3FN or I8
 * @param scheme blocks of one row, for example {@link QuantScheme#FP8_1X128}
 */
public record QuantizedLinear(DType activation, QuantScheme.Blocked scheme)
    implements CompositeSpec {
  private static final List<Operand> OPERANDS =
      List.of(Operand.in("x"), Operand.in("weight"), Operand.out("out"));

  @Override
  public List<Operand> operands() {
    return OPERANDS;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).rank(1, 2).dtype(0, DType.F32).weight(1);
    r.shape(1, r.dim(1, 0), r.dim(0, 1))
        .dtype(2, DType.F32)
        .shape(2, r.dim(0, 0), r.dim(1, 0))
        .that(
            activation == DType.F8_E4M3FN || activation == DType.I8,
            HalErrorCode.INVALID_ARGUMENT,
            "activation must be f8_e4m3fn or i8")
        .that(
            scheme.blockRows() == 1,
            HalErrorCode.INVALID_ARGUMENT,
            "activation blocks must be one row high");
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref x = d.operand(0);
    Decomposition.Ref q = d.quantizedTemporary(activation, scheme, x.dim(0), x.dim(1));
    Decomposition.Ref rounded = d.f32(x.dim(0), x.dim(1));
    d.emit(new Quantize(), x, q);
    d.emit(new Dequantize(), q, rounded);
    d.emit(new Linear(Epilogue.NONE), rounded, d.operand(1), d.operand(2));
  }
}
