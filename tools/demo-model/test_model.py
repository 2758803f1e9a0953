#!/usr/bin/env python3
"""Proves the training model equal to transformers' DeepseekV3ForCausalLM. Run: python3 test_model.py [MODEL_DIR]

Without a folder: random weights of the demo's shape, with a correction bias that changes choices.
"""
import math
import pathlib
import sys
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from model import CONFIG, CrossEntropy, Model, load_checkpoint, save_checkpoint
from ngram import KneserNey


@torch.no_grad()
def check_equal(folder):
    ours = load_checkpoint(folder).eval()
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    assert type(theirs).__name__ == "DeepseekV3ForCausalLM"
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    ids = torch.randint(3, CONFIG["vocab_size"], (2, 700), generator=torch.Generator().manual_seed(1))
    expected = theirs(ids, use_cache=False).logits
    actual = ours.logits(ids)
    difference = (expected - actual).abs().max().item()
    print(f"largest difference of a logit: {difference:.2e} (logits have a standard deviation of {expected.std():.2f})")
    assert difference < 1e-4
    half = ours.logits(ids, torch.bfloat16)
    assert (half - expected).abs().mean() < 0.1 * expected.std(), "bfloat16 training arithmetic is far off"


def check_random():
    model = Model().initialise(7)
    g = torch.Generator().manual_seed(8)
    for moe in model.moe_layers():
        moe.bias.copy_(0.3 * torch.randn(moe.bias.shape, generator=g))
    for name, p in model.named_parameters():
        if p.dim() == 1:
            p.data.add_(0.1 * torch.randn(p.shape, generator=g))
        elif name.rsplit(".", 1)[-1] in ("o", "down", "head"):
            p.data.mul_(10)
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(model, pathlib.Path(folder))
        check_equal(pathlib.Path(folder))


def check_gradients():
    """The gradients of the expert permutations equal those of plain indexing."""
    c = dict(CONFIG, num_hidden_layers=2, vocab_size=64)
    model = Model(c).initialise(3)
    moe = model.moe_layers()[0]
    moe.down.data.mul_(10)
    x = torch.randn(40, c["hidden_size"], generator=torch.Generator().manual_seed(4), requires_grad=True)
    moe(x).square().sum().backward()
    actual, actual_down = x.grad.clone(), moe.down.grad.clone()
    x.grad, moe.down.grad = None, None
    chosen, weights = moe.route(x)
    out = moe.shared(x)
    for e in range(c["n_routed_experts"]):
        token, slot = (chosen == e).nonzero(as_tuple=True)
        gate, up = (x[token] @ w.T for w in moe.gate_up[e])
        y = (torch.nn.functional.silu(gate) * up) @ moe.down[e].T
        out = out.index_add(0, token, y * weights[token, slot].unsqueeze(1))
    out.square().sum().backward()
    assert torch.allclose(actual, x.grad, rtol=1e-4, atol=1e-4), (actual - x.grad).abs().max()
    assert torch.allclose(actual_down, moe.down.grad, rtol=1e-4, atol=1e-4)


def check_loss():
    logits = torch.randn(300, 50, generator=torch.Generator().manual_seed(2), requires_grad=True)
    targets = torch.arange(300) % 50
    expected = torch.nn.functional.cross_entropy(logits, targets)
    (gradient,) = torch.autograd.grad(expected, logits)
    actual = CrossEntropy.apply(logits, targets)
    assert abs(actual - expected) < 1e-5
    assert torch.allclose(torch.autograd.grad(3 * actual, logits)[0], 3 * gradient, atol=1e-6)


def check_ngrams():
    """The probabilities after any history sum to one, and a repeated text is well predicted."""
    tokens = np.random.default_rng(5).integers(0, 6, 400)
    model = KneserNey(tokens, 3)
    for history in ([1, 2], [5, 5], [4, 9]):
        total = sum(math.exp(model.log_probabilities(np.array(history + [w]))[-1]) for w in range(4096))
        assert abs(total - 1) < 1e-9, total
    repeated = np.tile([7, 8, 9, 10], 100)
    assert KneserNey(repeated, 3).log_probabilities(repeated)[2:].mean() > math.log(0.9)
    other = np.random.default_rng(6).permutation(repeated)
    assert KneserNey(repeated, 3).log_probabilities(other).mean() < math.log(0.5)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        check_equal(pathlib.Path(sys.argv[1]))
    else:
        check_random()
        check_gradients()
        check_loss()
        check_ngrams()
    print("passed")
