"""Pull-through: what this hub lacks is read from another one, and kept.

    address → is it offered? → metadata (kept by commit) → file (asked once) → bytes: from here, or passed on and kept

Commit ids are the upstream's own, for nothing is committed here: clients see the same ids on both hubs (adr/0005).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import structlog
from django.conf import settings
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.core.errors import EntryNotFound, RepoNotFound, RevisionNotFound, ServiceUnavailable, StorageFull
from hub.core.ids import RepoType, fold, is_oid
from hub.core.outgoing import IMPORT, Purpose, with_limits
from hub.repos.models import UpstreamAnswer, UpstreamFile, UpstreamRepo
from hub.repos.remote_hub import RemoteHub, RemoteRepo, SourceFailed, SourceMissing, normalise_endpoint, open_remote
from hub.storage import blobs
from hub.storage.lfs.objects import record_object
from hub.storage.threads import records_result

log = structlog.get_logger("hub.repos.upstream")

MAX_QUERY_LENGTH: Final = 1_000
#: A page waits for this; more would hold one of its few threads.
_METADATA: Final = with_limits(IMPORT, max_bytes=16 * 1024 * 1024, total_s=20.0, idle_s=10.0)
_FILES: Final = with_limits(IMPORT, total_s=24 * 3600.0)


def is_offered(viewer: Viewer, repo_type: RepoType, namespace: str) -> bool:
    """Whether a missing repo may be looked for upstream: switched on, signed in, its owner allowed and not one of ours.

    A namespace of this hub is never filled from elsewhere: nobody could tell what is whose, and what is hidden here
    must read like what is missing (T29, T35).
    """
    if not settings.HUB_UPSTREAM_URL or viewer.user is None or repo_type not in (RepoType.MODEL, RepoType.DATASET):
        return False
    allowed = {fold(name) for name in settings.HUB_UPSTREAM_NAMESPACES}
    if "any" not in allowed and fold(namespace) not in allowed:
        return False
    return not Namespace.objects.filter(name_folded=fold(namespace)).exists()


def get_upstream_repo(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> UpstreamRepo:
    """Raises: RepoNotFound where nothing is offered; whether it exists there is found out by reading."""
    if not is_offered(viewer, repo_type, namespace):
        raise RepoNotFound
    endpoint = normalise_endpoint(settings.HUB_UPSTREAM_URL)
    address = {"endpoint": endpoint, "repo_type": repo_type.value, "namespace": namespace, "name": name}
    return UpstreamRepo.objects.filter(**address).first() or UpstreamRepo(**address)


# --- metadata --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of the upstream's API; ``following`` is the address of its next page, below the repo's."""

    body: Any
    following: str


def read_api(repo: UpstreamRepo, rest: str, *, revision: str) -> Said:
    """What stands at ``rest`` (path and query) below the repo's API address.

    Kept for good where ``revision`` is a commit, asked again after a while elsewhere; what was kept is also said
    when the upstream does not answer.

    Raises: RepoNotFound, RevisionNotFound, EntryNotFound, ServiceUnavailable.
    """
    digest = hashlib.sha256(rest.encode()).hexdigest()
    kept = UpstreamAnswer.objects.filter(repo=repo, digest=digest).first() if repo.pk else None
    if kept is not None and (is_oid(revision) or _is_fresh(kept)):
        return Said(kept.body, kept.following)
    try:
        with _open(repo, _METADATA) as remote:
            body, following = remote.read_api(rest)
    except SourceFailed as error:
        if kept is not None and not isinstance(error, SourceMissing):
            log.warning("upstream_away", repo=repo.pk, reason=error.message)
            return Said(kept.body, kept.following)
        raise _as_ours(error) from error
    return _keep_answer(repo, digest, body, following)


def _is_fresh(kept: UpstreamAnswer) -> bool:
    return kept.checked_at > timezone.now() - timedelta(seconds=settings.HUB_UPSTREAM_FRESH_SECONDS)


