"""Reviews, made by the services that the hub itself uses."""

from __future__ import annotations

from community.models import Review
from community.services.ratings import Opinion, save_review
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.repos.models import Repo
from tests.factories.accounts import make_user


def make_review(
    repo: Repo, author: User | None = None, *, stars: int = 4, text: str = "It works.", revision: str = "", **facts: str
) -> Review:
    """A review by ``author`` (a new person)."""
    author = author or make_user(password=None)
    return save_review(Viewer(user=author), repo, Opinion(stars=stars, text=text, **facts), revision=revision)
