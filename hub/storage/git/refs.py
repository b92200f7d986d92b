"""Names and moves of references: validation (T57, T58), branches, tags, compare-and-swap."""

from __future__ import annotations

import random
import re
import time
import unicodedata
from dataclasses import dataclass

import pygit2
from pygit2.enums import ObjectType

from hub.core.errors import (
    BadRequest,
    Conflict,
    PermissionDenied,
    PreconditionFailed,
    RevisionNotFound,
)

BRANCH_PREFIX = "refs/heads/"
TAG_PREFIX = "refs/tags/"
PULL_PREFIX = "refs/pr/"
CONVERT_PREFIX = "refs/convert/"
READABLE_PREFIXES = (BRANCH_PREFIX, TAG_PREFIX, PULL_PREFIX, CONVERT_PREFIX)

MAX_NAME_BYTES = 200
STALE_PARENT = "The branch was updated since you opened this page. Please refresh and try again."

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_FULL_OID = re.compile(r"[0-9a-fA-F]{40}\Z")
_RESERVED = frozenset({"head", "fetch_head", "orig_head", "merge_head", "@"})
_PULL = re.compile(r"refs/pr/[1-9][0-9]{0,8}\Z")
_REF_BUSY_S = 2.0


@dataclass(frozen=True, slots=True)
class Signature:
    """Who wrote a commit or a tag, and when (Unix seconds, offset from UTC in minutes)."""

    name: str
    email: str
    time_s: int | None = None
    offset_min: int = 0

    def to_git(self) -> pygit2.Signature:
        """Make the form libgit2 stores; characters that would break a commit header are dropped."""
        moment = int(time.time()) if self.time_s is None else self.time_s
        return pygit2.Signature(
            _header_text(self.name) or "unknown",
            _header_text(self.email),
            moment,
            self.offset_min,
        )


def name_problem(name: str) -> str | None:
    """Say why `name` cannot be a branch or tag, or None."""
    if not name or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        return f"a name has 1 to {MAX_NAME_BYTES} bytes"
    if _FORBIDDEN.search(name) or any(unicodedata.category(character) in ("Cc", "Cs", "Cf") for character in name):
        return "the name holds a character or sequence that git does not allow"
    if name[0] in "-/" or name[-1] in "/.":
        return "the name begins with '-' or '/', or ends with '/' or '.'"
    if any(part.startswith(".") or part.endswith(".lock") for part in name.split("/")):
        return "a component begins with '.' or ends with '.lock'"
    if _FULL_OID.match(name) or name.lower() in _RESERVED or name.startswith("refs/"):
        return "the name is reserved"
    return None


def validate_branch_name(name: str) -> str:
    """Return `name` when it may name a branch. Raises: BadRequest."""
    return _validated(name, "branch")


def validate_tag_name(name: str) -> str:
    """Return `name` when it may name a tag. Raises: BadRequest."""
    return _validated(name, "tag")


def pushed_ref_problem(ref: str) -> str | None:
    """Say why a push may not touch `ref`, or None. Rights on an allowed reference are judged elsewhere."""
    for prefix in (BRANCH_PREFIX, TAG_PREFIX):
        if ref.startswith(prefix):
            return name_problem(ref.removeprefix(prefix))
    if _PULL.match(ref):
        return None
    return "only branches, tags and open pull requests can be pushed"


def read_ref(repo: pygit2.Repository, ref: str) -> str | None:
    """Return the oid that `ref` holds (a tag object for an annotated tag), or None."""
    try:
        found = repo.lookup_reference(ref).resolve()
    except (KeyError, ValueError, pygit2.GitError):
        return None
    return str(found.target)


def compare_and_swap(repo: pygit2.Repository, ref: str, *, old_oid: str | None, new_oid: str | None) -> None:
    """Move `ref` from `old_oid` to `new_oid`; None means absent. Waits shortly for another writer's lock file.

    Raises: PreconditionFailed when the reference holds something else; Conflict when it stays locked.
    """
    deadline = time.monotonic() + _REF_BUSY_S
    while True:
        try:
            _swap(repo, ref, old_oid, new_oid)
            return
        except (pygit2.GitError, OSError) as error:
            text = str(error).lower()
            # "cannot lock ref …, there are refs beneath" is a clash of names, which waiting does not solve.
            if "lock" not in text or "beneath" in text:
                raise PreconditionFailed(STALE_PARENT) from error
            if time.monotonic() > deadline:
                raise Conflict(f"Reference {ref} is locked by another operation. Please try again.") from error
            time.sleep(random.uniform(0.002, 0.02))


