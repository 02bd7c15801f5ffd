import json
from pathlib import Path

import pytest
import torch

from training.checkpoint import CheckpointError
from training.metrics import Metrics, peak_flops


def test_a_resumed_file_holds_each_interval_once(tmp_path):
    """What a kill threw away is dropped; finished branches, events and earlier lines stay."""
    reported = []
    metrics = Metrics(tmp_path, reported.append)
    for line in (
        {"event": "train", "phase": "trunk", "step": 5},
        {"event": "train", "phase": "1280", "step": 9},
        {"event": "branch", "tokens": 1280},
        {"event": "train", "phase": "trunk", "step": 8},
        {"event": "train", "phase": "trunk", "step": 11},
    ):
        metrics.log(line)
    with metrics.path.open("a") as file:
        file.write('{"event": "train", "pha')
    metrics.truncate("trunk", 8)
    kept = [json.loads(text) for text in metrics.path.read_text().splitlines()]
    assert kept == reported[:4]
    assert kept[0]["stack"] == tmp_path.name


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"cannot write .*metrics\.jsonl: .*No space left on device"):
        Metrics(tmp_path, None).log({"event": "done"})


def test_no_peak_is_claimed_for_a_cpu():
    assert peak_flops(torch.device("cpu")) is None
