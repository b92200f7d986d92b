"""What the hub does around a git push: judge the large files it names, and follow the refs it moved."""

from __future__ import annotations

from collections.abc import Sequence

from hub.accounts.auth import Viewer
from hub.core.errors import PayloadTooLarge
from hub.repos.models import Repo
from hub.repos.services import lfs
from hub.repos.services.mirror import RefChange, follow_refs


def missing_objects(repo: Repo, *, actor: Viewer, sha256s: Sequence[str]) -> set[str]:
    """Link the large files that a push names; return those that this repo may not serve (T70).

    Called while the push is in quarantine: a missing object refuses it.
    """
    try:
        return set(lfs.link_objects(repo, actor=actor, sha256s=sha256s).missing)
    except PayloadTooLarge:
        # Over the quota: none of them became this repo's.
        return set(sha256s)


def after_push(repo_pk: int, *, refs: Sequence[str] | None, actor_pk: int | None) -> list[RefChange]:
    """Make the rows follow ``refs`` (full names; None: all)."""
    return follow_refs(repo_pk, refs=refs, actor_pk=actor_pk)
