"""The copying of one import: from the source's list of files to one commit here.

    claim (lease) > plan (pin the commit, list, check room, create the repo) > fetch each file > create_commit > closed

Each stored file is noted, and large files are stored in parts: whoever goes on after a kill fetches what is missing and
nothing else.  Small files are compared with their git oid, large ones with their sha256, as the source listed them.
A worker gives an import back after ``SLICE_S``, so that one of a terabyte does not keep the others from their turn.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.core.errors import Conflict, HubError, PayloadTooLarge, PermissionDenied, Unprocessable
from hub.core.ids import RepoType
from hub.core.outgoing import IMPORT, with_limits
from hub.core.sealing import unseal
from hub.repos.cards import CARD_PATH
from hub.repos.enums import ImportState, Visibility
from hub.repos.models import Repo, RepoImport, RepoImportFile
from hub.repos.permissions import can_write
from hub.repos.remote_hub import RemoteFile, RemoteHub, RemoteRepo, SourceFailed, open_remote
from hub.repos.services import lfs
from hub.repos.services.commits import (
    MAX_OPERATIONS,
    AddBytes,
    AddPointer,
    AddStream,
    LazyReader,
    Operation,
    create_commit,
)
from hub.repos.services.imports import MAX_ATTEMPTS, SEAL_PURPOSE, close_import, wake_imports
from hub.repos.services.repos import create_repo
from hub.repos.upload_mode import ATTRIBUTES_PATH
from hub.storage import blobs
from hub.storage.git.commits import MAX_PLAIN_BLOB_BYTES
from hub.storage.git.paths import validate_path_in_repo
from hub.storage.lfs import objects, transfer
from hub.storage.models import UploadSession

log = structlog.get_logger("hub.repos.imports")

LEASE_S: Final = 60
#: Joining parts, hashing them and committing are single steps that nobody can interrupt.
LONG_LEASE_S: Final = 1800
SLICE_S: Final = 900.0
#: All plain files together: they travel through memory and lie in git.
MAX_PLAIN_BYTES: Final = 1024**3
PART_BYTES: Final = 64 * 1024**2
_BEAT_S: Final = 1.0
_TRIES: Final = 5
_AHEAD: Final = 4  # small files on their way at once
_BATCH: Final = 500
_ROOM_EVERY: Final = 100
_PURPOSE: Final = with_limits(IMPORT, total_s=2 * 3600.0)


class _LeaseLost(Exception):
    """Cancelled, or taken from us: whoever has the row now decides; touch nothing more."""


class _SliceOver(Exception):
    """Time for the others' imports."""


class _Writer(Protocol):
    def write(self, data: bytes) -> None: ...


def run_import(object_id: str) -> None:
    """Copy until done, failed, cancelled or out of time. Does nothing where the import is not waiting (T167)."""
    job = _claim(object_id)
    if job is None:
        return
    with structlog.contextvars.bound_contextvars(import_id=object_id):
        _run(job)
    wake_imports()


def _run(job: RepoImport) -> None:
    try:
        oid = _Copy(job).run()
    except _LeaseLost:
        log.info("import_stopped")
    except _SliceOver:
        _give_back(job, delay_s=0, attempts=0)
    except SourceFailed as error:
        _failed_at_source(job, error)
    except HubError as error:
        close_import(job.pk, ImportState.FAILED, lease=job.lease, error=error.message)
    except Exception:
        log.exception("import_failed")
        close_import(job.pk, ImportState.FAILED, lease=job.lease, error=HubError.default_message)
    else:
        if close_import(job.pk, ImportState.SUCCEEDED, lease=job.lease, target_oid=oid):
            RepoImportFile.objects.filter(repo_import=job).delete()


def _failed_at_source(job: RepoImport, error: SourceFailed) -> None:
    """Wait and try again where that may help, up to ``MAX_ATTEMPTS`` times without a file stored."""
    attempts = RepoImport.objects.values_list("attempts", flat=True).get(pk=job.pk)
    if error.is_temporary and attempts < MAX_ATTEMPTS:
        log.info("import_postponed", reason=error.message)
        _give_back(job, delay_s=30 * 4**attempts, error=error.message)
        return
    close_import(job.pk, ImportState.FAILED, lease=job.lease, error=error.message)


