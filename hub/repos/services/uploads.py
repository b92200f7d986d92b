"""Uploads: what happens to each file that somebody wants to send, and the drafts of the web form.

    plan_uploads (preupload: one rule for clients and pages)
    check_upload > create_draft > register_files > begin_file > PUT parts > finish_file > commit_draft     (or abandon)
    commit_uploaded_files (small files in the request itself, for browsers without script)

A draft can be left and resumed: its rows say what is wanted, the blob store says which parts are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.core.errors import (
    AuthenticationRequired,
    BadRequest,
    Conflict,
    EntryNotFound,
    PayloadTooLarge,
    StorageFull,
    Unprocessable,
)
from hub.core.ids import is_sha256
from hub.repos.content import Snapshot, at_revision, get_paths, read_text
from hub.repos.enums import UploadState
from hub.repos.models import Repo, UploadDraft, UploadDraftFile
from hub.repos.services import lfs
from hub.repos.services.commits import (
    AddBytes,
    AddPointer,
    AddStream,
    CommitResult,
    LazyReader,
    Operation,
    create_commit,
)
from hub.repos.upload_mode import (
    ATTRIBUTES_PATH,
    IGNORE_PATH,
    MAX_RULES_BYTES,
    Attributes,
    IgnoreRules,
    UploadMode,
    choose_upload_mode,
)
from hub.storage import blobs
from hub.storage.git.paths import path_problem, validate_path_in_repo
from hub.storage.lfs import objects, transfer
from hub.storage.models import UploadSession
from hub.storage.models import UploadState as SessionState

MAX_PLANNED_FILES: Final = 1_000
MAX_DRAFT_FILES: Final = 25_000
DRAFT_LIFE: Final = timedelta(hours=24)
EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
# Files up to this size go in one PUT; larger ones in parts that can be resumed.
IN_PARTS_FROM_BYTES: Final = 16 * 1024 * 1024
BROWSER_PART_BYTES: Final = 16 * 1024 * 1024
MAX_PART_URLS: Final = 200
#: What a form without script may carry in its request: all files together.
MAX_FORM_BYTES: Final = 10 * 1024 * 1024
_SAMPLE_BYTES: Final = 512


# --- plans -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that somebody wants to upload; ``sample`` holds its first bytes (at most 512) where known."""

    path: str
    size_bytes: int
    sample: bytes | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What will happen to it; ``oid`` names the file that is at the path now (git oid, or sha256 of a large one)."""

    path: str
    mode: UploadMode
    is_ignored: bool
    oid: str | None


def plan_uploads(
    snapshot: Snapshot,
    files: Sequence[WantedFile],
    *,
    git_attributes: str | None = None,
    git_ignore: str | None = None,
) -> list[FilePlan]:
    """Decide per file; texts of ``.gitattributes`` and ``.gitignore`` that are part of the upload win over the repo's.

    Raises: PayloadTooLarge (too many), BadRequest and Unprocessable (paths)
    """
    if len(files) > MAX_PLANNED_FILES:
        raise PayloadTooLarge(f"Ask for at most {MAX_PLANNED_FILES} files at once.")
    attributes = Attributes.parse(_rules_text(snapshot, ATTRIBUTES_PATH, git_attributes))
    ignore = IgnoreRules.parse(_rules_text(snapshot, IGNORE_PATH, git_ignore))
    there = {entry.path: entry for entry in get_paths(snapshot, [file.path for file in files])}
    plans = []
    for file in files:
        validate_path_in_repo(file.path)
        entry = there.get(file.path)
        oid = None if entry is None else entry.lfs.sha256 if entry.lfs else entry.oid
        mode = choose_upload_mode(attributes, file.path, file.size_bytes, file.sample)
        plans.append(FilePlan(file.path, mode, ignore.is_ignored(file.path), oid))
    return plans


def _rules_text(snapshot: Snapshot, path: str, given: str | None) -> str:
    if given is not None:
        return given[:MAX_RULES_BYTES]
    return read_text(snapshot, path, MAX_RULES_BYTES) or ""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What the server says of a file before its first byte; ``problem`` is a sentence, empty when it is welcome."""

    path: str
    mode: UploadMode
    problem: str
    is_ignored: bool
    is_replacing: bool


