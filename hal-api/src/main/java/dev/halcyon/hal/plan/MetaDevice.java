package dev.halcyon.hal.plan;

import dev.halcyon.hal.Device;
import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceUri;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendFence;
import dev.halcyon.hal.spi.BackendGraph;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BoundOperator;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.spi.OperatorPlan;
import dev.halcyon.hal.spi.RandomFill;
import dev.halcyon.hal.spi.Support;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A device of types without data, in the place of a real one: it has that device's features and
 * largest allocation, its memory holds nothing, every operator is native and does nothing. Model
 * code run on it tells which operators it needs on which types ({@link #takeRequests}), to be
 * planned on the real device, and how much memory.
 *
 * <p>Thread-safe. {@code meta://cpu}, {@code meta://opencl/0}.
 */
public final class MetaDevice implements BackendDevice, RandomFill {
  private static final String SCHEME = "meta";

  private final DeviceInfo info;
  private final DeviceCapabilities capabilities;
  private final List<Planner.Request> requests = new ArrayList<>();

  private MetaDevice(DeviceInfo info, DeviceCapabilities capabilities) {
    this.info = info;
    this.capabilities = capabilities;
  }

  /** A stand-in for {@code real}; open it with {@link Device#Device}. */
  public static MetaDevice of(Device real) {
    DeviceInfo r = real.info();
    String path = r.uri().path();
    DeviceUri uri =
        new DeviceUri(SCHEME, path.isEmpty() ? r.uri().scheme() : r.uri().scheme() + "/" + path);
    DeviceInfo info =
        new DeviceInfo(
            uri,
            r.name() + " without data",
            DeviceInfo.Kind.SIMULATED,
            r.driver(),
            r.memoryBytes(),
            r.computeUnits());
    Set<Feature> features = EnumSet.noneOf(Feature.class);
    features.addAll(real.capabilities().features());
    features.remove(Feature.NATIVE_GRAPHS);
    return new MetaDevice(
        info,
        new DeviceCapabilities(
            real.capabilities().usages(), features, real.capabilities().maxAllocationBytes()));
  }

  /**
   * The operators planned here since the last call, in order; each planner asks for the same one
   * once.
   */
  public synchronized List<Planner.Request> takeRequests() {
    List<Planner.Request> taken = List.copyOf(requests);
    requests.clear();
    return taken;
  }

  private synchronized void add(Planner.Request request) {
    requests.add(request);
  }

  @Override
  public DeviceInfo info() {
    return info;
  }

  @Override
  public DeviceCapabilities capabilities() {
    return capabilities;
  }

  @Override
  public BackendBuffer allocate(long byteSize) {
    return new Extent(byteSize);
  }

  @Override
  public BackendBuffer importHost(MemorySegment memory) {
    return new Extent(memory.byteSize());
  }

  @Override
  public BackendStream newStream(String label) {
    return new EmptyStream();
  }

  @Override
  public OperatorLibrary operators() {
    return new OperatorLibrary() {
      @Override
      public Support support(OperatorSpec spec, List<TensorType> types) {
        return new Support.Native("types only");
      }

      @Override
      public OperatorPlan plan(OperatorSpec spec, List<TensorType> types) {
        add(new Planner.Request(spec, types));
        return NOTHING;
      }
    };
  }

  @Override
  public void fillRandom(Tensor target, long seed, double amplitude) {}

  @Override
  public void awaitIdle(Duration deadline) {}

  @Override
  public void close() {}

  /** Memory that holds nothing; a class, because buffers are compared by identity. */
  private static final class Extent implements BackendBuffer {
    private final long byteSize;

    private Extent(long byteSize) {
      this.byteSize = byteSize;
    }

    @Override
    public long byteSize() {
      return byteSize;
    }

    @Override
    public void free() {}
  }

  private static final OperatorPlan NOTHING =
      new OperatorPlan() {
        @Override
        public long workspaceBytes() {
          return 0;
        }

        @Override
        public String implementation() {
          return "types only";
        }

        @Override
        public BoundOperator bind(Tensor[] operands, Optional<Tensor> workspace) {
          return stream -> {};
        }
      };

  private static final class EmptyStream implements BackendStream {
    @Override
    public void upload(MemorySegment source, BackendBuffer target, long targetOffset) {}

    @Override
    public void download(BackendBuffer source, long sourceOffset, MemorySegment target) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "a meta device has no data to download")
          .remedy("run on the device it stands for")
          .build();
    }

    @Override
    public void copy(
        BackendBuffer source,
        long sourceOffset,
        BackendBuffer target,
        long targetOffset,
        long bytes) {}

    @Override
    public BackendFence record() {
      return new BackendFence() {
        @Override
        public boolean isSignalled() {
          return true;
        }

        @Override
        public void await(Duration deadline) {}
      };
    }

    @Override
    public void waitFor(BackendFence fence) {}

    @Override
    public void synchronize(Duration deadline) {}

    @Override
    public Optional<BackendGraph> instantiate(List<BoundOperator> commands) {
      return Optional.empty();
    }

    @Override
    public long launches() {
      return 0;
    }

    @Override
    public void close() {}
  }
}
