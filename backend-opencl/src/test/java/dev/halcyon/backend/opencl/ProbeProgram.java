package dev.halcyon.backend.opencl;

import dev.halcyon.hal.HalRegistry;

/** Prints what the registry finds; run in a process of its own by {@link LoaderTest}. */
public final class ProbeProgram {
  private ProbeProgram() {}

  /** Prints the verdict. */
  public static void main(String[] arguments) {
    HalRegistry registry = HalRegistry.of(new OpenClBackendProvider());
    registry.probeAll().forEach(p -> System.out.println(p.probe()));
    try {
      registry.open("opencl://0").close();
      System.out.println("opened");
    } catch (RuntimeException e) {
      System.out.println(e.getMessage());
    }
  }
}
