package dev.halcyon.hal.testing;

import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.CompositeSpec;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.PrimitiveSpec;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Primitives natively, composites never. */
final class ReferenceOperators implements OperatorLibrary {
  private final ReferenceDevice device;

  ReferenceOperators(ReferenceDevice device) {
    this.device = device;
  }

  @Override
  public Support support(OperatorSpec spec, List<TensorType> types) {
    if (device.options().unsupported().contains(spec.name())) {
      return new Support.Unsupported("operator", spec.name() + " is turned off");
    }
    return switch (spec) {
      case PrimitiveSpec p -> new Support.Native("reference " + spec.name());
      case CompositeSpec c -> new Support.Unsupported("operator", "no composites here");
    };
  }

  @Override
  public OperatorPlan plan(OperatorSpec spec, List<TensorType> types) {
    return new Planned((PrimitiveSpec) spec);
  }

  private final class Planned implements OperatorPlan {
    private final PrimitiveSpec spec;

    Planned(PrimitiveSpec spec) {
      this.spec = spec;
    }

    @Override
    public long workspaceBytes() {
      return 0;
    }

    @Override
    public String implementation() {
      return "reference " + spec.name();
    }

    @Override
    public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
      Elements[] views = Arrays.stream(operands).map(Elements::of).toArray(Elements[]::new);
      device.bound();
      return new BoundOperator() {
        @Override
        public void enqueue(BackendStream stream) {
          ((ReferenceStream) stream).launch(() -> Primitives.run(spec, views));
        }

        @Override
        public void close() {
          device.unbound();
        }
      };
    }
  }
}