def _claim(object_id: str) -> RepoImport | None:
    """Take the lease, counting the attempt before it runs. None when it is not our turn."""
    now = timezone.now()
    lease = uuid.uuid4().hex
    with transaction.atomic():
        running = RepoImport.objects.filter(state=ImportState.RUNNING, leased_until__gte=now).count()
        if running >= settings.HUB_IMPORTS_AT_ONCE:
            return None
        job = RepoImport.objects.select_for_update().filter(object_id=object_id, state=ImportState.QUEUED).first()
        if job is None or job.wake_at > now:
            return None
        RepoImport.objects.filter(pk=job.pk).update(
            state=ImportState.RUNNING,
            lease=lease,
            leased_until=now + timedelta(seconds=LEASE_S),
            attempts=job.attempts + 1,
            error="",
        )
    return RepoImport.objects.select_related("author", "namespace", "repo", "repo__namespace").get(pk=job.pk)


def _give_back(job: RepoImport, *, delay_s: float, **facts: Any) -> None:
    RepoImport.objects.filter(pk=job.pk, lease=job.lease, state=ImportState.RUNNING).update(
        state=ImportState.QUEUED,
        lease="",
        leased_until=None,
        bytes_per_s=0,
        current_path="",
        wake_at=timezone.now() + timedelta(seconds=delay_s),
        **facts,
    )


# --- signs of life ---------------------------------------------------------------------------------------------------


class _Pulse:
    """What the row says of the work: written at most once a second, and the way by which a cancel is noticed."""

    def __init__(self, job: RepoImport) -> None:
        self._job = job
        self._ends_at = time.monotonic() + SLICE_S
        self._written_at = 0.0
        self._written_bytes = 0
        self._rate = 0.0
        self.stored_bytes = 0  # of whole files
        self.flying_bytes = 0  # of the file on its way
        self.files_done = 0
        self.path = ""

    def beat(self, *, force: bool = False, lease_s: float = LEASE_S) -> None:
        """Raises: _LeaseLost when the import is no longer ours."""
        now = time.monotonic()
        if not force and now - self._written_at < _BEAT_S:
            return
        self._note_rate(now)
        changed = RepoImport.objects.filter(pk=self._job.pk, lease=self._job.lease, state=ImportState.RUNNING).update(
            leased_until=timezone.now() + timedelta(seconds=lease_s),
            bytes_done=self.stored_bytes + self.flying_bytes,
            bytes_per_s=int(self._rate),
            files_done=self.files_done,
            current_path=self.path[:1024],
        )
        if not changed:
            raise _LeaseLost

    def _note_rate(self, now: float) -> None:
        moved, passed = self.stored_bytes + self.flying_bytes - self._written_bytes, now - self._written_at
        if self._written_at and passed > 0:
            rate = max(moved, 0) / passed
            self._rate = rate if not self._rate else 0.6 * self._rate + 0.4 * rate
        self._written_at, self._written_bytes = now, self.stored_bytes + self.flying_bytes

    def check_slice(self) -> None:
        if time.monotonic() > self._ends_at:
            raise _SliceOver

    def wait(self, seconds: float) -> None:
        """Sleep without losing the lease."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            time.sleep(min(left, _BEAT_S))
            self.beat()


class _Room:
    """What the quota leaves, asked anew every so often: asking reads all that the owner has sent, and a data set of
    ten thousand pictures would ask ten thousand times.  The commit checks once more."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._left = 0
        self._uses = 0

    def take(self, size_bytes: int) -> None:
        """Raises: PayloadTooLarge."""
        if self._uses % _ROOM_EVERY == 0 or 0 <= self._left < size_bytes:
            self._left = lfs.room_bytes(self._repo)
        self._uses += 1
        if self._left < 0:  # no quota
            return
        if self._left < size_bytes:
            lfs.check_room_of(self._repo.namespace_id, size_bytes)
        self._left = max(self._left - size_bytes, 0)


