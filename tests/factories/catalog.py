"""Repos as lists see them: real commits where files matter, bare rows where only numbers do."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.catalog import search_index, services
from hub.catalog.models import IndexChange, RepoIndex
from hub.catalog.sort_keys import sort_keys
from hub.core.ids import RepoType
from hub.repos.cards import write_card
from hub.repos.enums import Visibility
from hub.repos.models import Repo
from hub.repos.services.repos import InitialFile, create_repo

_numbers = count(1)


def publish_repo(
    viewer: Viewer,
    name: str = "",
    *,
    card: dict[str, Any] | None = None,
    body: str = "",
    files: dict[str, bytes] | None = None,
    repo_type: RepoType = RepoType.MODEL,
    visibility: Visibility = Visibility.PUBLIC,
    namespace: str = "",
) -> Repo:
    """A repo with a real first commit, its row and its place in the search index."""
    assert viewer.user is not None
    contents = {"README.md": write_card(card or {}, body).encode(), **(files or {})}
    repo = create_repo(
        viewer,
        namespace=namespace or viewer.user.username,
        name=name or f"repo-{next(_numbers)}",
        repo_type=repo_type,
        visibility=visibility,
        files=[InitialFile(path, data) for path, data in contents.items()],
    )
    services.index_repo(repo.pk)
    search_index.apply_changes()
    return repo


def make_row(namespace: Namespace, name: str = "", **fields: Any) -> RepoIndex:
    """A repo without files and its row; call ``search_index.apply_changes()`` when all are made."""
    repo = Repo.objects.create(
        namespace=namespace,
        name=name or f"row-{next(_numbers)}",
        repo_type=fields.get("repo_type", "model"),
        visibility=fields.get("visibility", "public"),
        likes=fields.get("likes", 0),
        downloads=fields.get("downloads", 0),
    )
    full_id = f"{namespace.name}/{repo.name}"
    values: dict[str, Any] = {
        "repo_type": repo.repo_type,
        "visibility": repo.visibility,
        "full_id": full_id,
        "full_id_folded": full_id.lower(),
        "created_at": timezone.now(),
        "updated_at": timezone.now(),
        **fields,
    }
    keys = sort_keys(
        repo_pk=repo.pk,
        trending_score=values.get("trending_score", 0),
        likes=values.get("likes", 0),
        downloads=values.get("downloads", 0),
        updated_at=values["updated_at"],
        created_at=values["created_at"],
        parameters=values.get("parameters"),
        rating_bound=fields.get("rating", 0),
    )
    row = RepoIndex.objects.create(repo=repo, namespace=namespace, **values, **keys)
    IndexChange.objects.create(repo_pk=repo.pk)
    return row
