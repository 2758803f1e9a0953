/* unit.c: all kernels as one translation unit, compiled once per instruction set with -DHC_NS=<name>. */
#include "linear.c"
#include "moe.c"
#include "norm.c"
#include "mla.c"
#include "gating.c"
#include "quant.c"
#include "table.h"

#define HC_CAT2(a, b) a##b
#define HC_CAT(a, b) HC_CAT2(a, b)

const hc_fn HC_CAT(hc_table_, HC_NS)[HC_KERNEL_COUNT] = {
    [HC_LINEAR] = k_linear,
    [HC_HEAD_MATMUL] = k_head_matmul,
    [HC_MOE_ROUTE] = k_moe_route,
    [HC_MOE_GATE_UP] = k_moe_gate_up,
    [HC_MOE_DOWN] = k_moe_down,
    [HC_RMSNORM] = k_rmsnorm,
    [HC_ROPE] = k_rope,
    [HC_KV_APPEND] = k_kv_append,
    [HC_MLA_DECODE] = k_mla_decode,
    [HC_MLA_MERGE] = k_mla_merge,
    [HC_MLA_PREFILL] = k_mla_prefill,
    [HC_MOE_GATING] = k_moe_gating,
    [HC_SWIGLU] = k_swiglu,
    [HC_SOFTMAX] = k_softmax,
    [HC_ADD] = k_add,
    [HC_ARGMAX] = k_argmax,
    [HC_TOPK] = k_topk,
    [HC_DEQUANT] = k_dequant,
    [HC_QUANTIZE] = k_quantize,
    [HC_ACT_QUANT_FP8] = k_act_quant_fp8,
    [HC_CONVERT] = k_convert,
    [HC_FILL_RANDOM] = k_fill_random,
    [HC_READ_BANDWIDTH] = k_read_bandwidth,
};
