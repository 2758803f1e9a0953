#!/usr/bin/env python3
"""Trains the demo model: Muon for matrices, AdamW for the rest; the learning rate rises, stays and falls (RATE).

usage: train.py DATA WORK [--resume]      DATA is the folder that prepare.py wrote

Writes WORK/state.pt (everything needed to go on; also on SIGTERM, which ends the run) and WORK/log.csv. The constants are the
numbers of the shipped model. To train longer, move the last two points of RATE; a run may be resumed with another end as long
as its rate has not begun to fall. Matrix products run in bfloat16. Two threads take half a batch each and meet once a step,
which on a busy machine is far faster than meeting in every operator. Windows have 256 tokens, in the last steps 1024, so that
the positions which YaRN adds are trained too. Each window starts with the begin-of-sentence token.
"""
import argparse
import concurrent.futures
import math
import pathlib
import signal
import time

import numpy as np
import torch

from model import CONFIG, Model

SEED = 20260
BATCH = 4096  # tokens a step
# factors of the learning rates by step, linear in between: a second rise teaches the long windows
RATE = [(0, 0.0), (50, 1.0), (624, 1.0), (725, 0.7683), (830, 0.0), (840, 0.4), (889, 0.2367), (913, 0.0)]
STEPS = RATE[-1][0]
SHORT, LONG = 256, 1024
LONG_STEPS = 108  # the last steps, on long windows
MUON_RATE, EMBED_RATE, HEAD_RATE, OTHER_RATE = 5e-3, 1e-2, 3e-3, 3e-3
DECAY = 0.1  # weight decay
BALANCE = {0: 2e-3, 200: 5e-3}  # bias step of the load balancing, from a step on
THREADS = 2
BOS = CONFIG["bos_token_id"]


class Windows:
    """Batches of a token stream: each epoch cuts it at another offset and visits the pieces in another order."""

    def __init__(self, tokens, length, seed):
        self.tokens, self.length, self.seed = tokens, length, seed
        self.per_epoch = (len(tokens) - length) // length
        self.epoch = -1

    def batch(self, index):
        """inputs and targets [BATCH / length, length] of step index."""
        rows = BATCH // self.length
        targets = np.stack([self.piece(index * rows + r) for r in range(rows)])
        inputs = np.concatenate([np.full((rows, 1), BOS), targets[:, :-1]], 1)
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def piece(self, n):
        epoch, i = divmod(n, self.per_epoch)
        if epoch != self.epoch:
            g = np.random.default_rng([self.seed, epoch])
            self.epoch, self.offset, self.order = epoch, int(g.integers(self.length)), g.permutation(self.per_epoch)
        start = self.offset + int(self.order[i]) * self.length
        return self.tokens[start:start + self.length].astype(np.int64)


class Muon:
    """Momentum whose update is made orthogonal by five Newton-Schulz steps."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.momentum = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, rate, pool):
        list(pool.map(lambda pair: self.update(*pair, rate), zip(self.parameters, self.momentum)))

    @torch.no_grad()
    def update(self, p, m, rate):
        rows, columns = p.shape[-2:]
        m.lerp_(p.grad, 0.05)
        update = orthogonal(p.grad.lerp(m, 0.95).view(-1, rows, columns).bfloat16()).float().reshape(p.shape)
        p.mul_(1 - rate * DECAY).add_(update, alpha=-rate * 0.2 * max(rows, columns) ** 0.5)


def orthogonal(x):
    """The nearest semi-orthogonal matrices of x [n, r, c], roughly: the quintic iteration with Muon's coefficients."""
    wide = x if x.shape[1] <= x.shape[2] else x.mT
    wide = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = wide @ wide.mT
        b = torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315)
        wide = torch.baddbmm(wide, b, wide, beta=3.4445)
    return wide if x.shape[1] <= x.shape[2] else wide.mT


def rate_at(step):
    """The factor of the step that begins after `step` others; the first is not zero, and neither is the last."""
    return float(np.interp(step + (step < RATE[1][0]), *zip(*RATE)))


