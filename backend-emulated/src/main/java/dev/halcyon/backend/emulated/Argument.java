package dev.halcyon.backend.emulated;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * An operand as a kernel gets it: fixed when a plan is bound, looked up in device memory when the
 * kernel runs.
 *
 * @param type dtype, shape, strides and quantisation
 * @param address of the first element, on the device
 * @param access whether the kernel writes it
 * @param scales of a quantised operand
 * @param parts of a stacked operand, which then has no address of its own
 */
record Argument(
    TensorType type, long address, Access access, Optional<Argument> scales, List<Argument> parts) {
  /** What a kernel does with it. */
  enum Access {
    READ,
    WRITE
  }

  static Argument of(Tensor t, Access access) {
    List<Argument> parts = t.parts().stream().map(p -> of(p, access)).toList();
    long address = parts.isEmpty() ? ((EmulatedMemory) t.buffer()).address() + t.byteOffset() : 0;
    return new Argument(t.type(), address, access, t.scales().map(s -> of(s, access)), parts);
  }

  /**
   * Its bytes, now.
   *
   * @throws EmulatedFault unless they lie in live memory of this device
   */
  Elements open(AddressSpace memory, Elements.Subnormals subnormals) {
    MemorySegment bytes = MemorySegment.NULL;
    if (parts.isEmpty()) {
      long size = type.dtype().byteSize(type.spanElements());
      bytes =
          switch (access) {
            case READ -> memory.read(address, size);
            case WRITE -> memory.write(address, size);
          };
    }
    return new Elements(
        type,
        bytes,
        subnormals,
        scales.map(s -> s.open(memory, subnormals)),
        parts.stream().map(p -> p.open(memory, subnormals)).toArray(Elements[]::new));
  }
}
