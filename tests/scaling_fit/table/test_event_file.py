"""Event files against what TensorBoard's own reader says of the same files."""

from pathlib import Path

import pytest

from scaling_fit.table.event_file import Scalar, read_events

READ_BY_TENSORBOARD = {
    "raw-8M-1000steps-s0": [("eval/loss", 1000, 6.335128307342529), ("train/loss", 1000, 6.398479461669922)],  # a tensor
    "raw-8M-500steps-s0": [("eval/loss", 500, 7.1370344161987305), ("train/loss", 500, 7.208405017852783)],  # a number
}


def content(folder: Path) -> bytes:
    return next(folder.iterdir()).read_bytes()


@pytest.mark.parametrize("run", READ_BY_TENSORBOARD)
def test_scalars_are_those_that_tensorboard_reads(exported: Path, run: str) -> None:
    scalars, hparams = read_events(content(exported / "tensorboard" / run))
    assert (len(scalars), hparams) == (12, {})
    assert scalars[-2:] == [Scalar(*one) for one in READ_BY_TENSORBOARD[run]]


def test_hyperparameters_are_read(exported: Path) -> None:
    scalars, hparams = read_events(content(exported / "hparams" / "run"))
    assert hparams == {"n_params": 2e7, "dataset": "raw", "tied": True}
    assert scalars == [Scalar("eval/loss", 500, 3.25)]


def test_a_record_that_a_crash_cut_off_ends_the_file(exported: Path) -> None:
    whole = content(exported / "tensorboard" / "raw-8M-1000steps-s0")
    cut = read_events(whole[:-5])[0]
    assert cut == read_events(whole)[0][: len(cut)]
    assert len(cut) == 11


def test_what_is_no_event_file_is_said() -> None:
    with pytest.raises(ValueError, match="no event file"):
        read_events((7).to_bytes(8, "little") + b"crc " + b"\xff" * 7 + b"crc ")
