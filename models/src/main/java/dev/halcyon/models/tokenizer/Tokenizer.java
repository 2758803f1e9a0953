package dev.halcyon.models.tokenizer;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.models.json.JsonReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import tools.jackson.databind.JsonNode;

/**
 * The tokenizer of a model, read from its {@code tokenizer.json}.
 *
 * <p>Nothing is truncated, padded or added: a begin-of-text token is in the result only if it is in
 * the text, as chat templates have it. Special and other added tokens are recognised inside text.
 * Thread-safe; {@link #close()} waits for calls in progress and later calls throw USE_AFTER_CLOSE.
 *
 * @implNote The Hugging Face tokenizers library through ai.djl. Its native code is in the jar and
 *     unpacked on first use below {@code ~/.djl.ai} (or {@code -DDJL_CACHE_DIR}). Loading this
 *     class sets {@code ai.djl.offline}, {@code OPT_OUT_TRACKING} and {@code RUST_FLAVOR} unless
 *     the user did: nothing is sent or downloaded.
 */
public final class Tokenizer implements AutoCloseable {
  /** The file every model directory holds. */
  public static final String FILE = "tokenizer.json";

  private static final long MAX_BYTES = 256 << 20;
  private static final String REMEDY = "restore tokenizer.json from the model's repository";

  static {
    // The library reports use on EC2 and, where it finds CUDA, downloads a CUDA build of itself;
    // neither is wanted.
    forbidNetwork("ai.djl.offline", "DJL_OFFLINE", "true");
    forbidNetwork("OPT_OUT_TRACKING", "OPT_OUT_TRACKING", "true");
    forbidNetwork("RUST_FLAVOR", "RUST_FLAVOR", "cpu");
  }

  private final HuggingFaceTokenizer delegate;
  private final Path file;
  private final Map<String, Integer> addedTokens;
  private final java.util.BitSet specialIds;
  private final int vocabSize;
  private final OptionalInt bosId;
  private final List<Integer> eosIds;
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
  private boolean closed;

  private Tokenizer(
      HuggingFaceTokenizer delegate,
      Path file,
      Map<String, Integer> addedTokens,
      java.util.BitSet specialIds,
      int vocabSize,
      SpecialTokens special) {
    this.delegate = delegate;
    this.file = file;
    this.addedTokens = addedTokens;
    this.specialIds = specialIds;
    this.vocabSize = vocabSize;
    this.bosId = idOf(addedTokens, special.bosToken());
    OptionalInt eos = idOf(addedTokens, special.eosToken());
    this.eosIds = eos.isPresent() ? List.of(eos.getAsInt()) : List.of();
  }

