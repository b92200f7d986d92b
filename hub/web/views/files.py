"""Files of a repo in the browser: folders, one file, editing text, the card's form."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hub.accounts.auth import Viewer
from hub.core.error_words import in_words_of_reader
from hub.core.errors import (
    BadRequest,
    Conflict,
    EntryNotFound,
    HubError,
    PayloadTooLarge,
    PreconditionFailed,
    RateLimited,
    RevisionNotFound,
    Unprocessable,
)
from hub.core.ids import RepoType
from hub.repos.cards import (
    CARD_PATH,
    MAX_CARD_BYTES,
    InvalidCard,
    card_metadata,
    parse_card,
    read_card,
    render_card,
    set_card_fields,
)
from hub.repos.content import (
    LastChange,
    Snapshot,
    at_revision,
    at_revision_and_path,
    commit_date,
    get_commit,
    get_entry,
    get_file,
    last_changes,
    list_tree,
    read_head,
    read_text,
)
from hub.repos.models import Repo
from hub.repos.permissions import are_files_open, get_repo_for_files, get_repo_for_read
from hub.repos.queries import known_refs
from hub.repos.services.commits import AddBytes, DeleteFile, Operation
from hub.repos.upload_mode import is_binary
from hub.storage.git.objects import CommitInfo, EntryType, TreeEntry
from hub.web.contexts.repos import index_of, pull_link, repo_head, revision_url
from hub.web.edits import get_repo_for_edit, require_ways, save_edit, ways_of
from hub.web.forms.accounts import add_refusal
from hub.web.forms.repos import CardForm, DeleteFileForm, FileForm, card_initial
from hub.web.viewers import preview

#: What a browser edits well in a text field.
MAX_EDIT_BYTES: Final = 512 * 1024
PAGE_ENTRIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of a folder as it is listed."""

    entry: TreeEntry
    name: str
    href: str
    download_href: str
    change: LastChange | None
    change_href: str

    @property
    def is_dir(self) -> bool:
        return self.entry.type is EntryType.DIRECTORY

    @property
    def mark(self) -> str:
        """A word for what is neither a plain file nor a folder."""
        if self.entry.lfs is not None:
            return "LFS"
        return {EntryType.SYMLINK: _("link"), EntryType.SUBMODULE: _("submodule")}.get(self.entry.type, "")


@dataclass(frozen=True, slots=True)
class RefChoice:
    """A branch or tag of the picker; ``href`` shows the same path there."""

    name: str
    kind: str
    href: str
    current: bool


def ref_choices(repo: Repo, verb: str, current: str, path: str = "") -> list[RefChoice]:
    return [
        RefChoice(name, kind, revision_url(repo, verb, name, path), name == current) for name, kind in known_refs(repo)
    ]


def breadcrumb(repo: Repo, revision: str, path: str) -> list[dict[str, str]]:
    """The folders that lead to ``path``, each with its address."""
    items = [{"label": repo.name, "href": repo.urls.tree(revision)}]
    parts = path.split("/") if path else []
    for index, part in enumerate(parts):
        items.append({"label": part, "href": repo.urls.tree(revision, "/".join(parts[: index + 1]))})
    return items


def _is_branch(repo: Repo, revision: str) -> bool:
    return repo.refs.filter(name=f"refs/heads/{revision}").exists()


# --- folders ---------------------------------------------------------------------------------------------------------


