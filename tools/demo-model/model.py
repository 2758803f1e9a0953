"""The demo model: DeepSeek-V3's architecture with a forward pass that trains well on a CPU.

Tokens are sorted by expert, so that each expert is one matrix product over its own tokens; transformers' class loops instead.
test_model.py shows that both give the same logits. Experts are stacked: gate_up [E, 2, I, H], down [E, H, I].
"""
import json
import math

import torch
import torch.nn.functional as F
from torch import nn

CONFIG = {
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "attention_bias": False, "attention_dropout": 0.0,
    "bos_token_id": 0, "eos_token_id": 1, "hidden_act": "silu", "hidden_size": 256, "initializer_range": 0.02,
    "intermediate_size": 512, "kv_lora_rank": 128, "q_lora_rank": 128, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16,
    "v_head_dim": 32, "num_hidden_layers": 5, "first_k_dense_replace": 1, "num_attention_heads": 8, "num_key_value_heads": 8,
    "moe_intermediate_size": 128, "moe_layer_freq": 1, "n_routed_experts": 16, "n_shared_experts": 1, "num_experts_per_tok": 4,
    "n_group": 4, "topk_group": 2, "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True,
    "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 0, "ep_size": 1, "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-6, "rope_theta": 10000,
    "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 256, "beta_fast": 32, "beta_slow": 1,
                     "mscale": 1.0, "mscale_all_dim": 1.0},
    "tie_word_embeddings": False, "torch_dtype": "bfloat16", "use_cache": True, "vocab_size": 4096,
}