  /**
   * Opens the tokenizer of the model in {@code dir}.
   *
   * @throws HalException TOKENIZER_MISSING or TOKENIZER_INVALID
   */
  public static Tokenizer open(Path dir) {
    Path file = dir.resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw HalException.of(HalErrorCode.TOKENIZER_MISSING, "no " + FILE + " in " + dir)
          .remedy(
              Files.exists(dir.resolve("tiktoken.model"))
                      || Files.exists(dir.resolve("tokenizer.model"))
                  ? "convert the tokenizer of this model to tokenizer.json with transformers"
                  : REMEDY)
          .build();
    }
    JsonNode root = JsonReader.readObject(file, MAX_BYTES, HalErrorCode.TOKENIZER_INVALID, REMEDY);
    Map<String, Integer> added = new HashMap<>();
    java.util.BitSet specialIds = new java.util.BitSet();
    int maxId = readAddedTokens(file, root, added, specialIds);
    for (JsonNode id : root.path("model").path("vocab")) {
      if (id.isIntegralNumber() && id.canConvertToInt()) {
        maxId = Math.max(maxId, id.intValue());
      }
    }
    if (root.path("model").path("vocab").isArray()) {
      maxId = Math.max(maxId, root.path("model").path("vocab").size() - 1);
    }
    if (maxId < 0) {
      throw invalid(file, "it has neither a vocabulary nor added tokens");
    }
    SpecialTokens special = SpecialTokens.read(dir);
    return new Tokenizer(load(file), file, added, specialIds, maxId + 1, special);
  }

  private static void forbidNetwork(String property, String variable, String value) {
    if (System.getenv(variable) == null && System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  private static int readAddedTokens(
      Path file, JsonNode root, Map<String, Integer> added, java.util.BitSet specialIds) {
    int maxId = -1;
    for (JsonNode token : root.path("added_tokens")) {
      JsonNode id = token.path("id");
      JsonNode content = token.path("content");
      if (!id.isIntegralNumber()
          || !id.canConvertToInt()
          || id.intValue() < 0
          || !content.isString()) {
        throw invalid(file, "every entry of added_tokens needs a non-negative id and a content");
      }
      added.put(content.stringValue(), id.intValue());
      if (token.path("special").isBoolean() && token.path("special").booleanValue()) {
        specialIds.set(id.intValue());
      }
      maxId = Math.max(maxId, id.intValue());
    }
    return maxId;
  }

  private static HuggingFaceTokenizer load(Path file) {
    Map<String, String> options =
        Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");
    try {
      return HuggingFaceTokenizer.newInstance(
          new ByteArrayInputStream(Files.readAllBytes(file)), options);
    } catch (LinkageError | EngineException e) {
      throw HalException.of(
              HalErrorCode.TOKENIZER_INVALID,
              "the native tokenizer library cannot be loaded: " + e.getMessage())
          .on(file.toString())
          .remedy(
              "make ~/.djl.ai writable, or set -DDJL_CACHE_DIR to a writable folder; served are"
                  + " linux on x86_64 and aarch64, macOS on aarch64 and windows on x86_64")
          .cause(e)
          .build();
    } catch (IOException | RuntimeException e) {
      throw HalException.of(
              HalErrorCode.TOKENIZER_INVALID, "the tokenizer is not valid: " + e.getMessage())
          .on(file.toString())
          .remedy(REMEDY)
          .cause(e)
          .build();
    }
  }

  private static HalException invalid(Path file, String what) {
    return HalException.of(HalErrorCode.TOKENIZER_INVALID, what)
        .on(file.toString())
        .remedy(REMEDY)
        .build();
  }

  private static OptionalInt idOf(Map<String, Integer> added, java.util.Optional<String> token) {
    Integer id = token.map(added::get).orElse(null);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /**
   * The ids of {@code text}; empty for the empty string.
   *
   * <p>Lone surrogates, which no UTF-8 text can hold, become U+FFFD.
   */
  public int[] encode(String text) {
    String clean = wellFormed(text);
    return guarded(
        () -> {
          long[] ids = delegate.encode(clean, false, false).getIds();
          int[] out = new int[ids.length];
          for (int i = 0; i < ids.length; i++) {
            out[i] = Math.toIntExact(ids[i]);
          }
          return out;
        });
  }

  /**
   * The text of {@code ids}. Bytes that are not UTF-8 become U+FFFD; ids beyond the vocabulary have
   * no text.
   *
   * @param special whether special tokens are part of the text
   */
  public String decode(int[] ids, SpecialText special) {
    long[] wide = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0) {
        throw HalException.of(
                HalErrorCode.INVALID_ARGUMENT, "token id " + ids[i] + " at position " + i)
            .remedy("pass ids of this tokenizer")
            .build();
      }
      wide[i] = ids[i];
    }
    return guarded(() -> delegate.decode(wide, special == SpecialText.SKIP));
  }

  /** The text of {@code ids} without special tokens. */
  public String decode(int[] ids) {
    return decode(ids, SpecialText.SKIP);
  }

  private <T> T guarded(Supplier<T> call) {
    lock.readLock().lock();
    try {
      if (closed) {
        throw HalException.of(HalErrorCode.USE_AFTER_CLOSE, "the tokenizer is closed")
            .on(file.toString())
            .build();
      }
      return call.get();
    } finally {
      lock.readLock().unlock();
    }
  }

  private static String wellFormed(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        byte[] utf16 = text.getBytes(java.nio.charset.StandardCharsets.UTF_16LE);
        return new String(utf16, java.nio.charset.StandardCharsets.UTF_16LE);
      }
    }
    return text;
  }

  /** The begin-of-text token named by {@code tokenizer_config.json}; empty if none. */
  public OptionalInt bosId() {
    return bosId;
  }

  /**
   * The end-of-text tokens named by {@code tokenizer_config.json}; the model's config may name
   * more.
   */
  public List<Integer> eosIds() {
    return eosIds;
  }

  /** One more than the largest id; the model's {@code vocab_size} may be larger. */
  public int vocabSize() {
    return vocabSize;
  }

  /**
   * The id of an added token such as {@code <think>}; empty if this tokenizer has no such added
   * token.
   */
  public OptionalInt tokenId(String addedToken) {
    return idOf(addedTokens, java.util.Optional.of(addedToken));
  }

  /**
   * Whether {@code id} is an added token marked special, which {@link SpecialText#SKIP} leaves out.
   */
  public boolean isSpecial(int id) {
    return id >= 0 && specialIds.get(id);
  }

  /** Turns a stream of ids into a stream of text; see {@link IncrementalDecoder}. */
  public IncrementalDecoder incrementalDecoder(SpecialText special) {
    return new IncrementalDecoder(this, special);
  }

  /** Frees the native tokenizer after calls in progress. Idempotent. */
  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (!closed) {
        closed = true;
        delegate.close();
      }
    } finally {
      lock.writeLock().unlock();
    }
  }
}
