"""Protected branches and tags (T60): whose history may only grow, whoever pushes, and by which door.

A pattern is the name of a branch, or a full reference (``refs/tags/v*``); ``*`` stands for any characters. A branch
that matches goes forward only and is not deleted; a tag that matches stays as it is. The default branch is never
deleted, pattern or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from hub.core.errors import BadRequest, PermissionDenied
from hub.repos.models import Repo
from hub.storage.git.refs import BRANCH_PREFIX, TAG_PREFIX, name_problem

MAX_PATTERNS: Final = 50
_STARS: Final = re.compile(r"\*+")


@dataclass(frozen=True, slots=True)
class Protection:
    """The protected references of one repo; ``ref in protection`` asks with a full name."""

    patterns: tuple[str, ...]

    def __contains__(self, ref: object) -> bool:
        return isinstance(ref, str) and any(fnmatchcase(ref, pattern) for pattern in self.patterns)


def protection_of(repo: Repo) -> Protection:
    return Protection(tuple(str(pattern) for pattern in repo.protected_refs))


def is_default_branch(repo: Repo, ref: str) -> bool:
    return ref == BRANCH_PREFIX + repo.default_branch


def require_rewritable(repo: Repo, ref: str) -> None:
    """Raises: PermissionDenied when the history of ``ref`` is protected."""
    if ref in protection_of(repo):
        raise PermissionDenied(f"{ref} is protected: its history cannot be rewritten")


def require_deletable(repo: Repo, ref: str) -> None:
    """Raises: PermissionDenied for the default branch and for what is protected."""
    if is_default_branch(repo, ref):
        raise PermissionDenied(f"Cannot delete {ref}")
    if ref in protection_of(repo):
        raise PermissionDenied(f"{ref} is protected and cannot be deleted")


def clean_patterns(patterns: Iterable[str]) -> list[str]:
    """Return patterns as full references, each once, in order. Raises: BadRequest."""
    found = list(dict.fromkeys(_clean(pattern.strip()) for pattern in patterns if pattern.strip()))
    if len(found) > MAX_PATTERNS:
        raise BadRequest(f"At most {MAX_PATTERNS} branches and tags can be protected.", param="protected_refs")
    return found


def _clean(pattern: str) -> str:
    pattern = _STARS.sub("*", pattern)
    ref = pattern if pattern.startswith((BRANCH_PREFIX, TAG_PREFIX)) else BRANCH_PREFIX + pattern
    # What remains, with a letter for each star, must be a name that a branch or tag can have.
    name = ref.removeprefix(BRANCH_PREFIX).removeprefix(TAG_PREFIX).replace("*", "a")
    if name_problem(name):
        raise BadRequest(f"This cannot be the name of a branch or tag: {pattern[:200]}", param="protected_refs")
    return ref
