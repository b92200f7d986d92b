"""The pages of a hub as its URLconf lists them, each with an address that shows it, so that no page is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from hub.core.ids import RepoType

# Not pages of ours: Django's own admin, and routes for programs.
_ELSEWHERE: Final = ("admin/", "api/", "i18n/")
_ASKS: Final = "response_type=code&scope=openid+profile&state=x&redirect_uri=https%3A%2F%2Fherbarium.example%2Fback"
_PARAMETER: Final = re.compile(r"<(?:[^:>]+:)?([^>]+)>")

#: Without a page: why.
NO_PAGE: Final = {
    "": "files, LFS: for programs",
    "robots": "a text",
    "favicon": "a picture",
    "styleguide": "only with HUB_DEBUG",
    "account_confirm_email": "needs a mailed key",
    "avatar": "a picture",
    "unread_count": "a number",
    "open_notice": "leads to a thread",
    "unsubscribe": "needs a mailed link",
    "device_code": "OAuth: for programs",
    "userinfo": "OAuth: for programs",
    "oauth_token": "OAuth: for programs",
    "oauth_revoke": "OAuth: for programs",
    "oauth_authorize": "needs a program that asks",
    "jwks": "keys, for programs",
    "openid_configuration": "facts for programs",
    "closed_account": "needs a mailed link",
    "moderation": "for staff: tests/e2e/test_moderation.py",
    "moderation_case": "for staff",
    "moderation_measures": "for staff",
    "moderation_appeals": "for staff",
    "moderation_held": "for staff",
    "mfa_remove_webauthn": "needs a security key",
    "mfa_edit_webauthn": "needs a security key",
    "repo_stats_csv": "a table to download",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One pattern of the URLconf: its words with ``<parameters>``, its name, and what the view is given besides."""

    pattern: str
    name: str
    fixed: dict[str, Any]

    @property
    def repo_type(self) -> RepoType:
        return RepoType(self.fixed.get("repo_type", RepoType.MODEL))

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.pattern)

    def path(self, values: dict[str, str]) -> str:
        return "/" + _PARAMETER.sub(lambda match: values.get(match.group(1), "1"), self.pattern)


def all_routes(
    resolver: URLResolver | None = None, prefix: str = "", fixed: dict[str, Any] | None = None
) -> Iterator[Route]:
    """Every route of the control plane, admin excepted."""
    for item in (resolver or get_resolver()).url_patterns:
        pattern = prefix + _words(item)
        if pattern.startswith("admin/"):
            continue
        given = (fixed or {}) | getattr(item, "default_kwargs", {}) | getattr(item, "default_args", {})
        if isinstance(item, URLResolver):
            yield from all_routes(item, pattern, given)
        else:
            yield Route(pattern, item.name or "", given)


def _words(item: URLPattern | URLResolver) -> str:
    """A route as it is written; regular expressions in the same notation."""
    text = str(item.pattern)
    if isinstance(item.pattern, RoutePattern):
        return text
    text = text.removeprefix("^").removesuffix("$")
    return re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"<\1>", text)


@dataclass(frozen=True, slots=True)
class Page:
    """A page for one reader: ``name`` is unique and fit for a file name."""

    name: str
    path: str
    is_signed_in: bool