@dataclass(frozen=True, slots=True)
class UploadCheck:
    """``problem`` concerns the upload as a whole (quota, free space); ``head_oid`` is the commit it was checked at."""

    head_oid: str
    problem: str
    files: tuple[FileCheck, ...]


def check_upload(repo: Repo, files: Sequence[WantedFile], *, revision: str = "", total_bytes: int = 0) -> UploadCheck:
    """Judge names, sizes and room before anything is read or sent; the same rules hold again at the commit.

    ``total_bytes`` is the size of the whole upload where ``files`` are a part of its list.

    Raises: RevisionNotFound, PayloadTooLarge (more than ``MAX_PLANNED_FILES``)
    """
    snapshot = at_revision(repo, revision)
    if len(files) > MAX_PLANNED_FILES:
        raise PayloadTooLarge(f"Ask for at most {MAX_PLANNED_FILES} files at once.")
    problems = [_problem_of(file) for file in files]
    plans = iter(plan_uploads(snapshot, [file for file, problem in zip(files, problems, strict=True) if not problem]))
    checks = tuple(
        FileCheck(file.path, "regular", problem, is_ignored=False, is_replacing=False)
        if problem
        else _judged(next(plans))
        for file, problem in zip(files, problems, strict=True)
    )
    wanted_bytes = max(total_bytes, sum(file.size_bytes for file in files))
    return UploadCheck(snapshot.oid, _problem_of_size(repo, wanted_bytes), checks)


def _problem_of(file: WantedFile) -> str:
    reason = path_problem(file.path)
    if reason:
        return f"Cannot be stored under this name: {reason}."
    if file.size_bytes > settings.HUB_MAX_FILE_BYTES:
        return f"Files over {settings.HUB_MAX_FILE_BYTES} bytes are not accepted by this hub."
    return ""


def _problem_of_size(repo: Repo, size_bytes: int) -> str:
    try:
        lfs.check_quota(repo, size_bytes)
        blobs.get_blob_store().check_capacity(size_bytes)
    except (PayloadTooLarge, StorageFull) as error:
        return error.message
    return ""


def _judged(plan: FilePlan) -> FileCheck:
    return FileCheck(plan.path, plan.mode, "", is_ignored=plan.is_ignored, is_replacing=plan.oid is not None)


# --- drafts ----------------------------------------------------------------------------------------------------------


def create_draft(repo: Repo, *, author: Viewer, revision: str = "") -> UploadDraft:
    """Start an upload to a branch. The caller has checked the right to write. Raises: RevisionNotFound."""
    snapshot = at_revision(repo, revision)
    if author.user is None:
        raise AuthenticationRequired
    return UploadDraft.objects.create(repo=repo, author=author.user, revision=snapshot.revision)


def get_draft(repo: Repo, *, author: Viewer, draft_id: UUID) -> UploadDraft:
    """The author's own draft of this repo (T33). Raises: EntryNotFound."""
    draft = (
        UploadDraft.objects.select_related("repo", "repo__namespace")
        .filter(pk=draft_id, repo=repo, author_id=author.user_pk)
        .exclude(state=UploadState.ABANDONED)
        .first()
    )
    if draft is None:
        raise EntryNotFound("This upload no longer exists.")
    return draft


def list_open_drafts(repo: Repo, *, author: Viewer) -> list[UploadDraft]:
    """What the author began here and did not finish, newest first."""
    drafts = UploadDraft.objects.filter(repo=repo, author_id=author.user_pk, state=UploadState.OPEN)
    return list(drafts.prefetch_related("files").order_by("-created_at")[:20])


