package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Subject;
import java.util.EnumSet;
import java.util.Set;

/** Stands for all node tests of ONNX in a run without their folder: a report says what it lacks. */
record AbsentOnnxCase() implements ConformanceCase {
  @Override
  public CaseId id() {
    return CaseId.of("hal:onnx/all");
  }

  @Override
  public Set<Profile> profiles() {
    return EnumSet.of(Profile.OPERATORS);
  }

  @Override
  public Set<String> requirements() {
    return Set.of("ONNX-NODE-1");
  }

  @Override
  public String description() {
    return "The node tests of ONNX, which lie outside this project: --onnx names their folder.";
  }

  @Override
  public Outcome run(Subject subject) {
    return new Outcome.NotRun("no folder of ONNX's node tests was given (--onnx DIR)");
  }
}