def addresses(seeded: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and path of everything that may be a page; several paths where one route has several faces."""
    for route in all_routes():
        if route.pattern.startswith(_ELSEWHERE) or route.name in NO_PAGE or _is_double(route):
            continue
        for label, values in _faces(route, seeded):
            yield "-".join(filter(None, [_prefix(route), route.name or "unnamed", label])), route.path(values)
    yield "api_docs", "/api/docs"
    yield "api_docs-found", "/api/docs?q=commit"
    yield "api_docs-group", "/api/docs/repositories"
    yield "device-confirm", f"/device?code={seeded['device_code']}"
    yield "consent", f"/oauth/authorize?{_ASKS}&client_id={seeded['client_id']}"
    yield "repo_access-accepted", "/ada/atlas/settings/access?state=accepted"
    yield "repo_access-rejected", "/ada/atlas/settings/access?state=rejected"
    yield "repo_access-waiting", "/ada/atlas/settings/access"
    yield "reviews-none", "/ada/murmur/reviews"
    yield "reviews-nothing-fits", "/ada/pebble-embedder/reviews?stars=1"
    yield "review_write-first", "/grace/old-weights/reviews/write"
    yield "repo-gate", "/grace/fern"
    yield "repo-gate-waiting", "/grace/moss"
    yield "repo-gate-rejected", "/grace/lichen"
    yield "notifications-all", "/notifications?show=all"
    yield "notifications-none", "/notifications?reason=moderation"
    for tab in ("likes", "followers", "following", "collections"):
        yield f"profile-{tab}", f"/ada?tab={tab}"
    yield "collection_add-repo", "/collections/add?item=models/ada/murmur"
    yield "collections-nothing", "/collections?q=zzzz"
    yield "error-404", "/ada/there-is-no-such-repo"
    yield "repo-empty", "/ada/empty"
    yield "repo-generator", "/ada/murmur"
    yield "repo-refused", "/grace/old-weights"
    yield "repo-private", "/ada/secret-plans"
    yield "discussion-plain", "/ada/pebble-embedder/discussions/2"
    yield "discussions-nothing", "/ada/pebble-embedder/discussions?search=zzzz"
    yield "discussions-closed", "/ada/pebble-embedder/discussions?status=closed"
    yield "discussions-empty", "/ada/murmur/discussions"
    yield "discussions-off", "/ada/empty/discussions"
    yield "pull_files-unified", "/ada/pebble-embedder/discussions/1/files?view=unified"
    yield "pull_files-write", "/ada/pebble-embedder/discussions/1/files?at=0-new-13#write"
    yield "search-found", "/search?q=pebble"
    yield "model_list-filtered", "/models?pipeline_tag=text-generation&sort=likes"
    yield "model_list-nothing", "/models?search=zzzz"


def _is_double(route: Route) -> bool:
    """Spaces and kernels are plain storage: their pages are those of models, but for the first."""
    return route.repo_type in (RepoType.SPACE, RepoType.KERNEL) and route.name != "repo"


def _prefix(route: Route) -> str:
    return route.repo_type.value if "repo_type" in route.fixed and route.repo_type is not RepoType.MODEL else ""


_REPOS: Final = {
    RepoType.MODEL: ("ada", "pebble-embedder"),
    RepoType.DATASET: ("orchard", "weather"),
    RepoType.SPACE: ("ada", "slides"),
    RepoType.KERNEL: ("ada", "lathe"),
}
_FILES: Final = {
    RepoType.MODEL: ["README.md", "model.safetensors", "config.json", "notes/train.py", "notes/losses.csv"],
    RepoType.DATASET: ["data/weather.csv", "data/weather.parquet"],
    RepoType.SPACE: ["index.html"],
    RepoType.KERNEL: ["build.toml"],
}


def _faces(route: Route, seeded: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    owner, name = _REPOS[route.repo_type]
    oid = seeded["commits"][f"{route.repo_type.web_prefix}{owner}/{name}"]
    file = _FILES[route.repo_type][-1 if route.repo_type is RepoType.MODEL else 0]
    values = {
        "namespace": owner,
        "name": name if "namespace" in route.parameters else "orchard",
        "oid": oid,
        "member": "grace",
        "object_id": seeded["token_id"],
        "secret": seeded["invitation"],
        "uidb36": "1",
        "key": "set-password",
        "invitation_pk": "1",
        "client_id": seeded["client_id"],
        "import_id": seeded["import_id"],
        "webhook_id": seeded["webhook_id"],
        "pk": "1",
        "num": "1",
        "comment_id": seeded["comments"].get(f"{route.repo_type.web_prefix}{owner}/{name}", "1"),
        "review_id": seeded["reviews"].get(f"{route.repo_type.web_prefix}{owner}/{name}", "1"),
        "owner": "ada",
        "slug": seeded["collection"],
        "rest": "main",
        "revision": "main",
    }
    if route.name == "blob":
        for path in _FILES[route.repo_type]:
            yield path.replace("/", "-"), values | {"rest": f"main/{path}"}
    elif route.name in ("edit", "delete_file"):
        yield "", values | {"rest": f"main/{file}"}
    elif route.name == "tree" and "/" in file:
        yield "folder", values | {"rest": f"main/{file.partition('/')[0]}"}
    elif route.name == "pins" or route.name == "profile":
        yield "person", values | {"name": "ada"}
        yield "organization", values
    else:
        yield "", values


def find_pages(url: str, seeded: dict[str, Any], cookies: dict[str, str]) -> tuple[list[Page], list[str]]:
    """Ask for every address, signed out and signed in; returns the pages and what is wrong (no page for anyone)."""
    pages: list[Page] = []
    wrong: list[str] = []
    with httpx.Client(base_url=url, timeout=30) as signed_out, httpx.Client(base_url=url, cookies=cookies) as signed_in:
        for name, path in addresses(seeded):
            answers = {False: signed_out.get(path), True: signed_in.get(path)}
            if name == "error-404":
                pages += [Page(name, path, is_signed_in) for is_signed_in in answers]
                continue
            pages += [Page(name, path, who) for who, answer in answers.items() if _is_page(answer)]
            if not any(answer.status_code in (200, 302, 405) for answer in answers.values()):
                wrong.append(f"{name} {path}: {[answer.status_code for answer in answers.values()]}")
            elif any(answer.status_code >= 500 for answer in answers.values()):
                wrong.append(f"{name} {path} fails")
    return pages, wrong


def _is_page(answer: httpx.Response) -> bool:
    is_html = answer.headers.get("content-type", "").startswith("text/html")
    return answer.status_code == 200 and is_html and "<html" in answer.text[:400].lower()
