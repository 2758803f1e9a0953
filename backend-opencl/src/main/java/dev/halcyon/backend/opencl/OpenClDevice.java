package dev.halcyon.backend.opencl;

import dev.halcyon.hal.DeviceCapabilities;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.DeviceCapabilities.Usage;
import dev.halcyon.hal.DeviceInfo;
import dev.halcyon.hal.DeviceOptions;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.NativeStatus;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.spi.BackendBuffer;
import dev.halcyon.hal.spi.BackendDevice;
import dev.halcyon.hal.spi.BackendStream;
import dev.halcyon.hal.spi.BandwidthProbe;
import dev.halcyon.hal.spi.OperatorLibrary;
import dev.halcyon.hal.spi.RandomFill;
import dev.halcyon.hal.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.ref.Cleaner;
import java.time.Duration;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jocl.CL;
import org.jocl.Pointer;
import org.jocl.cl_command_queue;
import org.jocl.cl_context;
import org.jocl.cl_context_properties;
import org.jocl.cl_device_id;
import org.jocl.cl_mem;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An open OpenCL device with a context of its own.
 *
 * <p>Options: {@code lanes} (work-items of a group), {@code vector-width} (4, 8, 16), {@code
 * memory-mib} (most memory to allocate), {@code program-cache} (1 on, 2 off: keep compiled kernels
 * on disk; off by default where the driver does), {@code graphs} (1 native, 2 replayed).
 */
final class OpenClDevice implements BackendDevice, BandwidthProbe, RandomFill {
  /** The device options it knows. */
  static final Set<String> OPTIONS =
      Set.of("lanes", "vector-width", "memory-mib", "program-cache", "graphs");

  private static final Logger LOG = LoggerFactory.getLogger(OpenClDevice.class);
  private static final Cleaner CLEANER = Cleaner.create();
  private static final long ALIGNMENT = 4096;
  private static final long MIB = 1 << 20;
  private static final int EXTENSIONS = 0x1030;
  private static final int VERSION = 0x102F;

  private final OpenClCatalogue.Entry entry;
  private final OpenClProfile profile;
  private final cl_context context;
  private final cl_command_queue service;
  private final DeviceInfo info;
  private final DeviceCapabilities capabilities;
  private final OpenClPrograms programs;
  private final OpenClOperators operators;
  private final Optional<OpenClGraphs> graphs;
  private final boolean hostShared;
  private final boolean version2;
  private final long memoryLimit;
  private final AtomicLong allocated = new AtomicLong();
  private final Set<OpenClStream> streams = ConcurrentHashMap.newKeySet();
  private final Set<KernelPool> pools = ConcurrentHashMap.newKeySet();

  OpenClDevice(OpenClCatalogue.Entry entry, DeviceOptions options) {
    this.entry = entry;
    this.info = entry.info();
    cl_device_id id = entry.device();
    this.version2 = !OpenClCatalogue.text(id, VERSION).startsWith("OpenCL 1.");
    this.profile =
        OpenClProfile.of(
            info, OpenClCatalogue.number(id, CL.CL_DEVICE_MAX_WORK_GROUP_SIZE), options);
    int[] status = new int[1];
    cl_context_properties properties = new cl_context_properties();
    properties.addProperty(CL.CL_CONTEXT_PLATFORM, entry.platform());
    this.context = CL.clCreateContext(properties, 1, new cl_device_id[] {id}, null, null, status);
    OpenClErrors.check(status[0], "clCreateContext", info.uri().toString());
    this.service = CL.clCreateCommandQueue(context, id, 0, status);
    OpenClErrors.check(status[0], "clCreateCommandQueue", info.uri().toString());
    this.hostShared =
        info.kind() == DeviceInfo.Kind.CPU
            && OpenClCatalogue.number(id, CL.CL_DEVICE_HOST_UNIFIED_MEMORY) != 0
            && sharesHostMemory();
    // a CPU's limits follow the driver's guess at free memory, which its own buffers in host memory
    // do not count against
    long physical = hostShared ? Math.max(info.memoryBytes(), hostMemory()) : info.memoryBytes();
    this.memoryLimit =
        options.values().containsKey("memory-mib")
            ? options.positiveInt("memory-mib", 1) * MIB
            : physical;
    this.programs =
        new OpenClPrograms(
            this, options.positiveInt("program-cache", keepsItsOwnCache() ? 2 : 1) == 1);
    this.graphs =
        options.positiveInt("graphs", 1) == 1
                && OpenClCatalogue.text(id, EXTENSIONS).contains("cl_khr_command_buffer")
            ? OpenClGraphs.of(this)
            : Optional.empty();
    this.capabilities = describe(id);
    this.operators = new OpenClOperators(this);
  }

