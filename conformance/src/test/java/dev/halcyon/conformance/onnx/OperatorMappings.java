package dev.halcyon.conformance.onnx;

import static dev.halcyon.conformance.onnx.OnnxType.BFLOAT16;
import static dev.halcyon.conformance.onnx.OnnxType.BOOL;
import static dev.halcyon.conformance.onnx.OnnxType.DOUBLE;
import static dev.halcyon.conformance.onnx.OnnxType.FLOAT;
import static dev.halcyon.conformance.onnx.OnnxType.FLOAT16;
import static dev.halcyon.conformance.onnx.OnnxType.FLOAT8E4M3FN;
import static dev.halcyon.conformance.onnx.OnnxType.FLOAT8E5M2;
import static dev.halcyon.conformance.onnx.OnnxType.FLOAT8E8M0;
import static dev.halcyon.conformance.onnx.OnnxType.INT16;
import static dev.halcyon.conformance.onnx.OnnxType.INT2;
import static dev.halcyon.conformance.onnx.OnnxType.INT32;
import static dev.halcyon.conformance.onnx.OnnxType.INT4;
import static dev.halcyon.conformance.onnx.OnnxType.INT64;
import static dev.halcyon.conformance.onnx.OnnxType.INT8;
import static dev.halcyon.conformance.onnx.OnnxType.UINT16;
import static dev.halcyon.conformance.onnx.OnnxType.UINT32;
import static dev.halcyon.conformance.onnx.OnnxType.UINT4;
import static dev.halcyon.conformance.onnx.OnnxType.UINT64;
import static dev.halcyon.conformance.onnx.OnnxType.UINT8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Status;
import org.junit.jupiter.api.Test;

/** Each group of mappings on examples worked out by hand from ONNX's operator specification. */
abstract class OperatorMappings extends MappingTest {
  private static final double INF = Double.POSITIVE_INFINITY;
  private static final double NAN = Double.NaN;

  OperatorMappings(String uri) {
    super(uri);
  }

  private static NodeFolder two(String operator, OnnxType type, double[] a, double[] b) {
    return new NodeFolder(operator).input(type, shape(a.length), a).input(type, shape(b.length), b);
  }

  private static NodeFolder one(String operator, double... x) {
    return new NodeFolder(operator).f32(shape(x.length), x);
  }

  private static double[] v(double... values) {
    return values;
  }

  @Test
  void integerArithmeticWrapsAround() {
    expect(two("Add", INT8, v(100, -128), v(100, -1)).output(INT8, shape(2), -56, 127));
    expect(two("Add", UINT16, v(65535), v(2)).output(UINT16, shape(1), 1));
    expect(two("Sub", INT16, v(-32768), v(1)).output(INT16, shape(1), 32767));
    expect(two("Mul", UINT8, v(200), v(3)).output(UINT8, shape(1), 88));
    expect(two("Add", UINT32, v(4294967295.0), v(2)).output(UINT32, shape(1), 1));
    expect(two("Sub", INT64, v(5), v(7)).output(INT64, shape(1), -2));
    expect(two("Sub", UINT64, v(9), v(7)).output(UINT64, shape(1), 2));
    expect(two("Mul", INT4, v(5, -8), v(5, 3)).output(INT4, shape(2), -7, -8));
    expect(new NodeFolder("Neg").input(INT8, shape(2), -128, 5).output(INT8, shape(2), -128, -5));
    assertAllPassed();
  }

  @Test
  void integersBeyondTheirStorageAreNotSupported() {
    assertNotSupported(
        "INT64 is computed in I32, which a result may leave",
        two("Mul", INT64, v(65536), v(65536)).output(INT64, shape(1), 4294967296.0));
    assertNotSupported(
        "INT64 is computed in I32, which cannot hold 4294967296",
        two("Max", INT64, v(4294967296.0), v(1)).output(INT64, shape(1), 4294967296.0));
    assertNotSupported(
        "INT64 is computed in I32, which a sum may leave",
        new NodeFolder("ReduceSum")
            .input(INT64, shape(2), 2147483647, 1)
            .output(INT64, shape(1), 2147483648.0));
    assertNotSupported(
        "UINT64 is held in I32, which cannot hold 4294967296",
        new NodeFolder("Identity")
            .input(UINT64, shape(1), 4294967296.0)
            .output(UINT64, shape(1), 4294967296.0));
  }