def register_files(draft: UploadDraft, files: Sequence[WantedFile]) -> list[UploadDraftFile]:
    """Add files (or replace those of the same path); the server decides how each is kept and what is here already.

    A file may be registered before it is hashed, without sha256, so that a draft knows all that is wanted.

    Raises: Conflict (draft closed), PayloadTooLarge, Unprocessable, BadRequest
    """
    _require_open(draft)
    if draft.files.count() + len(files) > MAX_DRAFT_FILES:
        raise PayloadTooLarge(f"An upload has at most {MAX_DRAFT_FILES} files. Please commit and go on.")
    for file in files:
        if file.size_bytes < 0 or (file.sha256 and not is_sha256(file.sha256)):
            raise Unprocessable(f"{file.path}: give size and sha256 of the file.")
    plans = plan_uploads(at_revision(draft.repo, draft.revision), files)
    here = lfs.present(draft.repo, [file.sha256 for file in files if file.sha256])
    rows = [
        UploadDraftFile(
            draft=draft,
            path=file.path,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            is_large=plan.mode == "lfs",
            is_stored=file.sha256 in here or _is_empty(file),
        )
        for file, plan in zip(files, plans, strict=True)
    ]
    with transaction.atomic():
        draft.files.filter(path__in=[file.path for file in files]).delete()
        UploadDraftFile.objects.bulk_create(rows, batch_size=500)
        draft.save(update_fields=["updated_at"])
    wanted = {file.path for file in files}
    return [row for row in draft.files.order_by("pk") if row.path in wanted]


def _is_empty(file: WantedFile) -> bool:
    return file.size_bytes == 0 and file.sha256 == EMPTY_SHA256


def remove_files(draft: UploadDraft, *, file_ids: Iterable[int]) -> None:
    """Take files out of the draft and free what they had reserved; a missing one is no error."""
    _require_open(draft)
    files = list(draft.files.filter(pk__in=list(file_ids)))
    draft.files.filter(pk__in=[file.pk for file in files]).delete()
    kept = set(draft.files.values_list("sha256", flat=True))
    _free(draft, [file for file in files if file.sha256 not in kept])
    draft.save(update_fields=["updated_at"])


def get_file(draft: UploadDraft, *, file_id: int) -> UploadDraftFile:
    """Raises: EntryNotFound."""
    found = draft.files.filter(pk=file_id).first()
    if found is None:
        raise EntryNotFound("This file is not part of the upload.")
    return found


@dataclass(frozen=True, slots=True)
class FileTransfer:
    """Where to send the bytes of a file.

    In parts: ``parts`` maps part numbers (from 1) to signed URLs for what is still missing, ``part_size_bytes`` each
    but the last.  Whole: ``url`` takes one PUT.  Neither: the bytes are here.
    """

    is_stored: bool
    url: str = ""
    part_size_bytes: int = 0
    parts: tuple[tuple[int, str], ...] = ()
    stored_parts: tuple[int, ...] = ()


def begin_file(draft: UploadDraft, *, file_id: int, base_url: str = "") -> FileTransfer:
    """Start or resume sending one file; URLs live for an hour, ask again for fresh ones.

    Of a long file the first ``MAX_PART_URLS`` missing parts are named; ask again when they are sent.

    Raises: EntryNotFound, Conflict (draft closed), PayloadTooLarge (quota), StorageFull, Unprocessable (no hash yet)
    """
    _require_open(draft)
    file = get_file(draft, file_id=file_id)
    if file.is_stored:
        return FileTransfer(is_stored=True)
    if not file.sha256:
        raise Unprocessable(f"{file.path} has no sha256 yet.")
    session = _session_of(draft, file)
    if not session.is_multipart:
        return FileTransfer(is_stored=False, url=transfer.basic_url(session, base_url=base_url))
    stored = tuple(part.number for part in transfer.stored_parts(session))
    there = frozenset(stored)
    missing = [number for number in range(1, session.part_count + 1) if number not in there]
    urls = transfer.part_urls(session, numbers=missing[:MAX_PART_URLS], base_url=base_url)
    return FileTransfer(
        is_stored=False,
        part_size_bytes=session.part_size_bytes,
        parts=tuple(urls.items()),
        stored_parts=stored,
    )


