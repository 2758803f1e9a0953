package dev.halcyon.hal.plan;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Operand;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * Executes an operator on another device: operands are downloaded, computed there and the results
 * uploaded, each time. For dense, unquantised operands.
 */
final class HostPlan implements OperatorPlan {
  private final Plan plan;
  private final List<TensorType> types;

  HostPlan(Planner host, OperatorSpec spec, List<TensorType> types) {
    for (TensorType t : types) {
      if (!t.isContiguous() || t.isQuantized()) {
        throw HalException.of(
                HalErrorCode.UNSUPPORTED_OPERATOR,
                spec.name() + " on the host with strided or quantised " + t)
            .on(host.device().uri().toString())
            .build();
      }
    }
    this.plan = host.plan(spec, types);
    this.types = types;
  }

  @Override
  public long workspaceBytes() {
    return 0;
  }

  @Override
  public String implementation() {
    return plan.device().uri() + " " + plan.implementation().implementation();
  }

  /** An execution waits for the operands. */
  @Override
  public boolean isRecordable() {
    return false;
  }

  @Override
  public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
    return new OnHost(operands.clone());
  }

  private final class OnHost implements BoundOperator {
    private final Tensor[] operands;
    private final Tensor[] copies;
    private final MemorySegment[] staging;
    private final MemoryArena memory;
    private final CommandStream hostStream;
    private final Arena arena = Arena.ofShared();

    OnHost(Tensor[] operands) {
      this.operands = operands;
      this.copies = new Tensor[operands.length];
      this.staging = new MemorySegment[operands.length];
      this.hostStream = plan.device().newStream("host fallback " + plan.spec());
      this.memory =
          plan.device().newArena(MemoryArena.Kind.SCRATCH, "host fallback " + plan.spec());
      boolean complete = false;
      try {
        for (int i = 0; i < operands.length; i++) {
          long bytes = types.get(i).byteSize();
          copies[i] = memory.allocate(types.get(i));
          staging[i] = arena.allocate(Math.max(1, bytes), 64).asSlice(0, bytes);
        }
        complete = true;
      } finally {
        if (!complete) {
          close();
        }
      }
    }

    @Override
    public void enqueue(BackendStream stream) {
      for (int i = 0; i < operands.length; i++) {
        if (plan.operands().get(i).role() != Operand.Role.OUT && staging[i].byteSize() > 0) {
          download(stream, operands[i], staging[i]);
          hostStream.upload(staging[i], copies[i]);
        }
      }
      hostStream.enqueue(plan, copies);
      for (int i = 0; i < operands.length; i++) {
        if (plan.operands().get(i).role().isWritten() && staging[i].byteSize() > 0) {
          hostStream.download(copies[i], staging[i]);
          stream.upload(staging[i], operands[i].buffer(), operands[i].byteOffset());
        }
      }
    }

    /** The parts of a stacked operand lie apart. */
    private static void download(BackendStream stream, Tensor t, MemorySegment target) {
      if (t.parts().isEmpty()) {
        stream.download(t.buffer(), t.byteOffset(), target);
        return;
      }
      long bytes = t.parts().getFirst().type().byteSize();
      for (int i = 0; i < t.parts().size(); i++) {
        download(stream, t.parts().get(i), target.asSlice(i * bytes, bytes));
      }
    }

    @Override
    public void close() {
      try {
        hostStream.close();
      } finally {
        try {
          memory.close();
        } finally {
          arena.close();
        }
      }
    }
  }
}
