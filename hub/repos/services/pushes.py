"""What the hub does around a git push: judge the large files it names, and follow the refs it moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from django.conf import settings

from hub.accounts.auth import Viewer
from hub.core.errors import PayloadTooLarge
from hub.repos.models import Repo
from hub.repos.services import lfs, locks
from hub.repos.services.counters import recount_storage
from hub.repos.services.mirror import RefChange, follow_refs

#: A push below this is let in to the judgement of its references, which says what is wrong.
MIN_PACK_BYTES: Final = 1024 * 1024


def missing_objects(repo: Repo, *, actor: Viewer, sha256s: Sequence[str]) -> set[str]:
    """Link the large files that a push names; return those that this repo may not serve (T70).

    Called while the push is in quarantine: a missing object refuses it.
    """
    try:
        return set(lfs.link_objects(repo, actor=actor, sha256s=sha256s).missing)
    except PayloadTooLarge:
        # Over the quota: none of them became this repo's.
        return set(sha256s)


def locked_paths(repo: Repo, *, actor: Viewer) -> Mapping[str, str]:
    """Files that the actor may not change, each with the sentence to say (T76)."""
    return {path: locks.refusal(path, owner) for path, owner in locks.locked_by_others(repo, actor).items()}


def max_pack_bytes(repo: Repo, actor: Viewer | None = None) -> int | None:
    """What the payer's quota leaves for a pack (T64); None for no limit. Small pushes always get an answer in words."""
    if not settings.HUB_QUOTA_BYTES:
        return None
    return max(settings.HUB_QUOTA_BYTES - lfs.stored_bytes(lfs.payer_of(repo, actor).pk), MIN_PACK_BYTES)


def is_over_quota(repo: Repo, actor: Viewer | None = None) -> bool:
    quota = settings.HUB_QUOTA_BYTES
    return bool(quota) and lfs.stored_bytes(lfs.payer_of(repo, actor).pk) >= quota


def after_push(repo_pk: int, *, refs: Sequence[str] | None, actor_pk: int | None) -> list[RefChange]:
    """Make the rows follow ``refs`` (full names; None: all), and count what the push added."""
    changes = follow_refs(repo_pk, refs=refs, actor_pk=actor_pk)
    repo = Repo.objects.filter(pk=repo_pk).first()
    if repo is not None:
        recount_storage(repo)
    return changes
