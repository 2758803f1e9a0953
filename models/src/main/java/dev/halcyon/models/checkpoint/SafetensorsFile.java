package dev.halcyon.models.checkpoint;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * One safetensors file, mapped read-only. The header is validated in full when the file is opened;
 * tensor bytes are only paged in when they are read.
 *
 * <p>Any thread may read. {@link #close()} unmaps: afterwards tensors handed out throw {@link
 * IllegalStateException} when read. Nobody may shorten the file while it is open.
 */
public final class SafetensorsFile implements AutoCloseable {
  private static final ValueLayout.OfLong LENGTH =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path file;
  private final Arena arena;
  private final MemorySegment data;
  private final SafetensorsHeader header;

  private SafetensorsFile(Path file, Arena arena, MemorySegment data, SafetensorsHeader header) {
    this.file = file;
    this.arena = arena;
    this.data = data;
    this.header = header;
  }

  /**
   * Maps {@code file} and validates its header.
   *
   * @throws HalException CHECKPOINT_CORRUPT if the file is missing, truncated or breaks a rule of
   *     the format
   */
  public static SafetensorsFile open(Path file) {
    Arena arena = Arena.ofShared();
    try {
      SafetensorsFile opened = map(file, arena);
      arena = null;
      return opened;
    } catch (NoSuchFileException e) {
      throw HalException.of(HalErrorCode.CHECKPOINT_CORRUPT, "safetensors file not found")
          .on(file.toString())
          .remedy("complete the download, or correct the path")
          .cause(e)
          .build();
    } catch (IOException | UnsupportedOperationException e) {
      throw HalException.of(
              HalErrorCode.CHECKPOINT_CORRUPT,
              "cannot map the file: " + e.getClass().getSimpleName() + " " + e.getMessage())
          .on(file.toString())
          .remedy("check that it is a readable file on a local file system")
          .cause(e)
          .build();
    } finally {
      if (arena != null) {
        arena.close();
      }
    }
  }

  private static SafetensorsFile map(Path file, Arena arena) throws IOException {
    if (Files.isDirectory(file)) {
      throw SafetensorsHeader.corrupt(
          file, "expected a safetensors file, found a directory", "name a file");
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size < 8) {
        throw SafetensorsHeader.corrupt(
            file,
            "the file has " + size + " bytes, a safetensors file has at least 8",
            "fetch it again");
      }
      MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
      long headerBytes = all.get(LENGTH, 0);
      if (headerBytes < 0 || headerBytes > SafetensorsHeader.MAX_HEADER_BYTES) {
        throw SafetensorsHeader.corrupt(
            file,
            "header length "
                + Long.toUnsignedString(headerBytes)
                + " exceeds the limit of "
                + SafetensorsHeader.MAX_HEADER_BYTES
                + " bytes");
      }
      if (headerBytes > size - 8) {
        throw SafetensorsHeader.corrupt(
            file,
            "header length " + headerBytes + " exceeds the " + (size - 8) + " bytes that follow it",
            "the file is truncated or not safetensors: fetch it again");
      }
      byte[] json = all.asSlice(8, headerBytes).toArray(ValueLayout.JAVA_BYTE);
      long dataBytes = size - 8 - headerBytes;
      SafetensorsHeader header = SafetensorsHeader.parse(file, json, dataBytes);
      return new SafetensorsFile(file, arena, all.asSlice(8 + headerBytes, dataBytes), header);
    }
  }

  /** The path given to {@link #open}. */
  public Path file() {
    return file;
  }

  /** Names of all tensors, in the order of the header. */
  public Set<String> names() {
    return Collections.unmodifiableSet(header.entries().keySet());
  }

  /** The {@code __metadata__} of the header; empty if it has none. */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(header.metadata());
  }

  /** Bytes of the data section. */
  public long byteSize() {
    return data.byteSize();
  }

  /**
   * The tensor called {@code name}.
   *
   * @throws HalException DTYPE_MISMATCH if the tensor exists but its dtype has no counterpart in
   *     the HAL
   */
  public Optional<CheckpointTensor> find(String name) {
    SafetensorsHeader.Entry e = header.entries().get(name);
    if (e == null) {
      return Optional.empty();
    }
    if (!arena.scope().isAlive()) {
      throw HalException.of(
              HalErrorCode.USE_AFTER_CLOSE, "tensor '" + name + "' asked of a closed file")
          .on(file.toString())
          .remedy("keep the checkpoint open while its weights are read")
          .build();
    }
    DType dtype =
        SafetensorsDtype.toHal(e.dtype())
            .orElseThrow(
                () ->
                    HalException.of(
                            HalErrorCode.DTYPE_MISMATCH,
                            "tensor '"
                                + name
                                + "' has dtype "
                                + e.dtype()
                                + ", which is not supported")
                        .on(file.toString())
                        .remedy("convert it to F32, F16, BF16, F8_E4M3, I64, I32, I8 or U8")
                        .build());
    return Optional.of(
        new CheckpointTensor(
            name, dtype, e.shape(), data.asSlice(e.begin(), e.end() - e.begin()), file));
  }

  /**
   * Like {@link #find} but the tensor must exist.
   *
   * @throws HalException TENSOR_MISSING if the file has no such tensor
   */
  public CheckpointTensor get(String name) {
    return find(name)
        .orElseThrow(
            () ->
                HalException.of(HalErrorCode.TENSOR_MISSING, "no tensor '" + name + "'")
                    .on(file.toString())
                    .remedy("check that the file belongs to this model and is complete")
                    .build());
  }

  /** Unmaps the file. Idempotent. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
