package dev.halcyon.models.golden;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.models.checkpoint.CheckpointTensor;
import dev.halcyon.models.checkpoint.SafetensorsFile;
import dev.halcyon.models.json.JsonReader;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * The outputs of reference implementations for one checkpoint: {@code golden.json} (prompts, greedy
 * continuations) and the safetensors file of the same base name beside it (logits, traces).
 *
 * <p>Thread-safe. {@link #close()} unmaps the tensors; values already read stay valid.
 */
public final class GoldenFile implements AutoCloseable {
  private static final long MAX_BYTES = 64 << 20;
  private static final int MAX_IDS = 1 << 20;
  private static final String REMEDY = "restore the golden files; both belong together";

  private final Path file;
  private final String variant;
  private final List<GoldenPrompt> prompts;
  private final Optional<GoldenBatch> batch2;
  private final Optional<GoldenBatch> ragged2;
  private final Optional<GoldenFp8> fp8;
  private final double softmaxScale;
  private final SafetensorsFile tensors;
  private final Map<String, Double> routerMargins;

  private GoldenFile(Path file, JsonNode root, SafetensorsFile tensors) {
    this.file = file;
    this.tensors = tensors;
    this.variant = text(root, "variant");
    this.softmaxScale = number(root, "softmax_scale");
    this.prompts = readPrompts(root.path("prompts"));
    this.batch2 = readBatch(root, "batch2");
    this.ragged2 = readBatch(root, "ragged2");
    this.routerMargins = readRouterMargins(root);
    JsonNode q = root.path("fp8");
    this.fp8 =
        q.isObject()
            ? Optional.of(
                new GoldenFp8(
                    q.path("fp8gemm.weight").stringValueOpt(),
                    q.path("scale_fmt").stringValueOpt()))
            : Optional.empty();
  }

  /**
   * Reads {@code json} and maps the safetensors file beside it.
   *
   * @throws HalException GOLDEN_INVALID if either is missing, malformed or lacks the logits of a
   *     prompt
   */
  public static GoldenFile read(Path json) {
    String name = String.valueOf(json.getFileName());
    if (!name.endsWith(".json")) {
      throw HalException.of(HalErrorCode.GOLDEN_INVALID, "a golden file ends in .json, got " + json)
          .remedy("name golden.json")
          .build();
    }
    JsonNode root = JsonReader.readObject(json, MAX_BYTES, HalErrorCode.GOLDEN_INVALID, REMEDY);
    Path data =
        json.resolveSibling(name.substring(0, name.length() - ".json".length()) + ".safetensors");
    SafetensorsFile tensors;
    try {
      tensors = SafetensorsFile.open(data);
    } catch (HalException e) {
      throw HalException.of(
              HalErrorCode.GOLDEN_INVALID,
              "the tensors of the golden file are unusable: " + e.what())
          .on(data.toString())
          .remedy(REMEDY)
          .cause(e)
          .build();
    }
    boolean complete = false;
    try {
      GoldenFile golden = new GoldenFile(json, root, tensors);
      golden.checkLogits();
      complete = true;
      return golden;
    } finally {
      if (!complete) {
        tensors.close();
      }
    }
  }

  private void checkLogits() {
    Set<String> seen = new HashSet<>();
    for (GoldenPrompt p : prompts) {
      if (!seen.add(p.name())) {
        throw invalid("prompt '" + p.name() + "' occurs twice");
      }
      long[] shape = shape(p.name() + ".logits");
      if (shape.length != 2 || shape[0] != p.tokenIds().length) {
        throw invalid("tensor '" + p.name() + ".logits' must have one row per token of the prompt");
      }
    }
  }

  private List<GoldenPrompt> readPrompts(JsonNode list) {
    if (!list.isArray() || list.isEmpty()) {
      throw invalid("'prompts' must be a non-empty list");
    }
    List<GoldenPrompt> all = new ArrayList<>();
    for (JsonNode p : list) {
      all.add(
          new GoldenPrompt(
              text(p, "name"),
              text(p, "text"),
              ids(p, "token_ids"),
              ids(p, "greedy_ids"),
              ids(p, "argmax_per_position"),
              number(p, "greedy_min_top1_top2_gap")));
    }
    return List.copyOf(all);
  }

  /** By prompt; the file gives one number for all of them, or two kinds for each. */
  private static Map<String, Double> readRouterMargins(JsonNode root) {
    Map<String, Double> margins = new HashMap<>();
    JsonNode common = root.path("router_gap");
    for (JsonNode p : root.path("prompts")) {
      JsonNode own = p.path("router_margin");
      double margin =
          own.isObject()
              ? Math.min(
                  own.path("expert").asDouble(Double.POSITIVE_INFINITY),
                  own.path("group").asDouble(Double.POSITIVE_INFINITY))
              : common.asDouble(Double.POSITIVE_INFINITY);
      if (Double.isFinite(margin)) {
        margins.put(p.path("name").asString(""), margin);
      }
    }
    return margins;
  }

  private Optional<GoldenBatch> readBatch(JsonNode root, String field) {
    JsonNode b = root.path(field);
    if (b.isMissingNode() || b.isNull()) {
      return Optional.empty();
    }
    int[][] tokens = rows(b, field, "token_ids");
    int[][] greedy = rows(b, field, "greedy_ids");
    if (tokens.length == 0 || tokens.length != greedy.length) {
      throw invalid("'" + field + "' needs as many continuations as prompts");
    }
    return Optional.of(new GoldenBatch(tokens, greedy));
  }

  private int[][] rows(JsonNode b, String field, String key) {
    JsonNode list = b.path(key);
    if (!list.isArray()) {
      throw invalid("'" + field + "." + key + "' must be a list of lists");
    }
    int[][] rows = new int[list.size()][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = toInts(list.get(i), field + "." + key);
    }
    return rows;
  }

  private int[] ids(JsonNode node, String field) {
    return toInts(node.path(field), field);
  }

  private int[] toInts(JsonNode list, String what) {
    if (!list.isArray() || list.size() > MAX_IDS) {
      throw invalid("'" + what + "' must be a list of at most " + MAX_IDS + " token ids");
    }
    int[] out = new int[list.size()];
    for (int i = 0; i < out.length; i++) {
      JsonNode v = list.get(i);
      if (!v.isIntegralNumber() || !v.canConvertToInt() || v.intValue() < 0) {
        throw invalid("'" + what + "' must hold non-negative integers");
      }
      out[i] = v.intValue();
    }
    return out;
  }

  private String text(JsonNode node, String field) {
    return node.path(field)
        .stringValueOpt()
        .orElseThrow(() -> invalid("'" + field + "' must be a string"));
  }

  private double number(JsonNode node, String field) {
    JsonNode v = node.path(field);
    if (!v.isNumber()) {
      throw invalid("'" + field + "' must be a number");
    }
    return v.asDouble(Double.NaN);
  }

  private HalException invalid(String what) {
    return HalException.of(HalErrorCode.GOLDEN_INVALID, what)
        .on(file.toString())
        .remedy(REMEDY)
        .build();
  }

  /** The path given to {@link #read}. */
  public Path file() {
    return file;
  }

  /** Name of the checkpoint the vectors belong to. */
  public String variant() {
    return variant;
  }

  public List<GoldenPrompt> prompts() {
    return prompts;
  }

  /**
   * The prompt called {@code name}.
   *
   * @throws HalException GOLDEN_INVALID if there is none
   */
  public GoldenPrompt prompt(String name) {
    return prompts.stream()
        .filter(p -> p.name().equals(name))
        .findFirst()
        .orElseThrow(() -> invalid("there is no prompt '" + name + "'"));
  }

  /**
   * The smallest distance, over tokens and layers of a prompt, between the scores of the last
   * expert or group that the reference chose and the first that it did not; empty if the file does
   * not say.
   */
  public OptionalDouble routerMargin(GoldenPrompt prompt) {
    Double margin = routerMargins.get(prompt.name());
    return margin == null ? OptionalDouble.empty() : OptionalDouble.of(margin);
  }

  /**
   * Two prompts of equal length; tensor {@code batch2.last_logits} has the logits after the
   * prompts.
   */
  public Optional<GoldenBatch> batch2() {
    return batch2;
  }

  /** Two prompts of different length; each row equals its own single run. */
  public Optional<GoldenBatch> ragged2() {
    return ragged2;
  }

  public Optional<GoldenFp8> fp8() {
    return fp8;
  }

  /** The reference's factor of query-key products. */
  public double softmaxScale() {
    return softmaxScale;
  }

  /** Names of all tensors. */
  public Set<String> tensorNames() {
    return tensors.names();
  }

  public boolean hasTensor(String name) {
    return tensors.names().contains(name);
  }

  /**
   * The tensor called {@code name}, in place.
   *
   * @throws HalException GOLDEN_INVALID if there is none
   */
  public CheckpointTensor tensor(String name) {
    return tensors.find(name).orElseThrow(() -> invalid("there is no tensor '" + name + "'"));
  }

  /** Dimensions of a tensor. */
  public long[] shape(String name) {
    return tensor(name).shape();
  }

  /** A copy of an F32 tensor, row-major. */
  public float[] floats(String name) {
    CheckpointTensor t = tensor(name, DType.F32);
    float[] out = new float[Math.toIntExact(t.elementCount())];
    MemorySegment.copy(
        t.data(),
        ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
        0,
        out,
        0,
        out.length);
    return out;
  }

  /** A copy of an I32 tensor, row-major. */
  public int[] ints(String name) {
    CheckpointTensor t = tensor(name, DType.I32);
    int[] out = new int[Math.toIntExact(t.elementCount())];
    MemorySegment.copy(
        t.data(),
        ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
        0,
        out,
        0,
        out.length);
    return out;
  }

  /** The raw bytes of a tensor of any dtype. */
  public byte[] bytes(String name) {
    return tensor(name).data().toArray(ValueLayout.JAVA_BYTE);
  }

  /** The logits after every token of a prompt, F32 {@code [tokens, vocab]} row-major. */
  public float[] logits(GoldenPrompt prompt) {
    return floats(prompt.name() + ".logits");
  }

  private CheckpointTensor tensor(String name, DType dtype) {
    CheckpointTensor t = tensor(name);
    if (t.dtype() != dtype) {
      throw invalid("tensor '" + name + "' is " + t.dtype() + ", expected " + dtype);
    }
    return t;
  }

  /** Unmaps the tensors. Idempotent. */
  @Override
  public void close() {
    tensors.close();
  }
}
