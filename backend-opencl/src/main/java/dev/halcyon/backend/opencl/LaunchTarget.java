package dev.halcyon.backend.opencl;

/** What takes kernel launches: a queue, or a command buffer being recorded. */
interface LaunchTarget {
  /**
   * Takes one launch.
   *
   * @param kernel with all its arguments set; they may change as soon as this returns
   * @param call its sizes and name
   */
  void launch(KernelPool.Kernel kernel, KernelCall call);
}
