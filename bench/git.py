"""git and many small files: clone over git's own server behind nginx, a folder as one commit, a long listing.

python -m bench git [--rounds 5] [--parts clone,folder,tree]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench.hub import PEOPLE, BenchHub
from bench.nginx import Nginx
from bench.transfer import Row, run_client, write_random

PARTS: Final = ("clone", "folder", "tree")
CLONED_FILES: Final = 100
CLONED_FILE_BYTES: Final = 1_000_000
SMALL_FILES: Final = 10_000
MAX_CLONE_RATIO: Final = 1.3
MAX_FOLDER_S: Final = 60
MAX_TREE_S: Final = 1.0


def git_parts(hub: BenchHub, nginx: Nginx, scratch: Path, *, rounds: int, parts: list[str]) -> list[Row]:
    rows: list[Row] = []
    if "clone" in parts:
        rows.append(_clone(hub, nginx, scratch, rounds))
    if {"folder", "tree"} & set(parts):
        rows += _folder_and_tree(hub, scratch, parts)
    for row in rows:
        sys.stdout.write(f"{row[0]}: {row[1]} ({row[2]})\n")
    return rows


def _clone(hub: BenchHub, nginx: Nginx, scratch: Path, rounds: int) -> Row:
    """A repo of 100 MB in ordinary git objects, packed alike on both sides."""
    hub.live.manage("shell", "-c", _CREATE.format(owner=PEOPLE[0], name="cloned"))
    source = scratch / "source"
    source.mkdir()
    for number in range(CLONED_FILES):
        write_random(source / f"{number:03d}.txt", CLONED_FILE_BYTES)
    _git(source, "init", "-q", "-b", "main")
    _git(source, "add", ".")
    _git(source, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "Add files")
    url = f"{hub.live.url}/{PEOPLE[0]}/cloned".replace("http://", f"http://x:{hub.tokens[0]}@")
    _git(source, "push", "-q", "--force", url, "main")
    # The very same repository, as the hub keeps it.
    shutil.copytree(Path(_path_of(hub, "cloned")), nginx.repos / "cloned.git")
    ours: list[float] = []
    plain: list[float] = []
    for number in range(rounds):
        turns = [(ours, url), (plain, f"{nginx.url}/git/cloned.git")]
        for times, address in turns if number % 2 == 0 else turns[::-1]:
            times.append(_clone_seconds(address, scratch / "clone"))
    shutil.rmtree(source)
    ratio = statistics.median(one / other for one, other in zip(ours, plain, strict=True))
    text = f"{statistics.median(ours):.2f} / {statistics.median(plain):.2f} s, target {MAX_CLONE_RATIO}"
    return ("clone of 100 MB, time over git-http-backend", f"{ratio:.2f}", text)


_CREATE: Final = (
    "from hub.accounts.auth import Viewer; from hub.accounts.models import User; from hub.core.ids import RepoType; "
    "from hub.repos.services.repos import create_repo; "
    "create_repo(Viewer(user=User.objects.get(username='{owner}')), namespace='{owner}', name='{name}', "
    "repo_type=RepoType.MODEL)"
)
_PATH: Final = "from hub.repos.models import Repo; print(Repo.objects.get(name='{name}').git_path)"


def _path_of(hub: BenchHub, name: str) -> str:
    return hub.live.manage("shell", "-c", _PATH.format(name=name)).splitlines()[-1]


def _clone_seconds(url: str, target: Path) -> float:
    begun = time.perf_counter()
    _git(target.parent, "clone", "-q", url, str(target))
    seconds = time.perf_counter() - begun
    shutil.rmtree(target)
    return seconds


def _git(cwd: Path, *arguments: str) -> None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *arguments], cwd=cwd, env=environment, check=True, stdout=subprocess.DEVNULL)


def _folder_and_tree(hub: BenchHub, scratch: Path, parts: list[str]) -> list[Row]:
    folder = scratch / "folder"
    (folder / "data").mkdir(parents=True)
    for number in range(SMALL_FILES):
        (folder / "data" / f"{number:05d}.txt").write_text(f"line {number}\n" * 20)
    hub.live.manage("shell", "-c", _CREATE.format(owner=PEOPLE[0], name="small"))
    known: dict[str, Any] = {"endpoint": hub.live.url, "token": hub.tokens[0], "repo_id": f"{PEOPLE[0]}/small"}
    seconds = run_client("folder", is_xet=True, folder=str(folder), **known)
    shutil.rmtree(folder)
    rows = [(f"upload_folder of {SMALL_FILES:,} files, one commit", f"{seconds:.1f} s", f"target {MAX_FOLDER_S} s")]
    if "tree" in parts:
        listed = run_client("tree", path="data", **known)
        rows.append((f"list of {SMALL_FILES:,} entries with last commits", f"{listed:.2f} s", f"target {MAX_TREE_S} s"))
    return rows