  @Test
  void quotientsAreTruncatedAndRemaindersFollowTheDivisor() {
    expect(
        two("Div", INT32, v(7, -7, 7, -7, 6), v(2, 2, -2, -2, -3))
            .output(INT32, shape(5), 3, -3, -3, 3, -2));
    expect(two("Mod", INT8, v(-7, 7), v(3, -3)).output(INT8, shape(2), 2, -2));
    expect(two("Mod", INT8, v(-7, 7), v(3, -3)).attribute("fmod", 1).output(INT8, shape(2), -1, 1));
    expect(
        two("Mod", FLOAT, v(-7.5, 7.5), v(2, -2)).attribute("fmod", 1).gives(shape(2), -1.5, 1.5));
    assertAllPassed();
  }

  @Test
  void narrowFloatsRoundOnce() {
    expect(
        two("Add", FLOAT16, v(1, 1), v(0x1p-11, 0x1.8p-10))
            .output(FLOAT16, shape(2), 1, 1 + 0x1p-9));
    expect(
        two("Mul", BFLOAT16, v(1 + 0x1p-7), v(1 + 0x1p-7)).output(BFLOAT16, shape(1), 1 + 0x1p-6));
    assertAllPassed();
  }

  @Test
  void comparisonsAndLogic() {
    expect(two("Greater", FLOAT, v(1, 2, NAN), v(2, 1, 1)).output(BOOL, shape(3), 0, 1, 0));
    expect(two("LessOrEqual", INT8, v(1, 2, 3), v(2, 2, 2)).output(BOOL, shape(3), 1, 1, 0));
    expect(two("Equal", INT64, v(1, 2), v(1, 3)).output(BOOL, shape(2), 1, 0));
    expect(two("And", BOOL, v(0, 0, 1, 1), v(0, 1, 0, 1)).output(BOOL, shape(4), 0, 0, 0, 1));
    expect(two("Or", BOOL, v(0, 0, 1, 1), v(0, 1, 0, 1)).output(BOOL, shape(4), 0, 1, 1, 1));
    expect(two("Xor", BOOL, v(0, 0, 1, 1), v(0, 1, 0, 1)).output(BOOL, shape(4), 0, 1, 1, 0));
    expect(new NodeFolder("Not").input(BOOL, shape(2), 0, 1).output(BOOL, shape(2), 1, 0));
    expect(
        new NodeFolder("Where")
            .input(BOOL, shape(2, 1), 1, 0)
            .input(INT64, shape(2), 1, 2)
            .input(INT64, shape(1), -3)
            .output(INT64, shape(2, 2), 1, 2, -3, -3));
    assertAllPassed();
  }

  @Test
  void functions() {
    expect(one("Abs", -2, 3).gives(shape(2), 2, 3));
    expect(one("Sqrt", 4, 9).gives(shape(2), 2, 3));
    expect(one("Exp", 0, 1).gives(shape(2), 1, Math.E));
    expect(one("Sigmoid", 0, 100, -100).gives(shape(3), 0.5, 1, 0));
    expect(one("Swish", 0, 1).gives(shape(2), 0, 1 / (1 + Math.exp(-1))));
    expect(one("Swish", 1).attribute("alpha", 2f).gives(shape(1), 1 / (1 + Math.exp(-2))));
    expect(
        one("Mish", 0, 50, -10).gives(shape(3), 0, 50, -10 * Math.tanh(Math.log1p(Math.exp(-10)))));
    expect(one("Softplus", 0).gives(shape(1), Math.log(2)));
    expect(one("Relu", -1, 2).gives(shape(2), 0, 2));
    expect(two("SwiGLU", FLOAT, v(1), v(3)).gives(shape(1), 3 / (1 + Math.exp(-1))));
    expect(
        new NodeFolder("Clip")
            .input(INT8, shape(3), -5, 0, 5)
            .input(INT8, shape(), -2)
            .input(INT8, shape(), 3)
            .output(INT8, shape(3), -2, 0, 3));
    expect(one("Max", 1, NAN).f32(shape(2), 2, 0).f32(shape(1), 0).gives(shape(2), 2, NAN));
    expect(one("Mean", 1, 2).f32(shape(1), 3).gives(shape(2), 2, 2.5));
    assertAllPassed();
  }

