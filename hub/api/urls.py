"""Routes of the Hub API.  ``hub.urls`` includes this module at the root, before the pages."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, path

from hub.api import urls_accounts, urls_discussions, urls_docs, urls_import, urls_oauth, urls_reviews, urls_social
from hub.api.routing import View, api
from hub.api.views import (
    commit,
    info,
    lfs,
    likes,
    listing,
    locks,
    metadata,
    refs,
    repos,
    resolve,
    tree,
    uploads,
    xet_tokens,
)
from hub.core.ids import RepoType

app_name = "api"

_REPO = "<str:namespace>/<str:name>"
_DRAFT = "upload-drafts/<uuid:draft_id>"

#: Under /api/{types}/{namespace}/{name}; `path` parts take revisions and paths with slashes (hub-api §1.3).
_OF_REPO: dict[str, View] = {
    # Other methods come from one-part ids, whose act stands where a name would: `DELETE /api/models/gpt2/like`.
    "": api(GET=info.info, POST=info.unnamed, PUT=info.unnamed, DELETE=info.unnamed),
    "/revision/<path:revision>": api(GET=info.info),
    "/settings": api(PUT=repos.settings),
    "/duplicate": api(POST=repos.duplicate),
    "/auth-check": api(GET=repos.auth_check),
    "/auth-check/write": api(GET=repos.auth_check_write),
    "/refs": api(GET=refs.list_refs),
    "/branch/<path:branch>": api(POST=refs.create_branch, DELETE=refs.delete_branch),
    "/tag/<path:revision>": api(POST=refs.create_tag, DELETE=refs.delete_tag),
    "/super-squash/<path:revision>": api(POST=refs.super_squash),
    "/tree/<path:rest>": api(GET=tree.tree),
    "/paths-info/<path:revision>": api(POST=tree.paths_info),
    "/commits/<path:revision>": api(GET=tree.commits),
    "/compare/<path:compare>": api(GET=tree.compare),
    "/preupload/<path:revision>": api(POST=commit.preupload),
    "/commit/<path:revision>": api(POST=commit.commit),
    "/xet-read-token/<path:revision>": api(GET=xet_tokens.read_token),
    "/xet-write-token/<path:revision>": api(GET=xet_tokens.write_token),
    "/like": api(POST=likes.like, DELETE=likes.unlike),
    "/likers": api(GET=likes.likers),
    "/upload-drafts": api(GET=uploads.list_open, POST=uploads.create),
    "/upload-drafts/check": api(POST=uploads.check),
    f"/{_DRAFT}": api(GET=uploads.show, DELETE=uploads.abandon),
    f"/{_DRAFT}/files": api(PUT=uploads.put_files),
    f"/{_DRAFT}/begin": api(POST=uploads.begin),
    f"/{_DRAFT}/complete": api(POST=uploads.complete),
    f"/{_DRAFT}/remove": api(POST=uploads.remove),
    f"/{_DRAFT}/commit": api(POST=uploads.commit),
}

#: Under /{prefix}{namespace}/{name}, where pages and git live too.
_OF_FILES: dict[str, View] = {
    "/resolve/<path:rest>": api(GET=resolve.resolve, limit="resolvers"),
    "/raw/<path:rest>": api(GET=resolve.raw, limit="resolvers"),
}
_OF_LFS: dict[str, View] = {
    "/info/lfs/objects/batch": api(POST=lfs.batch),
    "/info/lfs/objects/verify": api(POST=lfs.verify),
    "/info/lfs/locks": api(GET=locks.show, POST=locks.create),
    "/info/lfs/locks/verify": api(POST=locks.verify),
    "/info/lfs/locks/<str:lock_id>/unlock": api(POST=locks.unlock),
}


#: Files of one-part ids; ``hub.urls`` asks these last, for `/ada/raw/…` are pages of a repo called raw, too.
LAST_ROUTES = [
    path(f"{kind.web_prefix}<str:name>{rest}", api(GET=info.unnamed), {"repo_type": kind})
    for kind in (RepoType.DATASET, RepoType.SPACE, RepoType.KERNEL, RepoType.MODEL)
    for rest in _OF_FILES
]


def _unnamed() -> View:
    """Ids of one part (``gpt2``), which no repo here has: clients want to be told so in their words."""
    return api(GET=info.unnamed, POST=info.unnamed, PUT=info.unnamed, DELETE=info.unnamed)


def _routes_of(repo_type: RepoType) -> list[URLPattern]:
    fixed: dict[str, Any] = {"repo_type": repo_type}
    root = f"api/{repo_type.plural}"
    web = f"{repo_type.web_prefix}{_REPO}"
    found = [path(f"{root}/{_REPO}{rest}", view, fixed) for rest, view in _OF_REPO.items()]
    found += [path(f"{web}{rest}", view, fixed) for rest, view in _OF_FILES.items()]
    # git-lfs asks under the clone URL, which people type with and without ``.git``.
    found += [path(f"{web}.git{rest}", view, fixed) for rest, view in _OF_LFS.items()]
    found += [path(f"{web}{rest}", view, fixed) for rest, view in _OF_LFS.items()]
    found.append(path(root, api(GET=listing.list_of_type), fixed))
    found.append(path(f"{root}/<str:name>", _unnamed(), fixed))
    found += [path(f"{root}/<str:name>{rest}", _unnamed(), fixed) for rest in _OF_REPO if "<path:" in rest]
    found.append(path(f"api/{repo_type.plural}-tags-by-type", api(GET=metadata.tags_by_type), fixed))
    return found


urlpatterns: list[URLPattern | URLResolver] = [
    *urls_accounts.urlpatterns,
    *urls_discussions.urlpatterns,
    *urls_reviews.urlpatterns,
    *urls_docs.urlpatterns,
    *urls_import.urlpatterns,
    *urls_oauth.urlpatterns,
    *urls_social.urlpatterns,
    path("api/repos/create", api(POST=repos.create)),
    path("api/repos/delete", api(DELETE=repos.delete)),
    path("api/repos/move", api(POST=repos.move)),
    path("api/settings/repositories", api(GET=info.own_repositories)),
    path("api/organizations/<str:organization>/settings/repositories", api(GET=info.organization_repositories)),
    path("api/users/<str:user>/likes", api(GET=likes.liked)),
    path("api/validate-yaml", api(POST=metadata.validate_yaml)),
    path("api/tasks", api(GET=metadata.tasks)),
]
# Longer prefixes first: `datasets/…` would match the routes of a model in a namespace of that name.
for _repo_type in (RepoType.DATASET, RepoType.SPACE, RepoType.KERNEL, RepoType.MODEL):
    urlpatterns += _routes_of(_repo_type)
