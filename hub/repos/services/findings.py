"""What a check of the hub's stores reports, and where people find the file that is concerned."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pygit2

from hub.repos.models import Repo, RepoObject
from hub.storage.git.maintenance import find_object
from hub.storage.lfs.pointer import format_pointer

MAX_PLACES: Final = 5
_OID: Final = re.compile(r"\b[0-9a-f]{40}\b")


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect: ``code`` is stable, ``subject`` names the repo or object, ``text`` says what is wrong."""

    code: str
    subject: str
    text: str
    is_repaired: bool = False


def holders_of(sha256: str, size_bytes: int) -> str:
    """Say which repos name a large file, at which path, in which commit."""
    rows = RepoObject.objects.select_related("repo", "repo__namespace").filter(sha256=sha256)[:MAX_PLACES]
    pointer = pygit2.hash(format_pointer(sha256, size_bytes))
    places = [f"{row.repo}{_place(row.repo, str(pointer))}" for row in rows]
    return f"used by {', '.join(places)}" if places else ""


def places_of(repo: Repo, lines: Iterable[str]) -> str:
    """Say which paths and commits the objects in git's complaints belong to."""
    oids = dict.fromkeys(oid for line in lines for oid in _OID.findall(line))
    places = [f"{oid}{place}" for oid in list(oids)[:MAX_PLACES] if (place := _place(repo, oid))]
    return "; ".join(places)


def _place(repo: Repo, oid: str) -> str:
    try:
        found = find_object(repo.git_path, oid)
    except (OSError, subprocess.SubprocessError):
        return ""
    return f" as {found.path} in commit {found.commit_oid}" if found else ""
