package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.conformance.oracle.StorageFormat;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.Shape;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * An operand in device memory: a view of a region whose other bytes, before, between and after its
 * elements, are guards. Nothing but the elements of written operands may change.
 */
final class Placed {
  /** Guard bytes before and after the elements; a multiple of every alignment. */
  private static final int GUARD = 256;

  private static final int OFFSET = 64;
  private static final int PAD_COLUMNS = 5;
  private static final int FIRST_COLUMN = 2;

  private final Tensor region;
  private final Tensor view;
  private final byte[] before;
  private final long firstBit;
  private final List<Placed> scales;

  private Placed(Tensor region, Tensor view, byte[] before, long firstBit, List<Placed> scales) {
    this.region = region;
    this.view = view;
    this.before = before;
    this.firstBit = firstBit;
    this.scales = scales;
  }

  /** The operand to enqueue. */
  Tensor view() {
    return view;
  }

  /** An operand with content. */
  static Placed of(CommandStream stream, MemoryArena arena, HostTensor content, Layout layout) {
    return new Placing(stream, arena, layout).place(content.type(), Optional.of(content));
  }

  /** An operand that is only written: every bit is set, which is NaN in floating formats. */
  static Placed output(CommandStream stream, MemoryArena arena, TensorType type, Layout layout) {
    return new Placing(stream, arena, layout).place(type, Optional.empty());
  }

  private record Placing(CommandStream stream, MemoryArena arena, Layout layout) {
    Placed place(TensorType type, Optional<HostTensor> content) {
      Physical physical = Physical.of(type, layout);
      Optional<Whole> scaleMemory = Optional.empty();
      Optional<Placed> scales = Optional.empty();
      if (type.quant() instanceof QuantScheme.Blocked scheme) {
        DType scaleDtype = scheme.scaleFormat().dtype();
        TensorType scaleType = TensorType.of(scaleDtype, scheme.scaleShape(type.shape()));
        Physical around =
            new Physical(scheme.scaleShape(physical.shape), physical.firstRow == 0 ? 0 : 1, 0);
        Whole memory = memory(scaleDtype, around);
        scaleMemory = Optional.of(memory);
        Tensor view =
            around.firstRow == 0
                ? memory.tensor
                : memory.tensor.slice(-2, around.firstRow, scaleType.dim(-2));
        scales =
            Optional.of(fill(memory, around, view, content.flatMap(HostTensor::scales), List.of()));
      }
      Whole memory = memory(type.dtype(), physical);
      Tensor whole = memory.tensor;
      if (scaleMemory.isPresent()) {
        whole = whole.withScales(scaleMemory.get().tensor, (QuantScheme.Blocked) type.quant());
      }
      Tensor view = physical.view(whole, type, layout);
      return fill(memory, physical, view, content, scales.stream().toList());
    }

    private Whole memory(DType dtype, Physical physical) {
      int shift =
          switch (layout) {
            case OFFSET -> OFFSET;
            case MISALIGNED -> Math.max(1, dtype.bits() / 8);
            default -> 0;
          };
      TensorType type = TensorType.of(dtype, physical.shape);
      long bytes = 2L * GUARD + shift + type.byteSize();
      Tensor region = arena.allocate(TensorType.of(DType.U8, bytes));
      return new Whole(region, region.viewAs(GUARD + shift, type), GUARD + shift);
    }

