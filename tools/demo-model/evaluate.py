#!/usr/bin/env python3
"""Evaluates the demo model: perplexity per held-out source beside n-gram models of the same data, and the expert load.

usage: evaluate.py DATA MODEL [--json FILE] [--context N]     DATA is prepare.py's folder, MODEL a folder in Hugging Face layout

Perplexity is computed in float32 under the rule of `halcyon perplexity`: windows of --context positions side by side, the
begin-of-sentence token first, every token scored once. The forward pass is the training one, which test_model.py MODEL proves
equal to transformers'.
"""
import argparse
import json
import math
import pathlib

import numpy as np
import torch
from tokenizers import Tokenizer
from model import load_checkpoint
from ngram import KneserNey

SOURCES = ["austen", "bible", "devil", "factbook"]


@torch.no_grad()
def nats(logits_of, ids, context, bos):
    """Negative log-likelihood [len(ids)] of every token in windows of context positions; logits_of maps ids [1, T] to [1, T, V]."""
    out = []
    for at in range(0, len(ids), context):
        piece = ids[at:at + context]
        logits = logits_of(torch.tensor([[bos] + piece[:-1]]))[0].double()
        out.append(-logits.log_softmax(-1).gather(1, torch.tensor(piece).unsqueeze(1)).squeeze(1))
    return torch.cat(out).numpy()


def main():
    a = argparse.ArgumentParser()
    a.add_argument("data", type=pathlib.Path)
    a.add_argument("model", type=pathlib.Path)
    a.add_argument("--json", type=pathlib.Path)
    a.add_argument("--context", type=int, default=512)
    a = a.parse_args()
    config = json.loads((a.model / "config.json").read_text())
    bos = config["bos_token_id"]
    tokenizer = Tokenizer.from_file(str(a.model / "tokenizer.json"))
    model = load_checkpoint(a.model)
    train = np.load(a.data / "train.npy")
    grams = {order: KneserNey(train, order) for order in (3, 5)}
    result = {"context": a.context, "sources": {}}
    texts = {s: (a.data / "heldout" / f"{s}.txt").read_text("utf-8") for s in SOURCES}
    texts["all"] = (a.data / "heldout.txt").read_text("utf-8")
    for name, text in texts.items():
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        for moe in model.moe_layers():
            moe.loads.clear()
        values = nats(model.logits, ids, a.context, bos)
        row = {"tokens": len(ids), "bytes": len(text.encode()), "perplexity": math.exp(values.mean()),
               "bits_per_byte": values.sum() / math.log(2) / len(text.encode())}
        for order, gram in grams.items():
            row[f"kneser_ney_{order}"] = math.exp(-gram.log_probabilities(ids).mean())
        result["sources"][name] = row
        print(name, json.dumps(row), flush=True)
    # of the last text, which is all of them
    load = torch.stack([sum(moe.loads) for moe in model.moe_layers()]).float().numpy()
    share = load / load.mean(1, keepdims=True)
    result["expert_load"] = [[round(float(x), 3) for x in row] for row in share]
    for layer, row in enumerate(share):
        print(f"expert load of MoE layer {layer}: least {row.min():.2f}, most {row.max():.2f} of the mean")
    if a.json:
        a.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
