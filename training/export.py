"""A run's weights as a Hugging Face checkpoint, written without transformers: config.json, model.safetensors, tokenizer.

Qwen3 is this model with gains: all of them are written as one. `AutoModelForCausalLM.from_pretrained(folder)` loads the
result, and `lm_eval --model hf --model_args pretrained=FOLDER` evaluates it (docs/training.md).
"""

from __future__ import annotations

import json
import shutil
from itertools import chain
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.kernels import NORM_EPS
from training.model import ROPE_BASE, Architecture
from training.plan import Plan


class ExportError(ValueError):
    """Weights that are not there to export."""


def export_run(
    plan: Plan, folder: Path, level: str, seed: int, out: Path, tokens: int | None = None, tokenizer: Path | None = None
) -> Path:
    """Write the run (level, seed) of the finished stack in `folder` as a Hugging Face checkpoint into `out`.

    `tokens` picks the branch (default: the longest whose weights were kept); `tokenizer` is a tokenizer.json. Raises
    ExportError where those weights were not kept or the run is not in the stack.
    """
    kept = sorted((int(path.stem.partition("-")[0]), path) for path in (folder / "weights").glob("*.safetensors"))
    chosen = [path for count, path in kept if (tokens or max(kept)[0]) == count]
    if not chosen:
        raise ExportError(
            f"{folder} kept weights at D = {[count for count, _ in kept]}, not at {tokens}; "
            'set keep_weights to "last" or "all" in the plan and train again'
        )
    held: dict[Path, list] = {}
    for path in chosen:
        with safe_open(path, framework="pt") as file:
            held[path] = json.loads(file.metadata()["runs"])
    found = next((path for path, runs in held.items() if [level, seed] in runs), None)
    if found is None:
        raise ExportError(f"{folder} holds the runs {list(chain(*held.values()))}, not level {level!r} seed {seed}")
    runs = held[found]
    with safe_open(found, framework="pt") as file:
        weights_KP = file.get_tensor("weights")
    stack = plan.stack(folder.name)
    architecture = Architecture(plan.shapes[stack.shape], plan.vocab_size)
    out.mkdir(parents=True, exist_ok=True)
    save_file(qwen3_weights(architecture, weights_KP[runs.index([level, seed])]), out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text(json.dumps(qwen3_config(architecture, plan.context, plan.eot), indent=2) + "\n", "utf-8")
    if tokenizer is not None:
        shutil.copyfile(tokenizer, out / "tokenizer.json")
        content = {token["id"]: token["content"] for token in json.loads(tokenizer.read_text("utf-8"))["added_tokens"]}
        end = content.get(plan.eot)
        card = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": plan.context}
        (out / "tokenizer_config.json").write_text(
            json.dumps(card | {"eos_token": end, "bos_token": end}, indent=2) + "\n", "utf-8"
        )
    return out


def qwen3_config(architecture: Architecture, context: int, eot: int) -> dict[str, object]:
    shape = architecture.shape
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": shape.width,
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_width,
        "intermediate_size": shape.ff,
        "vocab_size": architecture.vocab_size,
        "max_position_embeddings": context,
        "rms_norm_eps": NORM_EPS,
        "rope_theta": ROPE_BASE,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_BASE},
        "hidden_act": "silu",
        "attention_bias": False,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "bos_token_id": eot,
        "eos_token_id": eot,
        "dtype": "float32",
    }


def qwen3_weights(architecture: Architecture, weights_P: Tensor) -> dict[str, Tensor]:
    """The flat row of one run under Qwen3's names: matrices [out, in], gains of one."""
    shape = architecture.shape
    ours = {name: view[0] for name, view in architecture.views(weights_P[None]).items()}
    width, head = torch.ones(shape.width), torch.ones(shape.head_width)
    named = {"model.embed_tokens.weight": ours["embedding"], "lm_head.weight": ours["head"].T, "model.norm.weight": width}
    for layer in range(shape.depth):
        prefix, mine = f"model.layers.{layer}", f"layers.{layer}"
        q, k, v = ours[f"{mine}.qkv"].T.chunk(3)
        gate, up = ours[f"{mine}.gate_up"].T.chunk(2)
        named |= {
            f"{prefix}.self_attn.q_proj.weight": q,
            f"{prefix}.self_attn.k_proj.weight": k,
            f"{prefix}.self_attn.v_proj.weight": v,
            f"{prefix}.self_attn.o_proj.weight": ours[f"{mine}.out"].T,
            f"{prefix}.self_attn.q_norm.weight": head,
            f"{prefix}.self_attn.k_norm.weight": head,
            f"{prefix}.mlp.gate_proj.weight": gate,
            f"{prefix}.mlp.up_proj.weight": up,
            f"{prefix}.mlp.down_proj.weight": ours[f"{mine}.down"].T,
            f"{prefix}.input_layernorm.weight": width,
            f"{prefix}.post_attention_layernorm.weight": width,
        }
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in named.items()}
