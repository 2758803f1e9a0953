/* halcyon_cpu.h: the C kernel tier of the CPU backend. This header is the contract with its callers.
 *
 * hc_run(kernel, slots, begin, end) executes chunk [begin,end) of the kernel's index space on the calling thread.
 * Chunks of one kernel are independent: any threads may run them in any order and at the same time; each index must be
 * run once. Results do not depend on how the space is cut, except where a kernel says so. Kernels allocate nothing,
 * start no threads, write no globals, never fail: arguments have been validated by the caller.
 *
 * SLOTS. Every argument is 8 bytes: a pointer, an integer, or the bits of a double. Optional pointers are 0 when absent.
 * Slot 0 is ALWAYS the scratch of the calling thread: HC_SCRATCH_BYTES bytes, 64-byte aligned, private to the thread
 * while hc_run is running, contents undefined (so each worker passes its own copy of the slot array). Kernels that
 * use it are marked [scratch]; the others accept 0.
 *
 * TYPES. Activations are f32 and are never rounded, unless HC_DOT asks for it; all accumulation is f32. f32 and I32 arrays are 4-byte aligned; weights
 * and weight scales may have any alignment. All strides are in elements unless the name ends in Bytes. Dimensions
 * may be any positive number. Subnormals are honoured; NaN and infinity propagate.
 *
 * WEIGHT DESCRIPTOR, nine slots in a row, written `W` below (matrix W[N,K], row-major):
 *   +0 data   +1 rowStrideBytes   +2 wtype   +3 scales (or 0)   +4 scaleType   +5 blockN   +6 blockK
 *   +7 ldScale (elements)   +8 rowOffset
 *   element(n,k) = stored(n,k) * scale[((rowOffset+n)/blockN)*ldScale + k/blockK];  data points at row n = 0.
 *   blockK >= K means one scale a row. I4: two's complement nibbles, element 2i in the low nibble of byte i, blockK even.
 *   Without scales the last five slots are ignored.
 *   Fast when blockK >= K or a multiple of 32; any other blockK is correct but slower.
 *
 * ROUNDED ACTIVATIONS. HC_DOT added to the wtype of a descriptor (or to that of the MOE kernels) lets products with unscaled
 * BF16 weights round x to bf16 (nearest even; subnormals may become 0), and products with I8 and I4 weights whose blockK is a
 * multiple of 32 or >= K round x to int8 in groups of 32 columns, s = amax/127 in f32, q = rne(x*(127/amax)); a group that
 * holds NaN or infinity gives NaN. Other weights, K > 65536 and the transposed HEAD_MATMUL ignore it. hc_dot() tells whether
 * the processor has dot-product instructions for it; without, the meaning is the same and the speed that of f32.
 */
#ifndef HALCYON_CPU_H
#define HALCYON_CPU_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define HC_ABI_VERSION 2
#define HC_SCRATCH_BYTES (2 << 20)

int32_t hc_abi_version(void);
/* "avx512", "avx2", "neon" or "generic": the variant in use. */
const char *hc_isa(void);
/* Chooses a variant by name; an unknown or unsupported name or NULL chooses the best one. Not while kernels run.
 * The environment variable HALCYON_CPU_ISA names the variant chosen at load. */
void hc_set_isa(const char *name);
/* 1 if the variant in use has dot-product instructions for HC_DOT. */
int32_t hc_dot(void);
void hc_run(int32_t kernel, const int64_t *slots, int64_t begin, int64_t end);

enum hc_wtype { HC_F32 = 0, HC_F16 = 1, HC_BF16 = 2, HC_F8 = 3 /* E4M3FN */, HC_I8 = 4, HC_I4 = 5 };
enum { HC_DOT = 16 };
enum hc_stype { HC_SC_F32 = 0, HC_SC_F16 = 1, HC_SC_UE8M0 = 2, HC_SC_BF16 = 3 };

