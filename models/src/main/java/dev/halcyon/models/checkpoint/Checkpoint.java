package dev.halcyon.models.checkpoint;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.json.JsonReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * The weights of a model in Hugging Face layout: {@code model.safetensors}, or shards named by
 * {@code model.safetensors.index.json}. All headers are validated on open; weights stay in the
 * mapped files.
 *
 * <p>Any thread may read. {@link #close()} unmaps every file; tensors handed out must not be read
 * afterwards.
 */
public final class Checkpoint implements AutoCloseable {
  static final String SINGLE = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";
  private static final long MAX_INDEX_BYTES = 100_000_000;

  private final Path directory;
  private final Map<Path, SafetensorsFile> files;
  private final Map<String, SafetensorsFile> owners;

  private Checkpoint(
      Path directory, Map<Path, SafetensorsFile> files, Map<String, SafetensorsFile> owners) {
    this.directory = directory;
    this.files = files;
    this.owners = owners;
  }

  /**
   * Opens the checkpoint in {@code dir}, or the single safetensors file {@code dir}.
   *
   * @throws HalException MODEL_NOT_FOUND if the path does not exist; CHECKPOINT_CORRUPT if weights,
   *     index or a shard are missing or invalid
   */
  public static Checkpoint open(Path dir) {
    if (!Files.exists(dir)) {
      throw HalException.of(HalErrorCode.MODEL_NOT_FOUND, "no such checkpoint: " + dir)
          .remedy("name a directory that holds config.json and " + SINGLE)
          .build();
    }
    if (!Files.isDirectory(dir)) {
      return single(dir.toAbsolutePath().getParent(), dir);
    }
    if (Files.exists(dir.resolve(SINGLE))) {
      return single(dir, dir.resolve(SINGLE));
    }
    if (Files.exists(dir.resolve(INDEX))) {
      return sharded(dir, dir.resolve(INDEX));
    }
    throw HalException.of(
            HalErrorCode.CHECKPOINT_CORRUPT, "neither " + SINGLE + " nor " + INDEX + " found")
        .on(dir.toString())
        .remedy(remedyForMissingWeights(dir))
        .build();
  }

  private static String remedyForMissingWeights(Path dir) {
    try (Stream<Path> list = Files.list(dir)) {
      List<String> others =
          list.map(p -> p.getFileName().toString())
              .filter(
                  n ->
                      n.endsWith(".bin")
                          || n.endsWith(".gguf")
                          || n.endsWith(".pt")
                          || n.endsWith(".safetensors"))
              .sorted()
              .limit(4)
              .toList();
      if (!others.isEmpty()) {
        return "convert or rename the weights found ("
            + String.join(", ", others)
            + ") to "
            + SINGLE;
      }
    } catch (IOException e) {
      return "check that the directory is readable";
    }
    return "complete the download: the directory holds no weights";
  }

  private static Checkpoint single(Path dir, Path file) {
    SafetensorsFile opened = SafetensorsFile.open(file);
    Map<String, SafetensorsFile> owners = new LinkedHashMap<>();
    opened.names().forEach(n -> owners.put(n, opened));
    return new Checkpoint(dir, Map.of(file, opened), owners);
  }

  private static Checkpoint sharded(Path dir, Path index) {
    JsonNode root =
        JsonReader.readObject(
            index, MAX_INDEX_BYTES, HalErrorCode.CHECKPOINT_CORRUPT, "fetch " + INDEX + " again");
    JsonNode map = root.path("weight_map");
    if (!map.isObject() || map.isEmpty()) {
      throw corruptIndex(
          index, "'weight_map' must be a non-empty object", "fetch " + INDEX + " again");
    }
    Map<Path, SafetensorsFile> files = new LinkedHashMap<>();
    Map<String, SafetensorsFile> owners = new LinkedHashMap<>();
    Checkpoint result = new Checkpoint(dir, files, owners);
    boolean complete = false;
    try {
      for (Map.Entry<String, JsonNode> e : map.properties()) {
        String tensor = e.getKey();
        if (!e.getValue().isString()) {
          throw corruptIndex(
              index, "the shard of tensor '" + tensor + "' must be a file name", "fetch it again");
        }
        Path shard = shardPath(dir, index, tensor, e.getValue().stringValue());
        SafetensorsFile file = files.get(shard);
        if (file == null) {
          if (!Files.exists(shard)) {
            throw corruptIndex(
                index,
                "shard " + shard.getFileName() + " is missing; it holds tensor '" + tensor + "'",
                "complete the download of " + shard);
          }
          file = SafetensorsFile.open(shard);
          files.put(shard, file);
        }
        if (!file.names().contains(tensor)) {
          throw corruptIndex(
              index,
              "shard " + shard.getFileName() + " does not hold tensor '" + tensor + "'",
              "fetch index and shards of the same revision");
        }
        owners.put(tensor, file);
      }
      complete = true;
      return result;
    } finally {
      if (!complete) {
        result.close();
      }
    }
  }

  private static Path shardPath(Path dir, Path index, String tensor, String shard) {
    Path resolved;
    try {
      resolved = dir.toAbsolutePath().resolve(shard).normalize();
    } catch (InvalidPathException e) {
      throw corruptIndex(
          index,
          "tensor '" + tensor + "' names an invalid shard file",
          "fetch " + INDEX + " again");
    }
    Path root = dir.toAbsolutePath().normalize();
    boolean inside = resolved.startsWith(root) && !resolved.equals(root);
    if (!inside
        || shard.contains("..")
        || shard.contains("\\")
        || !shard.endsWith(".safetensors")) {
      throw corruptIndex(
          index,
          "tensor '"
              + tensor
              + "' names shard '"
              + shard
              + "', which is not a .safetensors file of this directory",
          "do not use this checkpoint: its index points outside its directory");
    }
    return resolved;
  }

  private static HalException corruptIndex(Path index, String what, String remedy) {
    return HalException.of(HalErrorCode.CHECKPOINT_CORRUPT, what)
        .on(index.toString())
        .remedy(remedy)
        .build();
  }

  /** The directory the checkpoint lies in. */
  public Path directory() {
    return directory;
  }

  /** Names of all tensors, in file order. */
  public Set<String> names() {
    return Collections.unmodifiableSet(owners.keySet());
  }

  public boolean contains(String name) {
    return owners.containsKey(name);
  }

  /** The safetensors files, in the order they were opened. */
  public List<Path> files() {
    return List.copyOf(files.keySet());
  }

  /** Bytes of all tensors together, without headers. */
  public long byteSize() {
    return files.values().stream().mapToLong(SafetensorsFile::byteSize).sum();
  }

  /**
   * The tensor called {@code name}.
   *
   * @throws HalException DTYPE_MISMATCH if its dtype has no counterpart in the HAL; USE_AFTER_CLOSE
   */
  public Optional<CheckpointTensor> find(String name) {
    SafetensorsFile owner = owners.get(name);
    return owner == null ? Optional.empty() : owner.find(name);
  }

  /**
   * Like {@link #find} but the tensor must exist.
   *
   * @throws HalException TENSOR_MISSING naming the checkpoint and the tensor
   */
  public CheckpointTensor get(String name) {
    return find(name)
        .orElseThrow(
            () ->
                HalException.of(
                        HalErrorCode.TENSOR_MISSING,
                        "the checkpoint has " + owners.size() + " tensors but no '" + name + "'")
                    .on(directory.toString())
                    .remedy(
                        "check that config.json belongs to these weights and that all shards are"
                            + " present")
                    .build());
  }

  /**
   * Like {@link #get(String)}, and the dimensions must be {@code expectedShape}.
   *
   * @throws HalException TENSOR_MISSING, or SHAPE_MISMATCH naming both shapes
   */
  public CheckpointTensor get(String name, long... expectedShape) {
    CheckpointTensor tensor = get(name);
    if (!tensor.hasShape(expectedShape)) {
      throw HalException.of(
              HalErrorCode.SHAPE_MISMATCH,
              "tensor '"
                  + name
                  + "' has shape "
                  + Arrays.toString(tensor.shape())
                  + ", config.json asks for "
                  + Arrays.toString(expectedShape))
          .on(tensor.file().toString())
          .remedy("check that config.json belongs to these weights")
          .build();
    }
    return tensor;
  }

  /** Unmaps all files. Idempotent. */
  @Override
  public void close() {
    files.values().forEach(SafetensorsFile::close);
  }
}