# --- the copy --------------------------------------------------------------------------------------------------------


class _Copy:
    def __init__(self, job: RepoImport) -> None:
        self._job = job
        self._actor = Viewer(user=job.author)
        self._pulse = _Pulse(job)
        self._room: _Room | None = None

    def run(self) -> str:
        """Return the commit that holds the files here."""
        job = self._job
        self._check_person()
        token = unseal(job.sealed_token, purpose=SEAL_PURPOSE)
        remote_repo = RemoteRepo(job.endpoint, RepoType(job.repo_type), job.source, token)
        with open_remote(remote_repo, purpose=_PURPOSE) as remote:
            if not job.commit_oid or job.repo is None:
                self._plan(remote)
            self._fetch(remote, remote_repo)
        return self._commit()

    def _check_person(self) -> None:
        """Rights may have gone since the import was asked for (T37). Raises: PermissionDenied."""
        repo = self._job.repo
        if not self._job.author.is_active:
            raise PermissionDenied("The account that asked for this import is closed.")
        if repo is not None and (repo.deleted_at is not None or not can_write(self._actor, repo)):
            raise PermissionDenied("You may not write to this repository any more.")

    # -- plan

    def _plan(self, remote: RemoteHub) -> None:
        job = self._job
        commit_oid = job.commit_oid or remote.commit_of(job.revision)
        files = self._list(remote, commit_oid)
        total_bytes = sum(file.size_bytes for file in files)
        self._check_room(files, total_bytes)
        if job.repo is None:
            job.repo = self._create_repo()
        rows = [_row_of(job, file) for file in files]
        with transaction.atomic():
            job.files.all().delete()
            RepoImportFile.objects.bulk_create(rows, batch_size=_BATCH)
            job.commit_oid, job.files_total, job.bytes_total = commit_oid, len(files), total_bytes
            changed = RepoImport.objects.filter(pk=job.pk, lease=job.lease).update(
                repo=job.repo, commit_oid=commit_oid, files_total=len(files), bytes_total=total_bytes
            )
            if not changed:
                raise _LeaseLost

    def _list(self, remote: RemoteHub, commit_oid: str) -> list[RemoteFile]:
        files: list[RemoteFile] = []
        for file in remote.iter_files(commit_oid):
            validate_path_in_repo(file.path)
            files.append(file)
            if len(files) > MAX_OPERATIONS:
                raise PayloadTooLarge(f"The source has more than {MAX_OPERATIONS} files; imports stop there.")
            self._pulse.beat()
        if len({file.path for file in files}) != len(files):
            raise SourceFailed("The other hub lists a file twice.")
        return files

    def _check_room(self, files: list[RemoteFile], total_bytes: int) -> None:
        """Raises: PayloadTooLarge (limits, quota), StorageFull."""
        if total_bytes > settings.HUB_IMPORT_MAX_BYTES:
            raise PayloadTooLarge(
                f"The source has {total_bytes} bytes; this hub imports at most {settings.HUB_IMPORT_MAX_BYTES}."
            )
        largest = max((file.size_bytes for file in files), default=0)
        if largest > settings.HUB_MAX_FILE_BYTES:
            raise Unprocessable(f"Files over {settings.HUB_MAX_FILE_BYTES} bytes are not accepted by this hub.")
        if sum(file.size_bytes for file in files if not _is_large(file)) > MAX_PLAIN_BYTES:
            raise PayloadTooLarge(f"The small files of the source exceed {MAX_PLAIN_BYTES >> 20} MiB together.")
        held = self._job.repo or Repo(namespace=self._job.namespace)
        here = lfs.present(held, [file.sha256 for file in files if file.sha256]) if held.pk else set()
        wanted_bytes = sum({file.oid: file.size_bytes for file in files if file.sha256 not in here}.values())
        lfs.check_quota(held, wanted_bytes)
        blobs.get_blob_store().check_capacity(wanted_bytes)

    def _create_repo(self) -> Repo:
        """The new repo; one that an earlier attempt of this import made is taken up again. Raises: Conflict, …"""
        job = self._job
        try:
            return create_repo(
                self._actor,
                namespace=job.namespace.name,
                name=job.name,
                repo_type=RepoType(job.repo_type),
                visibility=Visibility(job.visibility) if job.visibility else None,
            )
        except Conflict:
            made = Repo.objects.select_related("namespace").filter(
                namespace=job.namespace,
                repo_type=job.repo_type,
                name_folded=job.name.lower(),
                deleted_at__isnull=True,
                created_by=job.author,
                created_at__gte=job.created_at,
            )
            repo = made.first()
            if repo is None:
                raise
            return repo

    # -- files

    def _fetch(self, remote: RemoteHub, remote_repo: RemoteRepo) -> None:
        waiting = self._missing()
        self._pulse.beat(force=True)
        self._fetch_small(remote_repo, [row for row in waiting if not row.is_large])
        for row in waiting:
            if row.is_large:
                self._pulse.path = row.path
                self._fetch_large(remote, row)
                self._note_stored([row])

    def _missing(self) -> list[RepoImportFile]:
        """Files that are not here; a noted one that a sweep has taken since counts as missing."""
        rows = list(self._job.files.order_by("pk"))
        stored = [row for row in rows if row.is_stored]
        here = self._still_here(stored)
        lost = [row for row in stored if row.size_bytes and row.sha256 not in here]
        RepoImportFile.objects.filter(pk__in=[row.pk for row in lost]).update(is_stored=False)
        for row in lost:
            row.is_stored = False
        kept = [row for row in rows if row.is_stored]
        self._pulse.files_done = len(kept)
        self._pulse.stored_bytes = sum(row.size_bytes for row in kept)
        return [row for row in rows if not row.is_stored]

    def _still_here(self, rows: list[RepoImportFile]) -> set[str]:
        assert self._job.repo is not None  # planned
        found: set[str] = set()
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            found |= lfs.present(self._job.repo, [row.sha256 for row in batch if row.is_large])
            found |= set(objects.find_objects([row.sha256 for row in batch if not row.is_large]))
        return found

    def _note_stored(self, rows: list[RepoImportFile]) -> None:
        for row in rows:
            row.is_stored = True
        with transaction.atomic():
            RepoImportFile.objects.bulk_update(rows, ["is_stored", "sha256"], batch_size=_BATCH)
            RepoImport.objects.filter(pk=self._job.pk, lease=self._job.lease).update(attempts=0)
        self._pulse.files_done += len(rows)
        self._pulse.stored_bytes += sum(row.size_bytes for row in rows)
        self._pulse.flying_bytes = 0
        self._pulse.beat()
        self._pulse.check_slice()

    def _fetch_small(self, remote_repo: RemoteRepo, rows: list[RepoImportFile]) -> None:
        fresh: list[RepoImportFile] = []
        noted_at = time.monotonic()
        with contextlib.closing(_small_contents(remote_repo, self._job.commit_oid, rows, self._pulse)) as contents:
            for row, data in contents:
                if data:
                    row.sha256 = objects.put_object([data]).sha256
                fresh.append(row)
                self._pulse.path = row.path
                if time.monotonic() - noted_at > _BEAT_S:
                    self._note_stored(fresh)
                    fresh, noted_at = [], time.monotonic()
        if fresh:
            self._note_stored(fresh)

    def _fetch_large(self, remote: RemoteHub, row: RepoImportFile) -> None:
        assert self._job.repo is not None  # planned
        if row.sha256 and lfs.is_present(self._job.repo, row.sha256):
            return
        if not row.sha256:
            self._fetch_unnamed(remote, row)
            return
        session = self._begin(self._job.repo, row)
        try:
            if session.is_multipart:
                self._fetch_parts(remote, row, session)
            else:
                self._fetch_whole(remote, row, session)
        except Unprocessable as error:  # all bytes came, and they are others
            transfer.abort_upload(session)
            raise _other_bytes(row) from error

    def _begin(self, repo: Repo, row: RepoImportFile) -> UploadSession:
        """The upload of a file, begun or found again, its room reserved."""
        if row.size_bytes > PART_BYTES:
            return lfs.begin_upload(
                repo, sha256=row.sha256, size_bytes=row.size_bytes, in_parts=True, part_size_bytes=PART_BYTES
            )
        if self._room is None:
            self._room = _Room(repo)
        return transfer.begin_basic_upload(
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            repo_key=lfs.repo_key(repo),
            owner_key=lfs.owner_key(repo),
            reserve=self._room.take,
        )

    def _fetch_whole(self, remote: RemoteHub, row: RepoImportFile, session: UploadSession) -> None:
        writer = blobs.get_blob_store().open_writer(sha256=row.sha256, size_bytes=row.size_bytes)
        with _aborting(writer):
            self._fill(remote, row, writer, 0, row.size_bytes)
            stat = writer.commit()
        transfer.finish_basic_upload(session.pk, stat)

    def _fetch_parts(self, remote: RemoteHub, row: RepoImportFile, session: UploadSession) -> None:
        store = blobs.get_blob_store()
        there = {part.number for part in transfer.stored_parts(session)}
        for number in range(1, session.part_count + 1):
            size = session.part_size(number)
            if number in there:
                self._pulse.flying_bytes += size
                continue
            self._pulse.check_slice()
            start = (number - 1) * session.part_size_bytes
            part = store.open_part_writer(session.store_upload_id, number=number, offset_bytes=start, size_bytes=size)
            with _aborting(part):
                self._fill(remote, row, part, start, start + size)
                part.commit()
        self._pulse.beat(force=True, lease_s=LONG_LEASE_S)
        transfer.complete_upload(session.pk, sha256=row.sha256, on_progress=lambda _done, _all: self._pulse.beat())

    def _fetch_unnamed(self, remote: RemoteHub, row: RepoImportFile) -> None:
        """A file that the source keeps in git and that is too large for ours: its sha256 is known afterwards."""
        assert self._job.repo is not None  # planned
        checked = _OidWriter(blobs.get_blob_store().open_writer(size_bytes=row.size_bytes), row)
        with _aborting(checked.writer):
            self._fill(remote, row, checked, 0, row.size_bytes)
            checked.check()
            stat = checked.writer.commit()
        session = lfs.begin_upload(self._job.repo, sha256=stat.sha256, size_bytes=stat.size_bytes, in_parts=False)
        transfer.finish_basic_upload(session.pk, stat)
        row.sha256 = stat.sha256

    def _fill(self, remote: RemoteHub, row: RepoImportFile, writer: _Writer, start: int, stop: int) -> None:
        """Write bytes ``start`` to ``stop``; a connection that breaks is taken up where it broke."""
        position, failures = start, 0
        while position < stop:
            try:
                for piece in remote.open_range(self._job.commit_oid, row.path, position, stop):
                    writer.write(piece)
                    position += len(piece)
                    failures = 0
                    self._pulse.flying_bytes += len(piece)
                    self._pulse.beat()
                if position < stop:
                    raise SourceFailed("The other server's answer was cut off.", is_temporary=True)
            except SourceFailed as error:
                failures += 1
                if not error.is_temporary or failures >= _TRIES:
                    raise
                self._pulse.wait(2.0**failures)

    # -- commit

    def _commit(self) -> str:
        job = self._job
        assert job.repo is not None  # planned
        job.repo.refresh_from_db()
        self._check_person()
        rows = list(job.files.order_by("path"))
        if not rows:
            return job.repo.head_oid
        self._pulse.path = ""
        self._pulse.beat(force=True, lease_s=LONG_LEASE_S)
        short = job.commit_oid[:12]
        result = create_commit(
            job.repo,
            actor=self._actor,
            revision=job.repo.default_branch,
            operations=[_addition(row) for row in rows],
            message=f"Import {job.source} from {urlsplit(job.endpoint).netloc} at {short}",
            description=f"Source: {job.endpoint}/{RepoType(job.repo_type).web_prefix}{job.source}\n"
            f"Revision: {job.revision}\nCommit: {job.commit_oid}",
        )
        return result.oid