enum hc_kernel {
    /* y[m,n] = sum_k x[m,k] W[n,k] (+ bias[n]) (+ residual[m,n])
     * 1 x  2 ldx  3 M  4 N  5 K  6 y  7 ldy  8 bias f32|0  9 residual|0  10 ldr  11..19 W
     * index: n in [0,N). Good chunks: multiples of 24, >= 64 KiB of weights. residual may be y itself (same stride); x may not.
     * M <= 4 streams the weights once from memory (GEMV), larger M decodes panels (GEMM). */
    HC_LINEAR = 1,

    /* Per-head slices of ONE matrix W[*,C]: head h owns rows r0 = h*rowsPerHead + rowOffset .. r0+rows.
     * transposed 0: y[t,h,n] = sum_c x[t,h,c] W[r0+n,c]    transposed 1: y[t,h,c] = sum_n x[t,h,n] W[r0+n,c]
     * 1 x  2 xTokStride  3 xHeadStride  4 T  5 heads  6 rows  7 C  8 y  9 yTokStride  10 yHeadStride  11 transposed
     * 12 rowsPerHead  13 rowOffset  14 blocks  15..23 W (rowOffset of W normally 0)
     * index: heads*blocks; index h*blocks+b computes part b of the output dimension (cut in multiples of 64). y must not
     * overlap x. [scratch] */
    HC_HEAD_MATMUL = 2,

    /* Stable counting sort of the chosen experts. Entries e < E are routed experts; entries E..E+nShared-1 are shared
     * experts that take every token with weight 1. S = T*(k+nShared), Etot = E+nShared.
     * 1 ids I32[T,k]  2 gate f32[T,k]  3 T  4 k  5 E  6 nShared  7 offsets I32[Etot+1]  8 rows I32[S]  9 weights f32[S]
     * 10 experts (table, see GATE_UP)  11 iBlock  12 tasks I32[maxTasks,2]  13 taskCount I32[1]
     * offsets[e]..offsets[e+1] are the slots of entry e; rows[s] is the token, weights[s] its gate weight. Ids outside
     * [0,E) are dropped. tasks = (entry, block of iBlock intermediate columns) for entries with slots;
     * maxTasks >= sum over entries of ceil(inter/iBlock). index: 1. */
    HC_MOE_ROUTE = 3,

    /* h[s,i] = silu(x[rows[s]] . Wg_e[i]) * (x[rows[s]] . Wu_e[i])   for the entry e of slot s
     * experts: array of HC_EXPERT_WORDS int64 per entry: gate data, gate scales, up data, up scales, down data, down scales,
     * inter, down rowStrideBytes, down ldScale (the last two follow from inter, which may differ between entries)
     * 1 x  2 ldx  3 H  4 experts  5 offsets  6 rows  7 tasks  8 taskCount  9 iBlock  10 h  11 ldh (>= largest inter)
     * 12 wtype  13 rowStrideBytes  14 scaleType  15 blockN  16 blockK  17 ldScale   (12..17 of gate and up)
     * index: tasks; any bound >= taskCount may be given as the end, surplus indices do nothing. iBlock <= 256, best
     * 48 or 96. [scratch] */
    HC_MOE_GATE_UP = 4,

    /* y[t,n] = (base[t,n]) + sum over slots s of token t, in slot order: weights[s] * (h[s] . Wd_e[n])
     * 1 h  2 ldh  3 T  4 H  5 experts  6 Etot  7 offsets  8 rows  9 weights  10 y  11 ldy  12 base|0  13 ldb
     * 14 wtype  15 scaleType  16 blockN  17 blockK
     * index: n in [0,H), chunks as in LINEAR. base may be y itself (same stride). [scratch] */
    HC_MOE_DOWN = 5,

    /* v = x (+ r, stored to sum if sum is not 0); y = v * rsqrt(mean(v^2)+eps) * w
     * 1 x  2 ldx  3 n  4 y  5 ldy  6 w  7 wtype of w (F32, F16, BF16)  8 eps (double)  9 r|0  10 ldr  11 sum|0  12 lds
     * index: rows. y and sum may be x or r. With r but without sum, y is used for v in between. w may be 0 (ones). */
    HC_RMSNORM = 6,

