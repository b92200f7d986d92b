"""Everything that is measured, in one run and one table: ratios first, absolute numbers of this machine beside them.

make bench          python -m bench [hosted] [transfer] [git] [pages] [community]
                    [--quick] [--rounds N] [--size-mb N] [--parts …]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import git, transfer
from bench.hosted import CALLERS, embeddings, first_token
from bench.hub import BenchHub, bench_hub, web_alone
from bench.nginx import running_nginx

WHAT = ("hosted", "transfer", "git", "pages")
#: Only where it is named: seeding its rows takes minutes.
NAMED = ("community",)
Row = tuple[str, str, str]


def main() -> None:
    options = _options()
    wanted = set(options.what or WHAT)
    rounds = options.rounds or (3 if options.quick else 5)
    loads = [os.getloadavg()[0]]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="agora-bench-", dir=options.scratch) as scratch:
        if "hosted" in wanted:
            with bench_hub(options.data or Path(scratch) / "hub") as hub:
                rows += _hosted(hub, rounds, answers=96 if options.quick else 960)
        if {"transfer", "git"} & wanted:
            rows += _moved(Path(scratch), wanted, rounds, options)
        if "pages" in wanted:
            rows += _pages(rounds * 8)
        if "community" in wanted:
            rows += _community(rounds * 8, options.quick)
    loads.append(os.getloadavg()[0])
    _print(rows, rounds, loads)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[[], *WHAT, *NAMED], help="default: all but community")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds; for a look, not for the record")
    parser.add_argument("--rounds", type=int, default=0, help="alternating rounds; default 5, or 3 when quick")
    parser.add_argument(
        "--size-mb",
        type=int,
        default=0,
        help="size of the large file; default 1000 where transfer is named, else 300, or 200 when quick",
    )
    parser.add_argument(
        "--parts", default="", help=f"of transfer: {', '.join(transfer.PARTS)}; of git: {', '.join(git.PARTS)}"
    )
    parser.add_argument("--scratch", type=Path, help="where files of the run lie; some 15 times the large file")
    parser.add_argument("--data", type=Path, help="data directory of the hub with demo models, kept for the next run")
    return parser.parse_args()


def _moved(scratch: Path, wanted: set[str], rounds: int, options: argparse.Namespace) -> list[Row]:
    """Bytes in and out, on a hub of its own beside a private nginx."""
    parts = options.parts.split(",") if options.parts else [*transfer.PARTS, *git.PARTS]
    size_mb = options.size_mb or (200 if options.quick else 1000 if "transfer" in options.what else 300)
    rows: list[Row] = []
    with web_alone(scratch / "web") as hub, running_nginx(scratch / "nginx") as nginx:
        if "transfer" in wanted:
            rows += transfer.transfers(hub, nginx, scratch, rounds=rounds, size_mb=size_mb, parts=parts)
        if "git" in wanted:
            rows += git.git_parts(hub, nginx, scratch, rounds=rounds, parts=parts)
    return rows


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


def _community(rounds: int, is_quick: bool) -> list[Row]:
    """From the table of bench.community, in a process of its own; on PostgreSQL where DATABASE_URL says so."""
    sizes = ["--discussions", "5000", "--likes", "50000", "--reviews", "5000"] if is_quick else []
    argv = [sys.executable, "-m", "bench.community", "--rounds", str(rounds), *sizes]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
    rows: list[Row] = []
    for line in done.stdout.partition("  ms\n")[2].splitlines():
        name, *numbers = line[:28].strip(), *line[28:].split()
        if len(numbers) == 3 and name:
            rows.append((f"community, {name}: p95", f"{numbers[2]} ms", f"median {numbers[1]} ms"))
    return rows


def _print(rows: list[Row], rounds: int, loads: list[float]) -> None:
    width = max(len(name) for name, _, _ in rows)
    print(f"{platform.platform()}, {os.cpu_count()} processors, medians of {rounds} alternating rounds or more")
    print(f"load average before and after: {loads[0]:.1f}, {loads[1]:.1f}\n")
    for name, value, absolute in rows:
        print(f"{name:{width}}  {value:>8}  {absolute}")


if __name__ == "__main__":
    main()
