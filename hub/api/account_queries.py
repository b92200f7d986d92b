"""Numbers on people and organizations for the API."""

from __future__ import annotations

from django.db.models import Count

from hub.accounts.auth import Viewer
from hub.core.ids import RepoType
from hub.repos.models import Repo
from hub.repos.permissions import visible_to


def count_visible(viewer: Viewer, namespace_id: int) -> dict[RepoType, int]:
    """How many repos of each type in a namespace the viewer may see (T36)."""
    rows = (
        Repo.objects.filter(visible_to(viewer), namespace_id=namespace_id, disabled_at__isnull=True)
        .values_list("repo_type")
        .annotate(Count("pk"))
        .order_by()
    )
    return {RepoType(repo_type): count for repo_type, count in rows}
