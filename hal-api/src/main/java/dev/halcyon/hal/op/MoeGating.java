package dev.halcyon.hal.op;

import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.tensor.DType;
import dev.halcyon.hal.tensor.TensorType;
import java.util.List;

/**
 * The router of a mixture of experts. With scores {@code s = scoring(logits)} and choice scores
 * {@code c = s + bias} (BIASED) or {@code s}: experts lie in {@code groups} equal runs; the {@code
 * groupTopK} groups of highest group score (the maximum or the sum of the two best choice scores,
 * of the only one in groups of one) stay, all others count as -inf; of the rest the {@code topK}
 * experts of highest choice score are chosen, the lowest index winning ties, in descending order.
 * Equal logits of a token have equal scores. Weights are the unbiased s at the chosen experts,
 * divided by (their sum + 1e-20) under SUM, times {@code scale}. Source: DeepSeek-V3
 * inference/model.py, class Gate; arXiv 2412.19437 section 2.1.2.
 *
 * <p>Operands: logits F32 [T, E]; bias F32 [E] (BIASED); weights F32 [T, topK]; ids I32 [T, topK].
 *
 * @param topK experts per token
 * @param groups 1 for no grouping; divides E
 * @param groupTopK groups kept
 * @param groupRule how a group is scored
 * @param scoring logits to scores
 * @param choice whether a bias corrects the choice
 * @param normalization of the weights
 * @param scale multiplies the weights (routed_scaling_factor)
 */
