package dev.halcyon.backend.opencl;

import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BoundOperator;
import java.util.List;
import java.util.Optional;

final class OpenClGraphs {
  static Optional<OpenClGraphs> of(OpenClDevice device) {
    return Optional.empty();
  }

  Optional<BackendGraph> instantiate(OpenClStream stream, List<BoundOperator> commands) {
    return Optional.empty();
  }

  void close() {}
}
