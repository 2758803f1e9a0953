package dev.halcyon.conformance.model;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.checkpoint.Checkpoint;
import dev.halcyon.models.config.ConfigReader;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.deepseek.DeepSeekModel;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.deepseek.Session;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.golden.GoldenFile;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/** A model on the device under test with its golden file, if it has one. One thread at a time. */
final class LoadedModel implements AutoCloseable {
  /** A chunk that takes every prompt at once. */
  static final int WHOLE = 4096;

  private final DeepSeekModel model;
  private final Optional<GoldenFile> golden;

  private LoadedModel(DeepSeekModel model, Optional<GoldenFile> golden) {
    this.model = model;
    this.golden = golden;
  }

  static LoadedModel load(Device device, ModelSource source) {
    Path folder = source.checkpoint();
    DeepSeekConfig config = ConfigReader.read(folder);
    Optional<GoldenFile> golden = source.golden().map(GoldenFile::read);
    boolean complete = false;
    try {
      LoadedModel loaded =
          new LoadedModel(
              DeepSeekModel.load(device, config, Checkpoint.open(folder), LoadOptions.DEFAULT),
              golden);
      complete = true;
      return loaded;
    } finally {
      if (!complete) {
        golden.ifPresent(GoldenFile::close);
      }
    }
  }

  DeepSeekModel model() {
    return model;
  }

  Optional<GoldenFile> golden() {
    return golden;
  }

  /** Sessions of checks compute and keep everything in f32. */
  SessionOptions options(int context) {
    return SessionOptions.of(Math.min(context, model.config().maxPositionEmbeddings()))
        .withBlockSize(16)
        .withPrefillChunk(WHOLE)
        .withCacheDtype(DType.F32);
  }

  /** Token ids for checks that compare the device with itself: the same for every device. */
  int[] tokens(int count) {
    SplittableRandom random = new SplittableRandom(count);
    int n = Math.min(count, model.config().maxPositionEmbeddings());
    return random.ints(n, 0, model.config().vocab()).toArray();
  }

  /** The logits after every token, {@code [tokens][vocab]}, prefilled in chunks. */
  float[][] prefill(SessionOptions options, int[] tokens) {
    try (Session session = model.newSession(options)) {
      return prefill(session, session.openSequence(), tokens);
    }
  }

  /** As {@link #prefill(SessionOptions, int[])}, in a session that goes on. */
  static float[][] prefill(Session session, int sequence, int[] tokens) {
    List<float[]> all = new ArrayList<>();
    for (int at = 0; at < tokens.length; at += session.options().prefillChunk()) {
      int end = Math.min(tokens.length, at + session.options().prefillChunk());
      session.step(
          List.of(new Session.Chunk(sequence, Arrays.copyOfRange(tokens, at, end))),
          Session.Logits.ALL);
      for (int row = 0; row < end - at; row++) {
        all.add(logits(session, row));
      }
    }
    return all.toArray(float[][]::new);
  }

  /** The logits after every token, given one by one as decode steps. */
  float[][] decode(SessionOptions options, int[] tokens) {
    try (Session session = model.newSession(options)) {
      return decode(session, session.openSequence(), tokens);
    }
  }

  /** As {@link #decode(SessionOptions, int[])}, in a session that goes on. */
  static float[][] decode(Session session, int sequence, int[] tokens) {
    float[][] all = new float[tokens.length][];
    for (int i = 0; i < tokens.length; i++) {
      session.decode(new int[] {sequence}, new int[] {tokens[i]});
      all[i] = logits(session, 0);
    }
    return all;
  }

  static float[] logits(Session session, int row) {
    return session.logits(row).toArray(ValueLayout.JAVA_FLOAT);
  }

  /** The token of largest logit; the lowest id wins ties. */
  static int argmax(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  @Override
  public void close() {
    model.close();
    golden.ifPresent(GoldenFile::close);
  }
}