# --- pieces ----------------------------------------------------------------------------------------------------------


def _row_of(job: RepoImport, file: RemoteFile) -> RepoImportFile:
    return RepoImportFile(
        repo_import=job,
        path=file.path,
        size_bytes=file.size_bytes,
        oid=file.oid,
        sha256=file.sha256,
        is_large=_is_large(file),
    )


def _is_large(file: RemoteFile) -> bool:
    return bool(file.sha256) or file.size_bytes > MAX_PLAIN_BLOB_BYTES


def _addition(row: RepoImportFile) -> Operation:
    if row.is_large:
        return AddPointer(row.path, row.sha256, row.size_bytes)
    if row.size_bytes == 0:
        return AddBytes(row.path)
    # A card or rules file is looked into before the commit, so it comes as bytes; others are read in their turn.
    if row.path in (ATTRIBUTES_PATH, CARD_PATH):
        return AddBytes(row.path, objects.read_object(row.sha256))
    return AddStream(row.path, LazyReader(partial(objects.read_object, row.sha256)), row.size_bytes)


def _other_bytes(row: RepoImportFile) -> SourceFailed:
    return SourceFailed(f"{row.path}: the source sent other bytes than its list says.")


def _blob_hash(size_bytes: int) -> Any:
    return hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)


@dataclass(slots=True)
class _OidWriter:
    """Passes bytes on and knows the git oid that they have."""

    writer: blobs.BlobWriter
    row: RepoImportFile
    _hash: Any = None

    def write(self, data: bytes) -> None:
        if self._hash is None:
            self._hash = _blob_hash(self.row.size_bytes)
        self._hash.update(data)
        self.writer.write(data)

    def check(self) -> None:
        if self._hash is None or self._hash.hexdigest() != self.row.oid:
            raise _other_bytes(self.row)


