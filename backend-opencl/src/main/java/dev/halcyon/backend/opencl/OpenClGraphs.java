package dev.halcyon.backend.opencl;

import dev.halcyon.hal.HalException;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes graphs with the extension cl_khr_command_buffer. A driver's implementation is tried once on
 * a chain of three dependent kernels; if it fails, graphs are replayed call by call and a warning
 * says why.
 */
final class OpenClGraphs {
  private static final Logger LOG = LoggerFactory.getLogger(OpenClGraphs.class);
  private static final Duration DEADLINE = Duration.ofMinutes(1);

  private final OpenClDevice device;
  private final CommandBufferApi api;
  private boolean tried;
  private boolean usable;

  private OpenClGraphs(OpenClDevice device, CommandBufferApi api) {
    this.device = device;
    this.api = api;
  }

  /** Empty, with a warning, if the extension is listed but its functions are not there. */
  static Optional<OpenClGraphs> of(OpenClDevice device) {
    Optional<CommandBufferApi> api = CommandBufferApi.find(device.entry());
    if (api.isEmpty()) {
      LOG.warn(
          "{} lists cl_khr_command_buffer without its functions: graphs are replayed",
          device.info().name());
    }
    return api.map(a -> new OpenClGraphs(device, a));
  }

  /** A graph, or empty if this driver cannot make it. */
  Optional<BackendGraph> instantiate(OpenClStream stream, List<BoundOperator> commands) {
    if (!isUsable()) {
      return Optional.empty();
    }
    try {
      return Optional.of(record(stream, commands));
    } catch (HalException | UnsupportedOperationException e) {
      LOG.warn(
          "{}: this graph is replayed instead of recorded: {}",
          device.info().uri(),
          e.getMessage());
      return Optional.empty();
    }
  }

  private OpenClGraph record(OpenClStream stream, List<BoundOperator> commands) {
    OpenClGraph graph = new OpenClGraph(api, stream.handle());
    try {
      for (BoundOperator b : commands) {
        b.enqueue(graph.recorder());
      }
      graph.seal();
      return graph;
    } catch (RuntimeException e) {
      graph.close();
      throw e;
    }
  }

  private synchronized boolean isUsable() {
    if (!tried) {
      tried = true;
      try {
        usable = selfTest();
        if (!usable) {
          LOG.warn(
              "{}: cl_khr_command_buffer computes wrong numbers: graphs are replayed",
              device.info().uri());
        }
      } catch (RuntimeException e) {
        LOG.warn(
            "{}: cl_khr_command_buffer fails, graphs are replayed: {}",
            device.info().uri(),
            e.getMessage());
      }
    }
    return usable;
  }

  /** x = x + y; y = x + x; x = y + x, from x = 1, y = 2, twice. */
  private boolean selfTest() {
    int n = 1000;
    BackendBuffer x = device.allocate(n * 4);
    BackendBuffer y = device.allocate(n * 4);
    OpenClStream stream = (OpenClStream) device.newStream("self-test of graphs");
    try (Arena arena = Arena.ofConfined()) {
      List<BoundOperator> chain = List.of(add(x, y, x, n), add(x, x, y, n), add(y, x, x, n));
      MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, n);
      upload(stream, values, x, 1);
      upload(stream, values, y, 2);
      OpenClGraph graph = record(stream, chain);
      graph.enqueue(stream);
      graph.enqueue(stream);
      stream.download(x, 0, values);
      graph.close();
      chain.forEach(BoundOperator::close);
      // first pass: x = 3, y = 6, x = 9; second: x = 15, y = 30, x = 45
      for (int i = 0; i < n; i++) {
        if (values.getAtIndex(ValueLayout.JAVA_FLOAT, i) != 45f) {
          return false;
        }
      }
      return true;
    } finally {
      stream.synchronize(DEADLINE);
      stream.close();
      x.free();
      y.free();
    }
  }

  private static void upload(
      OpenClStream stream, MemorySegment values, BackendBuffer to, float value) {
    for (int i = 0; i < values.byteSize() / 4; i++) {
      values.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
    }
    stream.upload(values, to, 0);
  }

  private BoundOperator add(BackendBuffer a, BackendBuffer b, BackendBuffer out, int n) {
    KernelCall call =
        new KernelCall.Builder(
                device,
                OpenClPrograms.Key.of("elementwise", "-DKIND=1 -DARITY=2 -DTO=0 -DOP=0"),
                "map")
            .arguments(2)
            .vector(1)
            .arguments(2)
            .vector(1)
            .arguments(2)
            .vector(1)
            .vector(n)
            .ints(1)
            .longs(n, 100, 0)
            .items(n / 100, 1)
            .build();
    KernelPool.Kernel kernel = call.pool().take(call);
    int argument = 0;
    for (BackendBuffer m : List.of(a, b, out)) {
      kernel.setMemory(argument, ((OpenClMemory) m).handle());
      kernel.setLong(argument + 1, 0);
      argument += 3;
    }
    return new BoundOperator() {
      @Override
      public void enqueue(BackendStream stream) {
        ((LaunchTarget) stream).launch(kernel, call);
      }

      @Override
      public void close() {
        call.pool().giveBack(kernel);
        call.pool().close();
      }
    };
  }
}
