"""Create, move, delete, restore, duplicate a repo, and change its settings.

Creation is staged so that a crash leaves nothing half (T163): the git repository is built aside with its first
commit, and becomes the repo's within the transaction that makes the row.  Storage is keyed by id, so moves and
renames touch rows only.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.accounts.permissions import get_namespace_for_create
from hub.accounts.services import audit
from hub.core.errors import BadRequest, Conflict, HubError, PayloadTooLarge
from hub.core.ids import RepoType, fold, validate_repo_name
from hub.core.ratelimit import Bucket, hit
from hub.repos import signals
from hub.repos.content import Snapshot, at_revision, read_head, walk_files
from hub.repos.enums import Gating, ImportState, Visibility
from hub.repos.gates import GateTerms
from hub.repos.models import Repo, RepoObject, RepoRedirect
from hub.repos.protection import clean_patterns
from hub.repos.services import lfs
from hub.repos.services.commits import AddBytes, AddPointer, AddStream, LazyReader, Operation, signature_of
from hub.repos.services.imports import close_import
from hub.repos.services.mirror import follow_refs
from hub.repos.upload_mode import ATTRIBUTES_PATH, default_attributes
from hub.storage.git.commits import MAX_PLAIN_BLOB_BYTES, write_initial_commit
from hub.storage.git.objects import EntryType, TreeEntry
from hub.storage.git.repository import create_repository, delete_repository, fsync_directory

log = structlog.get_logger("hub.repos")

KEEP_DELETED: Final = timedelta(days=7)
MAX_INITIAL_FILES: Final = 100
MAX_DUPLICATED_FILES: Final = 25_000


@dataclass(frozen=True, slots=True)
class InitialFile:
    """A small file of the first commit."""

    path: str
    data: bytes


# --- create ----------------------------------------------------------------------------------------------------------


def create_repo(
    viewer: Viewer,
    *,
    namespace: str,
    name: str,
    repo_type: RepoType,
    visibility: Visibility | None = None,
    license: str = "",
    files: Sequence[InitialFile] = (),
    sdk: str = "",
) -> Repo:
    """Create a repo whose first commit holds ``.gitattributes``, a README where a licence is given, and ``files``.

    ``visibility`` None is the namespace's default. ``sdk`` names how a space would run; it is stored as plain files.

    Raises: AuthenticationRequired, PermissionDenied, InsufficientScope, BadRequest (name), RateLimited,
        Conflict with ``url`` and ``repo_id`` when it exists
    """
    owner = get_namespace_for_create(viewer, namespace)
    validate_repo_name(name)
    _count_creation(viewer)
    if len(files) > MAX_INITIAL_FILES:
        raise PayloadTooLarge(f"A repository begins with at most {MAX_INITIAL_FILES} files; commit the others.")
    operations = _initial_operations(repo_type, name, license, files, sdk)
    return _create(viewer, owner, name, repo_type, visibility or default_visibility(owner), operations)


def _count_creation(viewer: Viewer) -> None:
    """Raises: RateLimited above ``HUB_RATE_REPO_CREATION``."""
    hit(Bucket("created-repos", settings.HUB_RATE_REPO_CREATION, 3600), f"user:{viewer.user_pk}")


def default_visibility(owner: Namespace) -> Visibility:
    """What a new repo of this namespace is when nobody says."""
    is_private = owner.is_organization and owner.organization.is_private_by_default
    return Visibility.PRIVATE if is_private else Visibility.PUBLIC


def _initial_operations(
    repo_type: RepoType, name: str, license: str, files: Sequence[InitialFile], sdk: str
) -> list[Operation]:
    contents = {ATTRIBUTES_PATH: default_attributes(repo_type).encode()}
    if repo_type is RepoType.SPACE:
        contents |= _space_files(name, sdk or "static")
    elif license:
        contents["README.md"] = f"---\nlicense: {_yaml_word(license)}\n---\n".encode()
    contents |= {file.path: file.data for file in files}
    return [AddBytes(path, data) for path, data in contents.items()]


def _yaml_word(text: str) -> str:
    """Raises: BadRequest for what is no licence id: the word goes into a file unquoted."""
    if not text.isascii() or not text.replace("-", "").replace(".", "").replace("+", "").replace("_", "").isalnum():
        raise BadRequest("A license is named by its identifier, such as apache-2.0.", param="license")
    return text


def _space_files(name: str, sdk: str) -> dict[str, bytes]:
    card = f"---\ntitle: {name}\nsdk: {_yaml_word(sdk)}\n---\n"
    if sdk != "static":
        return {"README.md": card.encode()}
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}</title>\n'
        f'<link rel="stylesheet" href="style.css">\n</head>\n<body>\n<h1>{name}</h1>\n</body>\n</html>\n'
    )
    return {
        "README.md": card.encode(),
        "index.html": page.encode(),
        "style.css": b"body {\n  margin: 2rem;\n  font-family: system-ui, sans-serif;\n}\n",
    }


def _create(
    viewer: Viewer,
    owner: Namespace,
    name: str,
    repo_type: RepoType,
    visibility: Visibility,
    operations: Sequence[Operation],
    links: Iterable[str] = (),
) -> Repo:
    _refuse_taken(owner, repo_type, name)
    staged = _stage(operations, viewer)
    try:
        repo = _adopt(staged, viewer, owner, name, repo_type, visibility)
    except IntegrityError as error:  # another request was faster (T174)
        raise _taken(owner, repo_type, name) from error
    finally:
        shutil.rmtree(staged.parent, ignore_errors=True)
    try:
        lfs.require_links(repo, actor=viewer, sha256s=links)
    except HubError:  # over the quota, or a pointer to nothing: no half copy stays behind
        delete_repo(viewer, repo)
        raise
    follow_refs(repo.pk, actor_pk=viewer.user_pk)
    repo.refresh_from_db()
    return repo


def _refuse_taken(owner: Namespace, repo_type: RepoType, name: str) -> None:
    if Repo.objects.filter(
        namespace=owner, repo_type=repo_type.value, name_folded=fold(name), deleted_at__isnull=True
    ).exists():
        raise _taken(owner, repo_type, name)


def _taken(owner: Namespace, repo_type: RepoType, name: str) -> Conflict:
    address = Repo(namespace=owner, repo_type=repo_type.value, name=name)
    return Conflict(
        f"You already created this {repo_type.value} repo: {address.repo_id}",
        url=address.urls.absolute,
        repo_id=address.repo_id,
    )


def _stage(operations: Sequence[Operation], viewer: Viewer) -> Path:
    """Build a git repository with its first commit where no repo looks for it."""
    folder = Path(settings.HUB_DATA_DIR) / "git" / "new"
    folder.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(dir=folder)) / "repo.git"
    create_repository(staged)
    write_initial_commit(staged, operations, message="initial commit", author=signature_of(viewer))
    return staged


def _adopt(
    staged: Path, viewer: Viewer, owner: Namespace, name: str, repo_type: RepoType, visibility: Visibility
) -> Repo:
    """Make the row and give it the staged repository: both or neither. Raises: IntegrityError."""
    with transaction.atomic():
        repo = Repo.objects.create(
            namespace=owner, repo_type=repo_type.value, name=name, visibility=visibility, created_by=viewer.user
        )
        RepoRedirect.objects.filter(namespace=owner, repo_type=repo_type.value, name_folded=repo.name_folded).delete()
        # The id is ours alone: what lies there was left by a creation that never got its row.
        delete_repository(repo.git_path)
        repo.git_path.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(repo.git_path)
        fsync_directory(repo.git_path.parent)
        audit.record("repo.create", actor=viewer, target=repo.repo_id, repo_type=repo_type.value, visibility=visibility)
        transaction.on_commit(lambda: signals.repo_created.send_robust(sender=Repo, repo_pk=repo.pk))
    return repo


# --- duplicate -------------------------------------------------------------------------------------------------------


def duplicate(viewer: Viewer, source: Repo, *, namespace: str, name: str, visibility: Visibility | None = None) -> Repo:
    """Create a repo with the files of ``source``'s default branch, without its history.

    The caller has checked that ``viewer`` may read the files. Raises: as ``create_repo``; PayloadTooLarge.
    """
    owner = get_namespace_for_create(viewer, namespace)
    validate_repo_name(name)
    _count_creation(viewer)
    snapshot = at_revision(source)
    entries = list(walk_files(snapshot, budget=MAX_DUPLICATED_FILES))
    operations = [_copy_of(snapshot, entry) for entry in entries]
    links = {entry.lfs.sha256 for entry in entries if entry.lfs}
    chosen = visibility or (Visibility.PRIVATE if source.is_private else default_visibility(owner))
    return _create(viewer, owner, name, source.type, chosen, operations, links)


def _copy_of(snapshot: Snapshot, entry: TreeEntry) -> Operation:
    if entry.lfs is not None:
        return AddPointer(entry.path, entry.lfs.sha256, entry.lfs.size)
    if entry.type is EntryType.SYMLINK or entry.size > MAX_PLAIN_BLOB_BYTES:
        raise BadRequest(f"{entry.path} cannot be duplicated: links and large plain files are not copied.")
    return AddStream(entry.path, LazyReader(partial(read_head, snapshot, entry, entry.size)), entry.size)


# --- move ------------------------------------------------------------------------------------------------------------


def move_repo(viewer: Viewer, repo: Repo, *, to_namespace: str, to_name: str) -> Repo:
    """Rename or transfer; the old address redirects from now on, in one hop (T46, T47).

    The caller has checked the right to administer ``repo``.

    Raises: PermissionDenied (target namespace), BadRequest (name), Conflict (target exists)
    """
    owner = get_namespace_for_create(viewer, to_namespace)
    validate_repo_name(to_name)
    try:
        with transaction.atomic():
            moved = Repo.objects.select_for_update().select_related("namespace").get(pk=repo.pk)
            if moved.deleted_at is not None:
                raise Conflict("This repository was deleted meanwhile.")
            former = moved.repo_id
            _redirect_from_old(moved)
            moved.namespace, moved.name = owner, to_name
            moved.save(update_fields=["namespace", "name", "name_folded"])
            RepoRedirect.objects.filter(
                namespace=owner, repo_type=moved.repo_type, name_folded=moved.name_folded
            ).delete()
            audit.record("repo.move", actor=viewer, target=moved.repo_id, former=former, repo_type=moved.repo_type)
            transaction.on_commit(
                lambda: signals.repo_moved.send_robust(sender=Repo, repo_pk=moved.pk, former_repo_id=former)
            )
    except IntegrityError as error:
        raise Conflict(
            f"A {repo.repo_type} repository called {owner.name}/{to_name} already exists",
            url=Repo(namespace=owner, repo_type=repo.repo_type, name=to_name).urls.absolute,
        ) from error
    return moved


def _redirect_from_old(repo: Repo) -> None:
    RepoRedirect.objects.update_or_create(
        namespace=repo.namespace,
        repo_type=repo.repo_type,
        name_folded=repo.name_folded,
        defaults={"repo": repo, "created_at": timezone.now()},
    )


# --- settings --------------------------------------------------------------------------------------------------------


def update_repo_settings(
    viewer: Viewer,
    repo: Repo,
    *,
    visibility: Visibility | None = None,
    gated: Gating | None = None,
    protected_refs: Sequence[str] | None = None,
    are_discussions_disabled: bool | None = None,
    gate_terms: GateTerms | None = None,
) -> Repo:
    """Change what is given; every door judges by it at once (T37). The caller has checked the right.

    ``protected_refs`` are patterns (``hub.repos.protection``). Grants that were given keep the end that they have.
    Raises: BadRequest (a pattern that names nothing)
    """
    patterns = None if protected_refs is None else clean_patterns(protected_refs)
    with transaction.atomic():
        changed = Repo.objects.select_for_update().select_related("namespace").get(pk=repo.pk)
        fields = []
        if visibility is not None and changed.visibility != visibility:
            changed.visibility = visibility
            fields.append("visibility")
        if gated is not None and changed.gated != gated:
            changed.gated = gated
            fields.append("gated")
        if patterns is not None and changed.protected_refs != patterns:
            changed.protected_refs = patterns
            fields.append("protected_refs")
        if are_discussions_disabled is not None and changed.are_discussions_disabled != are_discussions_disabled:
            changed.are_discussions_disabled = are_discussions_disabled
            fields.append("are_discussions_disabled")
        for field, days in asdict(gate_terms).items() if gate_terms is not None else ():
            if getattr(changed, field) != days:
                setattr(changed, field, days)
                fields.append(field)
        if fields:
            changed.save(update_fields=fields)
            facts = {field: str(getattr(changed, field)) for field in fields}
            audit.record("repo.settings", actor=viewer, target=changed.repo_id, repo_type=changed.repo_type, **facts)
            transaction.on_commit(lambda: signals.repo_changed.send_robust(sender=Repo, repo_pk=changed.pk))
    return changed


def set_disabled(repo: Repo, *, actor: Viewer, reason: str) -> Repo:
    """Close the repo on every door at once, for its owners too, and stop what works in it; its bytes stay (T40, T152).

    ``reason`` is shown on its page. The caller has checked that the actor may; doing so again changes the reason.
    """
    with transaction.atomic():
        changed = Repo.objects.select_for_update(of=("self",)).select_related("namespace").get(pk=repo.pk)
        changed.disabled_at = changed.disabled_at or timezone.now()
        changed.disabled_reason = reason[:300]
        changed.save(update_fields=["disabled_at", "disabled_reason"])
        for job_pk in changed.imports.values_list("pk", flat=True):
            close_import(job_pk, ImportState.CANCELLED)
        audit.record("repo.disable", actor=actor, target=changed.repo_id, repo_type=changed.repo_type, reason=reason)
        transaction.on_commit(lambda: signals.repo_changed.send_robust(sender=Repo, repo_pk=changed.pk))
    return changed


def clear_disabled(repo: Repo, *, actor: Viewer) -> Repo:
    """Open the doors again that ``set_disabled`` shut."""
    with transaction.atomic():
        changed = Repo.objects.select_for_update(of=("self",)).select_related("namespace").get(pk=repo.pk)
        changed.disabled_at, changed.disabled_reason = None, ""
        changed.save(update_fields=["disabled_at", "disabled_reason"])
        audit.record("repo.enable", actor=actor, target=changed.repo_id, repo_type=changed.repo_type)
        transaction.on_commit(lambda: signals.repo_changed.send_robust(sender=Repo, repo_pk=changed.pk))
    return changed


# --- delete ----------------------------------------------------------------------------------------------------------


def delete_repo(viewer: Viewer, repo: Repo) -> None:
    """Close the repo on every door; its bytes stay for seven days. The caller has checked the right."""
    with transaction.atomic():
        changed = Repo.objects.filter(pk=repo.pk, deleted_at__isnull=True).update(deleted_at=timezone.now())
        if changed:
            audit.record("repo.delete", actor=viewer, target=repo.repo_id, repo_type=repo.repo_type)
            transaction.on_commit(lambda: signals.repo_deleted.send_robust(sender=Repo, repo_pk=repo.pk))


def restore(viewer: Viewer, repo: Repo) -> Repo:
    """Bring a deleted repo back at its address. Raises: Conflict when the address is taken."""
    try:
        with transaction.atomic():
            Repo.objects.filter(pk=repo.pk).update(deleted_at=None)
            audit.record("repo.restore", actor=viewer, target=repo.repo_id, repo_type=repo.repo_type)
            transaction.on_commit(lambda: signals.repo_created.send_robust(sender=Repo, repo_pk=repo.pk))
    except IntegrityError as error:
        raise Conflict(f"{repo.repo_id} exists again; rename that repository first.") from error
    repo.refresh_from_db()
    return repo


def purge_deleted() -> int:
    """Free the git data and links of repos deleted more than seven days ago; return how many.

    Bytes first, row last: a crash in between leaves a row that the next run finishes.
    """
    count = 0
    for repo in Repo.objects.filter(deleted_at__lt=timezone.now() - KEEP_DELETED).iterator():
        delete_repository(repo.git_path)
        with transaction.atomic():
            RepoObject.objects.filter(repo=repo).delete()
            repo.delete()
        count += 1
    return count


def reconcile(repo_pk: int) -> int:
    """Bring rows up to git after a crash; return how many refs were behind."""
    try:
        return len(follow_refs(repo_pk))
    except HubError as error:
        log.error("reconcile_failed", repo=repo_pk, error=error.message)
        return 0
