package dev.halcyon.conformance.runtime;

import static dev.halcyon.conformance.runtime.RuntimeCase.of;

import dev.halcyon.conformance.CaseSource;
import dev.halcyon.conformance.ConformanceCase;
import dev.halcyon.conformance.Subject;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.op.Binary;
import dev.halcyon.hal.op.Cast;
import dev.halcyon.hal.op.Copy;
import dev.halcyon.hal.op.Fill;
import dev.halcyon.hal.op.MatMul;
import dev.halcyon.hal.op.OperatorSpec;
import dev.halcyon.hal.op.Reduce;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/** Device memory: docs/spec/runtime.md, RT-MEM. */
final class MemoryCases implements CaseSource {
  private static final int MIB = 1 << 20;
  private static final long LARGEST_TRIED = 1L << 30;
  private static final int GUARD = 64;

  @Override
  public Stream<ConformanceCase> cases() {
    return Stream.of(
            zeroed(),
            guards(),
            copies(),
            transfers(),
            Stream.of(
                of(
                    "memory:check=distinct",
                    "RT-MEM-2",
                    "Three hundred tensors of odd sizes, each filled with its number, keep it.",
                    MemoryCases::tensorsAreDistinct),
                of(
                    "memory:check=alignment",
                    "RT-MEM-2",
                    "Tensors of every dtype and odd size begin at multiples of 256 bytes.",
                    MemoryCases::tensorsAreAligned),
                of(
                    "memory:check=largest",
                    "RT-MEM-4",
                    "The largest allocation (tried up to 1 GiB) holds its first and last bytes.",
                    MemoryCases::largestAllocationWorks),
                of(
                    "memory:check=recovery",
                    "RT-MEM-5",
                    "Memory is exhausted, other tensors keep their content, and what is freed can"
                        + " be allocated again.",
                    MemoryCases::exhaustionIsRecoverable),
                of(
                        "memory:check=empty",
                        "RT-MEM-7",
                        "Tensors without elements are moved, filled and computed with.",
                        MemoryCases::emptyTensorsAreAccepted)
                    .quick()))
        .flatMap(s -> s);
  }

  private static Stream<ConformanceCase> zeroed() {
    return Stream.of(1, 257, 70_001, 3 * MIB + 1)
        .map(
            n ->
                of(
                    "memory:check=zeroed,bytes=" + n,
                    "RT-MEM-1",
                    "Memory that others wrote and gave back is zero when it is allocated again.",
                    b -> newMemoryIsZero(b, n)));
  }

  private static void newMemoryIsZero(Workbench b, int bytes) {
    for (int round = 0; round < 3; round++) {
      MemoryArena arena = b.newArena(MemoryArena.Kind.PERSISTENT);
      Tensor t = arena.allocate(TensorType.of(DType.U8, bytes));
      Check.equal(new byte[bytes], b.getBytes(t), "new memory, round " + round);
      b.fill(b.stream(), t, 0xa5);
      b.stream().synchronize(Subject.DEADLINE);
      arena.close();
    }
  }

  private static Stream<ConformanceCase> guards() {
    return Stream.of(DType.F32, DType.F16, DType.BF16, DType.I64, DType.I32, DType.I8, DType.U8)
        .flatMap(
            d ->
                Stream.of(1, 3, 17, 1000)
                    .map(
                        n ->
                            of(
                                "memory:check=neighbours,dtype="
                                    + d.name().toLowerCase(Locale.ROOT)
                                    + ",n="
                                    + n,
                                "RT-MEM-3",
                                "A fill of elements in the middle of a region leaves the bytes on"
                                    + " both sides as they were.",
                                b -> neighboursAreKept(b, d, n))));
  }

  private static void neighboursAreKept(Workbench b, DType dtype, int n) {
    int size = dtype.bits() / 8;
    Tensor region = b.bytes(2 * GUARD + (long) n * size);
    byte[] before = pattern((int) region.dim(0));
    b.stream().upload(MemorySegment.ofArray(before), region);
    Tensor middle = region.viewAs(GUARD, TensorType.of(dtype, n));
    requireSupported(b, new Fill(0), middle);
    b.fill(b.stream(), middle, 0);
    byte[] expected = before.clone();
    Arrays.fill(expected, GUARD, GUARD + n * size, (byte) 0);
    Check.equal(expected, b.getBytes(region), "region around " + middle.type());
  }

  private static void requireSupported(Workbench b, OperatorSpec spec, Tensor... t) {
    try {
      b.plan(spec, t);
    } catch (HalException e) {
      if (e.code() == HalErrorCode.UNSUPPORTED_OPERATOR) {
        throw Inapplicable.notSupported(e.what());
      }
      throw e;
    }
  }

  private static Stream<ConformanceCase> copies() {
    return Stream.of(new int[] {1, 0, 1}, new int[] {13, 3, 5}, new int[] {70_001, 1, 2})
        .map(
            c ->
                of(
                    "memory:check=copy,bytes=" + c[0] + ",from=" + c[1] + ",to=" + c[2],
                    "RT-MEM-3",
                    "A copy between odd offsets of two regions moves exactly its bytes.",
                    b -> copyMovesItsBytes(b, c[0], c[1], c[2])));
  }

