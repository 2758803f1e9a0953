#!/usr/bin/env python3
"""Plots the loss curve. usage: plot.py LOG.csv OUT.png"""
import csv
import math
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def main(log, out):
    with open(log) as f:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(f)]
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    axes.plot([r["tokens"] / 1e6 for r in rows], [r["train_loss"] for r in rows], label="training")
    held = [r for r in rows if not math.isnan(r["heldout_loss"])]
    axes.plot([r["tokens"] / 1e6 for r in held], [r["heldout_loss"] for r in held], "o-", label="held out")
    decay = [r["tokens"] / 1e6 for r in rows if r["rate"] < 1]
    if decay:
        axes.axvline(decay[0], color="grey", linewidth=0.8, linestyle="--", label="decay begins")
    axes.set(xlabel="million tokens", ylabel="nats per token")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(out, dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
