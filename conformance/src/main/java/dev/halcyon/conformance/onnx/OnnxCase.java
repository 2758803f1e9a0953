package dev.halcyon.conformance.onnx;

import dev.halcyon.conformance.CaseId;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Evidence;
import dev.halcyon.conformance.Outcome;
import dev.halcyon.conformance.Profile;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Stream;

/** One folder of ONNX node tests: a model of one node, inputs, and the outputs it must give. */
final class OnnxCase implements ConformanceCase {
  private final Path folder;

  OnnxCase(Path folder) {
    this.folder = folder;
  }

  @Override
  public CaseId id() {
    String name = folder.getFileName().toString().replaceAll("[^A-Za-z0-9_.-]", "_");
    return CaseId.of("hal:onnx/" + name);
  }

  @Override
  public Set<Profile> profiles() {
    return Set.of(Profile.OPERATORS);
  }

  @Override
  public Set<String> requirements() {
    return Set.of("ONNX-NODE-1", "ONNX-NODE-2", "ONNX-NODE-3");
  }

  @Override
  public String description() {
    return "The ONNX node test "
        + folder.getFileName()
        + " by operators of the HAL: integers, moves and correctly rounded functions exact, others"
        + " within "
        + Verdict.ABSOLUTE
        + " + "
        + Verdict.RELATIVE
        + " |expected|.";
  }

  @Override
  public Outcome run(Subject subject) {
    try {
      return outcome(subject);
    } catch (NotMapped e) {
      return new Outcome.NotSupported(e.getMessage());
    } catch (HalException e) {
      if (e.code() == HalErrorCode.UNSUPPORTED_OPERATOR) {
        return new Outcome.NotSupported(e.what());
      }
      throw e;
    }
  }

  private Outcome outcome(Subject subject) {
    OnnxModel model = OnnxReader.model(folder.resolve("model.onnx"));
    if (model.nodes().size() != 1) {
      throw new NotMapped("a graph of " + model.nodes().size() + " nodes");
    }
    OnnxNode node = model.nodes().getFirst();
    if (!node.isStandard()) {
      throw new NotMapped("operator " + node.domain() + "." + node.operator());
    }
    MappedOperator operator =
        OperatorTable.find(node.operator())
            .orElseThrow(() -> new NotMapped("operator " + node.operator() + " has no mapping"));
    List<Path> sets = dataSets();
    Verdict verdict = new Verdict(operator.comparison());
    Emitter emitter = new Emitter(subject);
    boolean writes = false;
    for (Path set : sets) {
      writes |= run(set, model, node, operator, emitter, verdict);
    }
    Evidence evidence =
        new Evidence(
            verdict.headroom() > 0 ? OptionalDouble.of(verdict.headroom()) : OptionalDouble.empty(),
            OptionalDouble.empty(),
            verdict.worst().isEmpty() ? Optional.empty() : Optional.of(verdict.worst()),
            emitter.placement(),
            emitter.implementation(),
            emitter.launches());
    if (!verdict.failures().isEmpty()) {
      return new Outcome.Fail(String.join("; ", verdict.failures()), evidence);
    }
    if (writes && evidence.launches() == 0) {
      return new Outcome.Fail("the device was given no work", evidence);
    }
    // headroom is that of a tolerance, not of an error bound: narrow types use most of it in one
    // step
    return new Outcome.Pass(evidence);
  }

  private List<Path> dataSets() {
    try (Stream<Path> all = Files.list(folder)) {
      List<Path> sets =
          all.filter(p -> p.getFileName().toString().startsWith("test_data_set_"))
              .sorted(Comparator.comparing(Path::toString))
              .toList();
      if (sets.isEmpty()) {
        throw invalid("no folder test_data_set_N");
      }
      return sets;
    } catch (IOException e) {
      throw invalid("cannot list the folder: " + e.getMessage());
    }
  }

  private HalException invalid(String what) {
    return HalException.of(HalErrorCode.GOLDEN_INVALID, what)
        .on(folder.toString())
        .remedy("fetch the node test anew")
        .build();
  }

  /** Runs a data set; whether it writes any element. */
  private boolean run(
      Path set,
      OnnxModel model,
      OnnxNode node,
      MappedOperator operator,
      Emitter emitter,
      Verdict verdict) {
    Map<String, OnnxTensor> known = new HashMap<>(model.initializers());
    for (int i = 0; i < model.inputs().size(); i++) {
      OnnxValue input = model.inputs().get(i);
      if (input.kind() != OnnxValue.Kind.TENSOR) {
        throw new NotMapped("input '" + input.name() + "' is no tensor");
      }
      known.put(input.name(), OnnxReader.tensor(set.resolve("input_" + i + ".pb")));
    }
    List<Optional<OnnxTensor>> inputs = new ArrayList<>();
    for (String name : node.inputs()) {
      if (!name.isEmpty() && !known.containsKey(name)) {
        throw invalid("input '" + name + "' of " + node.operator() + " has no content");
      }
      inputs.add(name.isEmpty() ? Optional.empty() : Optional.of(known.get(name)));
    }
    List<List<OnnxTensor>> expected = new ArrayList<>();
    for (int i = 0; i < model.outputs().size(); i++) {
      Path file = set.resolve("output_" + i + ".pb");
      expected.add(
          switch (model.outputs().get(i).kind()) {
            case TENSOR -> List.of(OnnxReader.tensor(file));
            case SEQUENCE -> OnnxReader.sequence(file);
            case OTHER -> throw new NotMapped("output " + i + " is neither tensor nor sequence");
          });
    }
    Call call = new Call(node, model.opset(), inputs, emitter);
    List<Result> results = operator.mapping().emit(call);
    boolean writes = false;
    for (int i = 0; i < model.outputs().size(); i++) {
      String name = model.outputs().get(i).name();
      int position = node.outputs().indexOf(name);
      if (position < 0) {
        throw invalid("graph output '" + name + "' is not an output of " + node.operator());
      }
      // an operator that gives a sequence gives nothing else
      boolean sequence = model.outputs().get(i).kind() == OnnxValue.Kind.SEQUENCE;
      if (!sequence && position >= results.size()) {
        throw new NotMapped("output " + position + " of " + node.operator());
      }
      List<Result> actual = sequence ? results : results.subList(position, position + 1);
      writes |= judge(name, expected.get(i), actual, emitter, verdict);
    }
    return writes;
  }

  private boolean judge(
      String name,
      List<OnnxTensor> expected,
      List<Result> actual,
      Emitter emitter,
      Verdict verdict) {
    if (expected.size() != actual.size()) {
      verdict.reject(name + " has " + actual.size() + " tensors instead of " + expected.size());
      return true;
    }
    boolean writes = false;
    for (int i = 0; i < expected.size(); i++) {
      Result r = actual.get(i);
      String what = expected.size() == 1 ? name : name + "." + i;
      verdict.judge(
          what, expected.get(i), r.type(), r.tensor().shape(), emitter.download(r.tensor()));
      writes |= expected.get(i).size() > 0;
    }
    return writes;
  }
}
