package dev.halcyon.conformance.model;

/** What is asked of a model. */
enum ModelCheck {
  LOGITS(
      "logits",
      "MODEL-LOGITS",
      "Prefills every golden prompt; the logits of every position against those recorded."),
  TOP1(
      "top1",
      "MODEL-TOP1",
      "Teacher-forced: the best token of every position against the recorded one. A different one"
          + " counts if the recorded gap to the second best exceeds twice the bound. The argmax"
          + " that the device finds must be that of its own logits."),
  GREEDY(
      "greedy",
      "MODEL-GREEDY",
      "Continues every golden prompt greedily; each token against the recorded continuation, where"
          + " its smallest gap exceeds twice the bound."),
  ROUTER(
      "router",
      "MODEL-ROUTER",
      "The experts that each token chooses in each layer against the recorded ones. A divergent"
          + " choice counts unless the recorded margin of the prompt is within the bound."),
  PREFILL_DECODE(
      "prefill_decode",
      "MODEL-PREFILL",
      "The logits of a prompt given at once against those of the same prompt token by token."),
  CHUNKS(
      "chunks",
      "MODEL-CHUNKS",
      "The logits of a prompt given at once against those of the same prompt in chunks."),
  BATCH(
      "batch",
      "MODEL-BATCH",
      "Sequences of different lengths prefilled and decoded together against each alone; whether"
          + " the bits are the same is reported."),
  LONG(
      "long",
      "MODEL-LONG",
      "A long context, token choices fixed, by the absorbed and by the expanded form of latent"
          + " attention; the logits of the last positions against each other."),
  REPEAT(
      "repeat",
      "MODEL-REPEAT",
      "Prefill and decode three times; the same bits each time, or a warning."),
  GRAPH(
      "graph",
      "MODEL-GRAPH",
      "Decode steps replayed from a captured graph against the same steps enqueued one by one:"
          + " the same bits.");

  private final String id;
  private final String requirement;
  private final String description;

  ModelCheck(String id, String requirement, String description) {
    this.id = id;
    this.requirement = requirement;
    this.description = description;
  }

  /** The value of the parameter {@code check}. */
  String id() {
    return id;
  }

  String requirement() {
    return requirement;
  }

  String description() {
    return description;
  }
}