def _keep_answer(repo: UpstreamRepo, digest: str, body: Any, following: str) -> Said:
    # The row of the repo is written once there is something to keep: guesses leave nothing.
    row, _ = UpstreamRepo.objects.get_or_create(
        endpoint=repo.endpoint, repo_type=repo.repo_type, namespace=repo.namespace, name=repo.name
    )
    repo.pk = row.pk
    rest = following.removeprefix(_remote_of(repo).api)
    UpstreamAnswer.objects.update_or_create(
        repo=row, digest=digest, defaults={"body": body, "following": rest[:2000], "checked_at": timezone.now()}
    )
    return Said(body, rest)


def commit_of(repo: UpstreamRepo, revision: str) -> str:
    """The upstream's commit that ``revision`` is. Raises: as ``read_api``."""
    if is_oid(revision):
        return revision
    body = read_api(repo, f"/revision/{quote(revision, safe='')}" if revision else "", revision=revision).body
    oid = body.get("sha") if isinstance(body, dict) else None
    if not isinstance(oid, str) or not is_oid(oid):
        raise RevisionNotFound
    return oid


def find_file(repo: UpstreamRepo, commit_oid: str, path: str) -> UpstreamFile:
    """Raises: EntryNotFound with the commit, RepoNotFound, RevisionNotFound, ServiceUnavailable."""
    kept = UpstreamFile.objects.filter(repo=repo, commit_oid=commit_oid, path=path).first() if repo.pk else None
    if kept is not None:
        return kept
    try:
        with _open(repo, _METADATA) as remote:
            found = remote.find_file(commit_oid, path)
    except SourceFailed as error:
        raise _as_ours(error) from error
    if found is None:
        raise EntryNotFound(commit_oid=commit_oid)
    row, _ = UpstreamRepo.objects.get_or_create(
        endpoint=repo.endpoint, repo_type=repo.repo_type, namespace=repo.namespace, name=repo.name
    )
    facts = {"size_bytes": found.size_bytes, "oid": found.oid, "sha256": found.sha256}
    return UpstreamFile.objects.get_or_create(repo=row, commit_oid=commit_oid, path=path, defaults=facts)[0]


def _remote_of(repo: UpstreamRepo) -> RemoteRepo:
    repo_id = f"{repo.namespace}/{repo.name}"
    return RemoteRepo(repo.endpoint, RepoType(repo.repo_type), repo_id, settings.HUB_UPSTREAM_TOKEN)


@contextlib.contextmanager
def _open(repo: UpstreamRepo, purpose: Purpose) -> Iterator[RemoteHub]:
    with open_remote(_remote_of(repo), purpose=purpose) as remote:
        yield remote


def _as_ours(error: SourceFailed) -> Exception:
    """What the upstream's refusal means for who asked us."""
    if isinstance(error, SourceMissing):
        kinds = {"RevisionNotFound": RevisionNotFound, "EntryNotFound": EntryNotFound}
        return kinds.get(error.data.get("code", ""), RepoNotFound)()
    if error.is_temporary:
        return ServiceUnavailable("The other hub that this one reads from does not answer. Please try again.")
    return RepoNotFound()


# --- bytes -----------------------------------------------------------------------------------------------------------


def get_file_row(pk: int) -> UpstreamFile:
    """Raises: EntryNotFound."""
    found = UpstreamFile.objects.select_related("repo").filter(pk=pk).first()
    if found is None:
        raise EntryNotFound
    return found


class PullSource:
    """Content that is passed on from the upstream, in the words of a blob store; a whole read keeps it here."""

    def __init__(self, file: UpstreamFile) -> None:
        self._file = file

    def stat(self, sha256: str) -> blobs.BlobStat:
        return blobs.BlobStat(sha256, self._file.size_bytes)

    def open_range(self, sha256: str, start: int = 0, stop: int | None = None) -> _PullReader:
        """Raises: SourceFailed."""
        end = self._file.size_bytes if stop is None else stop
        is_whole = (start, end) == (0, self._file.size_bytes)
        return _PullReader(self._file, start, end, keeper=_Keeper.open(self._file) if is_whole else None)

    def local_path(self, sha256: str) -> Path | None:
        return None

    def presign_get(
        self, sha256: str, *, ttl_s: int, content_type: str = "", content_disposition: str = ""
    ) -> str | None:
        return None


