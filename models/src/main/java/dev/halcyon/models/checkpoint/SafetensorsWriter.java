package dev.halcyon.models.checkpoint;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes one safetensors file. Tensors keep the order in which they were added; the header is
 * padded with spaces so that the data section starts at a multiple of eight bytes. Not thread-safe.
 */
public final class SafetensorsWriter {
  private static final int CHUNK = 1 << 24;

  private record Item(String name, String dtype, long[] shape, MemorySegment data) {}

  private final List<Item> items = new ArrayList<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  /** Adds a key of {@code __metadata__}. */
  public SafetensorsWriter metadata(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  /**
   * Adds a tensor.
   *
   * @param data little-endian elements; read by {@link #write}, not copied before
   */
  public SafetensorsWriter add(String name, DType dtype, long[] shape, MemorySegment data) {
    long elements = 1;
    for (long d : shape) {
      elements = Math.multiplyExact(elements, d);
    }
    if (dtype.byteSize(elements) != data.byteSize()) {
      throw HalException.of(
              HalErrorCode.SHAPE_MISMATCH,
              "tensor '"
                  + name
                  + "' needs "
                  + dtype.byteSize(elements)
                  + " bytes, got "
                  + data.byteSize())
          .build();
    }
    items.add(new Item(name, SafetensorsDtype.fromHal(dtype), shape.clone(), data));
    return this;
  }

  /** Writes everything added so far to {@code file}, replacing it. */
  public void write(Path file) throws IOException {
    ObjectNode root = JsonMapper.shared().createObjectNode();
    if (!metadata.isEmpty()) {
      ObjectNode meta = root.putObject("__metadata__");
      metadata.forEach(meta::put);
    }
    long at = 0;
    for (Item item : items) {
      ObjectNode node = root.putObject(item.name()).put("dtype", item.dtype());
      var shape = node.putArray("shape");
      for (long d : item.shape()) {
        shape.add(d);
      }
      node.putArray("data_offsets").add(at).add(at + item.data().byteSize());
      at += item.data().byteSize();
    }
    byte[] json = JsonMapper.shared().writeValueAsBytes(root);
    int padded = Math.ceilDiv(json.length, 8) * 8;
    ByteBuffer head =
        ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN).putLong(padded).put(json);
    while (head.hasRemaining()) {
      head.put((byte) ' ');
    }
    try (FileChannel out =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING)) {
      drain(out, head.flip());
      for (Item item : items) {
        for (long from = 0; from < item.data().byteSize(); from += CHUNK) {
          long n = Math.min(CHUNK, item.data().byteSize() - from);
          drain(out, ByteBuffer.wrap(item.data().asSlice(from, n).toArray(ValueLayout.JAVA_BYTE)));
        }
      }
    }
  }

  private static void drain(FileChannel out, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      out.write(bytes);
    }
  }
}
