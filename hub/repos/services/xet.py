"""Xet for repos: who gets which token, and what the content-addressed store asks about repos and owners.

A token is signed with the right to the repo just checked; the store itself knows only the opaque keys in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings

from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import User
from hub.accounts.permissions import role_in
from hub.core.errors import Conflict, HubError
from hub.repos.models import Repo, RepoObject
from hub.repos.services import downloads, lfs
from hub.repos.services.backup import maintenance
from hub.storage.git.refs import PULL_PREFIX
from hub.storage.models import LfsObject
from hub.storage.xet import convert, registry
from hub.storage.xet.tokens import Claims, Scope, cas_path, expiry, sign

log = structlog.get_logger("hub.repos.xet")

#: No further file is begun after this time: the task that runs this has a limit, and a file may take long.
CONVERSION_BUDGET_S: Final = 1200.0
_CONVERSION_BATCH: Final = 100
#: Stands for the commit in tokens of this hub's workers, whose downloads do not count.
_WORKER: Final = "worker"
_MAX_DOMAINS: Final = 20


@dataclass(frozen=True, slots=True)
class XetToken:
    """What a client needs: where the store is, a bearer token for it, and until when (Unix seconds)."""

    cas_url: str
    access_token: str
    expires_at: int


def read_token(
    repo: Repo, *, viewer: Viewer, commit_oid: str, base_url: str, pull_request: int | None = None
) -> XetToken:
    """A token for the repo's files. The caller has checked that the viewer may read them.

    ``pull_request`` says whose the commit is where it is not the repo's own: such downloads do not count.
    """
    ref = commit_oid if pull_request is None else f"{PULL_PREFIX}{pull_request}"
    ref = _WORKER if viewer.service is not None else ref
    return _token(_claims(repo, viewer, ref=ref, scope=Scope.READ), base_url)


def write_token(repo: Repo, *, actor: Viewer, revision: str, base_url: str) -> XetToken:
    """A token to send files to the repo. The caller has checked that the actor may send files for ``revision``."""
    room = lfs.room_bytes(repo, actor=actor)
    return _token(_claims(repo, actor, ref=revision, scope=Scope.WRITE, room_bytes=room), base_url)


def _claims(repo: Repo, viewer: Viewer, *, ref: str, scope: Scope, room_bytes: int = -1) -> Claims:
    return Claims(
        domain=domain_of(repo, viewer),
        epoch=registry.current_epoch(),
        repo_key=lfs.repo_key(repo),
        owner_key=lfs.owner_key(repo, viewer),
        ref=ref,
        scope=scope,
        user_key=str(viewer.user_pk or ""),
        expires_at=expiry(),
        room_bytes=room_bytes,
    )


def _token(claims: Claims, base_url: str) -> XetToken:
    return XetToken(f"{base_url}{cas_path(claims.domain, claims.epoch)}", sign(claims), claims.expires_at)


def cas_url(repo: Repo, viewer: Viewer, base_url: str) -> str:
    """Where the store is for this viewer and repo: what stands in their tokens."""
    return f"{base_url}{cas_path(domain_of(repo, viewer), registry.current_epoch())}"


def domain_of(repo: Repo, viewer: Viewer) -> str:
    """Within which files share chunks (T81, T82): all of a namespace for those who may read all of it.

    Everybody else has a domain of their own for each repo: what others sent there is neither named nor usable.
    """
    reads_all = role_in(viewer, repo.namespace_id) is not None
    if reads_all and viewer.allows(Action.REPO_READ, namespace=repo.namespace.name):
        return namespace_domain(repo.namespace_id)
    return f"repo{repo.pk}.u{viewer.user_pk or 0}"


def namespace_domain(namespace_id: int) -> str:
    return f"ns{namespace_id}"


def file_hash(repo: Repo, sha256: str) -> str | None:
    """The Xet hash of a large file, for a repo that may serve it; None while it exists only in one piece."""
    return file_hashes(repo, [sha256]).get(sha256)


def file_hashes(repo: Repo, sha256s: Iterable[str]) -> dict[str, str]:
    """The Xet hashes of those of many large files that have one and that the repo may serve; one query."""
    wanted = list(sha256s)
    if not wanted:
        return {}
    linked = RepoObject.objects.filter(repo=repo, sha256__in=wanted).values("sha256")
    rows = LfsObject.objects.filter(sha256__in=linked, xet_file__isnull=False)
    return dict(rows.values_list("sha256", "xet_file__file_hash"))


class RepoRules:
    """``hub.storage.xet.cas.CasRules`` for repos and namespaces."""

    def may_read(self, claims: Claims, file_hash: str) -> bool:
        repo_pk = lfs.repo_pk_of(claims.repo_key)
        served = LfsObject.objects.filter(xet_file__file_hash=file_hash).values("sha256")
        if not Repo.objects.filter(pk=repo_pk, disabled_at__isnull=True).exists():
            return False  # closed since the token was made (T40)
        if RepoObject.objects.filter(repo_id=repo_pk, sha256__in=served).exists():
            return True
        # Sent and not committed yet: theirs alone who sent it.
        return claims.scope is Scope.WRITE and registry.was_sent(claims.repo_key, claims.owner_key, file_hash)

    def reserve(self, claims: Claims, size_bytes: int) -> None:
        if size_bytes and settings.HUB_QUOTA_BYTES:
            lfs.check_room_of(lfs.payer_pk_of(claims.owner_key), size_bytes)

    def tally(self, claims: Claims, file_hash: str, size_bytes: int, *, address: str, client: str) -> str:
        if claims.scope is Scope.WRITE or downloads.is_pull_request(claims.ref):
            return ""
        repo = Repo.objects.filter(pk=lfs.repo_pk_of(claims.repo_key)).first()
        user = User.objects.filter(pk=claims.user_key).first() if claims.user_key else None
        # A worker's token has no person either, and asks from this hub: it says so in ``ref``.
        if repo is None or claims.ref == _WORKER:
            return ""
        viewer = Viewer(user=user)
        if not downloads.is_own_file(repo, file_hash):
            return ""
        return downloads.tally_of(
            repo, viewer=viewer, address=address, client=client, content=file_hash, size_bytes=size_bytes
        )


# --- conversion ------------------------------------------------------------------------------------------------------


def convert_files(*, budget_s: float = CONVERSION_BUDGET_S) -> int:
    """Turn files that came whole into Xet files, one at a time, until all are done or the time is up; return how many.

    A second call while one runs does nothing. Then whole copies go that have outlived their grace.
    """
    if not settings.HUB_XET_CONVERT:
        return 0
    with _one_converter() as is_alone:
        if not is_alone:
            return 0
        converted = _convert_until(time.monotonic() + budget_s)
    with contextlib.suppress(Conflict):  # a backup copies them just now: next time
        drop_whole_copies()
    return converted


def _convert_until(deadline: float) -> int:
    converted = 0
    tried: set[str] = set()
    while batch := [sha256 for sha256 in convert.pending(_CONVERSION_BATCH + len(tried)) if sha256 not in tried]:
        for sha256 in batch:
            tried.add(sha256)
            converted += _convert_one(sha256)
            if time.monotonic() > deadline:
                return converted
    return converted


def _convert_one(sha256: str) -> bool:
    try:
        return convert.convert(sha256, domains=_domains_of(sha256))
    except HubError as error:
        # It stays whole and readable as before.
        log.warning("file_not_converted", sha256=sha256, reason=error.message)
        return False


def _domains_of(sha256: str) -> list[str]:
    """Namespaces that serve the file: all that it is made of is theirs to refer to."""
    links = RepoObject.objects.filter(sha256=sha256, repo__deleted_at__isnull=True).order_by("pk")
    namespaces = dict.fromkeys(links.values_list("repo__namespace_id", flat=True)[:_MAX_DOMAINS])
    return [namespace_domain(namespace_id) for namespace_id in namespaces]


def drop_whole_copies() -> int:
    """Remove whole copies of converted files whose grace is over; return how many. Raises: Conflict during a backup."""
    with maintenance():
        return sum(convert.drop_whole_copy(sha256) for sha256 in convert.whole_copies_to_drop())


@contextlib.contextmanager
def _one_converter() -> Iterator[bool]:
    """Tell whether this process may convert: it takes memory and processor time, so one on each machine does."""
    path = Path(settings.HUB_DATA_DIR) / "convert.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
