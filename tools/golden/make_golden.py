#!/usr/bin/env python3
"""Makes golden vectors of tiny random DeepSeek-family models with awkward dimensions, using transformers as reference.

usage: make_golden.py TOKENIZER_DIR OUT_DIR        (torch 2.13, transformers 5.18, safetensors)

Writes OUT_DIR/<variant>/{bf16/*, golden.json, golden.safetensors} in the format of the other golden files. All weights are
exactly representable in bf16; logits are computed in float32. Seeds are searched so that the smallest greedy gap exceeds
4e-3 and the smallest router gap 1e-4, which makes token-for-token comparison meaningful.
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

COMMON = dict(attention_bias=False, attention_dropout=0.0, bos_token_id=0, eos_token_id=1, hidden_act="silu",
              initializer_range=0.02, moe_layer_freq=1, tie_word_embeddings=False, torch_dtype="bfloat16", use_cache=True,
              rms_norm_eps=1e-6)

VARIANTS = {
    # odd head count, 5 groups of 3 experts, rope 12, hidden 84, new-style rope_parameters
    "odd-v3-tiny": dict(
        COMMON, architectures=["DeepseekV3ForCausalLM"], model_type="deepseek_v3", hidden_size=84, intermediate_size=134,
        num_hidden_layers=3, first_k_dense_replace=1, num_attention_heads=3, num_key_value_heads=3, q_lora_rank=20,
        kv_lora_rank=28, qk_nope_head_dim=10, qk_rope_head_dim=12, v_head_dim=14, moe_intermediate_size=18,
        n_routed_experts=15, n_shared_experts=1, num_experts_per_tok=4, n_group=5, topk_group=2, topk_method="noaux_tc",
        scoring_func="sigmoid", norm_topk_prob=True, routed_scaling_factor=1.7, max_position_embeddings=2560,
        vocab_size=517, rope_theta=10000.0,
        rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=40, original_max_position_embeddings=64,
                             beta_fast=32, beta_slow=1, mscale=1.0, mscale_all_dim=1.0)),
    # seven experts, three shared, two dense layers, rope 20, hidden 100, five heads, no YaRN
    "odd-v2lite-tiny": dict(
        COMMON, architectures=["DeepseekV2ForCausalLM"], model_type="deepseek_v2", hidden_size=100, intermediate_size=154,
        num_hidden_layers=4, first_k_dense_replace=2, num_attention_heads=5, num_key_value_heads=5, q_lora_rank=None,
        kv_lora_rank=36, qk_nope_head_dim=6, qk_rope_head_dim=20, v_head_dim=22, moe_intermediate_size=26,
        n_routed_experts=7, n_shared_experts=3, num_experts_per_tok=2, n_group=1, topk_group=1, topk_method="greedy",
        scoring_func="softmax", norm_topk_prob=False, routed_scaling_factor=1.0, max_position_embeddings=1024,
        vocab_size=512, rope_theta=25000.0, rope_scaling=None),
    # group-limited greedy over 3 groups of 5, one head
    "odd-v2-tiny": dict(
        COMMON, architectures=["DeepseekV2ForCausalLM"], model_type="deepseek_v2", hidden_size=60, intermediate_size=90,
        num_hidden_layers=3, first_k_dense_replace=1, num_attention_heads=1, num_key_value_heads=1, q_lora_rank=33,
        kv_lora_rank=18, qk_nope_head_dim=8, qk_rope_head_dim=6, v_head_dim=9, moe_intermediate_size=21,
        n_routed_experts=15, n_shared_experts=1, num_experts_per_tok=5, n_group=3, topk_group=2,
        topk_method="group_limited_greedy", scoring_func="softmax", norm_topk_prob=False, routed_scaling_factor=16.0,
        max_position_embeddings=2560, vocab_size=512, rope_theta=10000.0,
        rope_scaling=dict(type="yarn", factor=40, original_max_position_embeddings=64, beta_fast=32, beta_slow=1,
                          mscale=0.707, mscale_all_dim=0.707)),
}

PROMPTS = {
    "chat": "<｜begin▁of▁sentence｜><｜User｜>What is 17 * 23?<｜Assistant｜>",
    "plain": "<｜begin▁of▁sentence｜>It is a truth universally acknowledged",
    "one": "<｜begin▁of▁sentence｜>",
    "code": "<｜begin▁of▁sentence｜>for (int i = 0; i < n; i++) { s += x[i]; }",
}
STEPS = 24


def weights(c, seed):
    g = torch.Generator().manual_seed(seed)

    def w(*shape, std=None):
        std = std if std is not None else 1.3 / shape[-1] ** 0.5
        return (torch.randn(*shape, generator=g) * std).to(torch.bfloat16)

    def norm(n):
        return (1 + 0.1 * torch.randn(n, generator=g)).to(torch.bfloat16)

    h, heads = c["hidden_size"], c["num_attention_heads"]
    qk, v, kv = c["qk_nope_head_dim"] + c["qk_rope_head_dim"], c["v_head_dim"], c["kv_lora_rank"]
    t = {"model.embed_tokens.weight": w(c["vocab_size"], h, std=1.0), "model.norm.weight": norm(h),
         "lm_head.weight": w(c["vocab_size"], h, std=2.2 / h ** 0.5)}

    def mlp(prefix, inter):
        t[prefix + "gate_proj.weight"] = w(inter, h)
        t[prefix + "up_proj.weight"] = w(inter, h)
        t[prefix + "down_proj.weight"] = w(h, inter)

    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        t[p + "input_layernorm.weight"] = norm(h)
        t[p + "post_attention_layernorm.weight"] = norm(h)
        a = p + "self_attn."
        if c["q_lora_rank"]:
            t[a + "q_a_proj.weight"] = w(c["q_lora_rank"], h)
            t[a + "q_a_layernorm.weight"] = norm(c["q_lora_rank"])
            t[a + "q_b_proj.weight"] = w(heads * qk, c["q_lora_rank"])
        else:
            t[a + "q_proj.weight"] = w(heads * qk, h)
        t[a + "kv_a_proj_with_mqa.weight"] = w(kv + c["qk_rope_head_dim"], h)
        t[a + "kv_a_layernorm.weight"] = norm(kv)
        t[a + "kv_b_proj.weight"] = w(heads * (c["qk_nope_head_dim"] + v), kv)
        t[a + "o_proj.weight"] = w(h, heads * v)
        if i < c["first_k_dense_replace"]:
            mlp(p + "mlp.", c["intermediate_size"])
            continue
        t[p + "mlp.gate.weight"] = w(c["n_routed_experts"], h, std=1.5 / h ** 0.5)
        if c["topk_method"] == "noaux_tc":
            t[p + "mlp.gate.e_score_correction_bias"] = 0.2 * torch.randn(c["n_routed_experts"], generator=g)
        for e in range(c["n_routed_experts"]):
            mlp(f"{p}mlp.experts.{e}.", c["moe_intermediate_size"])
        mlp(p + "mlp.shared_experts.", c["n_shared_experts"] * c["moe_intermediate_size"])
    return {k: x.contiguous() for k, x in t.items()}


def router_gap(model, c, logits_of):
    """Smallest distance between the last chosen and the first rejected expert or group."""
    gaps, hooks = [], []

    def on(module, args, out):
        x = args[0].reshape(-1, args[0].shape[-1]).float()
        scores = x @ module.weight.float().T
        scores = scores.sigmoid() if c["scoring_func"] == "sigmoid" else scores.softmax(-1)
        bias = getattr(module, "e_score_correction_bias", None)
        choice = scores + bias if bias is not None else scores
        if c["n_group"] > 1 and c["topk_method"] != "greedy":
            grouped = choice.view(len(choice), c["n_group"], -1)
            rank = grouped.topk(2, -1).values.sum(-1) if bias is not None else grouped.max(-1).values
            top = rank.sort(-1, descending=True).values
            gaps.append((top[:, c["topk_group"] - 1] - top[:, c["topk_group"]]).min().item())
            keep = torch.zeros_like(rank).scatter(1, rank.topk(c["topk_group"], -1).indices, 1)
            choice = grouped.masked_fill(keep.unsqueeze(-1) == 0, float("-inf")).flatten(1)
        top = choice.sort(-1, descending=True).values
        k = c["num_experts_per_tok"]
        gap = top[:, k - 1] - top[:, k]
        gaps.append(gap[gap.isfinite()].min().item() if gap.isfinite().any() else 1.0)

    for name, m in model.named_modules():
        if name.endswith("mlp.gate"):
            hooks.append(m.register_forward_hook(on))
    result = logits_of()
    for handle in hooks:
        handle.remove()
    return result, min(gaps)


@torch.no_grad()
def greedy(model, ids, steps):
    """The continuation, computed without a cache, with its top-1 to top-2 gaps."""
    ids, gaps = list(ids), []
    start = len(ids)
    for _ in range(steps):
        logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        top = logits.topk(2).values
        gaps.append((top[0] - top[1]).item())
        ids.append(int(logits.argmax()))
    return ids[start:], gaps


@torch.no_grad()
def make(name, c, tokenizer_dir, out):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir)
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
    for seed in range(1000, 1400):
        target = out / name / "bf16"
        shutil.rmtree(out / name, ignore_errors=True)
        target.mkdir(parents=True)
        (target / "config.json").write_text(json.dumps(c, indent=1))
        for f in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(pathlib.Path(tokenizer_dir) / f, target / f)
        save_file(weights(c, seed), target / "model.safetensors", metadata={"format": "pt"})
        model = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32, attn_implementation="eager",
                                                     experts_implementation="eager").eval()
        prompts, tensors, smallest, router = [], {}, 1e9, 1e9
        for p, text in PROMPTS.items():
            ids = encode(text)
            continued, gaps = greedy(model, ids, STEPS)
            full, gap = router_gap(model, c, lambda: model(torch.tensor([ids + continued]), use_cache=False).logits[0])
            logits = full[: len(ids)].contiguous()
            smallest, router = min(smallest, min(gaps)), min(router, gap)
            tensors[p + ".logits"] = logits
            prompts.append(dict(name=p, text=text, token_ids=ids, greedy_ids=continued,
                                greedy_min_top1_top2_gap=min(gaps), argmax_per_position=logits.argmax(-1).tolist()))
        if smallest > 4e-3 and router > 1e-4:
            break
    else:
        raise SystemExit(f"{name}: no seed gave clear gaps")
    by_name = {p["name"]: p for p in prompts}
    short, long = by_name["plain"], by_name["code"]
    n = min(len(short["token_ids"]), len(long["token_ids"]))
    rows = [short["token_ids"][:n], long["token_ids"][:n]]
    batch = [greedy(model, r, 12)[0] for r in rows]
    tensors["batch2.last_logits"] = torch.stack(
        [model(torch.tensor([r]), use_cache=False).logits[0, -1] for r in rows]).contiguous()
    scale = model.model.layers[0].self_attn.scaling
    golden = dict(variant=name, oracle="transformers eager float32, no cache", seed=seed, weights_bf16_exact=True,
                  prompts=prompts, softmax_scale=scale, router_gap=router,
                  batch2=dict(token_ids=rows, greedy_ids=batch),
                  ragged2=dict(token_ids=[short["token_ids"], long["token_ids"]],
                               greedy_ids=[short["greedy_ids"][:12], long["greedy_ids"][:12]]))
    (out / name / "golden.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False))
    save_file(tensors, out / name / "golden.safetensors", metadata={"format": "pt"})
    print(f"{name}: seed {seed}, greedy gap {smallest:.4f}, router gap {router:.5f}, logits std "
          f"{tensors['code.logits'].std():.2f}, softmax scale {scale:.6f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for variant, config in VARIANTS.items():
        make(variant, config, sys.argv[1], pathlib.Path(sys.argv[2]))
