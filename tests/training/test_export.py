import json

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models

from training.export import ExportError, export_run
from training.model import Architecture, causal_mask, hidden, rotary_tables
from training.plan import parse_plan
from training.run import run_stack

transformers = pytest.importorskip("transformers", reason="needs the test extra's transformers")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(make_plan, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    plan = parse_plan(make_plan(), out)
    return plan, run_stack(plan, "s0", out)


def test_logits_equal_transformers(trained, tmp_path):
    plan, folder = trained
    model = transformers.AutoModelForCausalLM.from_pretrained(export_run(plan, folder, "noisy", 0, tmp_path))
    assert type(model).__name__ == "Qwen3ForCausalLM"
    ids = torch.randint(96, (3, 32), generator=torch.Generator().manual_seed(0))
    architecture = Architecture(plan.shapes["tiny"], 96)
    kept = load_file(folder / "weights" / "5120.safetensors")["weights"]
    weights = architecture.views(kept[1:])  # the second run of the stack
    tables = *rotary_tables(architecture.shape, 32, CPU, torch.float32), causal_mask(32, CPU, torch.float32)
    x_ND = hidden(weights, architecture.shape, ids[None], *tables)[0]
    ours = (x_ND @ weights["head"][0]).view(3, 32, 96)
    with torch.no_grad():
        theirs = model(ids).logits
    assert theirs.abs().max() > 1
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_the_tokenizer_comes_along(trained, tmp_path):
    plan, folder = trained
    tokenizer = Tokenizer(models.WordLevel({"<eot>": 0, "a": 1, "b": 2}, unk_token="<eot>"))
    tokenizer.add_special_tokens(["<eot>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    out = export_run(plan, folder, "clean", 0, tmp_path / "hf", tokenizer=tmp_path / "tokenizer.json")
    loaded = transformers.AutoTokenizer.from_pretrained(out)
    assert loaded("a")["input_ids"] == [1]
    assert loaded.eos_token_id == 0
    assert json.loads((out / "config.json").read_text())["eos_token_id"] == 0


def test_what_is_not_there_is_named(trained, tmp_path):
    plan, folder = trained
    with pytest.raises(ExportError, match=r"kept weights at D = \[5120\], not at 1280; set keep_weights"):
        export_run(plan, folder, "clean", 0, tmp_path, tokens=1280)
    with pytest.raises(ExportError, match="not level 'clean' seed 9"):
        export_run(plan, folder, "clean", 9, tmp_path)
