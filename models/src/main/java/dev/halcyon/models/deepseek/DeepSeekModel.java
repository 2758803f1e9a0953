package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.plan.PlacementReport;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.TensorType;
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
  private final Set<Session> sessions = ConcurrentHashMap.newKeySet();
  private boolean closed;

  private DeepSeekModel(
      Device device,
      DeepSeekConfig config,
      Optional<Checkpoint> checkpoint,
      MemoryArena arena,
      DeepSeekWeights weights,
      Planner planner) {
    this.device = device;
    this.config = config;
    this.checkpoint = checkpoint;
    this.arena = arena;
    this.weights = weights;
    this.planner = planner;
  }

  /**
   * Loads a checkpoint. The model owns {@code checkpoint} from here on, also when this fails.
   *
   * @throws HalException {@code TENSOR_MISSING}, {@code SHAPE_MISMATCH}, {@code DTYPE_MISMATCH},
   *     {@code OUT_OF_MEMORY}
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
              (arena, scratch, stream) ->
                  new CheckpointWeights(
                      checkpoint,
                      config.quantization(),
                      options.format(),
                      arena,
                      scratch,
                      stream,
                      options.progress()));
      complete = true;
      return model;
    } finally {
      if (!complete) {
        checkpoint.close();
      }
    }
  }

  /** A model of {@code config} with synthetic weights made on the device, for benchmarks. */
  public static DeepSeekModel random(Device device, DeepSeekConfig config, LoadOptions options) {
    return load(
        device,
        config,
        Optional.empty(),
        options,
        (arena, scratch, stream) -> new RandomWeights(options.format(), arena, stream));
  }

  private interface SourceFactory {
    WeightSource open(MemoryArena arena, MemoryArena scratch, CommandStream stream);
  }

  private static DeepSeekModel load(
      Device device,
      DeepSeekConfig config,
      Optional<Checkpoint> checkpoint,
      LoadOptions options,
      SourceFactory factory) {
    MemoryArena arena = device.newArena(MemoryArena.Kind.WEIGHTS, "weights");
    boolean complete = false;
    try (MemoryArena scratch = device.newArena(MemoryArena.Kind.SCRATCH, "weight conversion");
        CommandStream stream = device.newStream("load")) {
      DeepSeekWeights weights = DeepSeekWeights.load(config, factory.open(arena, scratch, stream));
      stream.synchronize(LOAD_DEADLINE);
      DeepSeekModel model =
          new DeepSeekModel(
              device, config, checkpoint, arena, weights, new Planner(device, options.policy()));
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

  Planner planner() {
    return planner;
  }

  /** Every placement decision so far; complete after the first prefill and decode step. */
  public PlacementReport placement() {
    return planner.report();
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
    long bytes = bytes(weights.norm()) + bytes(weights.head());
    bytes += weights.embedding().dtype().byteSize(config.hidden());
    for (DeepSeekWeights.Layer layer : weights.layers()) {
      DeepSeekWeights.Mla a = layer.attention();
      bytes += bytes(layer.inputNorm()) + bytes(layer.postNorm()) + bytes(a.kvNorm());
      bytes += bytes(a.kvA()) + bytes(a.kvB()) + bytes(a.output());
      bytes +=
          switch (a.query()) {
            case DeepSeekWeights.DirectQuery q -> bytes(q.q());
            case DeepSeekWeights.LatentQuery q -> bytes(q.qA()) + bytes(q.norm()) + bytes(q.qB());
          };
      bytes +=
          switch (layer.feedForward()) {
            case DeepSeekWeights.Mlp m -> bytes(m);
            case DeepSeekWeights.Moe m -> {
              long experts = bytes(m.gate()) + bytes(m.up()) + bytes(m.down());
              int count = config.moe().orElseThrow().routedExperts();
              yield bytes(m.router())
                  + m.shared().map(DeepSeekModel::bytes).orElse(0L)
                  + experts / count * config.moe().orElseThrow().topK();
            }
          };
    }
    return bytes;
  }

  private static long bytes(DeepSeekWeights.Mlp m) {
    return bytes(m.gate()) + bytes(m.up()) + bytes(m.down());
  }

  private static long bytes(Tensor t) {
    if (!t.parts().isEmpty()) {
      return t.parts().stream().mapToLong(DeepSeekModel::bytes).sum();
    }
    TensorType type = t.type();
    return type.byteSize() + t.scales().map(s -> s.type().byteSize()).orElse(0L);
  }

  /** A new session. */
  public Session newSession(SessionOptions options) {
    if (closed) {
      throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the model is closed")
          .on(device.uri().toString())
          .build();
    }
    Session session = new Session(this, options);
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
    arena.close();
    checkpoint.ifPresent(Checkpoint::close);
  }
}
