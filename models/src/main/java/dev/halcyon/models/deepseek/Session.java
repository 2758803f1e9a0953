package dev.halcyon.models.deepseek;

import dev.halcyon.hal.CommandGraph;
import dev.halcyon.hal.CommandStream;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import dev.halcyon.hal.MemoryArena;
import dev.halcyon.hal.Operators;
import dev.halcyon.hal.Tensor;
import dev.halcyon.hal.plan.Planner;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import dev.halcyon.models.config.DeepSeekConfig;
import dev.halcyon.models.config.RotaryTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model at work: open sequences, their cache and the logits of the last step. Sequences may have
 * different lengths; a step takes tokens of any of them. One thread at a time; close it before its
 * model.
 *
 * <p>Logits belong to rows 0 to {@link #rows()} - 1 of the last step and are overwritten by the
 * next.
 */
public final class Session implements AutoCloseable {
  /**
   * New tokens of a sequence.
   *
   * @param sequence number from {@link #openSequence}
   * @param tokens ids in order, at least one
   */
  public record Chunk(int sequence, int[] tokens) {}

  /** Which tokens of a step get logits. */
  public enum Logits {
    /** None: the step only fills the cache. */
    NONE,
    /** The last one of each chunk, rows in the order of the chunks. */
    LAST,
    /** All, in the order of the chunks. */
    ALL
  }

  private final DeepSeekModel model;
  private final SessionOptions options;
  private final DeepSeekConfig config;
  private final CommandStream stream;
  private final Operators ops;
  private final MemoryArena memory;
  private final MemoryArena scratch;
  private final Arena hostArena = Arena.ofShared();
  private final DecoderStack stack;
  private final KvCache cache;
  private final Tensor cos;
  private final Tensor sin;
  private final Map<Integer, DecodeGraph> graphs = new HashMap<>();
  private final MemorySegment hostLogits;
  private final MemorySegment hostArgmax;
  private Optional<DecoderStack.Output> output = Optional.empty();
  private boolean closed;

  Session(DeepSeekModel model, Planner planner, SessionOptions options) {
    this.model = model;
    this.options = options;
    this.config = model.config();
    if (options.contextLength() > config.maxPositionEmbeddings()) {
      throw HalException.of(
              HalErrorCode.CONTEXT_OVERFLOW,
              "context of "
                  + options.contextLength()
                  + " positions; the model has "
                  + config.maxPositionEmbeddings())
          .on("max_position_embeddings")
          .remedy("ask for at most " + config.maxPositionEmbeddings())
          .build();
    }
    this.stream = model.device().newStream("session");
    this.memory = model.device().newArena(MemoryArena.Kind.PERSISTENT, "KV cache");
    this.scratch = model.device().newArena(MemoryArena.Kind.SCRATCH, "activations");
    this.ops = new Operators(planner, stream);
    this.stack = new DecoderStack(config, model.weights(), options.blockSize());
    this.hostLogits = hostArena.allocate(4L * config.vocab(), 64);
    this.hostArgmax = hostArena.allocate(4, 4);
    boolean complete = false;
    try {
      this.cache =
          new KvCache(memory, hostArena, config.layers(), config.latentCacheWidth(), options);
      TensorType table = TensorType.of(DType.F32, options.contextLength(), config.qkRope() / 2);
      this.cos = memory.allocate(table);
      this.sin = memory.allocate(table);
      if (model.holdsData()) {
        RotaryTable rotary = config.rotaryTable();
        upload(rotary.cos(0, options.contextLength()), cos);
        upload(rotary.sin(0, options.contextLength()), sin);
      }
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  private void upload(float[] values, Tensor target) {
    stream.upload(MemorySegment.ofArray(values), target);
  }

  public DeepSeekModel model() {
    return model;
  }

  public SessionOptions options() {
    return options;
  }

  /**
   * Begins an empty sequence.
   *
   * @return its number
   * @throws HalException {@code CONTEXT_OVERFLOW} if all sequences of the session are open
   */
  public int openSequence() {
    return cache.openSequence();
  }

  /** Ends a sequence; its number may be given out again. */
  public void releaseSequence(int sequence) {
    cache.release(sequence);
  }

  /** Forgets the positions of a sequence from {@code length} on. */
  public void truncate(int sequence, int length) {
    cache.truncate(sequence, length);
  }

  /** Positions of a sequence so far. */
  public int length(int sequence) {
    return cache.length(sequence);
  }

  /**
   * Runs new tokens of one sequence in chunks of at most {@code prefillChunk}; row 0 is the last
   * token. Whole chunks are planned already; a shorter one at the end is planned the first time a
   * chunk of its length comes.
   *
   * @throws HalException {@code CONTEXT_OVERFLOW} before anything ran, if they do not fit
   */
  public void prefill(int sequence, int[] tokens) {
    requireRoom(sequence, tokens.length);
    for (int at = 0; at < tokens.length; at += options.prefillChunk()) {
      int n = Math.min(options.prefillChunk(), tokens.length - at);
      boolean last = at + n == tokens.length;
      int[] chunk = java.util.Arrays.copyOfRange(tokens, at, at + n);
      forward(List.of(new Chunk(sequence, chunk)), last ? Logits.LAST : Logits.NONE, Trace.NONE);
    }
  }

  /**
   * One step over new tokens of any sequences, not cut into chunks.
   *
   * @throws HalException {@code CONTEXT_OVERFLOW} before anything ran, if they do not fit; {@code
   *     INVALID_ARGUMENT} for a token id outside the vocabulary
   */
  public void step(List<Chunk> chunks, Logits which) {
    forward(chunks, which, Trace.NONE);
  }

  void step(List<Chunk> chunks, Logits which, Trace trace) {
    forward(chunks, which, trace);
  }

  private void forward(List<Chunk> chunks, Logits which, Trace trace) {
    int tokens = 0;
    for (Chunk c : chunks) {
      requireRoom(c.sequence(), c.tokens().length);
      requireVocabulary(c.tokens());
      tokens += c.tokens().length;
    }
    int rows =
        switch (which) {
          case NONE -> 0;
          case LAST -> chunks.size();
          case ALL -> tokens;
        };
    scratch.reset();
    StepInputs in;
    MlaForm form = form(chunks);
    try (Arena host = Arena.ofConfined()) {
      in = new StepInputs(scratch, host, tokens, rows);
      int t = 0;
      int row = 0;
      for (Chunk c : chunks) {
        for (int i = 0; i < c.tokens().length; i++, t++) {
          int position = cache.length(c.sequence());
          in.token(t, c.tokens()[i], position, c.sequence(), cache.append(c.sequence()));
          boolean wanted =
              which == Logits.ALL || which == Logits.LAST && i == c.tokens().length - 1;
          if (wanted) {
            in.logitRow(row++, t);
          }
        }
      }
      in.upload(stream);
    }
    cache.uploadTable(stream);
    output = stack.enqueue(ops, scratch, new Step(in, cache.table(), cos, sin, form), cache, trace);
  }

  private MlaForm form(List<Chunk> chunks) {
    return switch (options.form()) {
      case ABSORBED -> MlaForm.ABSORBED;
      case EXPANDED -> MlaForm.EXPANDED;
      case CHEAPER -> {
        Chunk longest = chunks.getFirst();
        for (Chunk c : chunks) {
          longest = c.tokens().length > longest.tokens().length ? c : longest;
        }
        int n = longest.tokens().length;
        yield MlaForm.cheaper(
            n,
            cache.length(longest.sequence()) + (long) n,
            config.kvLoraRank(),
            config.qkNope(),
            config.qkRope(),
            config.vHead());
      }
    };
  }

  /**
   * One new token for each of several sequences: the decode step. Row i belongs to {@code
   * sequences[i]}.
   *
   * @throws HalException {@code CONTEXT_OVERFLOW} before anything ran, if a sequence is full
   */
  public void decode(int[] sequences, int[] tokens) {
    if (options.decode() == SessionOptions.Decode.EAGER
        || options.form() == SessionOptions.Form.EXPANDED) {
      forward(
          java.util.stream.IntStream.range(0, sequences.length)
              .mapToObj(i -> new Chunk(sequences[i], new int[] {tokens[i]}))
              .toList(),
          Logits.LAST,
          Trace.NONE);
      return;
    }
    requireVocabulary(tokens);
    for (int s : sequences) {
      requireRoom(s, 1);
    }
    DecodeGraph g = graph(sequences.length);
    for (int i = 0; i < sequences.length; i++) {
      int position = cache.length(sequences[i]);
      g.inputs.token(i, tokens[i], position, sequences[i], cache.append(sequences[i]));
      g.inputs.logitRow(i, i);
    }
    g.inputs.upload(stream);
    cache.uploadTable(stream);
    stream.replay(g.graph());
    output = Optional.of(g.output);
  }

  /**
   * Runs the steps whose plans {@link DeepSeekModel#newSession} promises, on a session of a
   * rehearsal. Each is run at the lowest and at the highest position it can have: the cheaper form
   * of attention changes at most once between them, because the costs of both are linear in the
   * position.
   */
  void rehearse() {
    int context = options.contextLength();
    int chunk = Math.min(options.prefillChunk(), context);
    int first = cache.openSequence();
    for (int position : new int[] {0, context - chunk}) {
      moveTo(first, position);
      forward(List.of(new Chunk(first, new int[chunk])), Logits.LAST, Trace.NONE);
    }
    if (context == 1) {
      return; // one position is the prompt's: nothing can be decoded
    }
    int[] all = new int[options.maxSequences()];
    all[0] = first;
    for (int i = 1; i < all.length; i++) {
      all[i] = cache.openSequence();
    }
    for (int[] batch : new int[][] {{first}, all}) {
      for (int position : new int[] {1, context - 1}) {
        for (int s : batch) {
          moveTo(s, position);
        }
        decode(batch, new int[batch.length]);
      }
    }
  }

  private void moveTo(int sequence, int position) {
    cache.truncate(sequence, position);
    while (cache.length(sequence) < position) {
      cache.append(sequence);
    }
  }

  private DecodeGraph graph(int tokens) {
    DecodeGraph g = graphs.get(tokens);
    if (g == null) {
      g = new DecodeGraph(stack, ops, hostArena, cache, cos, sin, tokens);
      graphs.put(tokens, g);
    }
    return g;
  }

  /** How the decode step of {@code batch} sequences executes; captures it if it was not yet. */
  public CommandGraph.Kind decodeGraphKind(int batch) {
    return graph(batch).graph().kind();
  }

  /** Rows of logits the last step left. */
  public int rows() {
    return output.map(o -> Math.toIntExact(o.logits().dim(0))).orElse(0);
  }

  /** The token of largest logit of a row, found on the device; the lowest id wins ties. */
  public int argmax(int row) {
    stream.download(lastOutput(row).argmax().part(row), hostArgmax);
    return hostArgmax.get(ValueLayout.JAVA_INT, 0);
  }

  /** The logits of a row, f32 [vocab]; overwritten by the next call. */
  public MemorySegment logits(int row) {
    stream.download(lastOutput(row).logits().part(row), hostLogits);
    return hostLogits;
  }

  private DecoderStack.Output lastOutput(int row) {
    if (row < 0 || row >= rows()) {
      throw HalException.of(
              HalErrorCode.OUT_OF_BOUNDS,
              "row " + row + " of a step with " + rows() + " rows of logits")
          .remedy("run a step that asks for these logits first")
          .build();
    }
    return output.orElseThrow();
  }

  private void requireRoom(int sequence, int tokens) {
    int length = cache.length(sequence);
    if (tokens < 1) {
      throw HalException.of(HalErrorCode.INVALID_ARGUMENT, "no tokens for sequence " + sequence)
          .remedy("give at least one; an empty prompt still has the begin-of-text token")
          .build();
    }
    if (tokens > options.contextLength() - length) {
      throw HalException.of(
              HalErrorCode.CONTEXT_OVERFLOW,
              tokens
                  + " tokens after "
                  + length
                  + " do not fit a context of "
                  + options.contextLength())
          .remedy(
              "shorten the prompt or raise the context length (the model has "
                  + config.maxPositionEmbeddings()
                  + ")")
          .build();
    }
  }

  private void requireVocabulary(int[] tokens) {
    for (int id : tokens) {
      if (id < 0 || id >= config.vocab()) {
        throw HalException.of(
                HalErrorCode.INVALID_ARGUMENT,
                "token id " + id + " of a vocabulary of " + config.vocab())
            .remedy("use the tokenizer that belongs to the model")
            .build();
      }
    }
  }

  /** The stream everything is enqueued on, for measurements. */
  public CommandStream stream() {
    return stream;
  }

  Tensor cacheLayer(int layer) {
    return cache.layer(layer);
  }

  int cacheRow(int sequence, int position) {
    return cache.row(sequence, position);
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    graphs.values().forEach(DecodeGraph::close);
    stream.close();
    scratch.close();
    memory.close();
    hostArena.close();
    model.sessionClosed(this);
  }
}