@contextlib.contextmanager
def _aborting(writer: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        writer.abort()
        raise


def _small_contents(
    remote_repo: RemoteRepo, commit_oid: str, rows: list[RepoImportFile], pulse: _Pulse
) -> Generator[tuple[RepoImportFile, bytes], None, None]:
    """Yield small files with their checked contents, in order, a few on their way at once."""
    local, opened, stop = threading.local(), contextlib.ExitStack(), threading.Event()

    def fetch(row: RepoImportFile) -> bytes:
        if not hasattr(local, "remote"):
            local.remote = opened.enter_context(open_remote(remote_repo, purpose=_PURPOSE))
        return _small_content(local.remote, commit_oid, row, stop)

    with opened, ThreadPoolExecutor(_AHEAD, thread_name_prefix="import") as pool:
        waiting: deque[tuple[RepoImportFile, Future[bytes]]] = deque()
        try:
            for row in rows:
                waiting.append((row, pool.submit(fetch, row)))
                if len(waiting) > _AHEAD:
                    yield _settled(waiting, pulse)
            while waiting:
                yield _settled(waiting, pulse)
        finally:
            stop.set()
            for _row, future in waiting:
                future.cancel()


def _settled(waiting: deque[tuple[RepoImportFile, Future[bytes]]], pulse: _Pulse) -> tuple[RepoImportFile, bytes]:
    row, future = waiting.popleft()
    while True:
        try:
            return row, future.result(timeout=_BEAT_S)
        except TimeoutError:
            pulse.beat()


def _small_content(remote: RemoteHub, commit_oid: str, row: RepoImportFile, stop: threading.Event) -> bytes:
    data = b"" if not row.size_bytes else _persistently(lambda: _read_whole(remote, commit_oid, row), stop)
    found = _blob_hash(len(data))
    found.update(data)
    if found.hexdigest() != row.oid:
        raise _other_bytes(row)
    return data


def _read_whole(remote: RemoteHub, commit_oid: str, row: RepoImportFile) -> bytes:
    return b"".join(remote.open_range(commit_oid, row.path, 0, row.size_bytes))


def _persistently(read: Callable[[], bytes], stop: threading.Event) -> bytes:
    for failures in range(1, _TRIES + 1):
        try:
            return read()
        except SourceFailed as error:
            if not error.is_temporary or failures == _TRIES or stop.wait(2.0**failures):
                raise
    raise SourceFailed
