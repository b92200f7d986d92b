"""The repos shown on a profile, as the catalogue lists them to this viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.core.ids import RepoType

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class RepoSection:
    """One kind of repo on a profile."""

    repo_type: RepoType
    items: list[Any]
    more_href: str


def repos_of(viewer: Viewer, namespace: Namespace) -> list[RepoSection]:
    from hub.catalog.filters import RepoFilters  # noqa: PLC0415 -- slow import: the search index
    from hub.catalog.queries import list_repos  # noqa: PLC0415 -- as above

    sections = []
    for repo_type, route in ((RepoType.MODEL, "web:model_list"), (RepoType.DATASET, "web:dataset_list")):
        page = list_repos(viewer, RepoFilters(repo_type=repo_type, author=namespace.name), limit=_SHOWN)
        more = f"{reverse(route)}?{urlencode({'author': namespace.name})}" if page.next_cursor else ""
        sections.append(RepoSection(repo_type, list(page.items), more))
    return sections