  private static void copyMovesItsBytes(Workbench b, int bytes, int from, int to) {
    byte[] source = pattern(bytes + 100);
    byte[] target = new byte[bytes + 100];
    Arrays.fill(target, (byte) 0x3c);
    Tensor a = b.bytes(source.length);
    Tensor c = b.bytes(target.length);
    b.stream().upload(MemorySegment.ofArray(source), a);
    b.stream().upload(MemorySegment.ofArray(target), c);
    b.run(new Copy(), a.slice(0, from, bytes), c.slice(0, to, bytes));
    System.arraycopy(source, from, target, to, bytes);
    Check.equal(target, b.getBytes(c), "target");
    Check.equal(source, b.getBytes(a), "source");
  }

  private static Stream<ConformanceCase> transfers() {
    return Stream.of(1, 255, 65_537, 4 * MIB + 3, 33 * MIB + 7)
        .map(
            n ->
                of(
                    "memory:check=transfer,bytes=" + n,
                    "RT-MEM-6",
                    "Bytes come back as they were sent, although the source is overwritten as soon"
                        + " as the upload returned.",
                    b -> transfersAreExact(b, n)));
  }

  private static void transfersAreExact(Workbench b, int bytes) {
    byte[] sent = pattern(bytes);
    byte[] source = sent.clone();
    Tensor t = b.bytes(bytes);
    b.stream().upload(MemorySegment.ofArray(source), t);
    Arrays.fill(source, (byte) 0x77);
    Check.equal(sent, b.getBytes(t), "downloaded bytes");
  }

  private static void tensorsAreDistinct(Workbench b) {
    SplittableRandom random = new SplittableRandom(7);
    List<Tensor> tensors = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      tensors.add(b.f32(1 + random.nextInt(3000)));
      b.fill(b.stream(), tensors.get(i), i);
    }
    for (int i = 0; i < tensors.size(); i++) {
      Check.all(i, b.get(tensors.get(i)), "tensor " + i);
    }
  }

  private static void tensorsAreAligned(Workbench b) {
    for (DType d : DType.values()) {
      for (int n : new int[] {1, 3, 255, 1025}) {
        Tensor t = b.arena().allocate(TensorType.of(d, n));
        Check.equal(0L, t.byteOffset() % MemoryArena.ALIGNMENT, "offset of " + t + " modulo 256");
      }
    }
  }

  private static void largestAllocationWorks(Workbench b) {
    long limit = b.device().capabilities().maxAllocationBytes();
    long bytes = Math.min(limit, LARGEST_TRIED) / 256 * 256;
    Check.that(bytes > 0, () -> "the largest allocation is " + limit + " bytes");
    Tensor t;
    try {
      t = b.newArena(MemoryArena.Kind.WEIGHTS).allocate(TensorType.of(DType.U8, bytes));
    } catch (HalException e) {
      Check.requireCode(HalErrorCode.OUT_OF_MEMORY, e, "allocation of " + bytes + " bytes");
      throw Inapplicable.notRun("not enough memory is free for the largest allocation");
    }
    byte[] end = pattern(1000);
    for (long at : new long[] {0, bytes - end.length}) {
      b.stream().upload(MemorySegment.ofArray(end), t.slice(0, at, end.length));
    }
    for (long at : new long[] {0, bytes - end.length}) {
      Check.equal(end, b.getBytes(t.slice(0, at, end.length)), "bytes from " + at);
    }
    Check.fails(
        HalErrorCode.ALLOCATION_TOO_LARGE,
        () -> b.arena().allocate(TensorType.of(DType.U8, limit + 1)),
        "allocation of one byte more than the largest");
  }

  private static void exhaustionIsRecoverable(Workbench outer) {
    Exhaustion.requireOwnMemory(outer.device());
    Workbench b = outer.fresh();
    Tensor kept = b.f32(new float[] {1, 2, 3});
    MemoryArena hoard = b.newArena(MemoryArena.Kind.WEIGHTS);
    Exhaustion.of(hoard);
    Check.equal(new float[] {1, 2, 3}, b.get(kept), "another tensor");
    long held = hoard.byteSize();
    hoard.close();
    MemoryArena again = b.newArena(MemoryArena.Kind.WEIGHTS);
    Exhaustion.of(again);
    Check.that(
        again.byteSize() >= held - held / 20,
        () -> "after freeing " + held + " bytes only " + again.byteSize() + " can be had");
  }

  private static void emptyTensorsAreAccepted(Workbench b) {
    CommandStream s = b.stream();
    Tensor none = b.f32(0, 5);
    Tensor empty = b.f32(3, 0);
    s.upload(MemorySegment.ofArray(new float[0]), none);
    s.download(none, MemorySegment.ofArray(new float[0]));
    b.fill(s, none, 1);
    b.run(new Copy(), none, b.f32(0, 5));
    b.run(new Binary(Binary.Op.ADD), none, none, b.f32(0, 5));
    b.run(new Cast(), empty, b.arena().allocate(TensorType.of(DType.I32, 3, 0)));
    Tensor sums = b.f32(3, 1);
    b.fill(s, sums, 9);
    b.run(new Reduce(Reduce.Op.SUM), empty, sums);
    Check.all(0, b.get(sums), "sums of nothing");
    Tensor product = b.f32(3, 5);
    b.fill(s, product, 9);
    b.run(new MatMul(), empty, none, product);
    Check.all(0, b.get(product), "product over nothing");
    s.synchronize(Subject.DEADLINE);
  }

  private static byte[] pattern(int n) {
    byte[] bytes = new byte[n];
    for (int i = 0; i < n; i++) {
      bytes[i] = (byte) (i * 31 + (i >> 8) * 7 + 11);
    }
    return bytes;
  }
}
