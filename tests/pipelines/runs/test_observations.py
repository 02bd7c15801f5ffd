"""Sets that are made of a run's losses: the held-out text weighed as the pool."""

from math import log

import polars as pl
import pytest

from pipelines.outcomes.report import weighed
from pipelines.runs.observations import POOL_WEIGHED, of_controls, pool_rows, pool_shares

JUDGE = [
    {"set": "heldout", "tokens": 30, "pool_share": 1.0},
    {"set": "domain:a", "tokens": 10, "pool_share": 0.6},
    {"set": "domain:b", "tokens": 20, "pool_share": 0.2},
    {"set": "reference:c", "tokens": 9, "pool_share": None},
]


def test_domains_weigh_their_share_of_the_pool() -> None:
    shares = pool_shares(JUDGE)
    assert shares == pytest.approx({"domain:a": 0.75, "domain:b": 0.25}), "of the pool that is evaluated"
    rows = pl.DataFrame(
        {
            "level": "raw", "tokens": [100] * 4 + [200] * 4,
            "eval_set": [row["set"] for row in JUDGE] * 2,
            "loss": [3.0, 4.0, 2.5, 1.0, 2.7, 3.6, 2.2, 0.9],
            "bits_per_byte": [1.0, 4.0 / (3 * log(2)), 2.5 / (5 * log(2)), 1.0] * 2,  # 3 and 5 bytes to a token at D = 100
            "eval_tokens": [30, 10, 20, 9] * 2,
            "loss_se": [0.1, 0.03, 0.04, 0.1] * 2,
        }
    )  # fmt: skip
    made = pool_rows(rows, shares)
    assert made.columns == rows.columns
    assert made["eval_set"].to_list() == [POOL_WEIGHED] * 2
    assert made["loss"].to_list() == pytest.approx([0.75 * 4 + 0.25 * 2.5, 0.75 * 3.6 + 0.25 * 2.2])
    assert made["bits_per_byte"][0] == pytest.approx(made["loss"][0] / (0.75 * 3 + 0.25 * 5) / log(2))
    assert made["loss_se"][0] == pytest.approx((0.0225**2 + 0.01**2) ** 0.5)
    assert made["eval_tokens"].to_list() == [30, 30]


def test_weighed_documents_give_the_same_mean_as_the_weighed_losses() -> None:
    sets = pl.DataFrame({"doc_id": [1, 1, 2], "sets": [["heldout", "domain:a"]] * 2 + [["heldout", "domain:b"]]})
    found = {(row["doc_id"], row["set"]): row["weight"] for row in weighed(sets, JUDGE).to_dicts()}
    assert len(found) == 6
    nats, tokens = {1: 40.0, 2: 50.0}, {1: 10, 2: 20}
    weights = {doc: found[doc, POOL_WEIGHED] for doc in (1, 2)}
    mean = sum(weights[d] * nats[d] for d in (1, 2)) / sum(weights[d] * tokens[d] for d in (1, 2))
    assert mean == pytest.approx(0.75 * 4.0 + 0.25 * 2.5)


def test_one_domain_is_the_pool() -> None:
    assert pool_shares(JUDGE[:2]) == {}


def test_runs_on_further_draws_are_runs_of_the_control() -> None:
    table = pl.DataFrame({"level": ["raw", "random", "random-draw2"], "seed": [0, 0, 1]})
    made = of_controls(table, {"random-draw2": "random"})
    assert made["level"].to_list() == ["raw", "random", "random"]
    assert made["draw"].to_list() == ["", "random", "random-draw2"]
    assert of_controls(table, {}).columns == ["level", "seed"], "a table without draws is as it was"