public record MoeGating(
    int topK,
    int groups,
    int groupTopK,
    GroupRule groupRule,
    Scoring scoring,
    Choice choice,
    Normalization normalization,
    double scale)
    implements CompositeSpec {
  /** How a group of experts is scored. */
  public enum GroupRule {
    /** DeepSeek-V2, group_limited_greedy. */
    MAX,
    /** DeepSeek-V3, noaux_tc. */
    SUM_TOP2
  }

  /** Logits to scores. */
  public enum Scoring {
    SOFTMAX,
    SIGMOID
  }

  /** What the choice of experts is made by. */
  public enum Choice {
    SCORES,
    BIASED
  }

  /** How the weights of a token are normalised. */
  public enum Normalization {
    NONE,
    SUM
  }

  private static final List<Operand> PLAIN =
      List.of(Operand.in("logits"), Operand.out("weights"), Operand.out("ids"));
  private static final List<Operand> WITH_BIAS =
      List.of(Operand.in("logits"), Operand.in("bias"), Operand.out("weights"), Operand.out("ids"));

  @Override
  public List<Operand> operands() {
    return choice == Choice.BIASED ? WITH_BIAS : PLAIN;
  }

  @Override
  public void check(List<TensorType> types) {
    TypeRules r = new TypeRules(this, types).rank(0, 2).dtype(0, DType.F32);
    long experts = r.dim(0, 1);
    r.that(
            groups >= 1 && experts % groups == 0 && groupTopK >= 1 && groupTopK <= groups,
            HalErrorCode.INVALID_ARGUMENT,
            "groups must divide the experts and groupTopK be in [1, groups]")
        .that(
            topK >= 1 && topK <= groupTopK * (experts / groups),
            HalErrorCode.INVALID_ARGUMENT,
            "topK must be in [1, experts in the kept groups]");
    if (choice == Choice.BIASED) {
      r.dtype(1, DType.F32).shape(1, experts);
    }
    int w = types.size() - 2;
    r.dtype(w, DType.F32)
        .shape(w, r.dim(0, 0), topK)
        .dtype(w + 1, DType.I32)
        .shape(w + 1, r.dim(0, 0), topK);
  }

  @Override
  public void decompose(Decomposition d) {
    Decomposition.Ref logits = d.operand(0);
    long tokens = logits.dim(0);
    long experts = logits.dim(1);
    Decomposition.Ref weights = d.operand(operands().size() - 2);
    Decomposition.Ref ids = d.operand(operands().size() - 1);
    Decomposition.Ref scores = d.f32(tokens, experts);
    switch (scoring) {
      case SIGMOID -> d.emit(new Unary(Unary.Op.SIGMOID), logits, scores);
      case SOFTMAX -> d.emit(new MaskedSoftmax(1), logits, d.intScalar(experts), scores);
    }
    Decomposition.Ref chosenBy = scores;
    if (choice == Choice.BIASED) {
      chosenBy = d.f32(tokens, experts);
      d.emit(new Binary(Binary.Op.ADD), scores, d.operand(1), chosenBy);
    }
    if (groups > 1) {
      chosenBy = keepBestGroups(d, chosenBy);
    }
    d.emit(new TopK(topK), chosenBy, d.f32(tokens, topK), ids);
    Decomposition.Ref picked = weightsOf(d, scores, ids);
    if (normalization == Normalization.SUM) {
      Decomposition.Ref sum = d.f32(tokens, 1);
      d.emit(new Reduce(Reduce.Op.SUM), picked, sum);
      d.emit(new Binary(Binary.Op.ADD), sum, d.scalar(1e-20), sum);
      d.emit(new Binary(Binary.Op.DIV), picked, sum, picked);
    }
    d.emit(new Binary(Binary.Op.MUL), picked, d.scalar(scale), weights);
  }

  /** The choice scores with those of dropped groups at -inf. */
  private Decomposition.Ref keepBestGroups(Decomposition d, Decomposition.Ref chosenBy) {
    long tokens = chosenBy.dim(0);
    long perGroup = chosenBy.dim(1) / groups;
    Decomposition.Ref grouped = chosenBy.reshape(tokens, groups, perGroup);
    Decomposition.Ref groupScores = d.f32(tokens, groups, 1);
    switch (groupRule) {
      case MAX -> d.emit(new Reduce(Reduce.Op.MAX), grouped, groupScores);
      case SUM_TOP2 -> {
        int best = (int) Math.min(2, perGroup);
        Decomposition.Ref top = d.f32(tokens, groups, best);
        d.emit(new TopK(best), grouped, top, d.i32(tokens, groups, best));
        d.emit(new Reduce(Reduce.Op.SUM), top, groupScores);
      }
    }
    Decomposition.Ref kept = d.i32(tokens, groupTopK);
    d.emit(
        new TopK(groupTopK), groupScores.reshape(tokens, groups), d.f32(tokens, groupTopK), kept);
    Decomposition.Ref index = d.i32(groups);
    d.emit(new Iota(), index);
    Decomposition.Ref oneHot = d.i32(tokens, groupTopK, groups);
    d.emit(new Binary(Binary.Op.EQUAL), kept.reshape(tokens, groupTopK, 1), index, oneHot);
    Decomposition.Ref mask = d.i32(tokens, groups, 1);
    d.emit(new Reduce(Reduce.Op.SUM), oneHot.transpose(1, 2), mask);
    Decomposition.Ref out = d.f32(tokens, groups, perGroup);
    d.emit(new Select(), mask, grouped, d.scalar(Double.NEGATIVE_INFINITY), out);
    return out.reshape(tokens, groups * perGroup);
  }

  private Decomposition.Ref weightsOf(
      Decomposition d, Decomposition.Ref scores, Decomposition.Ref ids) {
    long tokens = scores.dim(0);
    long experts = scores.dim(1);
    Decomposition.Ref index = d.i32(experts);
    d.emit(new Iota(), index);
    Decomposition.Ref oneHot = d.i32(tokens, topK, experts);
    d.emit(new Binary(Binary.Op.EQUAL), ids.reshape(tokens, topK, 1), index, oneHot);
    Decomposition.Ref spread = d.f32(tokens, topK, experts);
    d.emit(new Select(), oneHot, scores.reshape(tokens, 1, experts), d.scalar(0), spread);
    Decomposition.Ref out = d.f32(tokens, topK, 1);
    d.emit(new Reduce(Reduce.Op.SUM), spread, out);
    return out.reshape(tokens, topK);
  }
}