def _session_of(draft: UploadDraft, file: UploadDraftFile) -> UploadSession:
    """The open transfer of a file; beginning it again finds the same one."""
    if file.size_bytes < IN_PARTS_FROM_BYTES:
        return lfs.begin_upload(draft.repo, sha256=file.sha256, size_bytes=file.size_bytes, in_parts=False)
    return lfs.begin_upload(
        draft.repo,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        in_parts=True,
        part_size_bytes=BROWSER_PART_BYTES,
    )


def finish_file(draft: UploadDraft, *, file_id: int) -> UploadDraftFile:
    """Check size and hash of what arrived (about a second per gigabyte) and mark the file as stored.

    Raises: Unprocessable (parts missing, hash differs), Conflict (parts still arriving), EntryNotFound
    """
    _require_open(draft)
    file = get_file(draft, file_id=file_id)
    if file.is_stored:
        return file
    if not lfs.is_present(draft.repo, file.sha256):
        session = _session_of(draft, file)
        if not session.is_multipart:
            raise Unprocessable(f"{file.path} has not arrived yet.")
        _complete(session, file)
    file.is_stored = True
    file.save(update_fields=["is_stored"])
    draft.save(update_fields=["updated_at"])
    return file


def _complete(session: UploadSession, file: UploadDraftFile) -> None:
    try:
        transfer.complete_upload(session.pk, sha256=file.sha256)
    except Unprocessable as error:
        # All parts are here and the hash still differs: some part is wrong, and only sending anew can help.
        if "missing" not in error.data:
            transfer.abort_upload(session)
        raise


def arrived_bytes(draft: UploadDraft) -> dict[int, int]:
    """Bytes that are here of files that are not complete, by file id: what need not be sent again."""
    waiting = [file for file in draft.files.all() if not file.is_stored and file.size_bytes >= IN_PARTS_FROM_BYTES]
    sessions = UploadSession.objects.filter(
        repo_key=lfs.repo_key(draft.repo),
        sha256__in=[file.sha256 for file in waiting if file.sha256],
        state=SessionState.OPEN,
    ).exclude(store_upload_id="")
    by_sha256 = {
        session.sha256: sum(part.size_bytes for part in transfer.stored_parts(session)) for session in sessions
    }
    return {file.pk: by_sha256[file.sha256] for file in waiting if file.sha256 in by_sha256}


def commit_draft(
    draft: UploadDraft,
    *,
    actor: Viewer,
    message: str,
    description: str = "",
    operations: Iterable[Operation] = (),
    parent_oid: str | None = None,
) -> CommitResult:
    """Commit all files of the draft, and ``operations`` beside them (a card written in the form, deletions).

    Raises: Unprocessable while files are missing; Conflict when closed; all of ``create_commit``.
    """
    _require_open(draft)
    files = list(draft.files.order_by("path"))
    waiting = [file.path for file in files if not file.is_stored]
    if waiting:
        raise Unprocessable(f"{len(waiting)} files have not arrived yet, such as {waiting[0]}.")
    extra = list(operations)
    if not files and not extra:
        raise BadRequest("There is nothing to commit.")
    _require_true_sizes(files)
    result = create_commit(
        draft.repo,
        actor=actor,
        revision=draft.revision,
        operations=[*(_addition(file) for file in files), *extra],
        message=message,
        description=description,
        parent_oid=parent_oid,
    )
    draft.state = UploadState.COMMITTED
    draft.message = message[:500]
    draft.commit_oid = result.oid
    draft.save(update_fields=["state", "message", "commit_oid", "updated_at"])
    return result


def _require_true_sizes(files: Sequence[UploadDraftFile]) -> None:
    """Small files are read whole, and "small" was the browser's word (T68). Raises: Unprocessable, EntryNotFound."""
    read_whole = [file for file in files if file.size_bytes and not file.is_large]
    for start in range(0, len(read_whole), 500):
        batch = read_whole[start : start + 500]
        stored = objects.find_objects([file.sha256 for file in batch])
        for file in batch:
            if file.sha256 not in stored:
                raise EntryNotFound(f"{file.path} is no longer here. Please upload it again.")
            if stored[file.sha256].size_bytes != file.size_bytes:
                raise Unprocessable(f"{file.path} has {stored[file.sha256].size_bytes} bytes, not {file.size_bytes}.")


