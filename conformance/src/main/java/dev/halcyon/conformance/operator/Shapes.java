package dev.halcyon.conformance.operator;

/**
 * Extents that cases share: odd and prime numbers, the neighbours of vector and tile widths, every
 * rank, and nothing at all.
 */
final class Shapes {
  /** For operators whose every element costs a device the same. */
  static final long[][] ELEMENTWISE = {
    {},
    {1},
    {15},
    {16},
    {17},
    {64},
    {129},
    {0},
    {1, 1},
    {3, 5},
    {16, 17},
    {33, 65},
    {5, 0},
    {2, 3, 5},
    {3, 1, 7},
    {2, 3, 4, 5}
  };

  /** Fewer, where dtypes multiply. */
  static final long[][] FEW = {{}, {1}, {17}, {257}, {0}, {5, 33}, {2, 3, 7}, {2, 1, 4, 5}};

  /** Rows of many lengths: the last axis is reduced. */
  static final long[][] ROWS = {
    {1},
    {2},
    {7},
    {16},
    {17},
    {31},
    {33},
    {64},
    {127},
    {128},
    {129},
    {255},
    {256},
    {257},
    {3, 5},
    {5, 64},
    {33, 65},
    {2, 1023},
    {2, 3, 17},
    {2, 2, 3, 9}
  };

  private Shapes() {}
}