@require_safe
def tree(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str = "") -> HttpResponse:
    """A folder: up to a thousand entries a page, each with the commit that last touched it."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    index = index_of(repo)
    context: dict[str, Any] = {"repo": repo, "repo_head": repo_head(request, repo, "files", index=index)}
    try:
        snapshot, path = at_revision_and_path(repo, rest or repo.default_branch)
    except RevisionNotFound:
        if rest and rest != repo.default_branch:
            raise
        return render(request, "repos/tree.html", {**context, "is_empty": True})
    entry = get_entry(snapshot, path)
    if entry.type is not EntryType.DIRECTORY:
        return redirect(repo.urls.blob(snapshot.revision, path))
    return render(request, "repos/tree.html", context | _tree_context(request, snapshot, path))


def _tree_context(request: HttpRequest, snapshot: Snapshot, path: str) -> dict[str, Any]:
    repo, revision = snapshot.repo, snapshot.revision
    page = list_tree(snapshot, path, cursor=request.GET.get("cursor") or None, limit=PAGE_ENTRIES)
    changes = last_changes(snapshot, page.entries)
    here = repo.urls.tree(revision, path)
    latest = get_commit(snapshot)
    return {
        "snapshot": snapshot,
        "path": path,
        "rows": [_row(snapshot, entry, changes.get(entry.path)) for entry in page.entries],
        "crumbs": breadcrumb(repo, revision, path),
        "refs": ref_choices(repo, "tree", revision, path),
        "latest": latest,
        "latest_date": commit_date(latest),
        "latest_href": repo.urls.commit(latest.oid),
        "parent_href": repo.urls.tree(revision, posixpath.dirname(path)) if path else "",
        "next_href": f"{here}?{urlencode({'cursor': page.next_cursor})}" if page.next_cursor else "",
        "previous_href": here if request.GET.get("cursor") else "",
        "ways": ways_of(request.viewer, snapshot),
        "is_branch": _is_branch(repo, revision),
        "from_pull": pull_link(snapshot),
        "new_file_href": revision_url(repo, "new", revision, path),
        "commits_href": repo.urls.commits(revision, path),
        "upload_href": repo.urls.upload_to(revision) + (f"?{urlencode({'path': path})}" if path else ""),
        "refs_href": f"{repo.urls.page}/refs",
        "readme": _readme(request.viewer, snapshot, page.entries),
    }


def _row(snapshot: Snapshot, entry: TreeEntry, change: LastChange | None) -> Row:
    urls, revision = snapshot.repo.urls, snapshot.revision
    is_dir = entry.type is EntryType.DIRECTORY
    return Row(
        entry=entry,
        name=entry.path.rsplit("/", 1)[-1],
        href=urls.tree(revision, entry.path) if is_dir else urls.blob(revision, entry.path),
        download_href=f"{urls.resolve(revision, entry.path)}?download=true" if entry.type is EntryType.FILE else "",
        change=change,
        change_href=urls.commit(change.oid) if change else "",
    )


def _readme(viewer: Viewer, snapshot: Snapshot, entries: list[TreeEntry]) -> str:
    """The folder's README as HTML; a model's own card has its tab, so it is not repeated at the root."""
    found = next((entry for entry in entries if entry.path.rsplit("/", 1)[-1].lower() == "readme.md"), None)
    if found is None or (found.path == CARD_PATH and snapshot.repo.type is RepoType.MODEL):
        return ""
    if found.path != CARD_PATH and not are_files_open(viewer, snapshot.repo):
        return ""  # the card is for everybody, the rest of a gated repo's files is not
    text = read_text(snapshot, found.path, MAX_CARD_BYTES)
    if not text:
        return ""
    return render_card(read_card(text).body, urls=snapshot.repo.urls, revision=snapshot.revision, path=found.path).html


# --- one file --------------------------------------------------------------------------------------------------------


@require_safe
def blob(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str) -> HttpResponse:
    """A file with the viewer that suits it."""
    repo = get_repo_for_files(request.viewer, repo_type, namespace, name)
    snapshot, path = at_revision_and_path(repo, rest)
    entry = get_entry(snapshot, path)
    if entry.type is EntryType.DIRECTORY:
        return redirect(repo.urls.tree(snapshot.revision, path))
    is_plain = request.GET.get("plain") == "1"
    shown = preview(snapshot, entry, plain=is_plain)
    urls, revision = repo.urls, snapshot.revision
    change = last_changes(snapshot, [entry]).get(path)
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "files", index=index_of(repo)),
        "snapshot": snapshot,
        "entry": entry,
        "path": path,
        "file_name": path.rsplit("/", 1)[-1],
        "preview": shown,
        "is_plain": is_plain,
        "ways": ways_of(request.viewer, snapshot),
        "from_pull": pull_link(snapshot),
        "is_editable": _is_editable(entry) and shown.kind in {"code", "markdown", "table", "notebook"},
        "change": change,
        "change_href": urls.commit(change.oid) if change else "",
        "crumbs": breadcrumb(repo, revision, path),
        "refs": ref_choices(repo, "blob", revision, path),
        "raw_href": urls.raw(revision, path),
        "download_href": f"{urls.resolve(revision, path)}?download=true",
        "edit_href": f"{urls.page}/card" if path == CARD_PATH and _is_default(snapshot) else urls.edit(revision, path),
        "text_edit_href": urls.edit(revision, path),
        "delete_href": revision_url(repo, "delete", revision, path),
        "commits_href": urls.commits(revision, path),
        "permalink": urls.blob(snapshot.oid, path),
    }
    return render(request, "repos/blob.html", context)


def _is_default(snapshot: Snapshot) -> bool:
    return snapshot.revision == snapshot.repo.default_branch


def _is_editable(entry: TreeEntry) -> bool:
    return entry.type is EntryType.FILE and entry.lfs is None and entry.size <= MAX_EDIT_BYTES


# --- editing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EditConflict:
    """Somebody changed the file since it was opened: who, when and what they called it."""

    commit: CommitInfo | None
    href: str
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class _Editing:
    """A file on a branch, as it stands now; ``entry`` is None when there is none."""

    snapshot: Snapshot
    path: str
    entry: TreeEntry | None
    text: str

    @property
    def blob_oid(self) -> str:
        return self.entry.oid if self.entry else ""


def _open_for_edit(snapshot: Snapshot, path: str) -> _Editing:
    """Raises: EntryNotFound, Unprocessable (no small text)."""
    entry = get_file(snapshot, path)
    if not _is_editable(entry):
        raise Unprocessable(_("This file cannot be edited in the browser: it is a link, or too large."))
    data = read_head(snapshot, entry, MAX_EDIT_BYTES)
    if is_binary(data):
        raise Unprocessable(_("This file is not text, so it cannot be edited here. Upload a new version instead."))
    return _Editing(snapshot, path, entry, data.decode("utf-8"))


def _current(snapshot: Snapshot, path: str) -> TreeEntry | None:
    try:
        return get_entry(snapshot, path)
    except EntryNotFound:
        return None


def _conflict(snapshot: Snapshot, path: str) -> EditConflict:
    entry = _current(snapshot, path)
    change = last_changes(snapshot, [entry]).get(path) if entry else None
    oid = change.oid if change else snapshot.oid
    commit = get_commit(at_revision(snapshot.repo, oid))
    return EditConflict(commit, snapshot.repo.urls.commit(oid), entry is None)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str) -> HttpResponse:
    """Change a small text file on a branch; a change by others in between is shown, never lost."""
    repo = get_repo_for_edit(request.viewer, repo_type, namespace, name)
    snapshot, path = at_revision_and_path(repo, rest)
    require_ways(request.viewer, snapshot)
    if request.method == "POST":
        entry = _current(snapshot, path)
        was_crlf = request.POST.get("crlf") == "1"
        form = FileForm(request.POST, has_crlf=was_crlf)
        return _save(request, snapshot, path, form, now_oid=entry.oid if entry else "")
    editing = _open_for_edit(snapshot, path)
    form = FileForm(initial={"path": path, "content": editing.text, "base_oid": editing.blob_oid})
    return _edit_page(request, snapshot, path, form, is_crlf="\r\n" in editing.text)


@require_http_methods(["GET", "HEAD", "POST"])
def new_file(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str) -> HttpResponse:
    """Write a new text file; ``rest`` is the branch and the folder."""
    repo = get_repo_for_edit(request.viewer, repo_type, namespace, name)
    snapshot, folder = at_revision_and_path(repo, rest)
    require_ways(request.viewer, snapshot)
    if request.method != "POST":
        name_hint = request.GET.get("name", "")[:200]
        start = f"{folder}/" if folder else ""
        form = FileForm(initial={"path": f"{start}{name_hint}", "base_oid": ""})
        return _edit_page(request, snapshot, "", form)
    form = FileForm(request.POST)
    path = request.POST.get("path", "").strip().strip("/")
    entry = _current(snapshot, path) if path else None
    if entry is not None and entry.type is EntryType.DIRECTORY:
        form.add_error("path", _("A folder has this name."))
        return _edit_page(request, snapshot, "", form, status=422)
    return _save(request, snapshot, "", form, now_oid=entry.oid if entry else "")


def _save(request: HttpRequest, snapshot: Snapshot, old_path: str, form: FileForm, *, now_oid: str) -> HttpResponse:
    """Commit the form; on refusal show it again with every word that was typed."""
    is_crlf = request.POST.get("crlf") == "1"
    if not form.is_valid():
        return _edit_page(request, snapshot, old_path, form, is_crlf=is_crlf, status=422)
    path = form.cleaned_data["path"].strip().strip("/")
    if form.cleaned_data["base_oid"] != now_oid:
        return _conflict_page(request, snapshot, old_path or path, form, now_oid, is_crlf=is_crlf)
    data = form.cleaned_data["content"].encode()
    operations: list[Operation] = (
        [AddBytes(path, data)] if not old_path or path == old_path else [DeleteFile(old_path), AddBytes(path, data)]
    )
    verb = _("Update %(path)s") if old_path else _("Add %(path)s")
    try:
        return save_edit(
            request,
            snapshot,
            operations,
            message=form.cleaned_data["message"] or verb % {"path": path},
            parent_oid=snapshot.oid,
            page=snapshot.repo.urls.blob(snapshot.revision, path),
            words=_("Committed to %(branch)s.") % {"branch": snapshot.revision},
        )
    except PreconditionFailed:
        return _raced(request, snapshot, old_path or path, form, is_crlf=is_crlf)
    except (BadRequest, Conflict, PayloadTooLarge, Unprocessable, EntryNotFound, RateLimited) as error:
        _refuse(form, error, "content" if isinstance(error, InvalidCard) else "path")
        return _edit_page(request, snapshot, old_path, form, is_crlf=is_crlf, status=422)


def _refuse(form: Any, error: HubError, field: str) -> None:
    form.add_error(field if field in form.fields else None, in_words_of_reader(error.message))


def _raced(request: HttpRequest, snapshot: Snapshot, path: str, form: FileForm, *, is_crlf: bool) -> HttpResponse:
    """The branch moved while this commit was made: judge anew against what it is now."""
    fresh = at_revision(snapshot.repo, snapshot.revision)
    entry = _current(fresh, path)
    return _conflict_page(request, fresh, path, form, entry.oid if entry else "", is_crlf=is_crlf)


def _with_base(data: Any, oid: str) -> QueryDict:
    """A form's data as it was sent, but made against the version that is there now."""
    changed: QueryDict = data.copy()
    changed["base_oid"] = oid
    return changed


