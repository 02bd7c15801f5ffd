"""A work directory has one run at a time, and a run that died holds nothing."""

import os
import signal
import subprocess
import sys

import pytest

from pipelines.engine.lock import FILE, locked
from pipelines.engine.workdir import Workdir

HOLDER = """
import sys, time
from pipelines.engine.lock import locked
from pipelines.engine.workdir import Workdir
with locked(Workdir(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_by_the_name_of_the_first(tmp_path):
    workdir = Workdir(str(tmp_path / "work"))
    refusal = rf"in use by process {os.getpid()} on .*, since 20.*--workdir"
    with locked(workdir), pytest.raises(ValueError, match=refusal), locked(workdir):
        pass
    with locked(workdir):
        pass
    assert (tmp_path / "work" / FILE).read_text() == ""


def test_a_killed_run_lets_go(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"process {holder.pid} "), locked(Workdir(str(tmp_path))):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locked(Workdir(str(tmp_path))):
        pass


def test_object_stores_have_no_lock():
    store = Workdir("memory://bucket/study")
    with locked(store), locked(store):
        pass
    assert not store.exists(FILE)
