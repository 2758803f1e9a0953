package dev.halcyon.models.golden;

/**
 * Prompts decoded together. Arrays are the record's own: do not change them.
 *
 * @param tokenIds one prompt per row, of equal or different lengths
 * @param greedyIds greedy continuation per row
 */
public record GoldenBatch(int[][] tokenIds, int[][] greedyIds) {
  /** Number of prompts. */
  public int rows() {
    return tokenIds.length;
  }
}
