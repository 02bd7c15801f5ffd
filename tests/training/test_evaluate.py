import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from training.evaluate import Evaluator, load_documents, set_loss
from training.model import Architecture, token_losses
from training.order import Order
from training.plan import Optimizer
from training.shapes import Shape
from training.step import Trainer
from training.tokens import Batches, DatasetError, load_rows

SHAPE, CONTEXT, VOCAB, CPU = Shape(16, 1, 2, 32), 32, 96, torch.device("cpu")
ARCHITECTURE = Architecture(SHAPE, VOCAB)


@pytest.fixture(scope="module")
def trainer(study):
    windows = Order.of(load_rows(study / "levels" / "clean", CONTEXT, VOCAB, 0), 0, CONTEXT).windows(300)
    initial = torch.stack([ARCHITECTURE.initial(seed) for seed in (0, 1)])
    return Trainer(ARCHITECTURE, Batches([windows] * 2, 4, CPU), initial, (0.1, 0.1), Optimizer(), torch.float32)


def test_losses_equal_documents_scored_one_by_one(study, trainer):
    documents = load_documents(study / "evaluation", VOCAB)
    nats_KQ = Evaluator(documents, CONTEXT, 0, 2, CPU).document_losses(trainer)
    assert nats_KQ.shape == (2, len(documents.doc_id_Q))
    assert max(documents.n_tokens_Q) > 2 * CONTEXT  # so that some take several windows
    for q in range(len(documents.doc_id_Q)):
        text = documents.tokens[documents.start_Q[q] : documents.start_Q[q + 1]].astype(np.int64)
        sequence = torch.from_numpy(np.concatenate(([0], text)))
        total = np.zeros(2)
        for start in range(0, len(text), CONTEXT):
            window = sequence[None, start : start + CONTEXT + 1]
            total += (
                token_losses(trainer.views, SHAPE, window, trainer.cos_TE, trainer.sin_TE, trainer.mask_TT)
                .sum((1, 2))
                .detach()
                .numpy()
            )
        np.testing.assert_allclose(nats_KQ[:, q], total, rtol=1e-5)


def test_sets_are_the_documents_that_name_them(study):
    documents = load_documents(study / "evaluation", VOCAB)
    rows = pq.read_table(study / "evaluation" / "documents.parquet").to_pylist()
    assert set(documents.sets) == {"heldout", "domain:web", "domain:books"}
    for name, members in documents.sets.items():
        assert members.tolist() == [q for q, row in enumerate(rows) if name in row["sets"]]


def test_set_loss_and_its_sampling_error():
    """The ratio estimator's error equals the spread of the loss over many samples of documents."""
    rng = np.random.default_rng(0)
    n_tokens = rng.integers(20, 400, size=(2000, 50))
    nats = n_tokens * rng.normal(3.0, 0.4, size=(2000, 50)) + rng.normal(0, 5, size=(2000, 50))
    measured = [set_loss(a, b, 4 * b) for a, b in zip(nats, n_tokens, strict=True)]
    losses = np.array([m.loss for m in measured])
    assert np.mean([m.loss_se for m in measured]) == pytest.approx(losses.std(ddof=1), rel=0.05)
    one = set_loss(np.array([6.0, 3.0]), np.array([4, 2]), np.array([10, 5]))
    assert one.loss == 1.5
    assert one.n_tokens == 6
    assert one.bits_per_byte == pytest.approx(9 / (15 * np.log(2)))


def test_bad_documents_are_refused(study, synthetic, tmp_path):
    with pytest.raises(DatasetError, match="another tokenizer"):
        load_documents(study / "evaluation", 50)
    with pytest.raises(DatasetError, match="cannot read the evaluation documents"):
        load_documents(tmp_path, VOCAB)
    synthetic.write_evaluation(tmp_path / "empty", [])
    with pytest.raises(DatasetError, match="no tokens"):
        load_documents(tmp_path / "empty", VOCAB)


def test_scoring_leaves_the_trainer_as_it_was(study, trainer):
    before = trainer.weights_KP.detach().clone()
    documents = load_documents(study / "evaluation", VOCAB)
    Evaluator(documents, CONTEXT, 0, 2, CPU).document_losses(trainer)
    assert torch.equal(before, trainer.weights_KP)
    trainer.advance()  # gradients still flow after inference mode
    assert not torch.equal(before, trainer.weights_KP)


def test_the_loss_of_a_uniform_model_is_log_vocabulary(study, trainer):
    documents = load_documents(study / "evaluation", VOCAB)
    flat = trainer.snapshot()
    with torch.no_grad():
        trainer.views["head"].zero_()
    nats_KQ = Evaluator(documents, CONTEXT, 0, 2, CPU).document_losses(trainer)
    trainer.restore(flat)
    np.testing.assert_allclose(nats_KQ, np.log(VOCAB) * documents.n_tokens_Q[None].repeat(2, 0), rtol=1e-5)