  private static NodeFolder cast(OnnxType from, OnnxType to, double... x) {
    return new NodeFolder("Cast")
        .attribute("to", NodeFolder.code(to))
        .input(from, shape(x.length), x);
  }

  @Test
  void casts() {
    expect(cast(FLOAT, BFLOAT16, 1 + 0x1p-8, NAN, INF).output(BFLOAT16, shape(3), 1, NAN, INF));
    expect(cast(FLOAT, FLOAT16, 70000, 1 + 0x1p-11).output(FLOAT16, shape(2), INF, 1));
    expect(
        cast(FLOAT, FLOAT8E4M3FN, 1000, -INF, 464, NAN)
            .output(FLOAT8E4M3FN, shape(4), 448, -448, 448, NAN));
    expect(
        cast(FLOAT16, FLOAT8E4M3FN, 1000, -INF, 464, 1.0625)
            .attribute("saturate", 0)
            .output(FLOAT8E4M3FN, shape(4), NAN, NAN, 448, 1));
    expect(cast(FLOAT8E5M2, FLOAT, 0x3c, 0xc4, 0x7c, 0x01).gives(shape(4), 1, -4, INF, 0x1p-16));
    expect(cast(FLOAT8E8M0, FLOAT, 127, 128, 120).gives(shape(3), 1, 2, 0x1p-7));
    expect(cast(FLOAT, INT4, -9, 7, 2.9, -2.9).output(INT4, shape(4), 7, 7, 2, -2));
    expect(cast(FLOAT, INT2, 1, -2, 0).output(INT2, shape(3), 1, -2, 0));
    expect(cast(INT4, INT8, -8, 7, -1).output(INT8, shape(3), -8, 7, -1));
    expect(cast(UINT4, FLOAT16, 15, 0, 9).output(FLOAT16, shape(3), 15, 0, 9));
    expect(cast(INT64, INT8, 300, -1).output(INT8, shape(2), 44, -1));
    expect(cast(FLOAT, INT64, -3.7, 1e12).output(INT64, shape(2), -3, 999999995904.0));
    expect(cast(FLOAT, BOOL, 0, -0.5, NAN).output(BOOL, shape(3), 0, 1, 1));
    expect(cast(BOOL, FLOAT, 0, 1).gives(shape(2), 0, 1));
    expect(
        new NodeFolder("CastLike")
            .f32(shape(1), 2.5)
            .input(INT16, shape(1), 0)
            .output(INT16, shape(1), 2));
    assertAllPassed();
  }

  @Test
  void dtypesThatTheHalLacksAreNamed() {
    assertNotSupported("the HAL has no dtype DOUBLE", cast(DOUBLE, FLOAT, 1).gives(shape(1), 1));
    assertNotSupported(
        "the HAL has no dtype FLOAT8E5M2",
        cast(FLOAT, FLOAT8E5M2, 1).output(FLOAT8E5M2, shape(1), 1));
  }

  private static NodeFolder matrix(String operator) {
    return new NodeFolder(operator).f32(shape(2, 3), 1, 2, 3, 4, 5, 6);
  }

