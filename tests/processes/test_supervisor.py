"""The supervisor with real commands: order, restart, drain, orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: The supervisor needs a main thread and signals of its own, so it runs as a script over parts given as code.
SCRIPT = """
import sys
from signal import SIGTERM
from hub.processes.parts import Part
from hub.processes.supervisor import Supervisor
sys.exit(Supervisor({parts}, drain_s={drain_s}).run())
"""


class Run:
    def __init__(self, log: Path, parts: str, drain_s: float = 5.0) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT.format(parts=parts, drain_s=drain_s)],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.log.read_text()

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(parts: str, **options: float) -> Run:
        runs.append(Run(tmp_path / f"log-{len(runs)}", parts, **options))
        return runs[-1]

    yield begin
    for one in runs:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(10)


def eventually(happened: Callable[[], object], *, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.02)
    return False


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie whose parent has not read its status yet is dead.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def pids(directory: Path) -> list[int]:
    return [int(entry.name) for entry in sorted(directory.glob("[0-9]*"), key=lambda path: path.stat().st_mtime_ns)]


#: Leaves its process id as the name of a file and stays.
STAY = "import os, pathlib, time; pathlib.Path({directory!r}, str(os.getpid())).touch(); time.sleep(600)"


def stay(name: str, directory: Path, more: str = "") -> str:
    directory.mkdir(exist_ok=True)
    code = STAY.format(directory=str(directory))
    return f"Part({name!r}, ({sys.executable!r}, '-c', {code!r}){more})"


def test_a_killed_part_is_started_again(run, tmp_path: Path) -> None:
    mark = tmp_path / "a"
    started = run(f"[{stay('a', mark)}]")
    assert eventually(lambda: pids(mark))

    os.kill(pids(mark)[0], signal.SIGKILL)

    assert eventually(lambda: len(pids(mark)) == 2)
    assert "ended with SIGKILL; starting again" in started.text
    assert started.stop() == 0


def test_sigint_stops_everything_and_grandchildren_too(run, tmp_path: Path) -> None:
    child, mark = tmp_path / "child", tmp_path / "a"
    child.mkdir()
    mark.mkdir()
    grandchild = STAY.format(directory=str(child))
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {grandchild!r}]); " + STAY.format(
        directory=str(mark)
    )
    started = run(f"[Part('a', ({sys.executable!r}, '-c', {code!r})), {stay('b', tmp_path / 'b')}]")
    assert eventually(lambda: pids(mark) and pids(child) and pids(tmp_path / "b"))

    assert started.stop() == 0

    assert not any(is_alive(pid) for pid in [*pids(mark), *pids(child), *pids(tmp_path / "b")])


def test_a_supervisor_killed_outright_leaves_no_orphan(run, tmp_path: Path) -> None:
    started = run(f"[{stay('a', tmp_path / 'a')}]")
    assert eventually(lambda: pids(tmp_path / "a"))

    started.process.kill()
    started.process.wait(5)

    assert eventually(lambda: not is_alive(pids(tmp_path / "a")[0]))


def test_a_part_that_ignores_the_drain_is_killed_at_its_end(run, tmp_path: Path) -> None:
    """T190: the drain is bounded."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    started = run(f"[Part('deaf', ({sys.executable!r}, '-c', {code!r}))]", drain_s=2.0)
    assert eventually(lambda: "deaf  │ deaf" in started.text)

    begun = time.monotonic()
    assert started.stop() == 0

    assert 1.9 < time.monotonic() - begun < 4.0


def test_a_second_signal_kills_at_once(run, tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    started = run(f"[Part('deaf', ({sys.executable!r}, '-c', {code!r}))]", drain_s=30.0)
    assert eventually(lambda: "deaf  │ deaf" in started.text)

    begun = time.monotonic()
    started.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)

    assert started.stop() == 0
    assert time.monotonic() - begun < 3.0


def test_lower_stages_start_first_and_stop_last(run, tmp_path: Path) -> None:
    say = (
        "import signal, sys, time; "
        "signal.signal(signal.SIGTERM, lambda *a: (print('bye', flush=True), sys.exit())); "
        "print('hi', flush=True); time.sleep(600)"
    )
    parts = ", ".join(
        f"Part({name!r}, ({sys.executable!r}, '-c', {say!r}), stage={stage})"
        for name, stage in (("web", 1), ("base", 0))
    )
    started = run(f"[{parts}]")
    assert eventually(lambda: started.text.count("│ hi") == 2)

    started.stop(signal.SIGTERM)

    assert started.text.index("web   │ bye") < started.text.index("base  │ bye")


def test_a_part_that_runs_once_is_not_repeated(run, tmp_path: Path) -> None:
    once = f"Part('once', ({sys.executable!r}, '-c', 'print(40 + 2); raise SystemExit(3)'), is_once=True)"
    started = run(f"[{once}, {stay('a', tmp_path / 'a')}]")

    assert eventually(lambda: "once  │ failed with status 3; not repeated" in started.text)
    time.sleep(0.5)
    assert started.text.count("│ 42") == 1
    assert started.stop() == 0


def test_a_needed_part_that_cannot_start_ends_the_whole(run, tmp_path: Path) -> None:
    broken = "Part('broker', ('/no/such/server',), is_ready=lambda: False, stage=0)"
    started = run(f"[{broken}, {stay('a', tmp_path / 'a')}]")

    assert started.process.wait(20) == 1
    assert "broker did not start" in started.text
    assert pids(tmp_path / "a") == []
