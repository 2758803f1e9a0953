package dev.halcyon.models.golden;

/**
 * One prompt of a golden file with what the reference made of it. Arrays are the record's own: do
 * not change them.
 *
 * @param name prefix of its tensors: {@code <name>.logits} is F32 {@code [tokenIds.length, vocab]}
 * @param text the prompt
 * @param tokenIds the prompt encoded
 * @param greedyIds greedy continuation
 * @param argmaxPerPosition the reference's best token at every prompt position
 * @param minGreedyGap smallest distance between best and second best logit along the continuation
 */
public record GoldenPrompt(
    String name,
    String text,
    int[] tokenIds,
    int[] greedyIds,
    int[] argmaxPerPosition,
    double minGreedyGap) {}
