package dev.halcyon.conformance.model;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Profile;
import dev.halcyon.models.ModelLocator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** Whole models: {@code hal:model/<name>:weights=...,check=...}. docs/spec/model.md. */
public final class ModelCases implements CaseSource {
  private static final int[] CHUNKS = {1, 7, 64};
  private static final Set<Profile> MODELS = EnumSet.of(Profile.MODELS);
  private static final Set<Profile> QUICK = EnumSet.of(Profile.QUICK, Profile.MODELS);

  private final List<Named> models;

  /**
   * @param id path and weights, without check
   */
  private record Named(CaseId id, ModelSource source, Set<Profile> quick) {}

  private ModelCases(List<Named> models) {
    this.models = List.copyOf(models);
  }

  /** The demo model; its golden file, if this build has one, lies beside it. */
  public static ModelCases demo(ModelLocator locator) {
    return new ModelCases(
        List.of(
            new Named(
                CaseId.of("hal:model/demo").with("weights", "native"),
                new DemoSource(locator),
                QUICK)));
  }

  /**
   * Every checkpoint of every golden folder at {@code root}.
   *
   * @throws dev.halcyon.hal.HalException {@code GOLDEN_INVALID} if there is none
   */
  public static ModelCases golden(Path root) {
    List<Named> models = new ArrayList<>();
    for (GoldenFolder folder : GoldenFolder.find(root)) {
      for (Path checkpoint : folder.checkpoints()) {
        boolean same = checkpoint.equals(folder.golden().getParent());
        String weights = same ? "native" : word(checkpoint.getFileName().toString());
        models.add(
            new Named(
                CaseId.of("hal:model/" + word(folder.name())).with("weights", weights),
                new GoldenSource(folder.name() + "/" + weights, checkpoint, folder.golden()),
                MODELS));
      }
    }
    return new ModelCases(models);
  }

  /** A folder's name with the characters that an id allows. */
  private static String word(String name) {
    return name.replaceAll("[^A-Za-z0-9_.-]", "_");
  }

  private record DemoSource(ModelLocator locator) implements ModelSource {
    @Override
    public String name() {
      return ModelLocator.DEMO;
    }

    @Override
    public Path checkpoint() {
      return locator.locate(ModelLocator.DEMO);
    }

    @Override
    public Optional<Path> golden() {
      return Optional.of(checkpoint().resolve("golden.json")).filter(Files::isRegularFile);
    }
  }

  private record GoldenSource(String name, Path checkpoint, Path file) implements ModelSource {
    @Override
    public Optional<Path> golden() {
      return Optional.of(file);
    }
  }

  @Override
  public Stream<ConformanceCase> cases() {
    return models.stream().flatMap(ModelCases::cases);
  }

  private static Stream<ConformanceCase> cases(Named model) {
    List<ConformanceCase> cases = new ArrayList<>();
    for (ModelCheck check : ModelCheck.values()) {
      CaseId id = model.id().with("check", check.id());
      switch (check) {
        case CHUNKS -> {
          for (int chunk : CHUNKS) {
            cases.add(new ModelCase(id.with("chunk", chunk), check, chunk, model.source(), MODELS));
          }
        }
        case LOGITS, ROUTER, PREFILL_DECODE, GRAPH ->
            cases.add(new ModelCase(id, check, 0, model.source(), model.quick()));
        case TOP1, GREEDY, BATCH, LONG, REPEAT ->
            cases.add(new ModelCase(id, check, 0, model.source(), MODELS));
      }
    }
    return cases.stream();
  }
}
