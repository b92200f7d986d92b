"""Pages.  Fixed addresses first; the catch-alls of people and repos come last."""

from __future__ import annotations

from typing import Any, Final

from django.urls import URLPattern, path, register_converter

from hub.core.ids import RepoType
from hub.web import (
    urls_accounts,
    urls_catalog,
    urls_discussions,
    urls_import,
    urls_moderation,
    urls_reviews,
    urls_social,
    urls_upload,
)
from hub.web.views import access, files, history, notices, repo_settings, repos, site, stats, storage

app_name = "web"


class RepoNameConverter:
    """A repo's name as it may be typed: any case, of the right alphabet."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(RepoNameConverter, "repo_name")

#: Under /{prefix}{namespace}/{name}; ``rest`` is a revision and a path, both with slashes (hub-api §1.3).
_OF_REPO: Final[tuple[tuple[str, Any, str], ...]] = (
    ("", repos.repo_page, "repo"),
    ("/like", repos.like, "like"),
    ("/watch", notices.watch_repo, "watch"),
    ("/tree", files.tree, "tree_default"),
    ("/tree/<path:rest>", files.tree, "tree"),
    ("/blob/<path:rest>", files.blob, "blob"),
    ("/edit/<path:rest>", files.edit, "edit"),
    ("/new/<path:rest>", files.new_file, "new_file"),
    ("/delete/<path:rest>", files.delete_file, "delete_file"),
    ("/card", files.card_edit, "card_edit"),
    ("/preview", files.markdown_preview, "markdown_preview"),
    ("/commits", history.commits, "commits_default"),
    ("/commits/<path:rest>", history.commits, "commits"),
    ("/commit/<str:oid>", history.commit, "commit"),
    ("/refs", history.refs, "refs"),
    ("/stats", stats.repo_stats, "repo_stats"),
    ("/stats/downloads.csv", stats.repo_stats_csv, "repo_stats_csv"),
    ("/settings", repo_settings.repo_settings, "repo_settings"),
    ("/settings/delete", repo_settings.repo_delete, "repo_delete"),
    ("/settings/storage", storage.repo_storage, "repo_storage"),
    ("/settings/access", access.repo_access, "repo_access"),
    *urls_discussions.OF_REPO,
    *urls_reviews.OF_REPO,
)


def _routes_of(repo_type: RepoType) -> list[URLPattern]:
    root = f"{repo_type.web_prefix}<namespace:namespace>/<repo_name:name>"
    return [path(f"{root}{rest}", view, {"repo_type": repo_type}, name=name) for rest, view, name in _OF_REPO]


urlpatterns = [
    path("robots.txt", site.robots, name="robots"),
    path("favicon.ico", site.favicon, name="favicon"),
    path("-/theme", site.set_theme, name="set_theme"),
    path("-/styleguide", site.styleguide, name="styleguide"),
    path("new", repos.repo_new, name="repo_new"),
    *urls_catalog.urlpatterns,
    *urls_import.urlpatterns,
    *urls_moderation.urlpatterns,
    *urls_social.urlpatterns,
    *urls_accounts.urlpatterns,
    *urls_upload.urlpatterns,
]
# Longer prefixes first; the names of the types are reserved, so no namespace is hidden by them.
for _repo_type in (RepoType.DATASET, RepoType.SPACE, RepoType.KERNEL, RepoType.MODEL):
    urlpatterns += _routes_of(_repo_type)
