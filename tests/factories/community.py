"""Discussions and pull requests, made by the services that the hub itself uses."""

from __future__ import annotations

from collections.abc import Mapping

from community.models import Discussion
from community.services.discussions import create_discussion
from community.services.pulls import create_pull_request_with_commit
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.repos.models import Repo
from hub.repos.services.commits import AddBytes


def make_discussion(repo: Repo, author: User | None = None, *, title: str = "A question", text: str = "Why?"):
    """A discussion by ``author`` (the repo's maker)."""
    return create_discussion(Viewer(user=author or repo.created_by), repo, title=title, description=text)


def make_pull_request(
    repo: Repo, author: User | None = None, *, files: Mapping[str, bytes] | None = None, title: str = "A change"
) -> Discussion:
    """An open pull request with one commit."""
    opened, _result = create_pull_request_with_commit(
        Viewer(user=author or repo.created_by),
        repo,
        branch="main",
        operations=[AddBytes(path, data) for path, data in (files or {"proposed.txt": b"new\n"}).items()],
        message=title,
    )
    return opened
