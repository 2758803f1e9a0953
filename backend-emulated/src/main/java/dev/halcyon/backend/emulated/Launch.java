package dev.halcyon.backend.emulated;

import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.util.List;

/**
 * A kernel with its arguments. Nothing on the device belongs to it, so it may be closed while an
 * enqueued execution is still to come.
 *
 * @param name of the kernel, for errors
 * @param kernel what to run
 * @param arguments on what, in the order of the spec
 */
record Launch(String name, Kernel kernel, List<Argument> arguments) implements BoundOperator {
  @Override
  public void enqueue(BackendStream stream) {
    ((LaunchTarget) stream).launch(this);
  }

  /**
   * Runs the kernel, on the thread of a stream.
   *
   * @throws EmulatedFault if an argument is not in live memory, or what the kernel meets
   */
  void execute(AddressSpace memory, Elements.Subnormals subnormals) {
    Elements[] operands = new Elements[arguments.size()];
    for (int i = 0; i < operands.length; i++) {
      operands[i] = arguments.get(i).open(memory, subnormals);
    }
    kernel.run(operands);
  }
}
