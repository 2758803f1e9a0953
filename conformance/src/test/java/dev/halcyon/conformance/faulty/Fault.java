package dev.halcyon.conformance.faulty;

/** One bug that a device may have, and the case of the kit that must find it. */
enum Fault {
  /** synchronize returns before the work is done. */
  MISSING_SYNC("hal:runtime/stream:check=synchronize"),
  /** Fences are signalled as soon as they are recorded. */
  FENCE_TOO_EARLY("hal:runtime/fence:check=await"),
  /** isSignalled alone comes too early. */
  SIGNAL_TOO_EARLY("hal:runtime/fence:check=signalled"),
  /** A stream does not wait for the fence of another. */
  WAIT_IGNORED("hal:runtime/fence:check=wait"),
  /** Uploads do not queue behind the kernels of their stream. */
  UPLOAD_OVERTAKES("hal:runtime/stream:check=overwrite"),
  /** The source of an upload is read after the call returned. */
  UPLOAD_KEEPS_SOURCE("hal:runtime/memory:check=transfer,bytes=65537"),
  /** Downloads end at 32 MiB. */
  DOWNLOAD_TRUNCATED("hal:runtime/memory:check=transfer,bytes=34603015"),
  /** A rebound graph still reads and writes its first operands. */
  STALE_GRAPH_OPERAND("hal:runtime/graph:check=rebind"),
  /** A graph forgets its last command. */
  GRAPH_DROPS_LAST("hal:runtime/graph:check=equal,via=decomposed"),
  /** Graphs are claimed but not made. */
  GRAPHS_ONLY_CLAIMED("hal:runtime/graph:check=kind"),
  /** Replays do not count their launches. */
  REPLAY_NOT_COUNTED("hal:runtime/graph:check=launches"),
  /** New memory holds what was there before. */
  UNINITIALISED_MEMORY("hal:runtime/memory:check=zeroed,bytes=257"),
  /** Each allocation loses as much again. */
  LEAK("hal:runtime/lifetime:check=memory-comes-back"),
  /** Memory is freed while work still uses it. */
  FREE_WITHOUT_WAIT("hal:runtime/arena:check=close"),
  /** Exhausted memory is reported as an allocation too large. */
  SWAPPED_ERROR_CODE("hal:runtime/error:code=OUT_OF_MEMORY"),
  /** Failed work is not reported by synchronize. */
  FAILURE_SWALLOWED("hal:runtime/failure:check=poison"),
  /** An exception of the binding's own escapes from an upload. */
  EXCEPTION_ESCAPES("hal:runtime/memory:check=transfer,bytes=255"),
  /** Host memory is copied instead of imported. */
  IMPORT_COPIES("hal:runtime/import:memory=writable,offset=4"),
  /** Imports are claimed and always refused. */
  IMPORT_ONLY_CLAIMED("hal:runtime/import:memory=any"),
  /** Operators are computed without the device and called native. */
  HOST_EXECUTION_CALLED_NATIVE("hal:op/MatMul:a=f32,b=f32,data=uniform,m=3,k=64,n=33,layout=dense"),
  /** A fill writes one element too many. */
  GUARD_OVERWRITTEN("hal:runtime/memory:check=neighbours,dtype=f32,n=17"),
  /** A gather reads the memory behind its table. */
  GATHER_BEYOND_TABLE("hal:runtime/failure:check=index"),
  /** The last element of a product is not computed. */
  TAIL_OFF_BY_ONE("hal:op/MatMul:a=f32,b=f32,data=uniform,m=3,k=64,n=33,layout=dense"),
  /** Operands of a product are read as if they were dense. */
  STRIDE_IGNORED("hal:op/MatMul:a=f32,b=f32,data=uniform,m=5,k=31,n=17,layout=transposed"),
  /** Operands are read from the aligned address below their own. */
  OFFSET_IGNORED("hal:op/MatMul:a=f32,b=f32,data=uniform,m=5,k=31,n=17,layout=misaligned"),
  /** Products are summed in bf16. */
  BF16_ACCUMULATION("hal:op/MatMul:a=bf16,b=bf16,data=uniform,m=5,k=31,n=17,layout=dense"),
  /** A product over nothing is not written. */
  EMPTY_SUM_SKIPPED("hal:op/MatMul:a=f32,b=f32,data=uniform,m=2,k=0,n=3,layout=dense"),
  /** The norm divides by one element less. */
  NORM_OFF_BY_ONE("hal:op/RmsNorm:weight=f32,epsilon=1.0E-6,data=normal,t=3,n=100,layout=dense"),
  /** NaN becomes 0. */
  NAN_FLUSHED("hal:op/Unary:op=neg,data=special,shape=3x67,layout=dense"),
  /** Subnormal numbers are claimed to be kept and flushed. */
  SUBNORMALS_FLUSHED("hal:op/Unary:op=neg,data=subnormal,shape=501,layout=dense"),
  /** The last of equal maxima is taken. */
  TIE_ORDER("hal:op/ArgMax:data=ties,shape=7,layout=dense"),
  /** Equal values of a top-k come in descending order of index. */
  TOP_K_UNSTABLE("hal:op/TopK:k=2,data=ties,shape=2,layout=dense"),
  /** A block is scaled like the one before it. */
  STALE_SCALE_BLOCK("hal:op/Dequantize:weight=fp8_128x128,shape=5x129,layout=dense"),
  /** The last column of a block is scaled like the next block. */
  QUANT_GROUP_OFF_BY_ONE("hal:op/Dequantize:weight=fp8_128x128,shape=5x129,layout=dense"),
  /** The bias that corrects the choice of experts is added to their weights. */
  BIAS_ON_GATE_WEIGHTS(
      "hal:op/MoeGating:data=spread,tokens=3,experts=15,groups=5,kept=2,k=4,rule=max,scoring=softmax,choice=biased,normalization=sum,layout=dense"),
  /** Experts of dropped groups count as 0 instead of -inf. */
  MASKED_GROUP_ZERO(
      "hal:op/MoeGating:data=spread,tokens=3,experts=15,groups=5,kept=2,k=4,rule=max,scoring=softmax,choice=biased,normalization=sum,layout=dense"),
  /** Ids and weights of experts are in different orders. */
  EXPERTS_UNPAIRED(
      "hal:op/MoeGating:data=spread,tokens=3,experts=7,groups=1,kept=1,k=3,rule=max,scoring=softmax,choice=scores,normalization=none,layout=dense"),
  /** Interleaved pairs are rotated as halves. */
  ROPE_HALF_SPLIT(
      "hal:op/RotaryEmbedding:pairs=interleaved,positions=random,t=3,h=2,d=12,offset=0,dim=12,p=9,layout=dense"),
  /** The scale of attention scores, with YaRN's mscale in it, is not applied. */
  ATTENTION_SCALE_MISSING(
      "hal:op/MlaAttention:batch=decode1,block=1,scores=plain,cache=f32,heads=4,latent=16,rope=8,layout=dense"),
  /** A softmax does not subtract its maximum. */
  SOFTMAX_WITHOUT_MAX(
      "hal:op/MaskedSoftmax:scale=1.0,data=large,lengths=random,shape=5x64,of=5,layout=dense"),
  /** A negative row number gives row 0 instead of zeros. */
  NEGATIVE_ROW_CLAMPED("hal:op/Gather:dtype=f32,table=7x17,indices=5,layout=dense"),
  /** Of equal row numbers only the last is added. */
  SCATTER_LOSES_DUPLICATES("hal:op/ScatterAdd:dtype=f32,data=uniform,m=5,w=17,n=9,layout=dense"),
  /** A cast to bf16 truncates. */
  TRUNCATING_CAST("hal:op/Cast:from=f32,to=bf16,data=special,shape=1,layout=dense"),
  /** A fused product does not add the residual. */
  RESIDUAL_FORGOTTEN(
      "hal:op/Linear:weight=f32,epilogue=residual,data=uniform,m=1,k=96,n=33,layout=dense");

  private final String caughtBy;

  Fault(String caughtBy) {
    this.caughtBy = caughtBy;
  }

  /** The id of the case that fails on a device with this bug, and passes on one without. */
  String caughtBy() {
    return caughtBy;
  }
}
