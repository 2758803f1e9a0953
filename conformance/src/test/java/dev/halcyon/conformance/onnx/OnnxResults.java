package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.CaseResult;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Runner;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalRegistry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Prints the results of a folder of node tests on devices: {@code DIR URI...}. */
final class OnnxResults {
  private OnnxResults() {}

  public static void main(String[] args) {
    for (String uri : List.of(args).subList(1, args.length)) {
      List<CaseResult> results = new ArrayList<>();
      try (Subject subject =
          Subject.open(HalRegistry.discover(), DeviceUri.parse(uri), DeviceOptions.DEFAULT)) {
        new Runner(subject).run(new OnnxCases(Path.of(args[0])).cases(), results::add);
      }
      for (CaseResult r : results) {
        String text = switch (r.outcome()) {
          case Outcome.Pass p -> p.evidence().implementation() + " " + p.evidence().headroom();
          case Outcome.Warn w -> w.reason() + w.evidence();
          case Outcome.Fail f -> f.reason() + f.evidence();
          case Outcome.NotSupported n -> n.reason();
          case Outcome.NotRun n -> n.reason();
          case Outcome.Fault f -> { f.cause().printStackTrace(); yield f.cause().toString();}
        };
        System.out.println(uri + " " + r.status() + " " + r.id() + " " + text);
      }
    }
  }
}
