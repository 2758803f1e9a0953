package dev.halcyon.hal;

import dev.halcyon.hal.plan.Plan;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A captured list of plans with their operands, replayed by {@link CommandStream#replay}. NATIVE
 * where the device makes graphs and no plan runs on the host, else REPLAYED: the bound plans one by
 * one, which allocates nothing. One thread at a time, checked. Close it before its device; its
 * operands' arenas must stay open, and not be reset, while it is replayed. Replays share one
 * workspace: order those on different streams by fences.
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

  /** An arena with memory of captured operands, as it was when they were bound. */
  private record Used(MemoryArena arena, int generation) {}

  /**
   * What one binding made: the bound plans and, where the device has it, the native graph of them.
   */
  private record Binding(BoundOperator[] bound, Optional<BackendGraph> backend, List<Used> arenas) {
    void close() {
      backend.ifPresent(BackendGraph::close);
      for (BoundOperator b : bound) {
        b.close();
      }
    }
  }

  private final CommandStream origin;
  private final Device device;
  private final String label;
  private final LeakTracker tracker;
  private final StreamOwner owner = new StreamOwner();
  private final MemoryArena workspaceArena;
  private final Optional<Tensor> workspace;
  private List<Command> commands;
  private Binding binding;

  CommandGraph(CommandStream origin, String label, List<Command> commands) {
    this.origin = origin;
    this.device = origin.device();
    this.label = label;
    this.commands = List.copyOf(commands);
    this.workspaceArena = new MemoryArena(device, MemoryArena.Kind.SCRATCH, label + " workspace");
    boolean complete = false;
    try {
      long bytes = commands.stream().mapToLong(c -> c.plan().workspaceBytes()).max().orElse(0);
      this.workspace =
          bytes == 0
              ? Optional.empty()
              : Optional.of(workspaceArena.allocate(TensorType.of(DType.U8, bytes)));
      this.binding = bind(this.commands);
      complete = true;
    } finally {
      if (!complete) {
        workspaceArena.closeIdle();
      }
    }
    this.tracker = LeakTracker.track(this, toString());
    device.childOpened(this);
  }

  private Binding bind(List<Command> list) {
    List<BoundOperator> bound = new ArrayList<>(list.size());
    boolean complete = false;
    try {
      Set<Used> arenas = new LinkedHashSet<>();
      for (Command c : list) {
        for (Tensor t : c.operands()) {
          t.requireLive();
          addArenas(t, arenas);
        }
        bound.add(c.plan().implementation().bind(c.operands(), workspace));
      }
      boolean recordable = list.stream().allMatch(c -> c.plan().implementation().isRecordable());
      Optional<BackendGraph> backend =
          NATIVE_ALLOWED && recordable ? origin.backend().instantiate(bound) : Optional.empty();
      complete = true;
      return new Binding(bound.toArray(BoundOperator[]::new), backend, List.copyOf(arenas));
    } finally {
      if (!complete) {
        bound.forEach(BoundOperator::close);
      }
    }
  }

  private static void addArenas(Tensor t, Set<Used> arenas) {
    arenas.add(new Used(t.arena(), t.arena().generation()));
    t.scales().ifPresent(s -> addArenas(s, arenas));
    t.parts().forEach(p -> addArenas(p, arenas));
  }

  /**
   * Replaces an operand wherever it was captured. Waits until the device is idle; if anything is
   * refused or fails, the graph stays as it was.
   *
   * @param captured a tensor used during capture (compared by identity)
   * @param replacement of the same type, on the same device
   * @throws HalException {@code SHAPE_MISMATCH}, {@code INVALID_ARGUMENT} if it was not captured,
   *     {@code ALIASED_OPERANDS}, {@code USE_AFTER_CLOSE} also if the stream of the capture is
   *     closed
   */
  public void rebind(Tensor captured, Tensor replacement) {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      if (origin.isClosed()) {
        throw HalException.of(
                HalErrorCode.USE_AFTER_CLOSE, "rebind after the stream of the capture was closed")
            .on(toString())
            .remedy("keep that stream open as long as the graph is rebound")
            .build();
      }
      if (!captured.type().equals(replacement.type()) || replacement.device() != device) {
        throw HalException.of(
                HalErrorCode.SHAPE_MISMATCH,
                "cannot rebind " + captured.type() + " to " + replacement)
            .on(toString())
            .remedy("rebind to a tensor of the same type and device")
            .build();
      }
      List<Command> replaced = replaced(captured, replacement);
      device.backend().awaitIdle(CommandStream.CLOSE_DEADLINE);
      Binding next = bind(replaced);
      Binding previous = binding;
      commands = replaced;
      binding = next;
      previous.close();
    } finally {
      owner.exit(entered);
    }
  }

  private List<Command> replaced(Tensor captured, Tensor replacement) {
    List<Command> result = new ArrayList<>(commands.size());
    boolean found = false;
    for (Command c : commands) {
      Tensor[] operands = c.operands().clone();
      boolean changed = false;
      for (int i = 0; i < operands.length; i++) {
        if (operands[i] == captured) {
          operands[i] = replacement;
          changed = true;
        }
      }
      if (changed) {
        CommandStream.requireNoAlias(c.plan(), operands, this);
      }
      found |= changed;
      result.add(changed ? new Command(c.plan(), operands) : c);
    }
    if (!found) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, captured + " was not captured")
          .on(toString())
          .remedy("pass the very tensor that was an operand during capture")
          .build();
    }
    return result;
  }

  public Device device() {
    return device;
  }

  public Kind kind() {
    return binding.backend().isPresent() ? Kind.NATIVE : Kind.REPLAYED;
  }

  /** What executes it, for reports. */
  public String implementation() {
    return binding.backend().map(BackendGraph::implementation).orElse("bound plans, replayed");
  }

  /** The captured plans in order. */
  public List<Plan> plans() {
    return commands.stream().map(Command::plan).toList();
  }

  /** Enqueues the commands; only what goes wrong on the device poisons {@code stream}. */
  void replay(CommandStream stream) {
    boolean entered = owner.enter(this);
    try {
      requireOpen();
      Binding b = binding;
      for (int i = 0; i < b.arenas.size(); i++) {
        b.arenas.get(i).arena.requireLiveFor(this, b.arenas.get(i).generation);
      }
      stream.run(
          () -> {
            if (b.backend.isPresent()) {
              b.backend.get().enqueue(stream.backend());
              return;
            }
            for (BoundOperator o : b.bound) {
              o.enqueue(stream.backend());
            }
          });
    } finally {
      owner.exit(entered);
    }
  }

  private void requireOpen() {
    if (tracker.isClosed()) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the graph is closed")
          .on(toString())
          .build();
    }
  }

  /**
   * Frees the graph.
   *
   * @throws HalException {@code DEADLINE_EXCEEDED} if the device is still busy: the graph stays
   *     open, close it again later
   */
  @Override
  public void close() {
    boolean entered = owner.enter(this);
    try {
      if (tracker.isClosed()) {
        return;
      }
      try {
        device.backend().awaitIdle(CommandStream.CLOSE_DEADLINE);
      } catch (HalException e) {
        if (e.code() != HalErrorCode.DEVICE_LOST) {
          throw e;
        }
        // nothing runs on a lost device
      }
      if (!tracker.close()) {
        return;
      }
      try {
        binding.close();
      } finally {
        device.childClosed(this);
        workspaceArena.closeIdle();
      }
    } finally {
      owner.exit(entered);
    }
  }

  @Override
  public String toString() {
    return "graph '" + label + "' of " + commands.size() + " plans on " + device.uri();
  }
}
