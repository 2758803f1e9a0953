package dev.halcyon.cli;

import dev.halcyon.hal.Device;
import dev.halcyon.models.deepseek.DeepSeekModel;
import dev.halcyon.models.deepseek.SessionOptions;
import dev.halcyon.models.deepseek.WeightFormat;
import dev.halcyon.models.generate.ModelFolder;
import dev.halcyon.models.generate.TextModel;
import java.nio.file.Path;
import java.time.Duration;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that choose a model, and the loading of it. */
final class ModelSelection {
  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description =
          "Model: a folder in Hugging Face layout, 'demo' (built in), or owner/name found in the"
              + " local Hugging Face cache (HF_HOME). Nothing is downloaded.")
  private String model = "";

  @Mixin private WeightSelection weights = new WeightSelection();

  WeightSelection weights() {
    return weights;
  }

  /** The name as given. */
  String name() {
    return model;
  }

  /**
   * @throws dev.halcyon.hal.HalException {@code MODEL_NOT_FOUND}
   */
  Path locate(Host host) {
    return host.models().locate(model);
  }

  /** Opens the folder; reads no weights. */
  ModelFolder openFolder(Host host) {
    return ModelFolder.open(locate(host));
  }

  /**
   * Puts the model on a device, with the plans of a session, and says what that took and where the
   * operators run.
   */
  TextModel load(
      Host host,
      ModelFolder folder,
      Device device,
      SessionOptions session,
      Console.Detail placement) {
    return load(host, folder, device, weights.format(), session, placement);
  }

  /** The same with weights of another format than the given one. */
  TextModel load(
      Host host,
      ModelFolder folder,
      Device device,
      WeightFormat format,
      SessionOptions session,
      Console.Detail placement) {
    long start = System.nanoTime();
    TextModel loaded;
    try (LoadBar bar = new LoadBar(host, "loading " + model, folder.checkpointBytes())) {
      loaded = folder.load(device, weights.loadOptions(format, bar).withSession(session));
    }
    Duration time = Duration.ofNanos(System.nanoTime() - start);
    sayLoaded(host.console(), loaded.model(), format, time, placement);
    return loaded;
  }

  /** Says what a load took and where the operators run. */
  void sayLoaded(Console console, DeepSeekModel loaded, Duration time, Console.Detail placement) {
    sayLoaded(console, loaded, weights.format(), time, placement);
  }

  private void sayLoaded(
      Console console,
      DeepSeekModel loaded,
      WeightFormat format,
      Duration time,
      Console.Detail placement) {
    console.say(
        "%s (%s): %s, %s weights, %s in place and %s on the device, loaded in %s"
            .formatted(
                console.onErr(Console.Style.BOLD, loaded.device().uri().toString()),
                loaded.device().info().name(),
                model,
                WeightSelection.name(format),
                Units.bytes(loaded.importedBytes()),
                Units.bytes(loaded.weightBytes()),
                Units.seconds(time)));
    Placements.say(console, loaded.placement(), placement);
  }
}
