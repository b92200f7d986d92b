"""What webhooks say: payload version 3 of the Hub (hub-api §22), as plain values.

Keys that do not apply are left out. What is said is true at the moment of the event; who may hear it is judged twice,
then and at delivery (``community.services.deliveries``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings

from community.models import Discussion, Event
from hub.accounts.models import Namespace, User
from hub.catalog.models import RepoIndex
from hub.repos.models import Repo
from hub.repos.urls import RepoUrls

VERSION: Final = 3
MAX_COMMENT_LENGTH: Final = 10_000  # characters: a payload stays under 64 KiB
MAX_TAGS: Final = 100
#: Who left has no id any more, and receivers require one.
_NOBODY: Final = "0" * 24


@dataclass(frozen=True, slots=True)
class RepoEvent:
    """One thing that happened to a repo. ``facts`` are the payload's keys beside ``event``, ``repo``, ``webhook``."""

    repo: Repo
    action: str  # create, update, delete, move
    scope: str  # repo, repo.content, repo.config, discussion, discussion.comment
    facts: Mapping[str, Any] = field(default_factory=dict)
    former_id: str = ""  # "ns/name" before a move

    @property
    def domain(self) -> str:
        return self.scope.partition(".")[0]

    @property
    def name(self) -> str:
        return f"{self.scope} {self.action}"

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """(namespace, name) under which it may be watched."""
        here = (self.repo.namespace.name, self.repo.name)
        if not self.former_id:
            return [here]
        namespace, _, name = self.former_id.partition("/")
        return [here, (namespace, name)]

    def payload(self) -> dict[str, Any]:
        """Without ``webhook``, which differs for each receiver."""
        return {
            "event": {"action": self.action, "scope": self.scope},
            "repo": _repo(self.repo, self.former_id),
            **self.facts,
        }


def _repo(repo: Repo, former_id: str) -> dict[str, Any]:
    tags = RepoIndex.objects.filter(repo=repo).values_list("tags", flat=True).first() or []
    urls = RepoUrls(repo.type, *former_id.split("/", 1)) if former_id else repo.urls
    shown = {
        "type": repo.repo_type,
        "name": former_id or repo.repo_id,
        "id": repo.object_id,
        "private": repo.is_private,
        "owner": {"id": _owner_id(repo.namespace)},
        "url": {"web": _absolute(urls.page), "api": _absolute(urls.api)},
        "tags": tags[:MAX_TAGS],
    }
    return {**shown, "headSha": repo.head_oid} if repo.head_oid else shown


def _owner_id(namespace: Namespace) -> str:
    return namespace.organization.object_id if namespace.is_organization else namespace.user.object_id


def _absolute(path: str) -> str:
    return f"{settings.HUB_URL}{path}"


def _person(user: User | None) -> dict[str, str]:
    return {"id": user.object_id if user is not None else _NOBODY}


# --- events ----------------------------------------------------------------------------------------------------------


def moved(repo: Repo, former_id: str) -> RepoEvent:
    target = {"name": repo.repo_id, "owner": {"id": _owner_id(repo.namespace)}}
    return RepoEvent(repo, "move", "repo", {"movedTo": target}, former_id=former_id)


def config_changed(repo: Repo) -> RepoEvent:
    config = {"private": repo.is_private, "gated": repo.gated or False}
    return RepoEvent(repo, "update", "repo.config", {"updatedConfig": config})


def ref_moved(repo: Repo, ref: str, old_oid: str, new_oid: str) -> RepoEvent:
    change = {"ref": ref, "oldSha": old_oid or None, "newSha": new_oid or None}
    return RepoEvent(repo, "update", "repo.content", {"updatedRefs": [change]})


def discussion_event(discussion: Discussion, action: str, scope: str, comment: Event | None) -> RepoEvent:
    facts = {"discussion": _discussion(discussion)}
    if comment is not None:
        facts["comment"] = _comment(discussion, comment)
    return RepoEvent(discussion.repo, action, scope, facts)


def _discussion(discussion: Discussion) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": discussion.object_id,
        "title": discussion.title,
        "num": discussion.num,
        "status": discussion.status,
        "isPullRequest": discussion.is_pull_request,
        "author": _person(discussion.author),
        "url": {
            "web": _absolute(discussion.page),
            "api": _absolute(f"{discussion.repo.urls.api}/discussions/{discussion.num}"),
        },
        "pinned": discussion.is_pinned,
    }
    if discussion.is_pull_request:
        changes = {"base": discussion.base_ref}
        shown["changes"] = changes | ({"mergeCommitId": discussion.merge_oid} if discussion.merge_oid else {})
    return shown


def _comment(discussion: Discussion, comment: Event) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": comment.object_id,
        "author": _person(comment.author),
        "hidden": comment.is_hidden,
        "url": {"web": f"{_absolute(discussion.page)}#{comment.object_id}"},
    }
    return shown if comment.is_hidden else {**shown, "content": comment.body[:MAX_COMMENT_LENGTH]}