class _PullReader:
    """Bytes of one range, read from the upstream as they are asked for."""

    def __init__(self, file: UpstreamFile, start: int, stop: int, *, keeper: _Keeper | None) -> None:
        self._left = stop - start
        self._keeper = keeper
        self._stack = contextlib.ExitStack()
        self._rest = b""
        remote = self._stack.enter_context(_open(file.repo, _FILES))
        self._pieces = remote.open_range(file.commit_oid, file.path, start, stop)
        self._stack.callback(self._pieces.close)  # type: ignore[attr-defined]  # a generator

    def read(self, size_bytes: int) -> bytes:
        """Raises: ObjectCorrupt when it ends early, or is not what was announced: before its last bytes are given."""
        if not self._left:
            return b""
        if not self._rest:
            self._rest = next(self._pieces, b"")
            if not self._rest:
                raise blobs.ObjectCorrupt("The other hub ended the file early.")
            self._keep(self._rest)
        block, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        self._left -= len(block)
        return block

    def _keep(self, piece: bytes) -> None:
        if self._keeper is None:
            return
        self._keeper.write(piece)
        if len(piece) >= self._left:
            # Judged while these last bytes are still ours: a wrong file is never given whole (T184).
            self._keeper.finish()

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
        self._stack.close()


class _Keeper:
    """Writes what passes into the store, checks it against what the upstream announced, and notes that it is here."""

    def __init__(self, file: UpstreamFile, writer: blobs.BlobWriter) -> None:
        self._file, self._writer = file, writer
        self._git = hashlib.sha1(b"blob %d\0" % file.size_bytes, usedforsecurity=False)
        self._is_open = True

    @classmethod
    def open(cls, file: UpstreamFile) -> _Keeper | None:
        """None where there is no room: the file is passed on all the same."""
        try:
            writer = blobs.get_blob_store().open_writer(sha256=file.sha256 or None, size_bytes=file.size_bytes)
        except StorageFull:
            log.warning("upstream_not_kept", file=file.pk, reason="no room")
            return None
        return cls(file, writer)

    def write(self, data: bytes) -> None:
        self._git.update(data)
        self._writer.write(data)

    def finish(self) -> None:
        """Raises: ObjectCorrupt, after which nothing is kept."""
        if not self._file.sha256 and self._git.hexdigest() != self._file.oid:
            raise blobs.ObjectCorrupt("The other hub sent other bytes than it announced.")
        stat = self._writer.commit()
        self._is_open = False
        records_result(_note_stored, self._file.pk, stat)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._writer.abort()


def _note_stored(pk: int, stat: blobs.BlobStat) -> None:
    record_object(stat)
    UpstreamFile.objects.filter(pk=pk).update(stored_sha256=stat.sha256)


def without_xet(body: Any) -> Any:
    """Listings name Xet hashes of the upstream's own store, which this hub does not serve."""
    if isinstance(body, list):
        return [without_xet(item) for item in body]
    if isinstance(body, dict):
        return {key: value for key, value in body.items() if key != "xetHash"}
    return body


def split_revision(rest: str) -> tuple[str, str]:
    """``{revision}/{path}`` of a URL, without refs to look at: pull requests and conversions take three parts."""
    parts = rest.split("/")
    count = 3 if parts[0] == "refs" and len(parts) > 3 else 1
    return "/".join(parts[:count]), "/".join(parts[count:])


def address(rest: str, query: dict[str, list[str]]) -> str:
    """Path and query, the latter in a fixed order, so that the same question is kept once."""
    pairs = [f"{quote(key, safe='')}={quote(value, safe='')}" for key in sorted(query) for value in query[key]]
    return f"{rest}?{'&'.join(pairs)}"[: MAX_QUERY_LENGTH + len(rest)] if pairs else rest