  @Test
  void shapes() {
    expect(matrix("Identity").gives(shape(2, 3), 1, 2, 3, 4, 5, 6));
    expect(matrix("Reshape").integers(0, -1, 1).gives(shape(2, 3, 1), 1, 2, 3, 4, 5, 6));
    expect(matrix("Flatten").attribute("axis", 0).gives(shape(1, 6), 1, 2, 3, 4, 5, 6));
    expect(matrix("Unsqueeze").integers(0, -1).gives(shape(1, 2, 3, 1), 1, 2, 3, 4, 5, 6));
    expect(
        new NodeFolder("Squeeze").f32(shape(1, 2, 1), 1, 2).integers(-1).gives(shape(1, 2), 1, 2));
    expect(matrix("Transpose").gives(shape(3, 2), 1, 4, 2, 5, 3, 6));
    expect(
        new NodeFolder("Transpose")
            .attribute("perm", new long[] {2, 0, 1})
            .f32(shape(1, 2, 3), 1, 2, 3, 4, 5, 6)
            .gives(shape(3, 1, 2), 1, 4, 2, 5, 3, 6));
    expect(
        new NodeFolder("Expand")
            .f32(shape(2, 1), 1, 2)
            .integers(2, 1, 2)
            .gives(shape(2, 2, 2), 1, 1, 2, 2, 1, 1, 2, 2));
    expect(
        matrix("Concat")
            .attribute("axis", -1)
            .f32(shape(2, 1), 7, 8)
            .gives(shape(2, 4), 1, 2, 3, 7, 4, 5, 6, 8));
    expect(
        matrix("Slice")
            .integers(1)
            .integers(-100)
            .integers(1)
            .integers(-1)
            .gives(shape(2, 2), 2, 1, 5, 4));
    expect(
        matrix("Slice")
            .integers(0, 0)
            .integers(9, 9)
            .integers(0, 1)
            .integers(1, 2)
            .gives(shape(2, 2), 1, 3, 4, 6));
    expect(matrix("Slice").integers(5).integers(9).gives(shape(0, 3)));
    assertAllPassed();
  }

  @Test
  void splits() {
    expect(
        matrix("Split")
            .attribute("axis", 1)
            .attribute("num_outputs", 2)
            .gives(shape(2, 2), 1, 2, 4, 5)
            .gives(shape(2, 1), 3, 6));
    expect(matrix("Split").integers(0, 2).gives(shape(0, 3)).gives(shape(2, 3), 1, 2, 3, 4, 5, 6));
    expect(
        matrix("SplitToSequence")
            .attribute("axis", 1)
            .attribute("keepdims", 0)
            .sequence(shape(2), v(1, 4), v(2, 5), v(3, 6)));
    assertAllPassed();
  }

  @Test
  void indices() {
    expect(
        matrix("Gather")
            .attribute("axis", 1)
            .input(INT32, shape(1, 2), -1, 0)
            .gives(shape(2, 1, 2), 3, 1, 6, 4));
    expect(
        matrix("GatherElements").input(INT64, shape(1, 3), 1, 0, -1).gives(shape(1, 3), 4, 2, 6));
    expect(scatter("none", v(1, 0), v(10, 20), 1, 10, 3, 20, 5, 6));
    expect(scatter("add", v(1, -3), v(10, 20), 1, 12, 3, 24, 5, 6));
    expect(duplicates("add", 4, 6, 6));
    expect(duplicates("mul", 4, 2 * 2 * 4, 6));
    expect(duplicates("max", 4, 4, 6));
    expect(duplicates("min", 4, 2, 6));
    expect(
        one("TopK", 3, 1, 2, 3)
            .integers(3)
            .gives(shape(3), 3, 3, 2)
            .output(INT64, shape(3), 0, 3, 2));
    expect(
        new NodeFolder("TopK")
            .attribute("largest", 0)
            .attribute("axis", 0)
            .input(INT64, shape(3, 1), 3, 1, 2)
            .integers(2)
            .output(INT64, shape(2, 1), 1, 2)
            .output(INT64, shape(2, 1), 1, 2));
    expect(matrix("ArgMax").attribute("axis", 1).output(INT64, shape(2, 1), 2, 2));
    expect(
        new NodeFolder("ArgMax")
            .attribute("axis", 0)
            .attribute("keepdims", 0)
            .attribute("select_last_index", 1)
            .f32(shape(3, 2), 5, 1, 5, 2, 4, 2)
            .output(INT64, shape(2), 1, 2));
    expect(one("ArgMin", 2, 1, 1).output(INT64, shape(1), 1));
    assertAllPassed();
  }

