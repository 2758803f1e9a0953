package dev.halcyon.conformance.faulty;

import dev.halcyon.hal.Tensor;

/** What a faulty kernel does in place of the right one. */
interface KernelBug {
  void emit(Commands commands, Tensor[] operands);
}
