package dev.halcyon.hal;

import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A captured list of plans with their operands, replayed by {@link CommandStream#replay}. NATIVE where the device makes
 * graphs, else REPLAYED: the bound plans one by one, which allocates nothing. One thread at a time. Close it before its
 * device; its operands' arenas must stay open while it is replayed.
 */
public final class CommandGraph implements AutoCloseable {
  /** How a graph executes. */
  public enum Kind {
    NATIVE,
    REPLAYED
  }

  /** One captured plan. */
  record Command(Plan plan, Tensor[] operands) {}

  private static final boolean NATIVE_ALLOWED =
      !"replay".equals(System.getProperty("halcyon.graph", "native"));

  private final Device device;
  private final String label;
  private final LeakTracker tracker;
  private final List<Command> commands;
  private final MemoryArena workspaceArena;
  private final Optional<Tensor> workspace;
  private final List<MemoryArena> arenas;
  private final BackendStream captureStream;
  private BoundOperator[] bound;
  private Optional<BackendGraph> backend = Optional.empty();

  CommandGraph(Device device, BackendStream stream, String label, List<Command> commands) {
    this.device = device;
    this.label = label;
    this.commands = new ArrayList<>(commands);
    this.captureStream = stream;
    this.workspaceArena = new MemoryArena(device, MemoryArena.Kind.SCRATCH, label + " workspace");
    this.arenas = new ArrayList<>();
    this.tracker = LeakTracker.track(this, toString());
    long bytes = commands.stream().mapToLong(c -> c.plan().workspaceBytes()).max().orElse(0);
    this.workspace =
        bytes == 0
            ? Optional.empty()
            : Optional.of(workspaceArena.allocate(TensorType.of(DType.U8, bytes)));
    device.childOpened(this);
    bind();
  }

  private void bind() {
    List<BoundOperator> list = new ArrayList<>(commands.size());
    arenas.clear();
    for (Command c : commands) {
      list.add(c.plan().implementation().bind(c.operands(), workspace));
      for (Tensor t : c.operands()) {
        if (!arenas.contains(t.arena())) {
          arenas.add(t.arena());
        }
      }
    }
    bound = list.toArray(BoundOperator[]::new);
    backend = NATIVE_ALLOWED ? captureStream.instantiate(list) : Optional.empty();
  }

  private void unbind() {
    backend.ifPresent(BackendGraph::close);
    for (BoundOperator b : bound) {
      b.close();
    }
  }

  /**
   * Replaces an operand wherever it was captured.
   *
   * @param captured a tensor used during capture (compared by identity)
   * @param replacement of the same type, on the same device
   */
  public void rebind(Tensor captured, Tensor replacement) {
    requireOpen();
    if (!captured.type().equals(replacement.type()) || replacement.device() != device) {
      throw HalException.of(
              HalErrorCode.SHAPE_MISMATCH, "cannot rebind " + captured.type() + " to " + replacement)
          .on(toString())
          .remedy("rebind to a tensor of the same type and device")
          .build();
    }
    replacement.requireLive();
    boolean found = false;
    for (Command c : commands) {
      for (int i = 0; i < c.operands().length; i++) {
        if (c.operands()[i] == captured) {
          c.operands()[i] = replacement;
          found = true;
        }
      }
    }
    if (!found) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, captured + " was not captured")
          .on(toString())
          .remedy("pass the very tensor that was an operand during capture")
          .build();
    }
    device.backend().awaitIdle(CommandStream.CLOSE_DEADLINE);
    unbind();
    bind();
  }

  public Device device() {
    return device;
  }

  public Kind kind() {
    return backend.isPresent() ? Kind.NATIVE : Kind.REPLAYED;
  }

  /** What executes it, for reports. */
  public String implementation() {
    return backend.map(BackendGraph::implementation).orElse("bound plans, replayed");
  }

  /** The captured plans in order. */
  public List<Plan> plans() {
    return commands.stream().map(Command::plan).toList();
  }

  void enqueue(BackendStream stream) {
    requireOpen();
    for (int i = 0; i < arenas.size(); i++) {
      arenas.get(i).requireOpenFor(this);
    }
    if (backend.isPresent()) {
      backend.get().enqueue(stream);
      return;
    }
    for (BoundOperator b : bound) {
      b.enqueue(stream);
    }
  }

  private void requireOpen() {
    if (tracker.isClosed()) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the graph is closed").on(toString()).build();
    }
  }

  @Override
  public void close() {
    if (tracker.isClosed()) {
      return;
    }
    device.backend().awaitIdle(CommandStream.CLOSE_DEADLINE);
    if (!tracker.close()) {
      return;
    }
    unbind();
    workspaceArena.close();
    device.childClosed(this);
  }

  @Override
  public String toString() {
    return "graph '" + label + "' of " + commands.size() + " plans on " + device.uri();
  }
}