def _addition(file: UploadDraftFile) -> Operation:
    if file.size_bytes == 0:
        return AddBytes(file.path)
    if file.is_large:
        return AddPointer(file.path, file.sha256, file.size_bytes)
    # A card or rules file is looked into before the commit, so it comes as bytes; others are read in their turn.
    if file.path in (ATTRIBUTES_PATH, "README.md"):
        return AddBytes(file.path, objects.read_object(file.sha256))
    return AddStream(file.path, LazyReader(partial(objects.read_object, file.sha256)), file.size_bytes)


def abandon(draft: UploadDraft) -> None:
    """Give up: open transfers and their reservations are freed at once."""
    _free(draft, list(draft.files.filter(is_stored=False)))
    draft.state = UploadState.ABANDONED
    draft.save(update_fields=["state", "updated_at"])


def _free(draft: UploadDraft, files: Sequence[UploadDraftFile]) -> None:
    wanted = [file.sha256 for file in files if file.sha256]
    for session in UploadSession.objects.filter(
        repo_key=lfs.repo_key(draft.repo), sha256__in=wanted, state=SessionState.OPEN
    ):
        transfer.abort_upload(session)


def expire_drafts() -> int:
    """Abandon drafts that nobody touched for a day; forget closed ones after a week; return how many went."""
    now = timezone.now()
    stale = list(
        UploadDraft.objects.select_related("repo").filter(state=UploadState.OPEN, updated_at__lt=now - DRAFT_LIFE)
    )
    for draft in stale:
        abandon(draft)
    UploadDraft.objects.exclude(state=UploadState.OPEN).filter(updated_at__lt=now - timedelta(days=7)).delete()
    return len(stale)


# --- without script --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A file that came whole in a form."""

    path: str
    content: bytes


def commit_uploaded_files(
    repo: Repo, files: Sequence[SmallFile], *, actor: Viewer, revision: str, message: str, description: str = ""
) -> CommitResult:
    """Commit files of one form; those that are kept as large files go through the store as everywhere else.

    Raises: BadRequest (none), PayloadTooLarge (over ``MAX_FORM_BYTES``), and all of ``create_commit``
    """
    if not files:
        raise BadRequest("Choose at least one file.")
    if sum(len(file.content) for file in files) > MAX_FORM_BYTES:
        raise PayloadTooLarge(f"Without script a form carries at most {MAX_FORM_BYTES // 1024**2} MB.")
    wanted = [WantedFile(file.path, len(file.content), file.content[:_SAMPLE_BYTES]) for file in files]
    plans = plan_uploads(at_revision(repo, revision), wanted)
    operations = [
        _stored_pointer(repo, file) if plan.mode == "lfs" else AddBytes(file.path, file.content)
        for file, plan in zip(files, plans, strict=True)
    ]
    return create_commit(
        repo, actor=actor, revision=revision, operations=operations, message=message, description=description
    )


def _stored_pointer(repo: Repo, file: SmallFile) -> AddPointer:
    """Store a file through an upload of this repo: that is the proof by which it may be linked (T70)."""
    sha256 = hashlib.sha256(file.content).hexdigest()
    if not lfs.is_present(repo, sha256):
        session = lfs.begin_upload(repo, sha256=sha256, size_bytes=len(file.content), in_parts=False)
        transfer.finish_basic_upload(session.pk, blobs.put(blobs.get_blob_store(), [file.content], sha256=sha256))
    return AddPointer(file.path, sha256, len(file.content))


def _require_open(draft: UploadDraft) -> None:
    if draft.state != UploadState.OPEN:
        raise Conflict("This upload is closed already.", commit_oid=draft.commit_oid)
