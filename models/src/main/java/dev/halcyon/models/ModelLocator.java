package dev.halcyon.models;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Finds the directory of a model by the name a user gives: a directory, {@code demo} (the
 * checkpoint inside this jar), or {@code owner/name} in the local Hugging Face cache. Nothing is
 * ever downloaded. Thread-safe.
 */
public final class ModelLocator {
  /** The name of the packaged model. */
  public static final String DEMO = "demo";

  private static final Pattern REPOSITORY =
      Pattern.compile("[A-Za-z0-9][\\w.-]{0,95}/[A-Za-z0-9][\\w.-]{0,95}");
  private static final Pattern REVISION = Pattern.compile("[0-9a-zA-Z][0-9a-zA-Z._-]{0,99}");

  private final Map<String, String> environment;
  private final Path home;

  /**
   * @param environment variables to obey: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME,
   *     XDG_CACHE_HOME, HALCYON_CACHE
   * @param home the user's home directory
   */
  public ModelLocator(Map<String, String> environment, Path home) {
    this.environment = Map.copyOf(environment);
    this.home = Objects.requireNonNull(home);
  }

  /** A locator for this process's environment and user. */
  public static ModelLocator ofProcess() {
    return new ModelLocator(System.getenv(), Path.of(System.getProperty("user.home")));
  }

  /**
   * The directory of {@code name}; it holds a {@code config.json}.
   *
   * @throws HalException MODEL_NOT_FOUND saying where it looked
   */
  public Path locate(String name) {
    List<String> looked = new ArrayList<>();
    Optional<Path> directory = asDirectory(name, looked);
    if (directory.isPresent()) {
      return directory.get();
    }
    if (name.equals(DEMO)) {
      return new DemoModel(cacheRoot()).directory();
    }
    if (REPOSITORY.matcher(name).matches() && !name.contains("..")) {
      for (Path hub : hubs()) {
        Optional<Path> snapshot = snapshot(hub, name, looked);
        if (snapshot.isPresent()) {
          return snapshot.get();
        }
      }
    }
    throw HalException.of(
            HalErrorCode.MODEL_NOT_FOUND,
            "no model '" + name + "'; looked at " + String.join(", ", looked))
        .on(name)
        .remedy(
            "name a directory with config.json, '"
                + DEMO
                + "', or an owner/name already in the Hugging Face cache"
                + " (for example fetched with `hf download`); nothing is downloaded here")
        .build();
  }

  private static Optional<Path> asDirectory(String name, List<String> looked) {
    if (name.isBlank()) {
      return Optional.empty();
    }
    Path path;
    try {
      path = Path.of(name);
    } catch (InvalidPathException e) {
      looked.add("'" + name + "' (not a path)");
      return Optional.empty();
    }
    if (!Files.isDirectory(path)) {
      looked.add(
          path.toAbsolutePath()
              + (Files.exists(path) ? " (not a directory)" : " (does not exist)"));
      return Optional.empty();
    }
    if (!Files.isRegularFile(path.resolve("config.json"))) {
      looked.add(path.toAbsolutePath() + " (has no config.json)");
      return Optional.empty();
    }
    return Optional.of(path);
  }

  private static Optional<Path> snapshot(Path hub, String name, List<String> looked) {
    Path repository = hub.resolve("models--" + name.replace("/", "--"));
    if (!Files.isDirectory(repository)) {
      looked.add(repository + " (does not exist)");
      return Optional.empty();
    }
    Path ref = repository.resolve("refs").resolve("main");
    try {
      if (Files.isRegularFile(ref) && Files.size(ref) < 1024) {
        String revision = Files.readString(ref, StandardCharsets.UTF_8).strip();
        Path snapshot =
            repository
                .resolve("snapshots")
                .resolve(REVISION.matcher(revision).matches() ? revision : "-");
        if (Files.isRegularFile(snapshot.resolve("config.json"))) {
          return Optional.of(snapshot);
        }
        looked.add(snapshot + " (has no config.json)");
        return Optional.empty();
      }
      return onlySnapshot(repository, looked);
    } catch (IOException e) {
      looked.add(ref + " (" + e.getClass().getSimpleName() + ")");
      return Optional.empty();
    }
  }

  /**
   * Without {@code refs/main}, as after fetching a fixed revision, a single snapshot is the only
   * candidate.
   */
  private static Optional<Path> onlySnapshot(Path repository, List<String> looked)
      throws IOException {
    Path snapshots = repository.resolve("snapshots");
    if (Files.isDirectory(snapshots)) {
      try (Stream<Path> list = Files.list(snapshots)) {
        List<Path> usable =
            list.filter(p -> Files.isRegularFile(p.resolve("config.json"))).toList();
        if (usable.size() == 1) {
          return Optional.of(usable.getFirst());
        }
        looked.add(snapshots + " (" + usable.size() + " usable snapshots and no refs/main)");
        return Optional.empty();
      }
    }
    looked.add(snapshots + " (does not exist)");
    return Optional.empty();
  }

  private Set<Path> hubs() {
    Set<Path> hubs = new LinkedHashSet<>();
    variable("HF_HUB_CACHE").map(Path::of).ifPresent(hubs::add);
    variable("HUGGINGFACE_HUB_CACHE").map(Path::of).ifPresent(hubs::add);
    variable("HF_HOME").map(h -> Path.of(h).resolve("hub")).ifPresent(hubs::add);
    if (hubs.isEmpty()) {
      Path cache = variable("XDG_CACHE_HOME").map(Path::of).orElse(home.resolve(".cache"));
      hubs.add(cache.resolve("huggingface").resolve("hub"));
    }
    return hubs;
  }

  private Path cacheRoot() {
    return variable("HALCYON_CACHE")
        .map(Path::of)
        .orElseGet(
            () ->
                variable("XDG_CACHE_HOME")
                    .map(Path::of)
                    .orElse(home.resolve(".cache"))
                    .resolve("halcyon"));
  }

  private Optional<String> variable(String name) {
    return Optional.ofNullable(environment.get(name)).filter(v -> !v.isBlank());
  }
}
