"""What the pages of pull requests are given: state, conflicts, the diff side by side with what was said about lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from community.enums import DiffSide
from community.models import Discussion, Event, LineAnchor
from community.permissions import can_push
from community.services import pulls
from community.services.reviews import current_line
from hub.accounts.auth import Viewer
from hub.core.errors import GatedRepo, InsufficientScope
from hub.repos.models import Repo
from hub.repos.permissions import check_files
from hub.storage.git.diffs import DiffHunk, FileDiff
from hub.storage.git.refs import BRANCH_PREFIX
from hub.web.contexts.discussions import EntryView, LineView

_MAX_CONFLICTS: Final = 100


def can_read_files(viewer: Viewer, repo: Repo) -> bool:
    try:
        check_files(viewer, repo)
    except (GatedRepo, InsufficientScope):
        return False
    return True


# --- its state -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PullView:
    """A pull request beside its thread; ``conflicts`` is None when they could not be listed."""

    base: str
    conflicts: list[str] | None
    more_conflicts: int
    has_files: bool
    can_push: bool
    can_read_files: bool
    files_href: str
    commits_href: str
    tree_href: str

    @property
    def is_blocked(self) -> bool:
        return self.conflicts is None or bool(self.conflicts)


def pull_view(viewer: Viewer, discussion: Discussion) -> PullView:
    found = pulls.find_conflicts(discussion)
    paths = None if found is True else list(found) if found else []
    return PullView(
        base=discussion.base_ref.removeprefix(BRANCH_PREFIX),
        conflicts=None if paths is None else paths[:_MAX_CONFLICTS],
        more_conflicts=max(len(paths or []) - _MAX_CONFLICTS, 0),
        has_files=not discussion.is_ref_deleted,
        can_push=discussion.is_active and viewer.user is not None and can_push(viewer, discussion),
        can_read_files=can_read_files(viewer, discussion.repo),
        files_href=f"{discussion.page}/files",
        commits_href=f"{discussion.page}/commits",
        tree_href=discussion.repo.urls.tree(discussion.head_ref),
    )


def pull_tabs(discussion: Discussion, current: str) -> list[dict[str, Any]]:
    """The three pages of a pull request; a discussion has one, so no tabs."""
    if not discussion.is_pull_request:
        return []
    return [
        {"label": _("Conversation"), "href": discussion.page, "current": current == "thread"},
        {"label": _("Commits"), "href": f"{discussion.page}/commits", "current": current == "commits"},
        {"label": _("Changed files"), "href": f"{discussion.page}/files", "current": current == "files"},
    ]


def lines_of(viewer: Viewer, discussion: Discussion, events: Iterable[Event]) -> dict[int, LineView]:
    """The lines that comments speak of, by event; none for those who may not read files."""
    anchored = [event for event in events if not event.is_hidden and hasattr(event, "anchor")]
    if not anchored or not can_read_files(viewer, discussion.repo):
        return {}
    sides = pulls.get_sides(discussion)
    return {event.pk: _line_view(discussion, event.anchor, event.object_id, sides) for event in anchored}


def _line_view(discussion: Discussion, anchor: LineAnchor, object_id: str, sides: tuple[str, str] | None) -> LineView:
    line = current_line(discussion, anchor, sides)
    return LineView(anchor, line or anchor.line, line is None, f"{discussion.page}/files#{object_id}")


# --- the diff --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """One side of a row; ``comments`` are under it, ``write_href`` begins one."""

    number: int
    sign: str
    text: str
    side: str
    comments: list[EntryView] = field(default_factory=list)
    write_href: str = ""
    is_written: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines side by side, or the heading of a hunk."""

    old: Cell | None = None
    new: Cell | None = None
    heading: str = ""

    @property
    def comments(self) -> list[EntryView]:
        return [comment for cell in (self.old, self.new) if cell for comment in cell.comments]

    @property
    def written(self) -> Cell | None:
        """The line about which the reader is writing."""
        return next((cell for cell in (self.old, self.new) if cell and cell.is_written), None)


@dataclass(frozen=True, slots=True)
class DiffTalk:
    """What is said about the lines of a diff, and which line the reader is writing about (file, side, line)."""

    entries: Sequence[EntryView]
    can_write: bool
    writing: tuple[int, str, int] | None = None
    query: tuple[tuple[str, str], ...] = ()

    def of_file(self, file: FileDiff) -> dict[tuple[str, int], list[EntryView]]:
        found: dict[tuple[str, int], list[EntryView]] = {}
        for entry in self.entries:
            line = entry.line
            if line is None or line.is_outdated:
                continue
            if line.anchor.path == (file.old_path if line.anchor.side == DiffSide.OLD else file.path):
                found.setdefault((line.anchor.side, line.line), []).append(entry)
        return found


def diff_rows(file: FileDiff, number: int, talk: DiffTalk, *, is_paired: bool) -> tuple[list[Row], list[EntryView]]:
    """(rows, comments on lines that these do not show); ``is_paired``: lines stand beside what they became."""
    said = talk.of_file(file)
    rows: list[Row] = []
    for hunk in file.hunks:
        rows.append(Row(heading=hunk.header))
        rows += _rows(hunk, number, talk, said, is_paired=is_paired)
    return rows, [entry for entries in said.values() for entry in entries]


def _rows(
    hunk: DiffHunk,
    number: int,
    talk: DiffTalk,
    said: dict[tuple[str, int], list[EntryView]],
    *,
    is_paired: bool,
) -> Iterable[Row]:
    removed: list[Cell] = []
    added: list[Cell] = []

    def flush() -> Iterable[Row]:
        if is_paired:
            yield from (Row(old, new) for old, new in zip_longest(removed, added))
        else:
            yield from (Row(old=cell) for cell in removed)
            yield from (Row(new=cell) for cell in added)
        removed.clear()
        added.clear()

    for line in hunk.lines:
        if line.origin == "-":
            if added:
                yield from flush()
            removed.append(_cell(line.old_line, "−", line.text, DiffSide.OLD, number, talk, said))
        elif line.origin == "+":
            added.append(_cell(line.new_line, "+", line.text, DiffSide.NEW, number, talk, said))
        else:
            yield from flush()
            old, new = (
                _cell(at, "", line.text, side, number, talk, said)
                for at, side in ((line.old_line, DiffSide.OLD), (line.new_line, DiffSide.NEW))
            )
            yield Row(old, new)
    yield from flush()


def _cell(
    line: int | None,
    sign: str,
    text: str,
    side: DiffSide,
    number: int,
    talk: DiffTalk,
    said: dict[tuple[str, int], list[EntryView]],
) -> Cell:
    at = line or 0
    query = urlencode([*talk.query, ("at", f"{number}-{side.value}-{at}")])
    return Cell(
        number=at,
        sign=sign,
        text=text,
        side=side.value,
        comments=said.pop((side.value, at), []),
        # Unchanged lines are spoken of as they will be.
        write_href=f"?{query}#write" if talk.can_write and (sign or side is DiffSide.NEW) else "",
        is_written=talk.writing == (number, side.value, at),
    )