def create_branch(repo: pygit2.Repository, name: str, oid: str, *, overwrite: bool = False) -> None:
    """Create `refs/heads/{name}` at commit `oid`. Raises: BadRequest, RevisionNotFound, Conflict."""
    validate_branch_name(name)
    _create(repo, BRANCH_PREFIX + name, _commit_oid(repo, oid), overwrite)


def delete_branch(repo: pygit2.Repository, name: str) -> None:
    """Delete a branch. Raises: PermissionDenied for the default branch; RevisionNotFound."""
    ref = BRANCH_PREFIX + name
    if repo.lookup_reference("HEAD").target == ref:
        raise PermissionDenied(f"Cannot delete {ref}")
    _delete(repo, ref)


def create_tag(
    repo: pygit2.Repository,
    name: str,
    oid: str,
    *,
    message: str | None = None,
    tagger: Signature | None = None,
) -> None:
    """Create `refs/tags/{name}`, annotated when both `message` and `tagger` are given.

    Raises: RevisionNotFound (before the name is judged), BadRequest, Conflict.
    """
    target = _commit_oid(repo, oid)
    validate_tag_name(name)
    ref = TAG_PREFIX + name
    if read_ref(repo, ref) is not None:
        raise Conflict(f"Reference {ref} already exists")
    if message and tagger is not None:
        # The raw object: libgit2's create_tag would move the reference itself, past our compare-and-swap.
        target = _write_tag_object(repo, name, target, message, tagger)
    _create(repo, ref, target, overwrite=False)


def delete_tag(repo: pygit2.Repository, name: str) -> None:
    """Delete a tag. Raises: RevisionNotFound."""
    _delete(repo, TAG_PREFIX + name)


def _validated(name: str, kind: str) -> str:
    if name_problem(name):
        raise BadRequest(f"Invalid reference for a {kind}")
    return name


def _swap(repo: pygit2.Repository, ref: str, old_oid: str | None, new_oid: str | None) -> None:
    if old_oid is None:
        if new_oid is not None:
            repo.create_reference_direct(ref, new_oid, False)
        return
    try:
        current = repo.lookup_reference(ref)
    except KeyError as error:
        raise PreconditionFailed(STALE_PARENT) from error
    if str(current.target) != old_oid:
        raise PreconditionFailed(STALE_PARENT)
    # Both calls compare with the value read above under the reference's own lock file.
    if new_oid is None:
        current.delete()
    else:
        current.set_target(new_oid)


def _create(repo: pygit2.Repository, ref: str, oid: str, overwrite: bool) -> None:
    old_oid = read_ref(repo, ref)
    if old_oid is not None and not overwrite:
        raise Conflict(f"Reference {ref} already exists")
    try:
        compare_and_swap(repo, ref, old_oid=old_oid, new_oid=oid)
    except (PreconditionFailed, ValueError) as error:
        raise Conflict(f"Reference {ref} already exists, or a name above or below it does") from error


def _delete(repo: pygit2.Repository, ref: str) -> None:
    old_oid = read_ref(repo, ref)
    if old_oid is None:
        raise RevisionNotFound("Invalid rev id")
    compare_and_swap(repo, ref, old_oid=old_oid, new_oid=None)


def _commit_oid(repo: pygit2.Repository, oid: str) -> str:
    try:
        return str(repo[oid].peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise RevisionNotFound("Invalid rev id") from error


def _write_tag_object(repo: pygit2.Repository, name: str, target: str, message: str, tagger: Signature) -> str:
    who = tagger.to_git()
    sign = "-" if who.offset < 0 else "+"
    zone = f"{sign}{abs(who.offset) // 60:02d}{abs(who.offset) % 60:02d}"
    text = message.replace("\0", "").strip()
    header = f"object {target}\ntype commit\ntag {name}\ntagger {who.name} <{who.email}> {who.time} {zone}\n\n"
    return str(repo.write(ObjectType.TAG, f"{header}{text}\n".encode()))


def _header_text(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f<>]+", " ", text.encode(errors="replace").decode()).strip(" .,;\"'")
