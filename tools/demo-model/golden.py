#!/usr/bin/env python3
"""Makes the golden file of the demo model: what transformers computes in float32, in the format of the other golden files.

usage: golden.py MODEL OUT       writes OUT/golden.json and OUT/golden.safetensors

Of every list of prompts the first whose choices are clear is taken: greedy gaps over 4e-3, router gaps over 2e-5 (float32 rounding
moves both by about 1e-6). golden.json also has the perplexity of the first tokens of MODEL/heldout.txt, under the rule of
`halcyon perplexity`.
"""
import json
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from evaluate import nats

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
from make_golden import greedy, router_gap  # noqa: E402

BOS = "<｜begin▁of▁sentence｜>"
STEPS = 24
BATCH_STEPS = 12
CONTEXT = 512
SLICE = 1536
PROMPTS = {
    "austen": ["It is a truth universally acknowledged, that", "Emma was very sorry to", "She was then interrupted by",
               "Mr. Darcy had never been so", "Elinor could not help", "Captain Wentworth was", "Her father was"],
    "bible": ["And it came to pass in those days, that", "Then said the LORD unto Moses,", "And the king said unto him,",
              "Blessed are they that", "And he went up from thence", "The word of the LORD came"],
    "devil": ["PATIENCE, n. A", "LAWYER, n. One", "KING, n. A", "HOPE, n. The", "MONEY, n. A", "FRIEND, n. A person"],
    "factbook": ["The economy depends on", "The country became independent in 1960", "The government has", "A small island in"],
    "one": [""],
}


@torch.no_grad()
def make(folder, out):
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                 experts_implementation="eager").eval()
    prompts, tensors, least_router = [], {}, math.inf
    for name, texts in PROMPTS.items():
        for text in texts:
            ids = encode(BOS + text)
            continued, gaps = greedy(model, ids, STEPS)
            full, router = router_gap(model, config, lambda: model(torch.tensor([ids + continued]), use_cache=False).logits[0])
            print(f"{name}: {text!r} greedy gap {min(gaps):.4f}, router gap {router:.6f}: {tokenizer.decode(continued)!r}",
                  flush=True)
            if min(gaps) > 4e-3 and router > 2e-5:
                break
        else:
            raise SystemExit(f"{name}: no prompt gave clear choices")
        logits = full[: len(ids)].contiguous()
        least_router = min(least_router, router)
        tensors[name + ".logits"] = logits
        prompts.append(dict(name=name, text=BOS + text, token_ids=ids, greedy_ids=continued, greedy_min_top1_top2_gap=min(gaps),
                            argmax_per_position=logits.argmax(-1).tolist()))
    short, long = prompts[0], prompts[1]
    n = min(len(short["token_ids"]), len(long["token_ids"]))
    rows = [short["token_ids"][:n], long["token_ids"][:n]]
    tensors["batch2.last_logits"] = torch.stack(
        [model(torch.tensor([r]), use_cache=False).logits[0, -1] for r in rows]).contiguous()
    held_out = encode((folder / "heldout.txt").read_text("utf-8"))[:SLICE]
    losses = nats(lambda ids: model(ids, use_cache=False).logits, held_out, CONTEXT, config["bos_token_id"])
    golden = dict(variant="demo", oracle="transformers eager float32, no cache", weights_bf16_exact=True, prompts=prompts,
                  softmax_scale=model.model.layers[0].self_attn.scaling, router_gap=least_router,
                  batch2=dict(token_ids=rows, greedy_ids=[greedy(model, r, BATCH_STEPS)[0] for r in rows]),
                  ragged2=dict(token_ids=[short["token_ids"], long["token_ids"]],
                               greedy_ids=[short["greedy_ids"][:BATCH_STEPS], long["greedy_ids"][:BATCH_STEPS]]),
                  perplexity=dict(text="heldout.txt", tokens=SLICE, context=CONTEXT, stride=CONTEXT,
                                  perplexity=math.exp(losses.mean())))
    out.mkdir(parents=True, exist_ok=True)
    (out / "golden.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", "utf-8")
    save_file(tensors, out / "golden.safetensors", metadata={"format": "pt"})
    print(json.dumps(golden["perplexity"]))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    make(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
