package dev.halcyon.backend.opencl;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * One kernel launch of a plan: kernel, constant arguments, which memories it takes, sizes.
 * Immutable.
 */
final class KernelCall {
  /** Where a memory argument comes from. */
  private enum Source {
    /** An operand: memory, byte offset. */
    OPERAND,
    /** An operand's scales: memory, byte offset, strides of rows and of matrices. */
    WEIGHT_SCALES,
    /** An operand's scales: memory, byte offset, all strides right-aligned in 8. */
    SCALES,
    /** The workspace from a byte offset on: memory, byte offset. */
    WORKSPACE
  }

  private record Slot(Source source, int argument, int operand, long offset, int rank) {}

  private record Constant(int argument, byte[] value) {}

  private final OpenClPrograms.Key program;
  private final String name;
  private final List<Slot> slots;
  private final List<Constant> constants;
  private final int argumentCount;
  private final MemorySegment global;
  private final MemorySegment local;
  private final KernelPool pool;

  private KernelCall(Builder b, KernelPool pool) {
    this.program = b.program;
    this.name = b.name;
    this.slots = List.copyOf(b.slots);
    this.constants = List.copyOf(b.constants);
    this.argumentCount = b.arguments;
    this.pool = pool;
    Arena arena = Arena.ofAuto();
    this.global = arena.allocateFrom(ValueLayout.JAVA_LONG, b.global);
    this.local = arena.allocateFrom(ValueLayout.JAVA_LONG, b.local);
  }

  String name() {
    return name;
  }

  int dimensions() {
    return 3;
  }

  /** Three global sizes. */
  MemorySegment global() {
    return global;
  }

  /** Three local sizes. */
  MemorySegment local() {
    return local;
  }

  int argumentCount() {
    return argumentCount;
  }

  KernelPool pool() {
    return pool;
  }

  void setConstants(KernelPool.Kernel kernel) {
    for (Constant c : constants) {
      kernel.set(c.argument, c.value);
    }
  }

  /** A kernel with all arguments set for {@code operands}. */
  KernelPool.Kernel bind(Tensor[] operands, Optional<Tensor> workspace) {
    KernelPool.Kernel kernel = pool.take(this);
    for (int i = 0; i < slots.size(); i++) {
      Slot s = slots.get(i);
      Tensor t =
          switch (s.source) {
            case OPERAND -> operands[s.operand];
            case WORKSPACE -> workspace.orElseThrow();
            case SCALES, WEIGHT_SCALES -> operands[s.operand].scales().orElseThrow();
          };
      kernel.setMemory(s.argument, ((OpenClMemory) t.buffer()).handle());
      kernel.setLong(s.argument + 1, t.byteOffset() + s.offset);
      switch (s.source) {
        case OPERAND, WORKSPACE -> {}
        case WEIGHT_SCALES -> {
          TensorType type = t.type();
          kernel.setLong(s.argument + 2, type.rank() < 2 ? 0 : type.strides().stride(-2));
          kernel.setLong(s.argument + 3, type.rank() < 3 ? 0 : type.strides().stride(-3));
        }
        case SCALES -> {
          long[] strides = t.type().strides().toArray();
          long[] placed = new long[s.rank];
          System.arraycopy(strides, 0, placed, s.rank - strides.length, strides.length);
          kernel.set(s.argument + 2, Builder.bytes(placed));
        }
      }
    }
    return kernel;
  }

  @Override
  public String toString() {
    return program + "/" + name;
  }

  /** Collects arguments in the order of the kernel's parameters. */
  static final class Builder {
    private final OpenClDevice device;
    private final OpenClPrograms.Key program;
    private final String name;
    private final List<Slot> slots = new ArrayList<>();
    private final List<Constant> constants = new ArrayList<>();
    private final long[] global = {1, 1, 1};
    private final long[] local = {1, 1, 1};
    private int arguments;

    Builder(OpenClDevice device, OpenClPrograms.Key program, String name) {
      this.device = device;
      this.program = program;
      this.name = name;
    }

