"""Shared parts of the reference tools: a float64 run of a transformers model, and its disturbances.

`model.double()` alone is not a float64 run: transformers computes norms, RoPE angles and the softmax
in float32 whatever the weights are. `exact_model` replaces those three, and nothing else, so the wiring
of the network stays transformers' own.
"""

import dataclasses
import types

import numpy as np
import torch
import transformers
from transformers import AttentionInterface, AutoModelForCausalLM

EXACT_ATTENTION = "float64_eager"


@dataclasses.dataclass(frozen=True)
class Disturb:
    """A deliberate fault. The default value is the faultless model."""

    rope: bool = True  # False: queries and keys are not rotated
    theta_factor: float = 1.0
    scale_factor: float = 1.0  # on 1/sqrt(head_dim)
    head_map: str = "grouped"  # grouped: kv head = q // (heads / kv_heads); modulo: kv head = q % kv_heads
    interleaved_rope: bool = False  # rotates dims (2i, 2i+1) instead of (i, i + head_dim / 2)
    biases: bool = True


def exact_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **_):
    """Causal softmax attention in the precision of its inputs; keeps the mean largest weight per layer."""
    disturb = module.disturb
    heads, kv_heads = query.shape[1], key.shape[1]
    group = heads // kv_heads
    if disturb.head_map == "grouped":
        source = torch.arange(heads) // group
    else:
        source = torch.arange(heads) % kv_heads
    scores = query @ key[:, source].transpose(2, 3) * (scaling * disturb.scale_factor)
    rows, columns = scores.shape[-2:]
    position = torch.arange(columns - rows, columns)
    scores = scores.masked_fill(torch.arange(columns) > position[:, None], -torch.inf)
    weights = torch.softmax(scores, dim=-1)
    far = position >= 16  # a row of few keys is peaked for free
    if far.any():
        module.attention_peak = weights[:, :, far].amax(-1).mean().item()
    return (weights @ value[:, source]).transpose(1, 2).contiguous(), weights


AttentionInterface.register(EXACT_ATTENTION, exact_attention)


class ExactRope(torch.nn.Module):
    def __init__(self, head_dim: int, theta: float, disturb: Disturb):
        super().__init__()
        exponent = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
        self.frequency = (theta * disturb.theta_factor) ** -exponent
        self.rope = disturb.rope

    def forward(self, x, position_ids):
        angle = position_ids[:, :, None].double() * self.frequency * float(self.rope)
        angle = torch.cat((angle, angle), dim=-1)
        return angle.cos().to(x.dtype), angle.sin().to(x.dtype)


def exact_norm(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def rotate_half_rows(head_dim: int) -> np.ndarray:
    """Row order r of one head with w_half = w_interleaved[r]: pairs (2i, 2i+1) move to (i, i + head_dim / 2)."""
    return np.arange(head_dim).reshape(head_dim // 2, 2).T.reshape(-1)


def interleave_rope(model):
    """Makes the rotation meet rows (2i, 2i+1), as a reader that mixes up the two RoPE layouts would."""
    head_dim = model.model.layers[0].self_attn.head_dim
    for layer in model.model.layers:
        for linear in (layer.self_attn.q_proj, layer.self_attn.k_proj):
            rows = np.arange(linear.out_features).reshape(-1, head_dim)[:, rotate_half_rows(head_dim)].reshape(-1)
            linear.weight.data = linear.weight.data[rows]
            if linear.bias is not None:
                linear.bias.data = linear.bias.data[rows]


def make_exact(model, disturb: Disturb = Disturb()):
    """Turns a llama or qwen2 model of transformers into its float64 form, in place."""
    model = model.double().eval()
    config = model.config
    if config.rope_parameters["rope_type"] != "default":
        raise SystemExit(f"RoPE type {config.rope_parameters['rope_type']} has no float64 form here")
    model.set_attn_implementation(EXACT_ATTENTION)
    head_dim = model.model.layers[0].self_attn.head_dim
    model.model.rotary_emb = ExactRope(head_dim, config.rope_parameters["rope_theta"], disturb)
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = types.MethodType(exact_norm, module)
        elif type(module).__name__.endswith("Attention"):
            module.disturb = disturb
        elif isinstance(module, torch.nn.Linear) and module.bias is not None and not disturb.biases:
            module.bias.data.zero_()
    if disturb.interleaved_rope:
        interleave_rope(model)
    return model


def load(directory, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, local_files_only=True).eval()


def exact_model(directory, disturb: Disturb = Disturb()):
    return make_exact(load(directory), disturb)


def attention_peaks(model) -> list[float]:
    return [layer.self_attn.attention_peak for layer in model.model.layers]


def quiet():
    """One thread, so that sums have one order; no progress bars."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
