"""What the upload page is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from hub.accounts.auth import Viewer
from hub.catalog.models import RepoIndex
from hub.core.error_words import in_words_of_reader
from hub.core.ids import RepoType
from hub.repos.content import Snapshot
from hub.repos.models import Repo
from hub.repos.services.uploads import list_open_drafts
from hub.web.forms.upload import CommitForm, PlainUploadForm
from inference.queries import serving_of


@dataclass(frozen=True, slots=True)
class UploadContext:
    """``boot`` is what the script starts from; ``plain_form`` serves browsers without script."""

    repo: Repo
    revision: str
    crumbs: list[dict[str, str]]
    tree_url: str
    commit_form: CommitForm
    plain_form: PlainUploadForm
    client_commands: str
    git_commands: str
    boot: dict[str, Any]


def upload_context(viewer: Viewer, snapshot: Snapshot, *, plain_form: PlainUploadForm | None = None) -> UploadContext:
    repo, revision = snapshot.repo, snapshot.revision
    return UploadContext(
        repo=repo,
        revision=revision,
        crumbs=crumbs_of(repo),
        tree_url=repo.urls.tree(revision),
        commit_form=CommitForm(),
        plain_form=plain_form or PlainUploadForm(auto_id="plain_%s"),
        client_commands=_client_commands(repo, revision),
        git_commands=_git_commands(repo, revision),
        boot={
            "draftsUrl": f"{repo.urls.api}/upload-drafts",
            "draftId": _open_draft(viewer, snapshot),
            "revision": revision,
            "headOid": snapshot.oid,
            "repoUrl": repo.urls.page,
            "resultUrl": _result_url(repo) if _is_inspected(snapshot) else "",
            "words": _words(),
        },
    )


def crumbs_of(repo: Repo) -> list[dict[str, str]]:
    owner = repo.namespace.name
    return [
        {"label": owner, "href": f"/{quote(owner)}"},
        {"label": repo.name, "href": repo.urls.page},
        {"label": _("Upload files"), "href": ""},
    ]


def _open_draft(viewer: Viewer, snapshot: Snapshot) -> str:
    """The newest upload to this branch that was begun and not finished; one without files was never begun."""
    for draft in list_open_drafts(snapshot.repo, author=viewer):
        if draft.revision == snapshot.revision and draft.files.all():
            return str(draft.pk)
    return ""


def _is_inspected(snapshot: Snapshot) -> bool:
    return snapshot.repo.type is RepoType.MODEL and snapshot.revision == snapshot.repo.default_branch


def _result_url(repo: Repo) -> str:
    kwargs = {"repo_type": repo.type, "namespace": repo.namespace.name, "name": repo.name}
    return reverse("web:upload_result", kwargs=kwargs)


def _client_commands(repo: Repo, revision: str) -> str:
    options = "" if repo.type is RepoType.MODEL else f" --repo-type {repo.repo_type}"
    if revision != repo.default_branch:
        options += f" --revision {revision}"
    return f"export HF_ENDPOINT={settings.HUB_URL}\nhf auth login\nhf upload {repo.repo_id} ./my-folder .{options}"


def _git_commands(repo: Repo, revision: str) -> str:
    branch = "" if revision == repo.default_branch else f"-b {revision} "
    return (
        f"git lfs install\ngit clone {branch}{repo.urls.git}\ncd {repo.name}\n"
        'git add .\ngit commit -m "Add files"\ngit push'
    )


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What inspection says of a commit: pending, hosted or refused, in words, with a line per notable file."""

    state: str
    text: str = ""
    findings: tuple[str, ...] = ()


def upload_result(repo: Repo, commit_oid: str) -> UploadResult:
    """Inspection follows the commit within seconds; of a commit that is no longer the head it tells what came after."""
    index = RepoIndex.objects.filter(repo=repo).first()
    is_current = index is not None and index.head_oid in {commit_oid, repo.head_oid} and bool(index.inspection)
    if index is None or not is_current:
        return UploadResult("pending")
    serving = serving_of(repo)
    found = index.inspection.get("findings", ())
    findings = tuple(f"{one['path']}: {in_words_of_reader(one['message'])}" for one in found)
    if serving.is_servable:
        return UploadResult("hosted", _("This model can be called on this hub."), findings)
    reason = in_words_of_reader(serving.reason)
    text = _("The model will be listed, but cannot be hosted: %(reason)s") % {"reason": reason}
    return UploadResult("refused", text, findings)


def _words() -> dict[str, Any]:
    """Every sentence of the script, so that one place is translated; names in braces are filled in by the browser."""
    return {
        "states": {
            "checking": _("Asking the hub"),
            "waiting": _("Waiting"),
            "hashing": _("Reading"),
            "queued": _("Waiting to be sent"),
            "sending": _("Sending"),
            "verifying": _("Being verified"),
            "stored": _("Here"),
            "wanted": _("Not chosen again yet"),
            "refused": _("Not accepted"),
            "failed": _("Failed"),
            "paused": _("Paused"),
        },
        "filesTitle": _("Files"),
        "filesHere": _("{here} of {total} files are here"),
        "amount": _("{done} of {total}"),
        "speed": _("{amount} · {speed}/s · {left} left"),
        "hashingAll": _("Reading the files to compute their checksums"),
        "paused": _("Paused. What has arrived is kept."),
        "retrying": _("The hub does not answer. Trying again …"),
        "offline": _("You are offline. The upload goes on when the connection is back."),
        "moreFiles": _("… and {count} more"),
        "replaces": _("Replaces the file of this name."),
        "leftOut": _("Left out, because repositories do not hold them: {list}."),
        "ignored": _("Left out by the repository's .gitignore: {list}."),
        "unreadableList": _("Could not be read: {list}."),
        "andMore": _("{list} and {count} more"),
        "nothingFound": _("There is no file in what you chose."),
        "added": _("Files added: {count}."),
        "unreadable": _("The file could not be read: it was changed, moved or deleted. Choose it again."),
        "noAnswer": _("The hub does not answer. Check your connection, then try again."),
        "signedOut": _("You are signed out. Sign in in another tab, reload this page and continue."),
        "noLeave": _("The browser did not allow the folder to be read. Drop it here again."),
        "addOne": _("Upload {path}"),
        "addMany": _("Upload {count} files"),
        "committing": _("Committing …"),
        "readyToCommit": _("Everything is here: {count} of {count} files."),
        "notYet": _("You can press the button now: the commit is made when all files are here."),
        "commitsWhenDone": _("The commit will be made when all files are here. Keep this page open."),
        "someFailed": _("Failed files: {count}. Try them again, or remove them."),
        "someWanted": _("Files that this page lacks: {count}. Choose them again, or remove them."),
        "nothingLost": _("Nothing is lost: the files stay here for 24 hours."),
        "stale": _(
            "Somebody changed this branch after you opened the page. Look at what changed, or commit on top of it."
        ),
        "resumeTitle": _("Continue your upload: {here} of {total} files are here ({done} of {bytes})"),
        "resumeDrop": _("Choose or drop the same files again: only what is missing is sent."),
        "resumeHandles": _("Press Continue, or drop the same folder again: only what is missing is sent."),
        "resumeComplete": _("Everything has arrived. Only the commit is missing."),
        "doneTitle": _("Committed"),
        "doneText": _("Files: {count} · {size} · commit {oid}"),
        "inspecting": _("Looking at what the model is …"),
        "inspectingLong": _("The model is still being looked at. Its page will tell whether it can be called."),
    }