  private static NodeFolder scatter(String reduction, double[] at, double[] by, double... result) {
    return matrix("ScatterElements")
        .attribute("axis", 1)
        .attribute("reduction", reduction)
        .input(INT64, shape(2, 1), at)
        .f32(shape(2, 1), by)
        .gives(shape(2, 3), result);
  }

  /** Twice the same place: 2 is updated by 2 and then by 4, or added to by -2 and 6. */
  private static NodeFolder duplicates(String reduction, double... result) {
    double[] by = reduction.equals("add") ? v(-2, 6) : v(2, 4);
    return one("ScatterElements", 4, 2, 6)
        .attribute("reduction", reduction)
        .integers(1, 1)
        .f32(shape(2), by)
        .gives(shape(3), result);
  }

  @Test
  void reductions() {
    expect(matrix("ReduceSum").integers(0).gives(shape(1, 3), 5, 7, 9));
    expect(matrix("ReduceSum").attribute("keepdims", 0).integers(-1).gives(shape(2), 6, 15));
    expect(matrix("ReduceSum").gives(shape(1, 1), 21));
    expect(
        matrix("ReduceSum")
            .attribute("noop_with_empty_axes", 1)
            .integers()
            .gives(shape(2, 3), 1, 2, 3, 4, 5, 6));
    expect(matrix("ReduceMean").integers(1).gives(shape(2, 1), 2, 5));
    expect(matrix("ReduceSumSquare").integers(1).gives(shape(2, 1), 14, 77));
    expect(one("ReduceL1", -3, 4).gives(shape(1), 7));
    expect(one("ReduceL2", -3, 4).gives(shape(1), 5));
    expect(one("ReduceLogSumExp", 100, 100).gives(shape(1), 100 + Math.log(2)));
    expect(new NodeFolder("ReduceMax").f32(shape(2, 0)).integers(1).gives(shape(2, 1), -INF, -INF));
    expect(new NodeFolder("ReduceMin").f32(shape(2, 0)).integers(1).gives(shape(2, 1), INF, INF));
    expect(new NodeFolder("ReduceMax").input(INT8, shape(2), -5, -7).output(INT8, shape(1), -5));
    expect(
        new NodeFolder("ReduceMax")
            .input(BOOL, shape(0, 1))
            .integers(0)
            .output(BOOL, shape(1, 1), 0));
    assertAllPassed();
  }

  @Test
  void products() {
    expect(
        new NodeFolder("MatMul")
            .f32(shape(2), 1, 2)
            .f32(shape(2, 2, 1), 1, 2, 3, 4)
            .gives(shape(2, 1), 5, 11));
    expect(
        new NodeFolder("MatMul")
            .f32(shape(2, 2), 1, 2, 3, 4)
            .f32(shape(2), 1, 1)
            .gives(shape(2), 3, 7));
    expect(new NodeFolder("MatMul").f32(shape(2), 1, 2).f32(shape(2), 3, 4).gives(shape(), 11));
    expect(
        new NodeFolder("Gemm")
            .attribute("transA", 1)
            .attribute("transB", 1)
            .attribute("alpha", 0.5f)
            .attribute("beta", 2f)
            .f32(shape(2, 1), 2, 4)
            .f32(shape(2, 2), 1, 2, 3, 4)
            .f32(shape(1), 10)
            .gives(shape(1, 2), 25, 31));
    expect(
        new NodeFolder("MatMulInteger")
            .input(UINT8, shape(1, 2), 11, 7)
            .input(UINT8, shape(2, 1), 1, 4)
            .input(UINT8, shape(), 12)
            .input(UINT8, shape(), 0)
            .output(INT32, shape(1, 1), -21));
    assertAllPassed();
  }

