package dev.halcyon.models.checkpoint;

import dev.halcyon.hal.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;

/**
 * One tensor of a checkpoint, in place: {@code data} is a read-only view of the mapped file.
 *
 * <p>Elements are dense, row-major and little-endian. The file gives no alignment promise: {@code
 * data.address()} may be any byte, so read with the {@code _UNALIGNED} layouts or copy. The view is
 * valid until the owning {@link Checkpoint} or {@link SafetensorsFile} is closed; any thread may
 * read it.
 *
 * @param name the name in the file, for example {@code model.layers.0.mlp.gate_proj.weight}
 * @param dtype how elements are stored; E8M0 scales are reported as {@link DType#U8}
 * @param shape the dimensions, outermost first; empty for a scalar
 * @param data exactly {@code dtype.byteSize(elementCount())} bytes
 * @param file the file the tensor lies in
 */
public record CheckpointTensor(
    String name, DType dtype, long[] shape, MemorySegment data, Path file) {
  public CheckpointTensor {
    Objects.requireNonNull(name);
    Objects.requireNonNull(dtype);
    Objects.requireNonNull(data);
    Objects.requireNonNull(file);
    shape = shape.clone();
  }

  @Override
  public long[] shape() {
    return shape.clone();
  }

  /** Number of dimensions. */
  public int rank() {
    return shape.length;
  }

  /** Extent of dimension {@code axis}. */
  public long dim(int axis) {
    return shape[axis];
  }

  /** Product of all dimensions; 1 for a scalar. */
  public long elementCount() {
    long n = 1;
    for (long d : shape) {
      n *= d;
    }
    return n;
  }

  public long byteSize() {
    return data.byteSize();
  }

  /** Whether the dimensions are exactly {@code expected}. */
  public boolean hasShape(long... expected) {
    return Arrays.equals(shape, expected);
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof CheckpointTensor t
        && name.equals(t.name)
        && dtype == t.dtype
        && Arrays.equals(shape, t.shape)
        && file.equals(t.file)
        && data.equals(t.data);
  }

  @Override
  public int hashCode() {
    return Objects.hash(name, file);
  }

  @Override
  public String toString() {
    return name + " " + dtype + Arrays.toString(shape) + " in " + file.getFileName();
  }
}
