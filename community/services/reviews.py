"""Comments on a line of what a pull request changes."""

from __future__ import annotations

from typing import Final

from community.enums import DiffSide
from community.models import Discussion, Event, LineAnchor
from community.permissions import require_comment
from community.services import pulls, threads
from community.services.discussions import add_comment, person
from hub.accounts.auth import Viewer
from hub.core.errors import BadRequest, Conflict
from hub.repos.permissions import check_files
from hub.repos.services import pull_heads
from hub.storage.git.diffs import TreeDiff

_MAX_TEXT: Final = 400
_MAX_PATH: Final = 1024


def comment_line(
    viewer: Viewer, discussion: Discussion, *, path: str, side: str, line: int, head_oid: str, comment: str
) -> Event:
    """Say something about a line of the diff between the base and ``head_oid``.

    Raises: as ``comment_discussion``, GatedRepo; BadRequest unless the change shows the line,
        Conflict when the pull request is another one by now
    """
    require_comment(viewer, discussion)
    check_files(viewer, discussion.repo)
    comment = threads.clean_body(comment)
    sides = pulls.get_sides(discussion) if discussion.is_pull_request else None
    if sides is None or side not in DiffSide.values or len(path) > _MAX_PATH:
        raise BadRequest("This line is not part of the change.", param="comment")
    if sides[1] != head_oid:
        raise Conflict("The pull request has new commits. Look at the line again before you comment on it.")
    diff = pulls.get_diff(discussion)
    text = _line_text(diff, path, side, line) if diff else None
    if text is None:
        raise BadRequest("This line is not part of the change.", param="comment")
    threads.count_comment(person(viewer))
    with threads.changing(discussion) as locked:
        require_comment(viewer, locked)
        event = add_comment(viewer, locked, comment)
        LineAnchor.objects.create(
            event=event,
            path=path,
            side=side,
            line=line,
            oid=sides[side == DiffSide.NEW],
            head_oid=head_oid,
            text=text[:_MAX_TEXT],
        )
    return event


def _line_text(diff: TreeDiff, path: str, side: str, number: int) -> str | None:
    """The line as the diff shows it; an old one goes by the path that the file had."""
    for file in diff.files:
        if path != (file.old_path if side == DiffSide.OLD else file.path):
            continue
        for hunk in file.hunks:
            for line in hunk.lines:
                if number == (line.old_line if side == DiffSide.OLD else line.new_line):
                    return line.text
    return None


def current_line(discussion: Discussion, anchor: LineAnchor, sides: tuple[str, str] | None) -> int | None:
    """Where the line of a comment is in what the pull request is now (``sides``); None when it is gone."""
    oid = sides[anchor.side == DiffSide.NEW] if sides else ""
    if not oid:
        return None
    if oid == anchor.oid:
        return anchor.line
    return pull_heads.follow_line(discussion.repo, anchor.oid, oid, anchor.path, anchor.line)