def _conflict_page(
    request: HttpRequest, snapshot: Snapshot, path: str, form: FileForm, now_oid: str, *, is_crlf: bool
) -> HttpResponse:
    """412 with the text kept; saving again, knowingly, replaces the other version."""
    form.data = _with_base(form.data, now_oid)
    return _edit_page(request, snapshot, path, form, is_crlf=is_crlf, conflict=_conflict(snapshot, path), status=412)


def _edit_page(
    request: HttpRequest,
    snapshot: Snapshot,
    path: str,
    form: FileForm,
    *,
    is_crlf: bool = False,
    conflict: EditConflict | None = None,
    status: int = 200,
) -> HttpResponse:
    repo = snapshot.repo
    shown_path = path or str(form["path"].value() or "")
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "files", index=index_of(repo)),
        "snapshot": snapshot,
        "path": path,
        "form": form,
        "is_crlf": is_crlf,
        "conflict": conflict,
        "is_markdown": shown_path.lower().endswith((".md", ".markdown")) or not path,
        "crumbs": breadcrumb(repo, snapshot.revision, path),
        "ways": ways_of(request.viewer, snapshot),
        "description": request.POST.get("description", ""),
        "cancel_href": repo.urls.blob(snapshot.revision, path) if path else repo.urls.tree(snapshot.revision),
        "preview_href": f"{repo.urls.page}/preview",
    }
    return render(request, "repos/edit.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def delete_file(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str) -> HttpResponse:
    """Ask, then delete one file in a commit of its own."""
    repo = get_repo_for_edit(request.viewer, repo_type, namespace, name)
    snapshot, path = at_revision_and_path(repo, rest)
    require_ways(request.viewer, snapshot)
    entry = get_file(snapshot, path)
    form = DeleteFileForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return save_edit(
            request,
            snapshot,
            [DeleteFile(path)],
            message=form.cleaned_data["message"] or _("Delete %(path)s") % {"path": path},
            page=repo.urls.tree(snapshot.revision),
            words=_("%(path)s was deleted. It stays in the history.") % {"path": path},
        )
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "files", index=index_of(repo)),
        "snapshot": snapshot,
        "entry": entry,
        "path": path,
        "form": form,
        "ways": ways_of(request.viewer, snapshot),
        "description": request.POST.get("description", ""),
        "crumbs": breadcrumb(repo, snapshot.revision, path),
        "cancel_href": repo.urls.blob(snapshot.revision, path),
    }
    return render(request, "repos/delete_file.html", context)


