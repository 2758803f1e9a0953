package dev.halcyon.cli;

import dev.halcyon.conformance.Catalogue;
import dev.halcyon.conformance.model.ModelCases;
import dev.halcyon.conformance.onnx.OnnxCases;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The options that add cases to those that ship with Halcyon. */
final class ConformanceSources {
  @Option(
      names = "--golden",
      paramLabel = "DIR",
      description =
          "A folder with golden.json and its checkpoints, or a folder of such: cases of whole"
              + " models. May be repeated.")
  private List<Path> golden = new ArrayList<>();

  @Option(
      names = "--onnx",
      paramLabel = "DIR",
      description = "The folder of ONNX's node tests: cases hal:onnx/*, of profile operators.")
  private Optional<Path> onnx = Optional.empty();

  /**
   * Every case there is.
   *
   * @throws dev.halcyon.hal.HalException {@code GOLDEN_INVALID}, {@code INVALID_ARGUMENT}
   */
  Catalogue catalogue(Host host) {
    Catalogue catalogue = Catalogue.standard(host.models());
    for (Path folder : golden) {
      catalogue = catalogue.with(ModelCases.golden(folder));
    }
    return catalogue.with(onnx.isPresent() ? new OnnxCases(onnx.get()) : OnnxCases.absent());
  }

  /** These options as words of a command line. */
  List<String> words() {
    List<String> words = new ArrayList<>();
    for (Path folder : golden) {
      words.add("--golden");
      words.add(folder.toString());
    }
    onnx.ifPresent(
        folder -> {
          words.add("--onnx");
          words.add(folder.toString());
        });
    return words;
  }
}
