package dev.halcyon.conformance.operator;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import java.util.stream.Stream;

/** The cases of one operator, made from definitions. */
interface OperatorSource extends CaseSource {
  /** One entry for each combination of attributes, types and contents. */
  Stream<OperatorDefinition> definitions();

  @Override
  default Stream<ConformanceCase> cases() {
    return definitions().flatMap(OperatorDefinition::cases);
  }
}