@torch.no_grad()
def held_out_loss(model, data, dtype=torch.bfloat16):
    """Mean loss per token over the first 32 windows of every held-out source."""
    total = []
    for path in sorted(data.glob("heldout-*.npy")):
        tokens = np.load(path).astype(np.int64)
        count = min(32, len(tokens) // SHORT)
        targets = tokens[: count * SHORT].reshape(count, SHORT)
        inputs = np.concatenate([np.full((count, 1), BOS), targets[:, :-1]], 1)
        total += [model.loss(torch.from_numpy(i), torch.from_numpy(t), dtype).item() * t.size
                  for i, t in zip(np.array_split(inputs, -(-count // 16)), np.array_split(targets, -(-count // 16)))]
        total.append(targets.size * 1j)
    total = sum(total)
    for moe in model.moe_layers():
        moe.loads.clear()
    return total.real / total.imag


def gradients(model, ids, targets, pool):
    """The loss; leaves the gradients in the parameters. Each thread differentiates its share of the batch."""
    parameters = list(model.parameters())

    def share(part):
        loss = model.loss(*part, torch.bfloat16)
        return loss.item(), torch.autograd.grad(loss, parameters)

    shares = list(pool.map(share, zip(ids.chunk(THREADS), targets.chunk(THREADS))))
    for p, *grads in zip(parameters, *(g for _, g in shares)):
        p.grad = sum(grads[1:], grads[0]).div_(THREADS)
    return sum(loss for loss, _ in shares) / THREADS


def main():
    a = argparse.ArgumentParser()
    a.add_argument("data", type=pathlib.Path)
    a.add_argument("work", type=pathlib.Path)
    a.add_argument("--resume", action="store_true")
    a = a.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    pool = concurrent.futures.ThreadPoolExecutor(THREADS)
    model = Model().initialise(SEED)
    named = dict(model.named_parameters())
    matrices = [n for n, p in named.items() if p.dim() > 1 and n not in ("embed", "head") and not n.endswith("ffn.gate")]
    muon = Muon([named[n] for n in matrices])
    groups = {EMBED_RATE: ["embed"], HEAD_RATE: ["head"]}
    groups.setdefault(OTHER_RATE, []).extend(n for n in named if n not in matrices and n not in ("embed", "head"))
    adam = torch.optim.AdamW([{"params": [named[n] for n in names], "lr": rate, "base": rate} for rate, names in groups.items()],
                             betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    step, start = 0, time.time()
    state = a.work / "state.pt"
    if a.resume:
        saved = torch.load(state)
        model.load_state_dict(saved["model"])
        adam.load_state_dict(saved["adam"])
        for m, s in zip(muon.momentum, saved["muon"]):
            m.copy_(s)
        step = saved["step"]

    def save():
        temporary = state.with_suffix(".tmp")
        torch.save({"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.momentum, "step": step}, temporary)
        temporary.replace(state)

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    tokens = np.load(a.data / "train.npy")
    short, long = Windows(tokens, SHORT, SEED), Windows(tokens, LONG, SEED + 1)
    log = open(a.work / "log.csv", "a" if a.resume else "w", buffering=1)
    if not a.resume:
        log.write("step,tokens,train_loss,heldout_loss,rate,least_load,seconds\n")
    losses, load, first = [], 0, step
    while step < STEPS and not stop:
        long_step = step - (STEPS - LONG_STEPS)
        ids, targets = long.batch(long_step) if long_step >= 0 else short.batch(step)
        factor = rate_at(step)
        balance = BALANCE[max(first for first in BALANCE if first <= step)]
        losses.append(gradients(model, ids, targets, pool))
        if not math.isfinite(losses[-1]):
            raise SystemExit(f"the loss of step {step} is {losses[-1]}")
        muon.step(MUON_RATE * factor, pool)
        for group in adam.param_groups:
            group["lr"] = group["base"] * factor
        adam.step()
        load = load + torch.stack([moe.balance(balance * factor) for moe in model.moe_layers()])
        step += 1
        if step % 50 == 0 or step == STEPS:
            least = (load.amin(1) / load.mean(1)).min().item()
            held = held_out_loss(model, a.data) if step % 200 == 0 or step == STEPS else float("nan")
            seconds = time.time() - start
            log.write(f"{step},{step * BATCH},{np.mean(losses):.4f},{held:.4f},{factor:.4f},{least:.3f},{seconds:.0f}\n")
            print(f"step {step}: loss {np.mean(losses):.4f}, held out {held:.4f}, least expert {least:.2f} of the mean, "
                  f"{(step - first) * BATCH / seconds:.0f} tokens/s", flush=True)
            losses, load = [], 0
        if step % 200 == 0:
            save()
    save()


if __name__ == "__main__":
    main()
