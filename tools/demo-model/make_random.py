#!/usr/bin/env python3
"""Makes the packaged demo checkpoint: a tiny DeepSeek-V3 with random weights.

Usage: make_random.py TOKENIZER_DIR OUT_DIR

TOKENIZER_DIR holds tokenizer.json and tokenizer_config.json. The seed is fixed, so the files come out the same each time.
Weights are scaled so that activations stay near 1 and logits spread with a standard deviation near 2; seeds are tried until
the greedy continuations of a few prompts keep a clear distance between the best two tokens, which makes the model useful for
comparing devices. Needs numpy.
"""
import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np

CONFIG = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "attention_bias": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "hidden_act": "silu",
    "hidden_size": 128,
    "intermediate_size": 384,
    "kv_lora_rank": 64,
    "q_lora_rank": 96,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "num_hidden_layers": 4,
    "first_k_dense_replace": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "moe_intermediate_size": 32,
    "moe_layer_freq": 1,
    "n_routed_experts": 16,
    "n_shared_experts": 1,
    "num_experts_per_tok": 4,
    "n_group": 4,
    "topk_group": 2,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "num_nextn_predict_layers": 0,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 128,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 512,
}
PROMPTS = ([0, 500, 17, 42, 99, 501], [0, 5], [0, 500, 300, 301, 302, 303, 304, 305, 306, 307, 501, 495])
STEPS = 32
MIN_GAP = 0.02