  /**
   * PoCL keeps compiled kernels itself, and compiles every kernel of a program once more when asked
   * for the binary.
   */
  private boolean keepsItsOwnCache() {
    return entry.platformName().equals("Portable Computing Language");
  }

  private DeviceCapabilities describe(cl_device_id id) {
    Map<DType, Set<Usage>> usages = new EnumMap<>(DType.class);
    for (DType t : DType.values()) {
      usages.put(
          t,
          switch (t) {
            case F32 -> EnumSet.allOf(Usage.class);
            case I32 -> EnumSet.of(Usage.STORE, Usage.CAST, Usage.ELEMENTWISE, Usage.ACCUMULATE);
            case F16, BF16, F8_E4M3FN, I8 ->
                EnumSet.of(Usage.STORE, Usage.CAST, Usage.MATMUL_INPUT);
            case I4 -> EnumSet.of(Usage.STORE, Usage.MATMUL_INPUT);
            case I64, U8 -> EnumSet.of(Usage.STORE, Usage.CAST);
          });
    }
    EnumSet<Feature> features = EnumSet.noneOf(Feature.class);
    if (hostShared) {
      features.add(Feature.UNIFIED_MEMORY);
      features.add(Feature.ZERO_COPY_IMPORT);
    }
    if (graphs.isPresent()) {
      features.add(Feature.NATIVE_GRAPHS);
    }
    if ((OpenClCatalogue.number(id, CL.CL_DEVICE_SINGLE_FP_CONFIG) & CL.CL_FP_DENORM) != 0) {
      features.add(Feature.SUBNORMALS);
    }
    return new DeviceCapabilities(
        usages, features, OpenClCatalogue.number(id, CL.CL_DEVICE_MAX_MEM_ALLOC_SIZE));
  }

  /** Whether what a command writes into a buffer over host memory is there without mapping it. */
  private boolean sharesHostMemory() {
    try (Arena arena = Arena.ofConfined()) {
      int bytes = 4096;
      MemorySegment memory = arena.allocate(bytes, ALIGNMENT);
      MemorySegment pattern = arena.allocate(bytes).fill((byte) 0x5a);
      int[] status = new int[1];
      cl_mem mem =
          CL.clCreateBuffer(
              context,
              CL.CL_MEM_READ_WRITE | CL.CL_MEM_USE_HOST_PTR,
              bytes,
              OpenClMemory.pointer(memory),
              status);
      if (status[0] != OpenClErrors.SUCCESS) {
        return false;
      }
      int written =
          CL.clEnqueueWriteBuffer(
              service, mem, true, 0, bytes, OpenClMemory.pointer(pattern), 0, null, null);
      boolean seen = written == OpenClErrors.SUCCESS && memory.mismatch(pattern) < 0;
      CL.clReleaseMemObject(mem);
      if (!seen) {
        LOG.warn(
            "{} keeps copies of host memory: weights are copied instead of read in place",
            info.name());
      }
      return seen;
    }
  }