    /* Rotates dims off..off+rot of every head vector; y receives only those dims (y may be x).
     * (a,b) -> (a cos - b sin, a sin + b cos), pairs (2i,2i+1) if interleaved, else (i, i+rot/2)
     * 1 x  2 xRowStride  3 xHeadStride  4 heads  5 off  6 rot (even)  7 y  8 yRowStride  9 yHeadStride  10 yOff
     * 11 cos f32[maxPos,rot/2]  12 sin  13 positions I32[rows]  14 interleaved   15 inverse (1: sin negated)
     * index: rows. */
    HC_ROPE = 7,

    /* kv[t] = [latent C | k_pe R] -> cache row slotMapping[t] = [rmsnorm(latent)*w | interleaved rope(k_pe)]
     * 1 kv  2 ldkv  3 C  4 R  5 w  6 wtype of w  7 eps (double)  8 cos  9 sin  10 positions I32[T]
     * 11 slotMapping I32[T] (row of the cache, negative: skip)  12 cache  13 rowStrideBytes  14 cache dtype (F32, F16, BF16)
     * index: rows t. w may be 0. [scratch: (C+R) f32] */
    HC_KV_APPEND = 8,

    /* Absorbed MLA, one latent KV head. s = scale * q . row; o = softmax(s) . row[0..C)
     * 1 q f32  2 qTokStride  3 qHeadStride  4 H  5 C  6 R  7 cache  8 rowStrideBytes  9 cache dtype  10 blockTable I32
     * 11 maxBlocks  12 blockSize  13 seqOf I32[T]  14 positions I32[T]  15 scale (double)  16 nSplit  17 splitLen  18 partial
     * 19 nPart  20 out  21 outTokStride  22 outHeadStride
     * Token t sees positions 0..positions[t] of sequence seqOf[t]; position p lies in cache row
     * blockTable[seq*maxBlocks + p/blockSize]*blockSize + p%blockSize. nSplit*splitLen must cover every position.
     * index: (t*nSplit + split)*nPart + part; part p of the heads is [p*hp, min(H, (p+1)*hp)), hp = ceil(ceil(H/nPart)/4)*4.
     * partial: f32 [T*nSplit][H*C acc | H max | H sum]. With nSplit = 1 the result goes to out, nothing is left to merge
     * and acc is not written; otherwise 20..22 are ignored. [scratch] C+R <= 8192. */
    HC_MLA_DECODE = 9,

    /* out[t,h] = the splits of HC_MLA_DECODE merged.
     * 1 partial  2 nSplit  3 H  4 C  5 out  6 outTokStride  7 outHeadStride     index: t*H + h. */
    HC_MLA_MERGE = 10,

    /* Expanded MLA: k_nope and v are rebuilt per head from the cached latent with kvb W[H*(nope+v), C], rows of a head:
     * nope first. s = scale * (q_nope.k_nope + q_pe.k_pe), causal by positions, out = softmax(s) . v
     * 1 q f32 [T,H,nope+R]  2 qTokStride  3 qHeadStride  4 H  5 nope  6 R  7 vDim  8 C  9 cache  10 rowStrideBytes
     * 11 cache dtype  12 blockTable  13 maxBlocks  14 blockSize  15 seqStart I32[nSeq+1]  16 seqRow I32[nSeq]|0
     * 17 positions I32[T]  18 scale (double)  19 out  20 outTokStride  21 outHeadStride  22 queryBlock  23 nQueryBlocks
     * 24..32 kvb (W)
     * Sequence i owns tokens seqStart[i]..seqStart[i+1], positions ascending, and row seqRow[i] (or i) of the block table.
     * index: (i*H + h)*nQueryBlocks + b; b covers queryBlock tokens of the sequence. Each query block expands its context
     * again, so use one block per sequence (queryBlock >= tokens) unless heads are fewer than threads.
     * [scratch] queryBlock <= 16384, C+R <= 4096, nope+R+vDim <= 1024. */
    HC_MLA_PREFILL = 11,

