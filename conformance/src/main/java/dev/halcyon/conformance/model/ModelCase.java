package dev.halcyon.conformance.model;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.golden.GoldenFile;
import java.util.Optional;
import java.util.Set;

/**
 * One check of one model.
 *
 * @param id its name
 * @param check what is asked
 * @param chunk tokens of a prefill step, for {@link ModelCheck#CHUNKS}
 * @param source finds the files
 * @param profiles it belongs to
 */
record ModelCase(CaseId id, ModelCheck check, int chunk, ModelSource source, Set<Profile> profiles)
    implements ConformanceCase {
  @Override
  public Set<String> requirements() {
    return Set.of(check.requirement());
  }

  @Override
  public String description() {
    return "Model " + source.name() + ". " + check.description();
  }

  @Override
  public Outcome run(Subject subject) {
    LoadedModel loaded;
    try {
      loaded =
          subject.shared(
              source.name(), LoadedModel.class, () -> LoadedModel.load(subject.device(), source));
    } catch (HalException e) {
      if (e.code() == HalErrorCode.MODEL_NOT_FOUND) {
        return new Outcome.NotRun(e.what());
      }
      throw e;
    }
    try {
      return run(loaded);
    } catch (HalException e) {
      if (e.code() == HalErrorCode.UNSUPPORTED_OPERATOR) {
        return new Outcome.NotSupported(e.what());
      }
      throw e;
    }
  }

  private Outcome run(LoadedModel loaded) {
    SelfChecks self = new SelfChecks(loaded);
    return switch (check) {
      case LOGITS, TOP1, GREEDY, ROUTER -> golden(loaded);
      case PREFILL_DECODE -> self.prefillDecode();
      case CHUNKS -> self.chunks(chunk);
      case BATCH -> self.batch();
      case LONG -> self.longContext();
      case REPEAT -> self.repeat();
      case GRAPH -> self.graph();
    };
  }

  private Outcome golden(LoadedModel loaded) {
    Optional<GoldenFile> golden = loaded.golden();
    if (golden.isEmpty()) {
      return new Outcome.NotRun("there is no golden file for " + source.name());
    }
    GoldenChecks checks = new GoldenChecks(loaded, golden.get());
    return switch (check) {
      case LOGITS -> checks.logits();
      case TOP1 -> checks.top1();
      case GREEDY -> checks.greedy();
      case ROUTER -> checks.router();
      default -> throw new IllegalStateException(check + " needs no golden file");
    };
  }
}
