"""Everything that is measured, in one run and one table: ratios first, absolute numbers of this machine beside them.

make bench          python -m bench [--quick] [--only hosted,transfer,pages]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.hosted import CALLERS, embeddings, first_token
from bench.hub import BenchHub, bench_hub
from bench.transfer import transfers

PARTS = ("hosted", "transfer", "pages")
Row = tuple[str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds; for a look, not for the record")
    parser.add_argument("--only", default=",".join(PARTS), help="some of: " + ", ".join(PARTS))
    parser.add_argument("--data", type=Path, help="data directory of the hub, kept; default: a new one, thrown away")
    options = parser.parse_args()
    wanted = options.only.split(",")
    rounds = 3 if options.quick else 5
    loads = [os.getloadavg()[0]]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="agora-bench-") as scratch:
        if {"hosted", "transfer"} & set(wanted):
            with bench_hub(options.data or Path(scratch) / "hub") as hub:
                if "hosted" in wanted:
                    rows += _hosted(hub, rounds, answers=96 if options.quick else 960)
                if "transfer" in wanted:
                    rows += _transfer(hub, Path(scratch), rounds)
        if "pages" in wanted:
            rows += _pages(rounds * 8)
    loads.append(os.getloadavg()[0])
    _print(rows, rounds, loads)


def _hosted(hub: BenchHub, rounds: int, answers: int) -> list[Row]:
    rate = embeddings(hub, rounds=rounds, answers=answers)
    first = first_token(hub, rounds=max(rounds, 5))
    return [
        (
            f"embeddings, {CALLERS} callers: hosted / in process",
            f"{rate.ratio:.2f}",
            f"{rate.ours:.0f} / {rate.raw:.0f} answers per s",
        ),
        (
            "first token: hosted − in process",
            f"{(first.ours - first.raw) * 1000:.0f} ms",
            f"{first.ours * 1000:.0f} / {first.raw * 1000:.0f} ms",
        ),
    ]


def _transfer(hub: BenchHub, scratch: Path, rounds: int) -> list[Row]:
    speeds = transfers(hub, scratch, rounds=rounds)
    return [
        (
            "upload of 300 MiB / file copy",
            f"{speeds.upload / speeds.copy:.2f}",
            f"{speeds.upload:.0f} / {speeds.copy:.0f} MB/s",
        ),
        (
            "upload of 300 MiB / SHA-256",
            f"{speeds.upload / speeds.hashing:.2f}",
            f"{speeds.upload:.0f} / {speeds.hashing:.0f} MB/s",
        ),
        (
            "download of 300 MiB / file copy",
            f"{speeds.download / speeds.copy:.2f}",
            f"{speeds.download:.0f} / {speeds.copy:.0f} MB/s",
        ),
    ]


def _pages(rounds: int) -> list[Row]:
    """From the table of bench.catalog.list_pages, in a process of its own: it configures Django for itself."""
    argv = [sys.executable, "-m", "bench.catalog.list_pages", "--repos", "10000", "--rounds", str(rounds)]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
    rows: list[Row] = []
    for line in done.stdout.splitlines():
        name, *numbers = line[:28].strip(), *line[28:].split()
        if name in ("no filter", "2 frequent values", "text and value", "home") and len(numbers) == 3:
            rows.append((f"list page, 10,000 repos, {name}: p95", f"{numbers[2]} ms", f"median {numbers[1]} ms"))
    return rows


def _print(rows: list[Row], rounds: int, loads: list[float]) -> None:
    width = max(len(name) for name, _, _ in rows)
    print(f"{platform.platform()}, {os.cpu_count()} processors, medians of {rounds} alternating rounds or more")
    print(f"load average before and after: {loads[0]:.1f}, {loads[1]:.1f}\n")
    for name, value, absolute in rows:
        print(f"{name:{width}}  {value:>8}  {absolute}")


if __name__ == "__main__":
    main()
