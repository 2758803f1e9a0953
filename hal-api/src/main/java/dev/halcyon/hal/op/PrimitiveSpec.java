package dev.halcyon.hal.op;

/**
 * An operator every backend implements, for F32 and where it makes sense I32, with any strides. The
 * floor of a port: with memory, streams and these, every composite runs through its decomposition.
 */
public sealed interface PrimitiveSpec extends OperatorSpec
    permits Fill,
        Iota,
        Copy,
        Cast,
        Quantize,
        Dequantize,
        Gather,
        ScatterAdd,
        ScatterUpdate,
        Unary,
        Binary,
        Reduce,
        MatMul,
        Select,
        TopK,
        ArgMax {}
