package dev.halcyon.conformance.model;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A golden file with the checkpoints it belongs to: the folder itself if it has a {@code
 * config.json}, and every folder in it that has one.
 *
 * @param name of the folder
 * @param golden its {@code golden.json}
 * @param checkpoints folders in Hugging Face layout, the same model in different formats
 */
public record GoldenFolder(String name, Path golden, List<Path> checkpoints) {
  private static final String GOLDEN = "golden.json";

  public GoldenFolder {
    checkpoints = List.copyOf(checkpoints);
  }

  /**
   * The golden folders at {@code root}: itself, or the folders in it.
   *
   * @throws HalException {@code GOLDEN_INVALID} if there are none
   */
  public static List<GoldenFolder> find(Path root) {
    List<GoldenFolder> found = new ArrayList<>();
    for (Path folder : withSubfolders(root)) {
      if (Files.isRegularFile(folder.resolve(GOLDEN))) {
        List<Path> checkpoints =
            withSubfolders(folder).stream()
                .filter(f -> Files.isRegularFile(f.resolve("config.json")))
                .toList();
        if (checkpoints.isEmpty()) {
          throw invalid(folder, "there is a golden.json, but no checkpoint");
        }
        found.add(
            new GoldenFolder(
                folder.toAbsolutePath().normalize().getFileName().toString(),
                folder.resolve(GOLDEN),
                checkpoints));
      }
    }
    if (found.isEmpty()) {
      throw invalid(root, "there is no golden.json, here or one folder below");
    }
    return found;
  }

  private static List<Path> withSubfolders(Path root) {
    List<Path> folders = new ArrayList<>(List.of(root));
    try (Stream<Path> all = Files.list(root)) {
      all.filter(Files::isDirectory).sorted().forEach(folders::add);
    } catch (IOException e) {
      throw invalid(root, "the folder cannot be read");
    }
    return folders;
  }

  private static HalException invalid(Path folder, String what) {
    return HalException.of(HalErrorCode.GOLDEN_INVALID, what)
        .on(folder.toString())
        .remedy(
            "name a folder with golden.json, golden.safetensors and the checkpoint, or a folder of"
                + " such")
        .build();
  }
}
