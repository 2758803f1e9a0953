package dev.halcyon.cli;

import dev.halcyon.hal.HalRegistry;
import dev.halcyon.models.ModelLocator;
import java.util.function.Supplier;

/**
 * What a command works with.
 *
 * @param console its streams
 * @param backends finds the backends; asked only by commands that need one
 * @param models finds models by name
 * @param cancellation Ctrl-C
 */
record Host(
    Console console,
    Supplier<HalRegistry> backends,
    ModelLocator models,
    Cancellation cancellation) {
  /** This process. */
  static Host ofProcess() {
    return new Host(
        Console.ofProcess(), HalRegistry::discover, ModelLocator.ofProcess(), new Cancellation());
  }
}