  @Test
  void rows() {
    expect(
        new NodeFolder("Softmax")
            .attribute("axis", 0)
            .f32(shape(2, 2), 10000, 0, 10000, Math.log(3))
            .gives(shape(2, 2), 0.5, 0.25, 0.5, 0.75));
    expect(one("LogSoftmax", 0, 0).gives(shape(2), -Math.log(2), -Math.log(2)));
    double r = Math.sqrt(12.5);
    expect(
        new NodeFolder("RMSNormalization")
            .attribute("epsilon", 0f)
            .attribute("axis", 0)
            .f32(shape(2, 1), 3, 4)
            .f32(shape(2, 1), 1, 2)
            .gives(shape(2, 1), 3 / r, 8 / r));
    expect(rotary("interleaved", 0).gives(shape(1, 1, 1, 4), -3, -4, 1, 2));
    expect(rotary("interleaved", 1).gives(shape(1, 1, 1, 4), -2, 1, -4, 3));
    expect(
        new NodeFolder("RotaryEmbedding")
            .attribute("num_heads", 2)
            .attribute("rotary_embedding_dim", 2)
            .f32(shape(1, 1, 6), 1, 2, 9, 3, 4, 9)
            .f32(shape(2, 1), 1, 0)
            .f32(shape(2, 1), 0, 1)
            .input(INT64, shape(1, 1), 1)
            .gives(shape(1, 1, 6), -2, 1, 9, -4, 3, 9));
    assertAllPassed();
  }

  /** A quarter turn of two pairs. */
  private static NodeFolder rotary(String name, long value) {
    return new NodeFolder("RotaryEmbedding")
        .attribute(name, value)
        .f32(shape(1, 1, 1, 4), 1, 2, 3, 4)
        .f32(shape(1, 1, 2), 0, 0)
        .f32(shape(1, 1, 2), 1, 1);
  }

  /** Two queries, three keys; every score is the same, so a row is the mean of what it sees. */
  private static NodeFolder attention() {
    return new NodeFolder("Attention")
        .f32(shape(1, 1, 2, 1), 0, 0)
        .f32(shape(1, 1, 3, 1), 1, 2, 3)
        .f32(shape(1, 1, 3, 1), 3, 9, 30);
  }

  @Test
  void attentionSeesWhatItsRulesAllow() {
    expect(attention().gives(shape(1, 1, 2, 1), 14, 14));
    expect(attention().attribute("is_causal", 1).gives(shape(1, 1, 2, 1), 3, 6));
    expect(attention().input(BOOL, shape(2, 3), 0, 1, 0, 0, 0, 0).gives(shape(1, 1, 2, 1), 9, 0));
    expect(attention().input(BOOL, shape(2, 2), 1, 0, 1, 1).gives(shape(1, 1, 2, 1), 3, 6));
    expect(
        attention()
            .attribute("qk_matmul_output_mode", 3)
            .f32(shape(1, 3), -INF, 0, Math.log(3))
            .gives(shape(1, 1, 2, 1), 24.75, 24.75)
            .gives(shape(1, 1, 3, 1), 1, 2, 3)
            .gives(shape(1, 1, 3, 1), 3, 9, 30)
            .gives(shape(1, 1, 2, 3), 0, 0.25, 0.75, 0, 0.25, 0.75));
    expect(
        attention()
            .attribute("is_causal", 1)
            .absent()
            .absent()
            .absent()
            .integers(2)
            .gives(shape(1, 1, 2, 1), 3, 6));
    expect(attention().attribute("right_window_size", 1).gives(shape(1, 1, 2, 1), 6, 14));
    expect(
        attention()
            .attribute("left_window_size", 0)
            .attribute("right_window_size", 0)
            .gives(shape(1, 1, 2, 1), 3, 9));
    assertAllPassed();
  }

