package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.oracle.HostTensor;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.QuantScheme;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The device memory of a case: one region that holds every operand with guards around it, so that a
 * case costs one upload and one download whatever the number of its operands.
 */
final class Stage {
  /** Guard bytes before and after each operand; a multiple of every alignment. */
  private static final int GUARD = 256;

  private static final int OFFSET = 64;

  private record Actor(
      TensorType type,
      Optional<HostTensor> content,
      Layout layout,
      Range data,
      Range scales,
      List<Actor> parts) {}

  /** Where the dense tensor lies that an operand is a view of. */
  record Range(TensorType type, Physical physical, int first) {
    static final Range NONE = new Range(TensorType.of(DType.U8, 0), Physical.NONE, 0);
  }

  private final List<Actor> actors = new ArrayList<>();
  private int size = GUARD;

  /** An operand with content. */
  void add(HostTensor content, Layout layout) {
    add(content.type(), Optional.of(content), layout);
  }

  /** An operand that is only written: every bit is set, which is NaN in floating formats. */
  void add(TensorType type, Layout layout) {
    add(type, Optional.empty(), layout);
  }

  private void add(TensorType type, Optional<HostTensor> content, Layout layout) {
    actors.add(
        layout == Layout.STACKED ? stack(content.orElseThrow()) : one(type, content, layout));
  }

  /** Parts with guards between them. */
  private Actor stack(HostTensor content) {
    List<Actor> parts = new ArrayList<>();
    for (int i = 0; i < content.shape().dim(0); i++) {
      HostTensor part = content.part(i);
      parts.add(one(part.type(), Optional.of(part), Layout.DENSE));
    }
    return new Actor(
        content.type(), Optional.of(content), Layout.STACKED, Range.NONE, Range.NONE, parts);
  }

  private Actor one(TensorType type, Optional<HostTensor> content, Layout layout) {
    Physical physical = Physical.of(type, layout);
    Range scales = Range.NONE;
    if (type.quant() instanceof QuantScheme.Blocked scheme) {
      scales = reserve(scheme.scaleFormat().dtype(), physical.scales(scheme), layout);
    }
    Range data = reserve(type.dtype(), physical, layout);
    return new Actor(type, content, layout, data, scales, List.of());
  }

  private Range reserve(DType dtype, Physical physical, Layout layout) {
    int shift =
        switch (layout) {
          case OFFSET -> OFFSET;
          case MISALIGNED -> Math.max(1, dtype.bits() / 8);
          default -> 0;
        };
    TensorType type = TensorType.of(dtype, physical.shape());
    int first = size + shift;
    size = Math.ceilDiv(first + Math.toIntExact(type.byteSize()), GUARD) * GUARD + GUARD;
    return new Range(type, physical, first);
  }

  /** Allocates the region and fills it; the operands in the order they were added. */
  List<Placed> set(CommandStream stream, MemoryArena arena) {
    byte[] image = new byte[size];
    for (int i = 0; i < size; i++) {
      // no period that an alignment divides: bytes moved to a wrong place differ from those there
      image[i] = (byte) (i % 251 ^ 0xa5);
    }
    Tensor region = arena.allocate(TensorType.of(DType.U8, size));
    List<Placed> placed = new ArrayList<>();
    for (Actor a : actors) {
      placed.add(place(a, region, image));
    }
    stream.upload(MemorySegment.ofArray(image), region);
    return placed;
  }

  private static Placed place(Actor a, Tensor region, byte[] image) {
    if (a.layout == Layout.STACKED) {
      List<Tensor> parts = a.parts.stream().map(p -> place(p, region, image).view()).toList();
      return Placed.apart(region, Tensor.stack(parts), image);
    }
    Tensor whole = region.viewAs(a.data.first, a.data.type);
    List<Placed> scales = List.of();
    if (a.type.quant() instanceof QuantScheme.Blocked scheme) {
      Tensor all = region.viewAs(a.scales.first, a.scales.type);
      whole = whole.withScales(all, scheme);
      long firstRow = a.scales.physical.firstRow();
      Tensor view =
          firstRow == 0 ? all : all.slice(-2, firstRow, scheme.scaleShape(a.type.shape()).dim(-2));
      Placed p = new Placed(region, view, image, a.scales, List.of());
      p.write(a.content.flatMap(HostTensor::scales));
      scales = List.of(p);
    }
    Tensor view = a.data.physical.view(whole, a.type, a.layout);
    Placed p = new Placed(region, view, image, a.data, scales);
    p.write(a.content);
    return p;
  }
}
