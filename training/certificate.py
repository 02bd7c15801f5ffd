"""What was held equal, as a document and its hash.

Runs may be pooled in one fit only where their certificates are the same hex. It covers everything of a plan that must
not differ between levels, seeds, shapes and D: the code, the kind of device, the dtype, tokenizer, vocabulary, context,
the order's rule and key, optimizer, schedule, evaluation documents and, per shape, learning rate, batch and warm-up. What
differs on purpose (level or course, seed, D) and what only rounds (threads, stack size, ranks) is recorded beside it, not
hashed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from training.course import Course
from training.course import code_digest as course_digest
from training.model import Architecture
from training.order import RULE as ORDER_RULE
from training.order import run_key
from training.plan import JsonObject, Plan, Stack

ARITHMETIC = ("kernels", "model", "step", "schedule", "order", "tokens", "evaluate")


def code_digest(matrices: str = "adamw") -> str:
    """Hash of the modules that decide a loss, of a body that moves as `Optimizer.matrices` says."""
    digest = hashlib.blake2b(digest_size=16)
    for name in (*ARITHMETIC, *(["muon"] if matrices == "muon" else [])):
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()


def certify(plan: Plan, stack: Stack, device: torch.device, dtype: torch.dtype) -> JsonObject:
    """{"certificate": hex, "held_equal": {...}, "recorded": {...}} for a stack; JSON types only."""
    recipes: dict[str, list[list[Any]]] = {}
    for other in plan.stacks:
        if other.shape == stack.shape and other.id != stack.id:
            continue  # a shape's own recipe is this stack's, so that an LR check never looks like the main runs
        row = [other.lr, other.batch_tokens, other.warmup_tokens]
        if row not in recipes.setdefault(other.shape, []):
            recipes[other.shape].append(row)
    held_equal = {
        "code": code_digest(plan.optimizer.matrices),
        "torch": torch.__version__.split("+")[0],
        "device": device.type,
        "dtype": str(dtype).removeprefix("torch."),
        "tokenizer": plan.tokenizer,
        "vocab_size": plan.vocab_size,
        "eot": plan.eot,
        "context": plan.context,
        "evaluation": plan.evaluation.digest,
        "order": {"rule": ORDER_RULE, "key": plan.order_key},
        # a body by AdamW is certified as it was before there was another way
        "optimizer": {key: value for key, value in asdict(plan.optimizer).items() if (key, value) != ("matrices", "adamw")},
        "schedule": asdict(plan.schedule),
        "document_mask": plan.document_mask,
        "shapes": {name: asdict(shape) for name, shape in plan.shapes.items()},
        "recipes": {shape: sorted(rows, key=str) for shape, rows in recipes.items()},
    }
    text = json.dumps(held_equal, sort_keys=True, separators=(",", ":"))
    architecture = Architecture(plan.shapes[stack.shape], plan.vocab_size)
    seeds = sorted({run.seed for run in stack.runs})
    courses = {run.level: plan.courses[run.level] for run in stack.runs if run.level in plan.courses}
    levels = dict.fromkeys(phase.level for run in stack.runs for phase in plan.course(run.level))
    return {
        "certificate": hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        "held_equal": held_equal,
        "recorded": {
            "stack": asdict(stack),
            "datasets": {level: plan.datasets[level].digest for level in levels},
            **({"courses": course_facts(plan, courses)} if courses else {}),
            "orders": {str(seed): f"{run_key(plan.order_key, stack.shape, seed):016x}" for seed in seeds},
            "initial_weights": {str(seed): _tensor_digest(architecture.initial(seed)) for seed in seeds},
            "threads": plan.threads,
            "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        },
    }


def course_facts(plan: Plan, courses: dict[str, Course]) -> JsonObject:
    """What decides the stream of each course, beyond the levels that it reads: its phases, its signals, the code."""
    signals = {phase.by for phases in courses.values() for phase in phases if phase.by is not None}
    return {
        "code": course_digest(),
        "orders": {name: plan.orders[name].digest for name in sorted(signals)},
        "phases": {name: [asdict(phase) for phase in phases] for name, phases in courses.items()},
    }


def _tensor_digest(tensor: torch.Tensor) -> str:
    return hashlib.blake2b(tensor.numpy().tobytes(), digest_size=16).hexdigest()
