import pytest

from training.recipe import MAX_LR, MIN_STEPS, recipe
from training.shapes import SHAPES


def test_the_published_rule_inside_its_range():
    """Porian/AI2 at N = 108 M (body + head): batch 327,680 tokens, lr 0.0047, halved for a trunk, warm-up N tokens."""
    shape, vocab = SHAPES["85m"], 30_000
    assert (shape.params_body + shape.params_head(vocab)) / 108e6 == pytest.approx(1, abs=0.01)
    rule = recipe(shape, vocab, 512, [2_000_000_000])
    assert rule.batch_tokens == pytest.approx(2048 * 160, rel=0.01)
    assert rule.lr == pytest.approx(0.0047 / 2, rel=0.02)
    assert rule.warmup_tokens == pytest.approx(108e6, rel=0.01)
    assert rule.beta2 == 0.99
    assert recipe(shape, vocab, 512, [2_000_000_000], "cosine").lr == pytest.approx(0.0047, rel=0.02)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("tokens", [200_000, 20_000_000])
def test_a_short_ladder_still_gets_its_steps(name, tokens):
    rule = recipe(SHAPES[name], 4096, 128, [tokens, 10 * tokens])
    assert rule.batch_tokens % 128 == 0
    assert tokens / rule.batch_tokens >= 0.9 * MIN_STEPS
    assert rule.warmup_tokens <= 0.25 * tokens
    assert 0 < rule.lr <= MAX_LR
