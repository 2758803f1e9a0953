package dev.halcyon.models.deepseek;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.plan.MetaDevice;
import dev.halcyon.hal.plan.PlacementPolicy;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.models.config.DeepSeekConfig;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model on a {@link MetaDevice}: the loader and the sessions run as they will on the real device,
 * on types without data, and what they enqueue is what has to be planned. Reads no weights.
 * Thread-safe; close it with its model.
 */
final class Rehearsal implements AutoCloseable {
  private static final int USUAL_CONTEXT = 4096;

  private final MetaDevice meta;
  private final DeepSeekModel model;
  private final List<Planner.Request> loading;
  private final Map<SessionOptions, List<Planner.Request>> rehearsed = new HashMap<>();

  private Rehearsal(MetaDevice meta, DeepSeekModel model) {
    this.meta = meta;
    this.model = model;
    this.loading = meta.takeRequests();
  }

  /** Loads {@code config} in the place of {@code device}. */
  static Rehearsal of(Device device, DeepSeekConfig config, WeightSource.Factory factory) {
    MetaDevice meta = MetaDevice.of(device);
    Device stage = new Device(meta);
    boolean complete = false;
    try {
      Planner planner = new Planner(stage, PlacementPolicy.DEFAULT);
      DeepSeekModel model =
          DeepSeekModel.place(
              config, Optional.empty(), planner, factory, LoadProgress.NONE, Optional.empty());
      complete = true;
      return new Rehearsal(meta, model);
    } finally {
      if (!complete) {
        stage.close();
      }
    }
  }

  /**
   * The session a model is planned for if none is named: 4096 positions, or the model's if less.
   */
  static SessionOptions usual(DeepSeekConfig config) {
    return SessionOptions.of(Math.min(USUAL_CONTEXT, config.maxPositionEmbeddings()));
  }

  /** The model, with every weight's type. */
  DeepSeekModel model() {
    return model;
  }

  /**
   * The operators of loading and of the steps of a session.
   *
   * @throws dev.halcyon.hal.HalException what the session would throw
   */
  synchronized List<Planner.Request> requests(SessionOptions options) {
    return rehearsed.computeIfAbsent(options, this::rehearse);
  }

  private List<Planner.Request> rehearse(SessionOptions options) {
    // a planner of its own: it asks for everything, also for what an earlier session asked for
    Planner planner = new Planner(model.device(), PlacementPolicy.DEFAULT);
    try (Session session = new Session(model, planner, options)) {
      session.rehearse();
      List<Planner.Request> all = new ArrayList<>(loading);
      all.addAll(meta.takeRequests());
      return List.copyOf(all);
    } finally {
      meta.takeRequests();
    }
  }

  @Override
  public void close() {
    Device stage = model.device();
    model.close();
    stage.close();
  }
}
