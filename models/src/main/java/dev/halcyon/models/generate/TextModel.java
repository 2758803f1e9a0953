package dev.halcyon.models.generate;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.deepseek.DeepSeekModel;
import dev.halcyon.models.deepseek.LoadOptions;
import dev.halcyon.models.deepseek.SessionOptions;
import java.nio.file.Path;

/**
 * A model on a device that takes text and gives text. Thread-safe; each {@link Generator} belongs
 * to one thread. Close generators first, then this, then the device.
 *
 * <pre>{@code
 * try (Device device = HalRegistry.discover().open("cpu://");
 *     TextModel model = TextModel.open(folder, device, LoadOptions.DEFAULT);
 *     Generator generator = model.newGenerator(SessionOptions.of(2048))) {
 *   int[] prompt = model.folder().encode("Once upon a time");
 *   Generation g = generator.generate(prompt, GenerationRequest.of(SamplingOptions.greedy(100)));
 * }
 * }</pre>
 */
public final class TextModel implements AutoCloseable {
  /** Who closes the {@link ModelFolder}. */
  enum FolderOwner {
    CALLER,
    MODEL
  }

  private final ModelFolder folder;
  private final DeepSeekModel model;
  private final FolderOwner owner;

  TextModel(ModelFolder folder, DeepSeekModel model, FolderOwner owner) {
    this.folder = folder;
    this.model = model;
    this.owner = owner;
  }

  /**
   * Opens a model folder on a device.
   *
   * @throws HalException what {@link ModelFolder#open} and {@link ModelFolder#load} throw
   */
  public static TextModel open(Path dir, Device device, LoadOptions options) {
    ModelFolder folder = ModelFolder.open(dir);
    boolean complete = false;
    try {
      TextModel loaded = folder.load(device, options);
      complete = true;
      return new TextModel(folder, loaded.model, FolderOwner.MODEL);
    } finally {
      if (!complete) {
        folder.close();
      }
    }
  }

  /** Configuration, tokenizer and prompts. */
  public ModelFolder folder() {
    return folder;
  }

  /** Weights and plans. */
  public DeepSeekModel model() {
    return model;
  }

  /**
   * A generator with a session of its own.
   *
   * @throws HalException {@code CONTEXT_OVERFLOW} if the context exceeds the model's, {@code
   *     OUT_OF_MEMORY}
   */
  public Generator newGenerator(SessionOptions options) {
    return new Generator(this, options);
  }

  /**
   * Frees the weights, and what else this opened. Idempotent.
   *
   * @throws HalException {@code CLOSE_ORDER} if a generator is open
   */
  @Override
  public void close() {
    model.close();
    if (owner == FolderOwner.MODEL) {
      folder.close();
    }
  }
}