    private Placed fill(
        Whole memory,
        Physical physical,
        Tensor view,
        Optional<HostTensor> content,
        List<Placed> scales) {
      byte[] bytes = new byte[Math.toIntExact(memory.region.dim(0))];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = (byte) (0xa5 ^ i * 31);
      }
      long firstBit = 8L * memory.begin + view.dtype().bits() * physical.firstElement();
      Placed placed = new Placed(memory.region, view, bytes, firstBit, scales);
      placed.write(content);
      stream.upload(MemorySegment.ofArray(bytes), memory.region);
      return placed;
    }
  }

  /** A guarded allocation and the dense tensor in it. */
  private record Whole(Tensor region, Tensor tensor, int begin) {}

  private void write(Optional<HostTensor> content) {
    StorageFormat format = StorageFormat.of(view.dtype());
    long[] positions = positions(view.shape());
    for (int i = 0; i < positions.length; i++) {
      long bits = content.isPresent() ? format.encode(content.get().stored()[i]) : -1L;
      setBits(before, positions[i], bits);
    }
  }

  /** Bit positions of the elements in the region, row-major. */
  private long[] positions(Shape shape) {
    int bits = view.dtype().bits();
    long[] strides = view.type().strides().toArray();
    int n = Math.toIntExact(shape.elementCount());
    long[] positions = new long[n];
    long[] dims = shape.dims();
    long[] index = new long[dims.length];
    long at = firstBit;
    for (int i = 0; i < n; i++) {
      positions[i] = at;
      for (int a = dims.length - 1; a >= 0; a--) {
        at += bits * strides[a];
        if (++index[a] < dims[a]) {
          break;
        }
        at -= bits * strides[a] * dims[a];
        index[a] = 0;
      }
    }
    return positions;
  }

  private void setBits(byte[] bytes, long bit, long value) {
    int width = view.dtype().bits();
    int at = (int) (bit / 8);
    if (width == 4) {
      int low = (int) (bit % 8);
      bytes[at] = (byte) (bytes[at] & ~(15 << low) | (int) (value & 15) << low);
      return;
    }
    for (int b = 0; b < width / 8; b++) {
      bytes[at + b] = (byte) (value >> 8 * b);
    }
  }

  private long bits(byte[] bytes, long bit) {
    int width = view.dtype().bits();
    int at = (int) (bit / 8);
    if (width == 4) {
      return bytes[at] >> bit % 8 & 15;
    }
    long value = 0;
    for (int b = 0; b < width / 8; b++) {
      value |= (bytes[at + b] & 0xffL) << 8 * b;
    }
    return value;
  }

  /** Waits and reads the region. */
  byte[] read(CommandStream stream) {
    byte[] after = new byte[before.length];
    stream.download(region, MemorySegment.ofArray(after));
    return after;
  }

  /** The operand's scales, if quantised: none or one. */
  List<Placed> scales() {
    return scales;
  }

  /** The numbers in a region that was read, row-major. */
  double[] decode(byte[] after) {
    StorageFormat format = StorageFormat.of(view.dtype());
    long[] positions = positions(view.shape());
    double[] values = new double[positions.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = format.decode(bits(after, positions[i]));
    }
    return values;
  }

  /**
   * The first byte of the region that changed although it must not; elements count if read-only.
   */
  OptionalInt damaged(byte[] after, Access access) {
    byte[] expected = before;
    if (access == Access.WRITTEN) {
      expected = before.clone();
      for (long position : positions(view.shape())) {
        setBits(expected, position, bits(after, position));
      }
    }
    int at = Arrays.mismatch(expected, after);
    return at < 0 ? OptionalInt.empty() : OptionalInt.of(at);
  }

  /** Whether an operator may write to an operand. */
  enum Access {
    READ,
    WRITTEN
  }

  /** Where the first guard byte lies relative to the elements, for messages. */
  String where(int byteIndex) {
    long first = firstBit / 8;
    return byteIndex < first
        ? first - byteIndex + " bytes before the first element"
        : "byte " + (byteIndex - first) + " after the first element";
  }

  /**
   * The dense tensor in memory that the operand is a view of.
   *
   * @param shape its extents
   * @param firstRow row of the last two axes where the view begins
   * @param firstColumn element of the last axis where the view begins
   */
  private record Physical(Shape shape, long firstRow, long firstColumn) {
    static Physical of(TensorType type, Layout layout) {
      Shape s = type.shape();
      return switch (layout) {
        case SLICED -> sliced(type);
        case TRANSPOSED -> new Physical(s.with(-1, s.dim(-2)).with(-2, s.dim(-1)), 0, 0);
        case BROADCAST -> new Physical(s.with(0, Math.min(1, s.dim(0))), 0, 0);
        case DENSE, OFFSET, MISALIGNED, IN_PLACE -> new Physical(s, 0, 0);
        case MIXED -> throw new IllegalArgumentException("choose a layout per operand first");
      };
    }

    /**
     * Whole blocks of a quantised tensor lie around the view, odd numbers of elements otherwise.
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
      return shape.rank() == 0 ? 0 : firstRow * shape.dim(-1) + firstColumn;
    }
  }
}