def bf16(x):
    """Rounds to bfloat16, nearest even; returns the bits and the rounded values."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    high = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return high, (high.astype(np.uint32) << 16).view(np.float32)


def weights(seed):
    c, rng = CONFIG, np.random.default_rng(seed)
    h, heads = c["hidden_size"], c["num_attention_heads"]
    nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    q, kv, experts = c["q_lora_rank"], c["kv_lora_rank"], c["n_routed_experts"]
    out = {}

    def linear(name, rows, cols, gain=1.0):
        out[name + ".weight"] = rng.normal(0, gain / math.sqrt(cols), (rows, cols))

    def norm(name, size):
        out[name + ".weight"] = 1 + rng.normal(0, 0.1, size)

    def mlp(name, inner):
        linear(name + ".gate_proj", inner, h, 1.4)
        linear(name + ".up_proj", inner, h, 1.4)
        linear(name + ".down_proj", h, inner)

    out["model.embed_tokens.weight"] = rng.normal(0, 1, (c["vocab_size"], h))
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        norm(p + "input_layernorm", h)
        linear(p + "self_attn.q_a_proj", q, h)
        norm(p + "self_attn.q_a_layernorm", q)
        linear(p + "self_attn.q_b_proj", heads * (nope + rope), q, 1.4)
        linear(p + "self_attn.kv_a_proj_with_mqa", kv + rope, h)
        norm(p + "self_attn.kv_a_layernorm", kv)
        linear(p + "self_attn.kv_b_proj", heads * (nope + v), kv, 1.4)
        linear(p + "self_attn.o_proj", h, heads * v)
        norm(p + "post_attention_layernorm", h)
        if i < c["first_k_dense_replace"]:
            mlp(p + "mlp", c["intermediate_size"])
            continue
        linear(p + "mlp.gate", experts, h, 1.5)
        out[p + "mlp.gate.e_score_correction_bias"] = rng.normal(0, 0.05, experts)
        for e in range(experts):
            mlp(f"{p}mlp.experts.{e}", c["moe_intermediate_size"])
        mlp(p + "mlp.shared_experts", c["moe_intermediate_size"] * c["n_shared_experts"])
    norm("model.norm", h)
    linear("lm_head", c["vocab_size"], h, 2.0)
    return out


def inverse_frequencies():
    c, s = CONFIG, CONFIG["rope_scaling"]
    dim, base = c["qk_rope_head_dim"], c["rope_theta"]

    def correction(rotations):
        return dim * math.log(s["original_max_position_embeddings"] / (rotations * 2 * math.pi)) / (2 * math.log(base))

    low = max(math.floor(correction(s["beta_fast"])), 0)
    high = min(math.ceil(correction(s["beta_slow"])), dim - 1)
    i = np.arange(dim // 2)
    f = base ** (-2.0 * i / dim)
    ramp = np.clip((i - low) / ((high - low) or 0.001), 0, 1)
    return f / s["factor"] * ramp + f * (1 - ramp)


def logits_of_last(w, ids):
    """Straightforward forward pass in float64: logits after the last of the ids."""
    c = CONFIG
    heads, nope, rope, v = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    t = len(ids)

    def rms(x, name, eps=1e-6):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w[name + ".weight"]

    def lin(x, name):
        return x @ w[name + ".weight"].T

    def mlp(x, name):
        g = lin(x, name + ".gate_proj")
        return lin(g / (1 + np.exp(-g)) * lin(x, name + ".up_proj"), name + ".down_proj")

    angle = np.outer(np.arange(t), inverse_frequencies())

    def rotate(x):
        shape = [t] + [1] * (x.ndim - 2) + [rope // 2]
        cos, sin = np.cos(angle).reshape(shape), np.sin(angle).reshape(shape)
        even, odd = x[..., 0::2], x[..., 1::2]
        return np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)

    s = c["rope_scaling"]
    scale = (nope + rope) ** -0.5 * (0.1 * s["mscale_all_dim"] * math.log(s["factor"]) + 1) ** 2
    x = w["model.embed_tokens.weight"][ids]
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        a = rms(x, p + "input_layernorm")
        q = lin(rms(lin(a, p + "self_attn.q_a_proj"), p + "self_attn.q_a_layernorm"), p + "self_attn.q_b_proj")
        q = q.reshape(t, heads, nope + rope)
        kv = lin(a, p + "self_attn.kv_a_proj_with_mqa")
        latent = rms(kv[:, : c["kv_lora_rank"]], p + "self_attn.kv_a_layernorm")
        k_rope = rotate(kv[:, c["kv_lora_rank"] :])
        kv = lin(latent, p + "self_attn.kv_b_proj").reshape(t, heads, nope + v)
        score = np.einsum("thd,shd->hts", q[..., :nope], kv[..., :nope])
        score = (score + np.einsum("thd,sd->hts", rotate(q[..., nope:]), k_rope)) * scale
        score = np.where(np.tril(np.ones((t, t), bool)), score, -np.inf)
        prob = np.exp(score - score.max(-1, keepdims=True))
        prob /= prob.sum(-1, keepdims=True)
        x = x + lin(np.einsum("hts,shd->thd", prob, kv[..., nope:]).reshape(t, -1), p + "self_attn.o_proj")
        a = rms(x, p + "post_attention_layernorm")
        if layer < c["first_k_dense_replace"]:
            x = x + mlp(a, p + "mlp")
            continue
        sigmoid = 1 / (1 + np.exp(-lin(a, p + "mlp.gate")))
        choice = sigmoid + w[p + "mlp.gate.e_score_correction_bias"]
        y = mlp(a, p + "mlp.shared_experts")
        for row in range(t):
            groups = choice[row].reshape(c["n_group"], -1)
            best = np.argsort(-np.sort(groups, -1)[:, -2:].sum(-1), kind="stable")[: c["topk_group"]]
            allowed = np.where(np.isin(np.arange(c["n_group"]), best)[:, None], groups, -np.inf).ravel()
            chosen = np.argsort(-allowed, kind="stable")[: c["num_experts_per_tok"]]
            share = sigmoid[row, chosen] / (sigmoid[row, chosen].sum() + 1e-20) * c["routed_scaling_factor"]
            for e, weight in zip(chosen, share):
                y[row] += weight * mlp(a[row], f"{p}mlp.experts.{e}")
        x = x + y
    return lin(rms(x[-1], "model.norm"), "lm_head")


def smallest_gap(w):
    smallest, deviation, distinct = math.inf, [], set()
    for prompt in PROMPTS:
        ids = list(prompt)
        for _ in range(STEPS):
            logits = logits_of_last(w, ids)
            first, second = np.argsort(-logits)[:2]
            smallest = min(smallest, logits[first] - logits[second])
            deviation.append(logits.std())
            distinct.add(int(first))
            ids.append(int(first))
            if first == CONFIG["eos_token_id"] or smallest < MIN_GAP:
                break
    return smallest, float(np.mean(deviation)), len(distinct)


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(data.shape), "data_offsets": [at, at + data.nbytes]}
        at += data.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for _, data in tensors.values():
            out.write(data.tobytes())


def main():
    tokenizer, target = Path(sys.argv[1]), Path(sys.argv[2])
    for seed in range(1, 200):
        stored, exact = {}, {}
        for name, value in sorted(weights(seed).items()):
            if name.endswith("e_score_correction_bias"):
                stored[name] = ("F32", value.astype("<f4"))
                exact[name] = value.astype(np.float32).astype(np.float64)
            else:
                bits, rounded = bf16(value)
                stored[name] = ("BF16", bits.astype("<u2"))
                exact[name] = rounded.astype(np.float64)
        gap, deviation, distinct = smallest_gap(exact)
        if gap >= MIN_GAP:
            break
    target.mkdir(parents=True, exist_ok=True)
    write_safetensors(target / "model.safetensors", stored)
    (target / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (target / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 1}, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, target / name)
    size = (target / "model.safetensors").stat().st_size
    print(f"seed {seed}: {size} bytes, logits std {deviation:.2f}, smallest greedy gap {gap:.4f}, {distinct} distinct tokens")


if __name__ == "__main__":
    main()
