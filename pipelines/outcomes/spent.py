"""What every step took, from the events that runs left: also what was spent in runs that were stopped before their end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pipelines.engine.workdir import JsonObject


def spent(events: Sequence[JsonObject]) -> list[Any]:
    """Every step with the time of the run that made it, and stopped work as steps of its own."""
    made: dict[str, JsonObject] = {}
    for event in events:
        if event["event"] == "finished":
            made[event["step"]] = {
                "name": event["step"], "id": event.get("id", ""), "digest": event.get("digest", ""),
                "seconds": event["seconds"], "bytes": event.get("bytes", 0), "cached": False,
            }  # fmt: skip
        elif event["event"] == "cached" and event["step"] in made:
            made[event["step"]]["cached"] = True
    rows = [
        {"name": f"{label} (stopped)", "id": "", "digest": "", "seconds": seconds, "bytes": 0, "cached": False}
        for label, seconds in stopped(events).items()
    ]
    return [*made.values(), *rows]


def stopped(events: Sequence[JsonObject]) -> dict[str, float]:
    """Seconds by what was at work, from its start to its last word of progress, wherever no step was finished after it. What
    is at work now counts as stopped."""
    seconds: dict[str, float] = {}
    begun = last = None
    for event in [*events, {"event": "end"}]:
        if begun and last and event["event"] not in ("progress", "finished"):
            seconds[begun["step"]] = seconds.get(begun["step"], 0.0) + _apart(begun, last)
        if event["event"] == "started":
            begun, last = event, None
        elif event["event"] == "progress" and begun and event["step"] == begun["step"]:
            last = event
        else:
            begun = last = None
    return {label: round(value, 3) for label, value in seconds.items()}


def _apart(begun: JsonObject, last: JsonObject) -> float:
    return (datetime.fromisoformat(last["time"]) - datetime.fromisoformat(begun["time"])).total_seconds()
