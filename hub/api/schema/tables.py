"""The groups of the document, in the order of its page, and the tables that fill them."""

from __future__ import annotations

from importlib import import_module
from typing import Final

GROUPS: Final[dict[str, str]] = {
    "Repositories": "Create, find, change, move and delete models, datasets and spaces.",
    "Files": "Trees, downloads, commits, branches and tags.",
    "Large files": "Git LFS and Xet: how files too large for git travel.",
    "Discussions and pull requests": "Talk about a repository and propose changes to it.",
    "Reviews": "What people think of a version, and what shows that they used it.",
    "Gated access": "Ask for, and decide on, access to gated repositories.",
    "Collections": "Lists of repositories that people put together.",
    "People and organizations": "Who is who, and who belongs where.",
    "Sign-in": "OAuth 2.0 and OpenID Connect: sign-in for programs and sites.",
    "Inference": "Call the models that this hub runs.",
    "Notifications": "What happened, what you watch, and where you hear of it.",
    "Webhooks": "Be told of what happens.",
    "Reports and blocks": "Tell the moderators, and keep people away.",
    "Imports": "Copy repositories from other hubs.",
    "Uploads by the web form": "What the upload page's own script calls; programs use commits.",
    "git": "Clone, fetch and push over HTTP.",
    "This hub": "Health, and this document.",
}
_TABLES: Final = (
    "repos",
    "files",
    "large_files",
    "community",
    "reviews",
    "collections",
    "people",
    "signin",
    "notices",
    "webhooks",
    "moderation",
    "imports",
    "uploads",
    "doors",
    "hub",
)


def load() -> None:
    """Fill the tables; a second call changes nothing. They import all views, so nothing imports them at its start."""
    for name in _TABLES:
        import_module(f"hub.api.schema.{name}")
