package dev.halcyon.conformance.operator;

/** How the scores of an attention run along the context. */
enum Scores {
  /** In no order, within a few units. */
  PLAIN,
  /** Ever larger: a kernel in one pass rescales at each step. */
  RISING,
  /** Ever smaller: the first position has the maximum. */
  FALLING,
  /** Thousands apart: all but the largest exponentials vanish. */
  HUGE,
  /** Cached numbers of all magnitudes, subnormal ones of f16 among them. */
  WIDE,
  /** All equal: the mean of the values. */
  EQUAL;

  /** An element of a query. */
  double query(Draw draw) {
    double noise = draw.random().nextGaussian();
    return switch (this) {
      case PLAIN, WIDE -> noise;
      case RISING, FALLING -> 1 + 0.1 * noise;
      case HUGE -> 1500 * noise;
      case EQUAL -> 0;
    };
  }

  /**
   * An element of the cache row of a position.
   *
   * @param noise normally distributed
   */
  double cached(double noise, int position) {
    return switch (this) {
      case RISING -> 0.2 * noise + 0.25 * position;
      case FALLING -> 0.2 * noise - 0.25 * position;
      case WIDE -> Math.scalb(noise, -(position * 7 + (int) (8 * Math.abs(noise))) % 26);
      case PLAIN, HUGE, EQUAL -> noise;
    };
  }
}
