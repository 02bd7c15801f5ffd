import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from training.model import Architecture, causal_mask, loss, rotary_tables
from training.shapes import SHAPES, Shape


@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("shape", [Shape(16, 2, 2, 32), Shape(48, 1, 3, 40)])
def test_flops_equal_the_counter_to_the_last_one(shape, runs):
    vocab, context, batch = 56, 20, 3
    architecture = Architecture(shape, vocab)
    weights = architecture.views(torch.stack([architecture.initial(seed) for seed in range(runs)]))
    for weight in weights.values():
        weight.requires_grad_()
    device = torch.device("cpu")
    dtype = torch.bfloat16  # where attention is products of our own; the counter adds recomputation for the fused kernel
    tables = *rotary_tables(shape, context, device, dtype), causal_mask(context, device, dtype)
    ids_KBU = torch.randint(vocab, (runs, batch, context + 1))
    with FlopCounterMode(display=False) as counter:
        loss(weights, shape, ids_KBU, *tables).sum().backward()
    assert counter.get_total_flops() == runs * batch * context * shape.flops_per_token(vocab, context)


@pytest.mark.parametrize("name", SHAPES)
def test_counts_equal_the_weights(name):
    shape = SHAPES[name]
    sizes = {key: rows * columns for key, (rows, columns) in Architecture(shape, 512).sizes.items()}
    assert shape.params_head(512) == sizes.pop("head")
    assert shape.params_embedding(512) == sizes.pop("embedding")
    assert shape.params_body == sum(sizes.values())
    millions = shape.params_body / 1e6
    assert millions == pytest.approx(float(name.removesuffix("m")), rel=0.2)


def test_a_shape_that_cannot_rotate_is_refused():
    with pytest.raises(ValueError, match="head width of 3;"):
        Shape(width=12, depth=1, heads=4, ff=8)
    with pytest.raises(ValueError, match="depth is 0"):
        Shape(width=12, depth=0, heads=2, ff=8)
