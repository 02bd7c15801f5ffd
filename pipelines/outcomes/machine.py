"""The machine and the software that something was made on, as a report tells of them."""

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path


def machine() -> dict[str, str]:
    """System, processor and cores."""
    return {"system": platform.system(), "processor": _processor(), "cores": str(os.cpu_count())}


def versions(packages: Iterable[str]) -> dict[str, str]:
    return {"python": sys.version.split()[0], **{name: version(name) for name in packages}}


def _processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text("utf-8").splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