    /* score = softmax(logits) or sigmoid(logits); choice = score + bias; groups outside the best topkGroup are dropped
     * (-inf); k best choices, lowest index first on ties, in descending order; weights = score (/ (sum+1e-20)) * factor
     * 1 logits  2 ldl  3 E  4 k  5 scoring (0 softmax, 1 sigmoid)  6 bias f32[E]|0  7 nGroup (<=1: none)  8 topkGroup
     * 9 group rule (0 MAX, 1 SUM_TOP2)  10 renormalise  11 factor (double)  12 ids I32[T,k]  13 weights f32[T,k]
     * index: tokens. [scratch: 3*E f32] k <= E, E <= 65536. */
    HC_MOE_GATING = 12,

    /* y[r,i] = silu(g[r,i]) * u[r,i]   1 g  2 ldg  3 u  4 ldu  5 y  6 ldy  7 n   index: rows. y may be g or u. */
    HC_SWIGLU = 13,

    /* y = softmax(scale*x) over the first valid[r] (or n) columns, the others become 0; valid 0: all zeros
     * 1 x  2 ldx  3 n  4 y  5 ldy  6 valid I32[rows]|0  7 scale (double)   index: rows. y may be x. */
    HC_SOFTMAX = 14,

    /* y[i] = a[i] + b[i]   1 a  2 b  3 y   index: elements. y may be a or b. */
    HC_ADD = 15,

    /* First index of the largest element; NaN only if all are.  1 x  2 ldx  3 n  4 ids I32[rows]  5 values f32[rows]|0
     * index: rows. */
    HC_ARGMAX = 16,

    /* k largest, descending, lowest index first on ties, NaN last.  1 x  2 ldx  3 n  4 k  5 ids I32[rows,k]
     * 6 values f32[rows,k]   index: rows. k <= n, meant for k <= 64 or small n. */
    HC_TOPK = 17,

    /* y[i,:] = W[ids[i],:] (ids 0: rows in order).  1 ids I32|0  2 K  3 y  4 ldy  5..13 W   index: i. */
    HC_DEQUANT = 18,

    /* Rows of any source type to grouped int8 (q = rne(x/s), s = amax/127) or int4 (s = signed extreme / -8, full -8..7).
     * s is stored as F16 and rounding is done against the stored s; a group that rounds to s = 0 stores zeros.
     * 1 K  2 group (even for I4)  3 out  4 outRowStrideBytes  5 out wtype (I8, I4)  6 scales F16  7 ldScale  8..16 W (source)
     * index: rows. [scratch: K f32, K <= 500000] */
    HC_QUANTIZE = 19,

    /* Per 1x128: amax = max(|x|,1e-4), s = amax/448 (pow2: 2^ceil(log2 s)), q = saturating RNE e4m3 of x/s
     * 1 x  2 ldx  3 K  4 q  5 ldq  6 scales f32  7 ldScale  8 pow2   index: rows. */
    HC_ACT_QUANT_FP8 = 20,

    /* dst[i] = src[i], RNE (F8 saturates).  1 src  2 src type (F32, F16, BF16, F8)  3 dst  4 dst type (the same)
     * index: elements. */
    HC_CONVERT = 21,

    /* Counter-based uniform values: amplitude*u, u in (-1,1); I8 -127..127 and I4 -8..7 ignore the amplitude. Element i depends
     * on (seed, i) alone.  1 dst  2 wtype  3 seed  4 amplitude (double)   index: elements (I4: begin and end even). */
    HC_FILL_RANDOM = 22,

    /* Reads 64-byte lines as fast as it can.  1 data   index: lines. A checksum goes to the first 8 bytes of slot 0. [scratch] */
    HC_READ_BANDWIDTH = 23,

    HC_KERNEL_COUNT = 24
};

#define HC_EXPERT_WORDS 9

#ifdef __cplusplus
}
#endif
#endif