def yarn_frequencies(c):
    """Rotation per position of each pair of the rope dimensions [rope / 2], after YaRN."""
    s, dim, base = c["rope_scaling"], c["qk_rope_head_dim"], c["rope_theta"]

    def correction(rotations):
        return dim * math.log(s["original_max_position_embeddings"] / (rotations * 2 * math.pi)) / (2 * math.log(base))

    low, high = max(math.floor(correction(s["beta_fast"])), 0), min(math.ceil(correction(s["beta_slow"])), dim - 1)
    ramp = ((torch.arange(dim // 2) - low) / max(high - low, 0.001)).clamp(0, 1)
    plain = base ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    return plain / s["factor"] * ramp + plain * (1 - ramp)


class Spread(torch.autograd.Function):
    """x [T, H] -> the rows of the sorted assignments [T*k, H]; the gradient sums each token's k rows without a scatter."""

    @staticmethod
    def forward(ctx, x, order, inverse, k):
        ctx.save_for_backward(inverse)
        ctx.k = k
        return x.index_select(0, order // k)

    @staticmethod
    def backward(ctx, g):
        (inverse,) = ctx.saved_tensors
        return g.index_select(0, inverse).view(-1, ctx.k, g.shape[-1]).sum(1), None, None, None


class Permute(torch.autograd.Function):
    """Rows in another order; the gradient by the inverse order."""

    @staticmethod
    def forward(ctx, x, index, inverse):
        ctx.save_for_backward(inverse)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx, g):
        (inverse,) = ctx.saved_tensors
        return g.index_select(0, inverse), None, None


class CrossEntropy(torch.autograd.Function):
    """Mean negative log-likelihood of targets [N] under logits [N, V] of any dtype, in float32; the gradient is made on the way
    forward, a few rows at a time, while they are in the cache."""

    @staticmethod
    def forward(ctx, logits, targets):
        gradient, total = torch.empty_like(logits), 0.0
        for rows, row_targets, out in zip(logits.split(128), targets.split(128), gradient.split(128)):
            rows, at = rows.float(), row_targets.unsqueeze(1)
            norm = rows.logsumexp(-1, keepdim=True)
            total += (norm - rows.gather(1, at)).sum(dtype=torch.float64)
            p = rows.sub_(norm).exp_()
            p.scatter_add_(1, at, torch.full_like(norm, -1.0))
            out.copy_(p.div_(len(targets)))
        ctx.save_for_backward(gradient)
        return (total / len(targets)).float()

    @staticmethod
    def backward(ctx, g):
        (gradient,) = ctx.saved_tensors
        return gradient * g.to(gradient.dtype), None


def swiglu(gate, up):
    return F.silu(gate) * up


class Mlp(nn.Module):
    def __init__(self, hidden, inner):
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(2, inner, hidden))
        self.down = nn.Parameter(torch.empty(hidden, inner))

    def forward(self, x):
        gate, up = F.linear(x, self.gate_up.to(x.dtype).flatten(0, 1)).chunk(2, -1)
        return F.linear(swiglu(gate, up), self.down.to(x.dtype))


class Moe(nn.Module):
    def __init__(self, c):
        super().__init__()
        experts, hidden, inner = c["n_routed_experts"], c["hidden_size"], c["moe_intermediate_size"]
        self.c = c
        self.gate = nn.Parameter(torch.empty(experts, hidden))
        self.gate_up = nn.Parameter(torch.empty(experts, 2, inner, hidden))
        self.down = nn.Parameter(torch.empty(experts, hidden, inner))
        self.shared = Mlp(hidden, inner * c["n_shared_experts"])
        self.register_buffer("bias", torch.zeros(experts))
        self.loads = []  # tokens per expert of each forward pass since the last balance()

    def route(self, x):
        """Experts and weights [T, k] of float tokens [T, H]: sigmoid scores, the choice corrected by the bias and limited to groups."""
        c = self.c
        scores = F.linear(x, self.gate.float()).sigmoid()
        with torch.no_grad():
            choice = scores + self.bias
            groups = choice.view(len(x), c["n_group"], -1)
            best = groups.topk(2, -1).values.sum(-1).topk(c["topk_group"], -1).indices
            kept = torch.zeros(len(x), c["n_group"], dtype=torch.bool).scatter_(1, best, True)
            choice = groups.masked_fill(~kept.unsqueeze(-1), float("-inf")).flatten(1)
            chosen = choice.topk(c["num_experts_per_tok"], -1).indices
        weights = scores.gather(1, chosen)
        return chosen, weights / (weights.sum(-1, keepdim=True) + 1e-20) * c["routed_scaling_factor"]

    def forward(self, x):
        shape = x.shape
        x = x.flatten(0, -2)
        chosen, weights = self.route(x.float())
        k = chosen.shape[1]
        order = chosen.flatten().argsort(stable=True)
        inverse = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
        counts = torch.bincount(chosen.flatten(), minlength=len(self.gate))
        self.loads.append(counts)
        rows = Spread.apply(x, order, inverse, k).split(counts.tolist())
        gate_up, down = self.gate_up.to(x.dtype).flatten(1, 2).unbind(0), self.down.to(x.dtype).unbind(0)
        out = torch.cat([F.linear(swiglu(*F.linear(r, a).chunk(2, -1)), b) for r, a, b in zip(rows, gate_up, down)])
        out = Permute.apply(out, inverse, order).view(-1, k, x.shape[-1])
        routed = torch.bmm(weights.to(x.dtype).unsqueeze(1), out).squeeze(1)
        return (routed + self.shared(x)).view(shape)

    @torch.no_grad()
    def balance(self, speed):
        """DeepSeek-V3's rule without an auxiliary loss: the bias of an overloaded expert falls, of an idle one rises.
        Returns the load [E] it acted on."""
        load = sum(self.loads).float()
        self.loads.clear()
        self.bias += speed * (load.mean() - load).sign()
        return load


class Attention(nn.Module):
    """Multi-head latent attention in its expanded form; rope on interleaved pairs."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        hidden, heads, nope, rope, v = (c["hidden_size"], c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"],
                                        c["v_head_dim"])
        self.q_a = nn.Parameter(torch.empty(c["q_lora_rank"], hidden))
        self.q_a_norm = nn.Parameter(torch.ones(c["q_lora_rank"]))
        self.q_b = nn.Parameter(torch.empty(heads * (nope + rope), c["q_lora_rank"]))
        self.kv_a = nn.Parameter(torch.empty(c["kv_lora_rank"] + rope, hidden))
        self.kv_a_norm = nn.Parameter(torch.ones(c["kv_lora_rank"]))
        self.kv_b = nn.Parameter(torch.empty(heads * (nope + v), c["kv_lora_rank"]))
        self.o = nn.Parameter(torch.empty(hidden, heads * v))
        s = c["rope_scaling"]
        mscale = 0.1 * s["mscale_all_dim"] * math.log(s["factor"]) + 1
        self.scale = (nope + rope) ** -0.5 * mscale * mscale

    def forward(self, x, rotation):
        c = self.c
        heads, nope, rope, v, eps = (c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"],
                                     c["rms_norm_eps"])
        batch, length, _ = x.shape
        weight = lambda p: p.to(x.dtype)
        q = F.linear(rms_norm(F.linear(x, weight(self.q_a)), self.q_a_norm, eps), weight(self.q_b))
        q = q.view(batch, length, heads, nope + rope)
        latent, k_rope = F.linear(x, weight(self.kv_a)).split([c["kv_lora_rank"], rope], -1)
        kv = F.linear(rms_norm(latent, self.kv_a_norm, eps), weight(self.kv_b)).view(batch, length, heads, nope + v)
        q = torch.cat([q[..., :nope], rotate(q[..., nope:], rotation)], -1)
        k_rope = rotate(k_rope.unsqueeze(2), rotation).expand(-1, -1, heads, -1)
        k = torch.cat([kv[..., :nope], k_rope], -1)
        # short windows: two plain products and a softmax take half the time of the fused kernel on a CPU
        q, k, values = (t.transpose(1, 2).flatten(0, 1) for t in (q, k, kv[..., nope:]))
        mask = torch.full((length, length), float("-inf"), dtype=x.dtype).triu(1)
        out = torch.bmm(torch.baddbmm(mask, q, k.mT, alpha=self.scale).softmax(-1), values)
        out = out.view(batch, heads, length, v).transpose(1, 2).flatten(2)
        return F.linear(out, weight(self.o))


def rms_norm(x, weight, eps):
    f = x.float()
    return (f * torch.rsqrt(f.square().mean(-1, keepdim=True) + eps) * weight).to(x.dtype)


def rotate(x, rotation):
    """x [B, T, h, rope], rotation (cos, sin) [T, 1, rope / 2]: each pair (2i, 2i + 1) turned."""
    cos, sin = rotation
    pairs = x.float().unflatten(-1, (-1, 2))
    a, b = pairs[..., 0], pairs[..., 1]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2).to(x.dtype)


class Layer(nn.Module):
    def __init__(self, c, dense):
        super().__init__()
        self.eps = c["rms_norm_eps"]
        self.input_norm = nn.Parameter(torch.ones(c["hidden_size"]))
        self.attention = Attention(c)
        self.post_norm = nn.Parameter(torch.ones(c["hidden_size"]))
        self.ffn = Mlp(c["hidden_size"], c["intermediate_size"]) if dense else Moe(c)

    def forward(self, x, rotation, dtype):
        x = x + self.attention(rms_norm(x, self.input_norm, self.eps).to(dtype), rotation)
        return x + self.ffn(rms_norm(x, self.post_norm, self.eps).to(dtype))


class Model(nn.Module):
    def __init__(self, c=CONFIG):
        super().__init__()
        self.c = c
        self.embed = nn.Parameter(torch.empty(c["vocab_size"], c["hidden_size"]))
        self.layers = nn.ModuleList(Layer(c, i < c["first_k_dense_replace"]) for i in range(c["num_hidden_layers"]))
        self.norm = nn.Parameter(torch.ones(c["hidden_size"]))
        self.head = nn.Parameter(torch.empty(c["vocab_size"], c["hidden_size"]))
        angles = torch.outer(torch.arange(c["max_position_embeddings"]).float(), yarn_frequencies(c)).unsqueeze(1)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def initialise(self, seed):
        """Embeddings of unit size, projections that keep it, and residual branches that start small."""
        g = torch.Generator().manual_seed(seed)
        for name, p in self.named_parameters():
            if p.dim() > 1:
                leaf = name.rsplit(".", 1)[-1]
                std = 1.0 if leaf == "embed" else p.shape[-1] ** -0.5 * (0.1 if leaf in ("o", "down", "head") else 0.7)
                p.data.normal_(0, std, generator=g)
        return self

    def hidden(self, ids, dtype):
        """ids [B, T] -> the normalised last hidden state [B, T, H]; matrix products in dtype, the residual stream in float32."""
        rotation = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        x = F.embedding(ids, self.embed)
        for layer in self.layers:
            x = layer(x, rotation, dtype)
        return rms_norm(x, self.norm, self.c["rms_norm_eps"]).to(dtype)

    def logits(self, ids, dtype=torch.float32):
        return F.linear(self.hidden(ids, dtype), self.head.to(dtype)).float()

    def loss(self, ids, targets, dtype):
        """Mean negative log-likelihood of targets [B, T]."""
        logits = F.linear(self.hidden(ids, dtype), self.head.to(dtype))
        return CrossEntropy.apply(logits.flatten(0, 1), targets.flatten())

    def moe_layers(self):
        return [layer.ffn for layer in self.layers if isinstance(layer.ffn, Moe)]

    def named_as_published(self):
        """The tensors under the names of the published checkpoints; views of the parameters."""
        t = {"model.embed_tokens.weight": self.embed, "model.norm.weight": self.norm, "lm_head.weight": self.head}

        def mlp(prefix, gate_up, down):
            t[prefix + "gate_proj.weight"], t[prefix + "up_proj.weight"] = gate_up.unbind(0)
            t[prefix + "down_proj.weight"] = down

        for i, layer in enumerate(self.layers):
            p, a = f"model.layers.{i}.", layer.attention
            t[p + "input_layernorm.weight"], t[p + "post_attention_layernorm.weight"] = layer.input_norm, layer.post_norm
            for name, tensor in (("q_a_proj", a.q_a), ("q_a_layernorm", a.q_a_norm), ("q_b_proj", a.q_b),
                                 ("kv_a_proj_with_mqa", a.kv_a), ("kv_a_layernorm", a.kv_a_norm), ("kv_b_proj", a.kv_b),
                                 ("o_proj", a.o)):
                t[f"{p}self_attn.{name}.weight"] = tensor
            if isinstance(layer.ffn, Mlp):
                mlp(p + "mlp.", layer.ffn.gate_up, layer.ffn.down)
                continue
            t[p + "mlp.gate.weight"], t[p + "mlp.gate.e_score_correction_bias"] = layer.ffn.gate, layer.ffn.bias
            for e in range(len(layer.ffn.gate)):
                mlp(f"{p}mlp.experts.{e}.", layer.ffn.gate_up[e], layer.ffn.down[e])
            mlp(p + "mlp.shared_experts.", layer.ffn.shared.gate_up, layer.ffn.shared.down)
        return {k: v.detach() for k, v in t.items()}


def save_checkpoint(model, folder):
    """Writes config.json, generation_config.json and model.safetensors in the layout of a published DeepSeek-V3: weights
    bfloat16, the correction bias float32."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(model.c, indent=1) + "\n")
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 1}) + "\n")
    tensors = {k: v.to(torch.float32 if k.endswith("_bias") else torch.bfloat16).clone(memory_format=torch.contiguous_format)
               for k, v in model.named_as_published().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def load_checkpoint(folder):
    """The model that save_checkpoint wrote, in float32."""
    from safetensors.torch import load_file

    model = Model(json.loads((folder / "config.json").read_text()))
    tensors = load_file(folder / "model.safetensors")
    targets = model.named_as_published()
    if tensors.keys() != targets.keys():
        raise ValueError(f"other tensors than this model's: {sorted(tensors.keys() ^ targets.keys())[:5]}")
    for name, target in targets.items():
        target.copy_(tensors[name])
    return model
