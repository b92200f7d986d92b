"""Routes of discussions under the address of a repo; included by ``hub.web.urls``."""

from __future__ import annotations

from typing import Any, Final

from hub.web.views import discussions, pulls

_ONE: Final = "/discussions/<int:num>"
_COMMENT: Final = f"{_ONE}/comments/<str:comment_id>"

#: (address after that of the repo, view, name)
OF_REPO: Final[tuple[tuple[str, Any, str], ...]] = (
    ("/discussions", discussions.discussion_list, "discussions"),
    ("/discussions/new", discussions.discussion_new, "discussion_new"),
    ("/discussions/preview", discussions.discussion_preview, "discussion_preview"),
    (_ONE, discussions.discussion, "discussion"),
    (f"{_ONE}/delete", discussions.discussion_delete, "discussion_delete"),
    (f"{_ONE}/commits", pulls.pull_commits, "pull_commits"),
    (f"{_ONE}/files", pulls.pull_files, "pull_files"),
    (f"{_COMMENT}/edit", discussions.comment_edit, "comment_edit"),
    (f"{_COMMENT}/history", discussions.comment_history, "comment_history"),
    (f"{_COMMENT}/hide", discussions.comment_hide, "comment_hide"),
    (f"{_COMMENT}/react", discussions.comment_react, "comment_react"),
)