  @Test
  void attentionWithCacheGroupsAndCap() {
    expect(
        new NodeFolder("Attention")
            .attribute("is_causal", 1)
            .f32(shape(1, 1, 1, 1), 0)
            .f32(shape(1, 1, 1, 1), 5)
            .f32(shape(1, 1, 1, 1), 30)
            .absent()
            .f32(shape(1, 1, 1, 1), 4)
            .f32(shape(1, 1, 1, 1), 10)
            .gives(shape(1, 1, 1, 1), 20)
            .gives(shape(1, 1, 2, 1), 4, 5)
            .gives(shape(1, 1, 2, 1), 10, 30));
    // two query heads share a key head; q * k is 2 for the first, capped to tanh(2)
    double first = Math.exp(Math.tanh(2));
    double second = Math.exp(Math.tanh(4));
    expect(
        new NodeFolder("Attention")
            .attribute("q_num_heads", 2)
            .attribute("kv_num_heads", 1)
            .attribute("softcap", 1f)
            .attribute("scale", 1f)
            .f32(shape(1, 1, 2), 2, 4)
            .f32(shape(1, 2, 1), 1, 0)
            .f32(shape(1, 2, 1), 1, 0)
            .gives(shape(1, 1, 2), first / (first + 1), second / (second + 1)));
    expect(
        new NodeFolder("Attention")
            .attribute("softmax_precision", 1)
            .input(FLOAT16, shape(1, 1, 1, 1), 0)
            .input(FLOAT16, shape(1, 1, 2, 1), 1, 2)
            .input(FLOAT16, shape(1, 1, 2, 1), 1, 2)
            .output(FLOAT16, shape(1, 1, 1, 1), 1.5));
    assertAllPassed();
  }

  @Test
  void quantization() {
    expect(
        one("QuantizeLinear", 0.5, 1.5, 2.5, -200, 1e9)
            .f32(shape(), 1)
            .input(UINT8, shape(), 128)
            .output(UINT8, shape(5), 128, 130, 130, 0, 255));
    expect(
        new NodeFolder("QuantizeLinear")
            .attribute("axis", 0)
            .f32(shape(2, 2), 1, 7, 1, 7)
            .f32(shape(2), 1, 2)
            .input(INT4, shape(2), 0, 1)
            .output(INT4, shape(2, 2), 1, 7, 1, 5));
    expect(
        one("QuantizeLinear", 900, 1)
            .attribute("output_dtype", NodeFolder.code(FLOAT8E4M3FN))
            .f32(shape(), 2)
            .output(FLOAT8E4M3FN, shape(2), 448, 0.5));
    expect(
        new NodeFolder("DequantizeLinear")
            .attribute("axis", 1)
            .attribute("block_size", 2)
            .input(INT4, shape(1, 3), -8, 7, 3)
            .f32(shape(1, 2), 0.5, 10)
            .input(INT4, shape(1, 2), 1, 0)
            .gives(shape(1, 3), -4.5, 3, 30));
    expect(
        new NodeFolder("DequantizeLinear")
            .input(UINT16, shape(2), 65535, 0)
            .f32(shape(), 2)
            .input(UINT16, shape(), 32767)
            .gives(shape(2), 65536, -65534));
    assertAllPassed();
  }

  @Test
  void aWrongNumberFails() {
    CaseResult wrong = run(two("Add", FLOAT, v(1, 2), v(1, 1)).gives(shape(2), 2, 3.0000002));
    assertEquals(Status.FAIL, wrong.status());
    assertTrue(wrong.outcome().toString().contains("out0[1] is 3.0, expected 3.0000002"));
    assertEquals(Status.FAIL, run(one("Exp", 0).gives(shape(1), 1.0011)).status());
    assertEquals(Status.FAIL, run(one("Exp", 0).gives(shape(1, 1), 1)).status());
    assertEquals(Status.FAIL, run(one("Exp", 0).output(FLOAT16, shape(1), 1)).status());
  }

  @Test
  void whatHasNoMappingIsNamed() {
    assertNotSupported("operator Resize has no mapping", one("Resize", 1).gives(shape(1), 1));
    assertNotSupported(
        "operator com.example.Add", one("Add", 1).domain("com.example").gives(shape(1), 1));
    assertNotSupported(
        "operator set 11: Softmax merged the axes from its axis on",
        one("Softmax", 1).opset(11).gives(shape(1), 1));
  }
}
