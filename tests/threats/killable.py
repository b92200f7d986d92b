"""The hub's web application with places at which it can be made to die, as a power cut or an out-of-memory kill would.

    granian tests.threats.killable:application        the worker kills itself when it passes the place named in
    HUB_DATA_DIR/kill-at: "place"                     this file, which it takes away first; granian starts another

Nothing of this is part of the product: places are functions of it, wrapped here.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from hub.asgi import application as application  # noqa: PLC0414 -- sets Django up, which all below needs
from hub.repos.services import commits, mirror, pushes, refs, repos
from hub.storage.blobs import filesystem
from hub.storage.git import commits as git_commits
from hub.storage.git import transport
from hub.storage.lfs import transfer


def _order() -> Path:
    return Path(settings.HUB_DATA_DIR) / "kill-at"


def die_at(place: str) -> None:
    """Die if this place was ordered."""
    try:
        ordered = _order().read_text() == place
    except FileNotFoundError:
        return
    if ordered:
        _order().unlink()
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()


def _wrap(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
    inner: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(inner)
    def outer(*arguments: Any, **named: Any) -> Any:
        if before:
            die_at(before)
        answer = inner(*arguments, **named)
        if after:
            die_at(after)
        return answer

    setattr(owner, name, outer)


# Bytes on their way in, whole or in parts, and the end of an upload in parts.
_wrap(filesystem._FileWriter, "write", after="upload: mid-write")
_wrap(filesystem._FileWriter, "commit", before="upload: before fsync", after="upload: after rename")
_wrap(filesystem._FilePartWriter, "write", after="part: mid-write")
_wrap(filesystem._FilePartWriter, "commit", before="part: before fsync", after="part: after fsync")
_wrap(filesystem.FilesystemBlobStore, "publish", before="upload: before rename")
_wrap(filesystem.FilesystemBlobStore, "_verify_upload", before="join: before hash", after="join: after hash")
_wrap(transfer, "record_object", before="upload: before rows", after="upload: in rows")
_wrap(transfer, "_record", after="upload: before reply")

# A commit by the API, the web form or a client.
_wrap(commits.lfs, "require_links", after="commit: after links")
_wrap(git_commits, "_store_blobs", after="commit: after blobs")
_wrap(git_commits, "compare_and_swap", before="commit: before ref", after="commit: after ref")
_wrap(commits, "follow_refs", before="commit: before rows", after="commit: before reply")
_wrap(mirror, "_apply", after="rows: in transaction")
_wrap(mirror, "_announce", before="rows: before signals", after="rows: after signals")

# A push.
_wrap(transport, "_parse_commands", after="push: before judging")
_wrap(transport, "check_push", before="push: in quarantine")
_wrap(transport._VerdictPipes, "answer", before="push: before verdict", after="push: after verdict")
_wrap(transport, "_moved_refs", before="push: after git", after="push: refs moved")
_wrap(pushes, "follow_refs", before="push: before rows", after="push: before reply")

# The life of a repo.
_wrap(repos, "create_repository", after="create: staged empty")
_wrap(repos, "_stage", after="create: staged")
_wrap(repos, "fsync_directory", after="create: in place, no row")
_wrap(repos, "_adopt", after="create: row")
_wrap(repos, "follow_refs", before="create: before rows", after="create: before reply")
_wrap(repos, "_redirect_from_old", after="move: in transaction")
_wrap(repos, "move_repo", after="move: before reply")
_wrap(repos.audit, "record", after="audit: in transaction")
_wrap(repos, "delete_repo", after="delete: before reply")
_wrap(refs, "follow_refs", before="refs: before rows", after="refs: before reply")
