"""Time is counted where a run was stopped too."""

from pipelines.outcomes.spent import spent, stopped


def at(second: int, event: str, step: str, **more: object) -> dict:
    return {"time": f"2026-11-30T20:00:{second:02d}.000+00:00", "event": event, "step": step, **more}


def test_stopped_work_is_counted_beside_what_was_finished() -> None:
    events = [
        at(0, "started", "train"), at(10, "progress", "train"), at(20, "progress", "train"),
        at(30, "cached", "pool"), at(31, "started", "train"), at(36, "progress", "train"),
        at(40, "finished", "runs/raw-s0", seconds=9.0, bytes=5), at(41, "started", "fit"),
        at(43, "finished", "fit", seconds=2.0),
    ]  # fmt: skip
    assert stopped(events) == {"train": 20.0}
    rows = {row["name"]: row["seconds"] for row in spent(events)}
    assert rows == {"runs/raw-s0": 9.0, "fit": 2.0, "train (stopped)": 20.0}


def test_every_stop_counts_and_work_without_progress_does_not() -> None:
    events = [
        at(0, "started", "train"), at(4, "progress", "train"), at(9, "started", "train"), at(12, "progress", "train"),
        at(20, "started", "fit"), at(21, "cached", "pool"),
    ]  # fmt: skip
    assert stopped(events) == {"train": 7.0}


def test_a_step_that_was_there_keeps_its_time() -> None:
    (row,) = spent([at(0, "finished", "pool", seconds=3.0, bytes=7, id="a"), at(9, "cached", "pool")])
    assert row == {"name": "pool", "id": "a", "digest": "", "seconds": 3.0, "bytes": 7, "cached": True}
