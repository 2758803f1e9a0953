package dev.halcyon.conformance.runtime;

import static dev.halcyon.conformance.runtime.RuntimeCase.of;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.DeviceCapabilities.Feature;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;

/** Host memory used in place: docs/spec/runtime.md, RT-IMPORT. */
final class ImportCases implements CaseSource {
  private static final int FLOATS = 5000;
  private static final int PAGE = 4096;
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  @Override
  public Stream<ConformanceCase> cases() {
    Stream<ConformanceCase> offsets =
        Stream.of(0, 1, 2, 4, 60, 256)
            .map(
                o ->
                    of(
                        "import:memory=writable,offset=" + o,
                        "RT-IMPORT-2",
                        "Kernels read and write host memory at this distance from a page in place:"
                            + " what either side changes, the other sees.",
                        b -> inPlace(b, o)));
    return Stream.concat(
        offsets,
        Stream.of(
            of(
                    "import:memory=any",
                    "RT-IMPORT-1",
                    "A device that claims ZERO_COPY_IMPORT imports a page of shared memory; one"
                        + " that does not gives an empty result.",
                    ImportCases::claimIsKept)
                .quick(),
            of(
                "import:memory=readonly,offset=4",
                "RT-IMPORT-3",
                "Read-only host memory is read in place.",
                ImportCases::readOnly),
            of(
                "import:memory=mapped,offset=3",
                "RT-IMPORT-3",
                "A file mapped read-only is read in place, at an odd offset, as weights are.",
                ImportCases::mapped),
            of(
                "import:memory=heap",
                "RT-IMPORT-4",
                "A heap segment, too small a segment and a strided type are refused as arguments.",
                ImportCases::wrongArguments)));
  }

  /** An arena for imports that is closed before the host memory that was kept earlier. */
  private static MemoryArena arena(Workbench b) {
    return b.newArena(MemoryArena.Kind.WEIGHTS);
  }

  private static MemorySegment hostMemory(Workbench b, long bytes) {
    return b.keep(Arena.ofShared()).allocate(bytes, PAGE);
  }

  private static Optional<Tensor> tryImport(MemoryArena arena, MemorySegment memory) {
    return arena.importHost(memory, TensorType.of(DType.F32, memory.byteSize() / 4));
  }

  private static Tensor imported(MemoryArena arena, MemorySegment memory) {
    return tryImport(arena, memory)
        .orElseThrow(
            () -> Inapplicable.notSupported("the device does not use this host memory in place"));
  }

  private static MemorySegment numbers(MemorySegment memory) {
    for (int i = 0; i < memory.byteSize() / 4; i++) {
      memory.set(FLOAT, 4L * i, i);
    }
    return memory;
  }

  private static void claimIsKept(Workbench b) {
    MemorySegment memory = numbers(hostMemory(b, 4L * PAGE));
    MemoryArena arena = arena(b);
    Optional<Tensor> t = tryImport(arena, memory);
    boolean claimed = b.device().capabilities().has(Feature.ZERO_COPY_IMPORT);
    Check.that(
        t.isPresent() == claimed,
        () ->
            "ZERO_COPY_IMPORT is "
                + (claimed ? "claimed, but a page of shared memory is not imported" : "absent")
                + ", importHost gave "
                + t);
    Check.equal(claimed ? 4L * PAGE : 0L, arena.importedBytes(), "imported bytes");
  }

  private static void inPlace(Workbench b, int offset) {
    MemorySegment memory = numbers(hostMemory(b, 4L * FLOATS + PAGE).asSlice(offset, 4L * FLOATS));
    Tensor t = imported(arena(b), memory);
    Tensor copy = b.f32(FLOATS);
    b.run(new Copy(), t, copy);
    float[] first = b.get(copy);
    Check.equal(memory.toArray(FLOAT), first, "host memory read by a kernel");
    memory.set(FLOAT, 4L * (FLOATS - 1), -7);
    b.run(new Copy(), t, copy);
    Check.equal(memory.toArray(FLOAT), b.get(copy), "host memory changed after the import");
    b.fill(b.stream(), t.slice(0, 1, FLOATS - 2), 3);
    b.stream().synchronize(Subject.DEADLINE);
    float[] expected = first.clone();
    Arrays.fill(expected, 1, FLOATS - 1, 3);
    expected[FLOATS - 1] = -7;
    Check.equal(expected, memory.toArray(FLOAT), "host memory written by a kernel");
  }

  private static void readOnly(Workbench b) {
    readsInPlace(
        b, numbers(hostMemory(b, 4L * FLOATS + PAGE).asSlice(4, 4L * FLOATS)).asReadOnly());
  }

  private static void mapped(Workbench b) {
    try {
      Path file = Files.createTempFile("halcyon-conformance", ".bin");
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        byte[] content = new byte[3 + 4 * FLOATS];
        numbers(MemorySegment.ofArray(content).asSlice(3));
        Files.write(file, content);
        Arena host = b.keep(Arena.ofShared());
        readsInPlace(
            b, channel.map(FileChannel.MapMode.READ_ONLY, 0, content.length, host).asSlice(3));
      } finally {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void readsInPlace(Workbench b, MemorySegment memory) {
    MemoryArena arena = arena(b);
    Tensor t = imported(arena, memory);
    Check.equal(0L, arena.byteSize(), "device memory that the import took");
    Tensor copy = b.f32(FLOATS);
    b.run(new Copy(), t, copy);
    Check.equal(memory.toArray(FLOAT), b.get(copy), "host memory read by a kernel");
    Check.equal(memory.toArray(FLOAT), b.get(t), "host memory downloaded");
  }

  private static void wrongArguments(Workbench b) {
    MemoryArena a = b.arena();
    TensorType four = TensorType.of(DType.F32, 2, 2);
    Check.fails(
        HalErrorCode.INVALID_ARGUMENT,
        () -> a.importHost(MemorySegment.ofArray(new float[4]), four),
        "import of a heap segment");
    try (Arena host = Arena.ofShared()) {
      Check.fails(
          HalErrorCode.INVALID_ARGUMENT,
          () -> a.importHost(host.allocate(15), four),
          "import of too few bytes");
      Check.fails(
          HalErrorCode.INVALID_ARGUMENT,
          () -> a.importHost(host.allocate(64), four.transpose(0, 1)),
          "import of a strided type");
    }
  }
}
