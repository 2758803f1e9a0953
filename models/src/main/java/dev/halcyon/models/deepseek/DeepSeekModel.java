package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.plan.PlacementReport;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.DeepSeekConfig;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A DeepSeek-V2/V3 family model on a device: weights and plans. Thread-safe; each {@link Session}
 * belongs to one thread. Close sessions first, then the model, then the device.
 */
public final class DeepSeekModel implements AutoCloseable {
  private static final Duration LOAD_DEADLINE = Duration.ofMinutes(30);

  private final Device device;
  private final DeepSeekConfig config;
  private final Optional<Checkpoint> checkpoint;
  private final MemoryArena arena;
  private final DeepSeekWeights weights;
  private final Planner planner;

  /** Empty in a rehearsal itself. */
  private final Optional<Rehearsal> rehearsal;

  private final Set<Session> sessions = ConcurrentHashMap.newKeySet();
  private boolean closed;

  private DeepSeekModel(
      DeepSeekConfig config,
      Optional<Checkpoint> checkpoint,
      MemoryArena arena,
      DeepSeekWeights weights,
      Planner planner,
      Optional<Rehearsal> rehearsal) {
    this.device = planner.device();
    this.config = config;
    this.checkpoint = checkpoint;
    this.arena = arena;
    this.weights = weights;
    this.planner = planner;
    this.rehearsal = rehearsal;
  }

  /**
   * Loads a checkpoint. The model owns {@code checkpoint} from here on, also when this fails.
   *
   * <p>Before any weight is read, the whole model is planned: the conversion of its weights and the
   * steps of {@link LoadOptions#session}.
   *
   * @throws HalException {@code UNSUPPORTED_OPERATOR} naming all operators of the model that the
   *     device lacks, with reasons; {@code TENSOR_MISSING}, {@code SHAPE_MISMATCH}, {@code
   *     DTYPE_MISMATCH}, {@code ALLOCATION_TOO_LARGE}, {@code OUT_OF_MEMORY}
   */
  public static DeepSeekModel load(
      Device device, DeepSeekConfig config, Checkpoint checkpoint, LoadOptions options) {
    boolean complete = false;
    try {
      DeepSeekModel model =
          load(
              device,
              config,
              Optional.of(checkpoint),
              options,
              WeightSource.of(checkpoint, config, options.format()));
      complete = true;
      return model;
    } finally {
      if (!complete) {
        checkpoint.close();
      }
    }
  }

  /**
   * A model of {@code config} with synthetic weights made on the device, for benchmarks; planned as
   * {@link #load} does.
   */
  public static DeepSeekModel random(Device device, DeepSeekConfig config, LoadOptions options) {
    return load(
        device,
        config,
        Optional.empty(),
        options,
        (arena, scratch, ops, progress) ->
            new RandomWeights(options.format(), arena, ops.stream()));
  }

  private static DeepSeekModel load(
      Device device,
      DeepSeekConfig config,
      Optional<Checkpoint> checkpoint,
      LoadOptions options,
      WeightSource.Factory factory) {
    Rehearsal rehearsal = Rehearsal.of(device, config, factory);
    boolean complete = false;
    try {
      Planner planner = new Planner(device, options.policy());
      planner.planAll(rehearsal.requests(options.session().orElse(Rehearsal.usual(config))));
      DeepSeekModel model =
          place(config, checkpoint, planner, factory, options.progress(), Optional.of(rehearsal));
      complete = true;
      return model;
    } finally {
      if (!complete) {
        rehearsal.close();
      }
    }
  }

  /** Puts the weights on the planner's device. */
  static DeepSeekModel place(
      DeepSeekConfig config,
      Optional<Checkpoint> checkpoint,
      Planner planner,
      WeightSource.Factory factory,
      LoadProgress progress,
      Optional<Rehearsal> rehearsal) {
    Device device = planner.device();
    MemoryArena arena = device.newArena(MemoryArena.Kind.WEIGHTS, "weights");
    boolean complete = false;
    try (MemoryArena scratch = device.newArena(MemoryArena.Kind.SCRATCH, "weight conversion");
        CommandStream stream = device.newStream("load")) {
      WeightSource source = factory.open(arena, scratch, new Operators(planner, stream), progress);
      DeepSeekWeights weights = DeepSeekWeights.load(config, source);
      stream.synchronize(LOAD_DEADLINE);
      DeepSeekModel model =
          new DeepSeekModel(config, checkpoint, arena, weights, planner, rehearsal);
      complete = true;
      return model;
    } finally {
      if (!complete) {
        arena.close();
      }
    }
  }

  public Device device() {
    return device;
  }

  public DeepSeekConfig config() {
    return config;
  }

  DeepSeekWeights weights() {
    return weights;
  }

  /** False for the model of a rehearsal, whose tensors are types without data. */
  boolean holdsData() {
    return rehearsal.isPresent();
  }

  /**
   * Every placement decision: after loading those of {@link LoadOptions#session}, and those of each
   * session from its beginning on.
   */
  public PlacementReport placement() {
    return planner.report();
  }

  /** Plans made so far, the steps of decompositions included. */
  public int planCount() {
    return planner.planCount();
  }

  /** Device memory of the weights, without what is used in place from the mapped checkpoint. */
  public long weightBytes() {
    return arena.byteSize();
  }

  /** Bytes of the mapped checkpoint used in place. */
  public long importedBytes() {
    return arena.importedBytes();
  }

  /**
   * Weight bytes one token reads in a decode step: everything but the embedding and the experts not
   * chosen.
   */
  public long activeBytesPerToken() {
    return weights.activeBytesPerToken(config);
  }

  /**
   * A new session, with the plans of its steps: decode steps of one and of {@code maxSequences}
   * sequences, and prefill steps of {@code prefillChunk} tokens, make none afterwards. Steps of
   * other sizes, such as the end of a prompt that is not a multiple of the chunk, are planned when
   * they first come.
   *
   * @throws HalException {@code UNSUPPORTED_OPERATOR} naming all operators that the device lacks
   *     for these steps, {@code CONTEXT_OVERFLOW}, {@code ALLOCATION_TOO_LARGE}, {@code
   *     OUT_OF_MEMORY}
   */
  public Session newSession(SessionOptions options) {
    if (closed) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the model is closed")
          .on(device.uri().toString())
          .build();
    }
    rehearsal.ifPresent(r -> planner.planAll(r.requests(options)));
    Session session = new Session(this, planner, options);
    sessions.add(session);
    return session;
  }

  void sessionClosed(Session session) {
    sessions.remove(session);
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    if (!sessions.isEmpty()) {
      throw HalException.of(
              HalErrorCode.CLOSE_ORDER,
              "model closed before " + sessions.size() + " of its sessions")
          .on(device.uri().toString())
          .remedy("close sessions before their model")
          .build();
    }
    closed = true;
    rehearsal.ifPresent(Rehearsal::close);
    arena.close();
    checkpoint.ifPresent(Checkpoint::close);
  }
}