# --- the card --------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def card_edit(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """The card by fields and markdown; only fields that were changed are written, the rest stays as it was."""
    repo = get_repo_for_edit(request.viewer, repo_type, namespace, name)
    snapshot = at_revision(repo)
    entry = _current(snapshot, CARD_PATH)
    text = (read_text(snapshot, CARD_PATH, MAX_CARD_BYTES) or "") if entry else ""
    card = read_card(text)
    if card.error:
        # Fields cannot be changed safely in what cannot be read: the text editor shows the line.
        messages.error(request, card.error)
        return redirect(repo.urls.edit(snapshot.revision, CARD_PATH))
    before = card_metadata(card.metadata, repo_type=repo_type)
    initial = {
        **card_initial(repo_type, before),
        "body": card.body.lstrip("\n"),
        "base_oid": entry.oid if entry else "",
    }
    form = CardForm(request.POST or None, initial=initial, repo_type=repo_type, metadata=before)
    if request.method == "POST" and form.is_valid():
        return _save_card(request, snapshot, form, text, entry)
    return _card_page(request, snapshot, form, status=422 if form.is_bound else 200)


def _save_card(
    request: HttpRequest, snapshot: Snapshot, form: CardForm, text: str, entry: TreeEntry | None
) -> HttpResponse:
    repo = snapshot.repo
    if form.cleaned_data["base_oid"] != (entry.oid if entry else ""):
        form.data = _with_base(form.data, entry.oid if entry else "")
        return _card_page(request, snapshot, form, conflict=_conflict(snapshot, CARD_PATH), status=412)
    try:
        written = _card_text(form, text, repo.type)
        return save_edit(
            request,
            snapshot,
            [AddBytes(CARD_PATH, written.encode())],
            message=form.cleaned_data["message"] or _("Update the card"),
            parent_oid=snapshot.oid,
            page=repo.urls.page,
            words=_("The card was saved."),
        )
    except PreconditionFailed:
        fresh = at_revision(repo)
        return _card_page(request, fresh, form, conflict=_conflict(fresh, CARD_PATH), status=412)
    except (BadRequest, PayloadTooLarge, RateLimited) as error:
        add_refusal(form, error)
        return _card_page(request, snapshot, form, status=422)