    private void slot(Source source, int operand, long offset, int rank, int count) {
      slots.add(new Slot(source, arguments, operand, offset, rank));
      arguments += count;
    }

    /** Parameters (memory, offset). */
    Builder operand(int index) {
      slot(Source.OPERAND, index, 0, 0, 2);
      return this;
    }

    /** Parameters (memory, offset). */
    Builder workspace(long offset) {
      slot(Source.WORKSPACE, -1, offset, 0, 2);
      return this;
    }

    /** Parameters of macro WEIGHT in weights.cl. */
    Builder weight(int index, TensorType type) {
      operand(index);
      if (type.isQuantized()) {
        slot(Source.WEIGHT_SCALES, index, 0, 0, 4);
      }
      return this;
    }

    /**
     * Parameters (memory, offset, long8 strides) of an operand's scales, for data taken as of
     * {@code rank} axes.
     */
    Builder scales(int index, int rank) {
      slot(Source.SCALES, index, 0, rank, 3);
      return this;
    }

    /** Parameters the caller sets itself. */
    Builder arguments(int count) {
      arguments += count;
      return this;
    }

    Builder ints(long... values) {
      for (long v : values) {
        constant(
            ByteBuffer.allocate(4)
                .order(ByteOrder.nativeOrder())
                .putInt(Math.toIntExact(v))
                .array());
      }
      return this;
    }

    Builder longs(long... values) {
      for (long v : values) {
        constant(ByteBuffer.allocate(8).order(ByteOrder.nativeOrder()).putLong(v).array());
      }
      return this;
    }

    Builder real(double value) {
      constant(
          ByteBuffer.allocate(4).order(ByteOrder.nativeOrder()).putFloat((float) value).array());
      return this;
    }

    /** A parameter long8; missing components are 0. */
    Builder vector(long... values) {
      constant(bytes(values));
      return this;
    }

    private static byte[] bytes(long[] values) {
      ByteBuffer b = ByteBuffer.allocate(64).order(ByteOrder.nativeOrder());
      for (long v : values) {
        b.putLong(v);
      }
      return b.array();
    }

    private void constant(byte[] value) {
      constants.add(new Constant(arguments++, value));
    }

    /** Groups along three axes, each with the device's lanes. */
    Builder groups(long x, long y, long z) {
      local[0] = device.profile().lanes();
      global[0] = Math.multiplyExact(x, local[0]);
      global[1] = y;
      global[2] = z;
      return this;
    }

    /** At least {@code count} work-items along the first axis, {@code y} along the second. */
    Builder items(long count, long y) {
      local[0] = Math.min(device.profile().lanes(), Math.max(1, count));
      global[0] = Math.ceilDiv(count, local[0]) * local[0];
      global[1] = y;
      return this;
    }

    /**
     * Exactly {@code count} work-items along the first axis, in groups of one, for kernels that do
     * not check their number.
     */
    Builder exactly(long count) {
      local[0] = 1;
      global[0] = count;
      return this;
    }

    KernelCall build() {
      return new KernelCall(this, new KernelPool(device.programs().get(program)));
    }
  }

  /** The defines of a weight: dtype, scales, and whether vectors of it may be loaded. */
  static String weightDefines(TensorType type, OpenClProfile profile) {
    int vector = profile.vectorWidth();
    boolean whole = true;
    String blocks = "";
    if (type.quant() instanceof QuantScheme.Blocked b) {
      boolean row = b.blockColumns() == QuantScheme.Blocked.WHOLE_ROW;
      whole = row || b.blockColumns() % vector == 0;
      blocks = " -DBR=" + b.blockRows() + " -DBC=" + (row ? 0 : b.blockColumns());
    }
    if (type.dtype() == DType.I4) {
      for (int axis = 0; axis < type.rank() - 1; axis++) {
        whole &= type.dim(axis) <= 1 || type.strides().stride(axis) % 2 == 0;
      }
    }
    return "-DWT="
        + OpenClTypes.code(type.dtype())
        + " -DSC="
        + OpenClTypes.scaleCode(type.quant())
        + blocks
        + " -DWVEC="
        + (whole ? 1 : 0);
  }
}
