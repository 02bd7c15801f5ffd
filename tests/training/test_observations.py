import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest

from training.evaluate import load_documents
from training.observations import LOSSES, OBSERVATIONS, losses_table, observation_rows, trunk_id
from training.plan import parse_plan


@pytest.fixture
def plan(make_plan, tmp_path):
    return parse_plan(make_plan(), tmp_path)


def test_rows_say_what_was_measured(plan):
    documents = load_documents(plan.evaluation.path, plan.vocab_size)
    stack = plan.stacks[0]
    nats_KQ = np.stack([documents.n_tokens_Q * 2.0, documents.n_tokens_Q * 3.0])
    tokens = plan.datasets["noisy"].unique_tokens + 1
    table = pa.Table.from_pylist(observation_rows(plan, stack, tokens, documents, nats_KQ, "c0"), schema=OBSERVATIONS)
    rows = table.to_pylist()
    assert len(rows) == 2 * len(documents.sets)
    for row in rows:
        assert row["loss"] == pytest.approx(2.0 if row["level"] == "clean" else 3.0)
        assert row["bits_per_byte"] == pytest.approx(row["loss"] / (4 * np.log(2)))  # the synthetic bytes: 4 per token
        assert row["loss_se"] == pytest.approx(0, abs=1e-9)
        assert row["trunk"] == f"{row['level']}/tiny/0"
        assert row["repeated"] == (row["level"] == "noisy")
        assert row["flops"] == tokens * plan.shapes["tiny"].flops_per_token(96, 32)
        assert row["params_body"] + row["params_head"] + row["params_embedding"] == plan.shapes["tiny"].params_total(96)
    members = documents.sets["domain:web"]
    web = next(row for row in rows if row["eval_set"] == "domain:web")
    assert web["eval_tokens"] == documents.n_tokens_Q[members].sum()


def test_losses_are_per_run_and_document(plan):
    documents = load_documents(plan.evaluation.path, plan.vocab_size)
    nats_KQ = np.arange(2 * len(documents.doc_id_Q), dtype=float).reshape(2, -1)
    table = losses_table(plan.stacks[0], 1280, documents, nats_KQ)
    assert table.schema == LOSSES
    noisy = table.filter(pa.compute.equal(table["level"], "noisy"))
    np.testing.assert_array_equal(noisy["nats"], nats_KQ[1])
    np.testing.assert_array_equal(noisy["doc_id"], documents.doc_id_Q)


def test_trunks_that_differ_in_learning_rate_have_names_of_their_own(make_plan, tmp_path):
    plan = parse_plan(make_plan(lr=[0.01, 0.02]), tmp_path)
    assert [trunk_id(plan, plan.stacks[0], k, 1280) for k in (0, 1)] == ["clean/tiny/0/lr=0.01", "noisy/tiny/0/lr=0.02"]