  private static long hostMemory() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean os
        ? os.getTotalMemorySize()
        : 0;
  }

  OpenClCatalogue.Entry entry() {
    return entry;
  }

  OpenClProfile profile() {
    return profile;
  }

  cl_context context() {
    return context;
  }

  OpenClPrograms programs() {
    return programs;
  }

  Optional<OpenClGraphs> graphs() {
    return graphs;
  }

  boolean isVersion2() {
    return version2;
  }

  /**
   * Frees the pools when {@code plan} is no longer reachable, and at the latest with the device.
   */
  void own(List<KernelPool> planPools, Object plan) {
    pools.addAll(planPools);
    CLEANER.register(
        plan,
        () -> {
          for (KernelPool p : planPools) {
            if (pools.remove(p)) {
              p.close();
            }
          }
        });
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
    if (allocated.addAndGet(byteSize) > memoryLimit) {
      long others = allocated.addAndGet(-byteSize);
      throw HalException.of(
              HalErrorCode.OUT_OF_MEMORY,
              "cannot allocate " + byteSize + " bytes beside " + others + " of " + memoryLimit)
          .on(info.uri().toString())
          .remedy("close other arenas, choose a smaller dtype or context, or another device")
          .build();
    }
    try {
      return hostShared ? hostBacked(byteSize) : deviceMemory(byteSize);
    } catch (RuntimeException e) {
      allocated.addAndGet(-byteSize);
      throw e;
    }
  }

  private OpenClMemory hostBacked(long byteSize) {
    HostBlock block = HostBlock.zeroed(byteSize, ALIGNMENT);
    int[] status = new int[1];
    cl_mem mem =
        CL.clCreateBuffer(
            context,
            CL.CL_MEM_READ_WRITE | CL.CL_MEM_USE_HOST_PTR,
            byteSize,
            OpenClMemory.pointer(block.memory()),
            status);
    if (status[0] != OpenClErrors.SUCCESS) {
      block.free();
      throw OpenClErrors.failure(
          status[0], "clCreateBuffer(" + byteSize + " bytes)", info.uri().toString());
    }
    return new OpenClMemory(
        mem,
        byteSize,
        Optional.of(block.memory()),
        () -> {
          block.free();
          allocated.addAndGet(-byteSize);
        });
  }

  private OpenClMemory deviceMemory(long byteSize) {
    int[] status = new int[1];
    cl_mem mem = CL.clCreateBuffer(context, CL.CL_MEM_READ_WRITE, byteSize, null, status);
    OpenClErrors.check(status[0], "clCreateBuffer(" + byteSize + " bytes)", info.uri().toString());
    synchronized (service) {
      int filled =
          CL.clEnqueueFillBuffer(
              service, mem, Pointer.to(new byte[1]), 1, 0, byteSize, 0, null, null);
      filled = filled == OpenClErrors.SUCCESS ? CL.clFinish(service) : filled;
      if (filled != OpenClErrors.SUCCESS) {
        CL.clReleaseMemObject(mem);
        throw OpenClErrors.failure(
            filled, "clEnqueueFillBuffer(" + byteSize + " bytes)", info.uri().toString());
      }
    }
    return new OpenClMemory(mem, byteSize, Optional.empty(), () -> allocated.addAndGet(-byteSize));
  }

  @Override
  public BackendBuffer importHost(MemorySegment memory) {
    long bytes = memory.byteSize();
    if (!hostShared || bytes > capabilities.maxAllocationBytes()) {
      throw HalException.of(
              HalErrorCode.IMPORT_UNSUPPORTED,
              "host memory of " + bytes + " bytes cannot be a buffer of " + info.name())
          .on(info.uri().toString())
          .remedy("copy it, in pieces of at most " + capabilities.maxAllocationBytes() + " bytes")
          .build();
    }
    long flags =
        CL.CL_MEM_USE_HOST_PTR | (memory.isReadOnly() ? CL.CL_MEM_READ_ONLY : CL.CL_MEM_READ_WRITE);
    int[] status = new int[1];
    cl_mem mem = CL.clCreateBuffer(context, flags, bytes, OpenClMemory.pointer(memory), status);
    if (status[0] != OpenClErrors.SUCCESS) {
      throw HalException.of(
              HalErrorCode.IMPORT_UNSUPPORTED,
              "the driver refuses host memory of " + bytes + " bytes")
          .on(info.uri().toString())
          .nativeStatus(
              new NativeStatus("OpenCL", status[0], "clCreateBuffer", OpenClErrors.name(status[0])))
          .remedy("copy it")
          .build();
    }
    return new OpenClMemory(mem, bytes, Optional.of(memory), () -> {});
  }

  @Override
  public BackendStream newStream(String label) {
    OpenClStream s = new OpenClStream(this, label);
    streams.add(s);
    return s;
  }

  void streamClosed(OpenClStream stream) {
    streams.remove(stream);
  }

  @Override
  public OperatorLibrary operators() {
    return operators;
  }

  @Override
  public void awaitIdle(Duration deadline) {
    long begin = System.nanoTime();
    for (OpenClStream s : streams) {
      Duration left = deadline.minusNanos(System.nanoTime() - begin);
      s.synchronize(left.isNegative() ? Duration.ZERO : left);
    }
  }

  @Override
  public double readBytesPerSecond(Duration budget) {
    return SyntheticWork.readBytesPerSecond(this, budget);
  }

  @Override
  public void fillRandom(Tensor target, long seed, double amplitude) {
    SyntheticWork.fillRandom(this, target, seed, amplitude);
  }

  @Override
  public void close() {
    for (KernelPool p : pools) {
      if (pools.remove(p)) {
        p.close();
      }
    }
    programs.close();
    CL.clReleaseCommandQueue(service);
    OpenClErrors.check(CL.clReleaseContext(context), "clReleaseContext", info.uri().toString());
  }
}
