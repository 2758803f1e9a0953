"""Interpolated modified Kneser-Ney n-gram models (Chen and Goodman 1998), the yardstick of the demo model."""
import numpy as np

BASE = 4096  # token ids are below this: an n-gram of up to five tokens is one 60-bit number


class KneserNey:
    def __init__(self, tokens, order):
        """Counts n-grams of tokens, ids below BASE; document ends are tokens like any other."""
        if not 1 <= order <= 5:
            raise ValueError("the order is 1 to 5")
        self.order = order
        self.levels = []  # level n - 1: distributions over the last token of an n-gram
        keys = np.sort(windows(tokens, order))
        grams, counts = np.unique(keys, return_counts=True)
        for n in range(order, 0, -1):
            self.levels.insert(0, Level(grams, counts))
            # a lower order counts the distinct tokens before an n-gram, not its occurrences
            grams, counts = np.unique(grams % BASE ** (n - 1), return_counts=True)

    def log_probabilities(self, tokens):
        """Natural logarithm of the probability of every token, given up to order - 1 before it."""
        p = np.full(len(tokens), 1 / BASE)
        for n, level in enumerate(self.levels, 1):
            # the first tokens of a text have short histories: they keep the lower order
            known = np.arange(len(tokens)) >= n - 1
            p[known] = level.interpolate(windows(tokens, n), p[known])
        return np.log(p)


class Level:
    """Counts of n-grams, and per history their sum and the mass that discounting frees."""

    def __init__(self, grams, counts):
        self.grams, self.counts = grams, counts
        n1, n2, n3, n4 = (max(1, int((counts == c).sum())) for c in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        wanted = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        # counts of counts of a tiny text may ask for more than there is
        self.discounts = np.clip(wanted, [0, 0.1, 0.1, 0.1], [0, 1, 2, 3])
        self.histories, first = np.unique(grams // BASE, return_index=True)
        self.totals = np.add.reduceat(counts, first)
        freed = np.add.reduceat(self.discounts[np.minimum(counts, 3)], first)
        self.backoff = freed / self.totals

    def interpolate(self, grams, lower):
        """Probabilities of n-grams, given those of the order below."""
        at = np.minimum(np.searchsorted(self.grams, grams), len(self.grams) - 1)
        counts = np.where(self.grams[at] == grams, self.counts[at], 0)
        h = np.minimum(np.searchsorted(self.histories, grams // BASE), len(self.histories) - 1)
        seen = self.histories[h] == grams // BASE
        kept = np.maximum(counts - self.discounts[np.minimum(counts, 3)], 0) / self.totals[h]
        return np.where(seen, kept + self.backoff[h] * lower, lower)


def windows(tokens, n):
    """Every n consecutive tokens as one number."""
    tokens = np.asarray(tokens, np.int64)
    keys = np.zeros(len(tokens) - n + 1, np.int64)
    for i in range(n):
        keys = keys * BASE + tokens[i:len(tokens) - n + 1 + i]
    return keys