def _card_text(form: CardForm, text: str, repo_type: RepoType) -> str:
    """The README with the changed fields and the new body."""
    before = card_metadata(parse_card(text).metadata, repo_type=repo_type)
    changes = form.changes(before)
    changed = set_card_fields(text, changes) if changes else text
    body = form.cleaned_data["body"]
    old_body = parse_card(changed).body
    head = changed[: len(changed) - len(old_body)]
    if not body.endswith("\n"):
        body += "\n"
    return f"{head}\n{body}" if head else body


def _card_page(
    request: HttpRequest,
    snapshot: Snapshot,
    form: CardForm,
    *,
    conflict: EditConflict | None = None,
    status: int = 200,
) -> HttpResponse:
    repo = snapshot.repo
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "card", index=index_of(repo)),
        "form": form,
        "conflict": conflict,
        "preview_href": f"{repo.urls.page}/preview",
        "text_edit_href": repo.urls.edit(snapshot.revision, CARD_PATH),
        "snapshot": snapshot,
        "ways": ways_of(request.viewer, snapshot),
        "description": request.POST.get("description", ""),
    }
    return render(request, "repos/card_edit.html", context, status=status)


@require_POST
def markdown_preview(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """HTML of markdown that is being written, with the links of this repo; for htmx."""
    repo = get_repo_for_edit(request.viewer, repo_type, namespace, name)
    text = request.POST.get("body") or request.POST.get("content") or ""
    card = read_card(text.replace("\r\n", "\n"))
    html = render_card(card.body, urls=repo.urls, revision=repo.default_branch) if card.body.strip() else None
    return render(request, "repos/_preview.html", {"card": card, "html": html.html if html else ""})
