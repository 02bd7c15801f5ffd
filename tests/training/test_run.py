import json

import pyarrow.parquet as pq

from training.plan import parse_plan
from training.run import run_stack


def test_whole_way(make_plan, tmp_path):
    plan = parse_plan(make_plan(), tmp_path)
    folder = run_stack(plan, "s0", tmp_path)
    rows = pq.read_table(folder / "observations.parquet").to_pylist()
    assert len(rows) == 2 * 3 * 3
    clean = [r["loss"] for r in rows if r["level"] == "clean" and r["eval_set"] == "heldout"]
    assert clean == sorted(clean, reverse=True)
    print(clean, json.loads((folder / "metrics.jsonl").read_text().splitlines()[5]))
