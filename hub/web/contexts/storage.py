"""What the storage pages are given: shares of a bar, large files with their places, a preview."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hub.repos.models import Repo
from hub.repos.services.storage_usage import LargeFile, NamespaceUsage, Place, RepoUsage

PLACE_WORDS: Final[dict[Place | None, Promise]] = {
    Place.LIVE: gettext_lazy("Default branch"),
    Place.HISTORY: gettext_lazy("History only"),
    Place.PULL: gettext_lazy("Pull requests only"),
    Place.UNUSED: gettext_lazy("No commit"),
    None: gettext_lazy("Not looked up"),
}
_TONES: Final[dict[Place | None, str]] = {Place.LIVE: "success", Place.PULL: "accent"}
BAR_WIDTH: Final = 1000


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a bar: ``x`` and ``width`` in units of the drawing, ``kind`` picks its pattern."""

    kind: str
    label: str
    note: str
    size_bytes: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class FileRow:
    """A large file in the table."""

    sha256: str
    path: str
    href: str
    size_bytes: int
    place: str
    tone: str
    is_guests: bool
    is_live: bool


def repo_shares(usage: RepoUsage) -> list[Share]:
    """What the quota counts for a repo, then what waits for a commit, as parts of one bar."""
    parts: list[tuple[str, str, str, int]]
    git = ("git", _("Small files and history in git"), _("kept by git, compressed"), usage.git_bytes)
    waiting = (
        "waiting",
        _("Sent, not committed"),
        _("goes by itself two days after it came"),
        usage.uncommitted_bytes,
    )
    if usage.by_place is None:
        large = ("live", _("Large files"), _("the history is too long to say where each is"), usage.large_bytes)
        parts = [large, git, waiting]
    else:
        places = usage.by_place
        parts = [
            ("live", _("Large files at the default branch"), "", places[Place.LIVE]),
            ("history", _("In history only"), _("older commits, other branches, tags"), places[Place.HISTORY]),
            ("pull", _("In pull requests only"), "", places[Place.PULL]),
            (
                "unused",
                _("In no commit"),
                _("uploaded for a commit that was never made, or rewritten away"),
                places[Place.UNUSED],
            ),
            git,
            waiting,
        ]
    return _bar(parts, sum(part[3] for part in parts))


def namespace_shares(usage: NamespaceUsage) -> list[Share]:
    """What the quota check looks at, as parts of a bar that is as long as the quota."""
    own = usage.stored_bytes - usage.guest_bytes - usage.deleted_bytes
    parts = [
        ("live", _("Repositories"), "", own),
        ("history", _("Deleted repositories"), _("can be restored for seven days"), usage.deleted_bytes),
        ("pull", _("Pull requests to others"), _("until they are merged"), usage.guest_bytes),
        ("unused", _("Arriving now"), _("reserved for uploads that are under way"), usage.uploading_bytes),
        ("waiting", _("Sent, not committed"), _("goes by itself two days after it came"), usage.uncommitted_bytes),
    ]
    return _bar(parts, max(usage.quota_bytes, usage.counted_bytes))


def _bar(parts: Sequence[tuple[str, str, str, int]], whole: int) -> list[Share]:
    shares, x = [], 0.0
    for kind, label, note, size in parts:
        width = BAR_WIDTH * size / whole if whole else 0.0
        shares.append(Share(kind, label, note, size, round(x, 2), round(width, 2)))
        x += width
    return shares


def file_rows(repo: Repo, files: Iterable[LargeFile]) -> list[FileRow]:
    return [
        FileRow(
            sha256=file.sha256,
            path=file.path or file.sha256[:16],
            href=repo.urls.blob(repo.default_branch, file.path) if file.place is Place.LIVE else "",
            size_bytes=file.size_bytes,
            place=str(PLACE_WORDS[file.place]),
            tone=_TONES.get(file.place, ""),
            is_guests=file.is_guests,
            is_live=file.place is Place.LIVE,
        )
        for file in files
    ]


def percent_shared(usage: RepoUsage) -> int:
    """By how much the store is smaller than the large files that lie in it, in percent; 0 where it is not."""
    if usage.disk_bytes is None or not usage.logical_bytes:
        return 0
    return max(0, 100 - -(-100 * usage.disk_bytes // usage.logical_bytes))


def cursor_href(cursor: str | None) -> str:
    return f"?{urlencode({'cursor': cursor})}" if cursor else ""
