"""T28: every address has a rule, written here, and keeps it. A route that is missing from the table fails the build.

The probes go through all routes of the resolver: what a private repo answers equals what a missing one answers (T29),
strangers change nothing (T30), and access tokens open no page of an account (T13, T17).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import unified_diff
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from hub.asgi import DOORS
from hub.core.ids import RepoType
from hub.storage.git.transport import GitService
from hub.storage.signing import METHODS, Action
from inference.gateway.app import Gateway
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.repos import make_repo

PUBLIC = "anybody, with public facts or what the viewer may see"
PERSON = "a signed-in person or their token"
SESSION = "a person in a browser; tokens are refused"
STAFF = "operators"
VISIBLE = "who may see the repo"
FILES = "who may read the repo's files"
LIKE = "a signed-in person who may see the repo"
DISCUSS = "who may see the repo, to read; a signed-in person, to write, as community.permissions says"
REVIEW = "who may see the repo, to read; as community.permissions says, to write: who reads the files, no member"
PROPOSE = "a signed-in person who may read the repo's files: for a pull request; writers for all else"
WRITE = "who may write to the repo"
ADMIN = "who administers the repo"

TALK = "/discussions/<int:num>"

#: Under the address of a repo, in pages.
PAGES = {
    "": VISIBLE,
    "/like": LIKE,
    "/watch": LIKE,
    "/tree": VISIBLE,
    "/tree/<path:rest>": VISIBLE,
    "/blob/<path:rest>": FILES,
    "/edit/<path:rest>": PROPOSE,
    "/new/<path:rest>": PROPOSE,
    "/delete/<path:rest>": PROPOSE,
    "/card": PROPOSE,
    "/preview": PROPOSE,
    "/commits": VISIBLE,
    "/commits/<path:rest>": VISIBLE,
    "/commit/<str:oid>": FILES,
    "/refs": VISIBLE,
    "/stats": VISIBLE,
    "/stats/downloads.csv": ADMIN,
    "/reviews": VISIBLE,
    "/reviews/write": REVIEW,
    "/reviews/<str:review_id>": VISIBLE,
    **{f"/reviews/<str:review_id>/{act}": REVIEW for act in ("helpful", "reply", "delete")},
    "/settings": ADMIN,
    "/settings/delete": ADMIN,
    "/settings/storage": ADMIN,
    "/settings/access": ADMIN,
    "/discussions": VISIBLE,
    "/discussions/new": DISCUSS,
    "/discussions/preview": DISCUSS,
    TALK: DISCUSS,
    f"{TALK}/delete": DISCUSS,
    f"{TALK}/commits": FILES,
    f"{TALK}/files": FILES,
    **{f"{TALK}/comments/<str:comment_id>/{part}": DISCUSS for part in ("edit", "history", "hide", "react")},
}
PROGRAMS = {
    "/resolve/<path:rest>": FILES,
    "/raw/<path:rest>": FILES,
    "/info/lfs/objects/batch": FILES,
    "/info/lfs/objects/verify": PROPOSE,
    "/info/lfs/locks": FILES,
    "/info/lfs/locks/verify": PROPOSE,
    "/info/lfs/locks/<str:lock_id>/unlock": WRITE,
    ".git/info/lfs/objects/batch": FILES,
    ".git/info/lfs/objects/verify": PROPOSE,
    ".git/info/lfs/locks": FILES,
    ".git/info/lfs/locks/verify": PROPOSE,
    ".git/info/lfs/locks/<str:lock_id>/unlock": WRITE,
    "/ask-access": LIKE,
    "/user-access-report": ADMIN,
    "/upload-result": WRITE,
    "/upload/<path:revision>": WRITE,
}
DRAFT = "/upload-drafts/<uuid:draft_id>"
API = {
    "": VISIBLE,
    "/revision/<path:revision>": VISIBLE,
    "/settings": ADMIN,
    "/duplicate": FILES,
    "/auth-check": FILES,
    "/auth-check/write": WRITE,
    "/refs": VISIBLE,
    "/branch/<path:branch>": WRITE,
    "/tag/<path:revision>": WRITE,
    "/super-squash/<path:revision>": WRITE,
    "/tree/<path:rest>": VISIBLE,
    "/paths-info/<path:revision>": VISIBLE,
    "/commits/<path:revision>": VISIBLE,
    "/compare/<path:compare>": FILES,
    "/preupload/<path:revision>": WRITE,
    "/commit/<path:revision>": WRITE,
    "/xet-read-token/<path:revision>": FILES,
    "/xet-write-token/<path:revision>": WRITE,
    "/lfs-files": WRITE,
    "/scan": VISIBLE,
    "/treesize/<path:rest>": VISIBLE,
    "/lfs-files/batch": ADMIN,
    "/lfs-files/duplicate": FILES,
    "/lfs-files/<str:sha256>": ADMIN,
    "/like": LIKE,
    "/likers": VISIBLE,
    "/discussions": DISCUSS,
    TALK: DISCUSS,
    **{f"{TALK}/{part}": DISCUSS for part in ("comment", "status", "title", "merge", "pin", "lock", "ref")},
    **{f"{TALK}/comment/<str:comment_id>/{part}": DISCUSS for part in ("edit", "hide")},
    **{f"/user-access-request/{part}": ADMIN for part in ("handle", "grant", "batch", "<str:state>")},
    "/user-access-request/cancel": LIKE,
    "/reviews": REVIEW,
    "/reviews/<str:review_id>": VISIBLE,
    **{f"/reviews/<str:review_id>/{part}": REVIEW for part in ("reply", "helpful")},
    "/upload-drafts": WRITE,
    "/upload-drafts/check": WRITE,
    DRAFT: WRITE,
    **{f"{DRAFT}/{part}": WRITE for part in ("files", "begin", "complete", "remove", "commit")},
}
OTHERS = {
    # lists and people
    "": PUBLIC,
    "models": PUBLIC,
    "datasets": PUBLIC,
    "docs/counts": PUBLIC,
    "search": PUBLIC,
    "search/suggest": PUBLIC,
    "<namespace:name>": PUBLIC,
    "avatars/<str:name>": PUBLIC,
    "account/name-check": PUBLIC,
    "join": SESSION,
    "join/<str:secret>": PUBLIC,
    "new": SESSION,
    "new/import": SESSION,
    "settings/imports": SESSION,
    "settings/storage": SESSION,
    "settings/imports/<str:import_id>": SESSION,
    "settings/imports/<str:import_id>/progress": SESSION,
    "settings/imports/<str:import_id>/cancel": SESSION,
    "settings/imports/<str:import_id>/retry": SESSION,
    "robots.txt": PUBLIC,
    "favicon.ico": PUBLIC,
    "-/theme": PUBLIC,
    "-/styleguide": STAFF,
    "-/workers": STAFF,
    "i18n/setlang/": PUBLIC,
    "accounts/": SESSION,
    "admin/": STAFF,
    # notices
    "notifications": SESSION,
    "notifications/count": SESSION,
    "notifications/unsubscribe/<str:token>": PUBLIC,
    "notifications/<str:object_id>": SESSION,
    "settings/notifications": SESSION,
    "-/watch/<namespace:name>": SESSION,
    "feed": SESSION,
    "-/follow/<namespace:name>": SESSION,
    "-/pins/<namespace:name>": SESSION,
    "collections": PUBLIC,
    "collections/new": SESSION,
    "collections/add": SESSION,
    "collections/<namespace:owner>/<str:slug>": PUBLIC,
    "collections/<namespace:owner>/<str:slug>/edit": SESSION,
    # account pages
    "settings": PUBLIC,
    "settings/profile": SESSION,
    "settings/account": SESSION,
    "settings/account/language": SESSION,
    "settings/account/delete": SESSION,
    "settings/organizations": SESSION,
    "settings/organizations/invitations/<int:invitation_pk>": SESSION,
    "settings/tokens": SESSION,
    "settings/tokens/new": SESSION,
    "settings/tokens/<str:object_id>": SESSION,
    "settings/tokens/<str:object_id>/rename": SESSION,
    "settings/tokens/<str:object_id>/rotate": SESSION,
    "settings/tokens/<str:object_id>/revoke": SESSION,
    "settings/applications": SESSION,
    "settings/applications/new": SESSION,
    "settings/applications/<str:client_id>": SESSION,
    **{f"settings/applications/<str:client_id>/{act}": SESSION for act in ("secret", "delete", "withdraw")},
    "settings/webhooks": SESSION,
    "settings/webhooks/new": SESSION,
    "settings/webhooks/<str:webhook_id>": SESSION,
    **{
        f"settings/webhooks/<str:webhook_id>/{act}": SESSION for act in ("switch", "delete", "replay/<str:delivery_id>")
    },
    "device": SESSION,
    "oauth/authorize": SESSION,
    "settings/usage": SESSION,
    "settings/usage.csv": SESSION,
    "organizations/new": SESSION,
    "organizations/<namespace:name>/settings": SESSION,
    "organizations/<namespace:name>/delete": SESSION,
    "organizations/<namespace:name>/storage": SESSION,
    "organizations/<namespace:name>/leave": SESSION,
    "organizations/<namespace:name>/members": SESSION,
    "organizations/<namespace:name>/members/<namespace:member>/role": SESSION,
    "organizations/<namespace:name>/members/<namespace:member>/remove": SESSION,
    "organizations/<namespace:name>/invitations/<int:invitation_pk>/withdraw": SESSION,
    # moderation
    "conduct": PUBLIC,
    "-/announcement": PUBLIC,
    "report": SESSION,
    "settings/moderation": SESSION,
    "settings/moderation/<str:measure_id>/appeal": SESSION,
    "settings/blocks": SESSION,
    "moderation": STAFF,
    "moderation/cases/<str:kind>/<str:target_id>": STAFF,
    "moderation/measures": STAFF,
    "moderation/measures/<str:measure_id>/undo": STAFF,
    "moderation/appeals": STAFF,
    "moderation/appeals/<str:appeal_id>": STAFF,
    "moderation/held": STAFF,
    "moderation/held/<str:held_id>": STAFF,
    "moderation/closed/<str:token>": PUBLIC,
    "api/reports": PERSON,
    "api/settings/blocks": PERSON,
    "api/settings/blocks/<str:user>": PERSON,
    # API
    "api/whoami-v2": PERSON,
    "api/openapi.json": PUBLIC,
    "api/openapi.yaml": PUBLIC,
    "api/docs": PUBLIC,
    "api/docs/<slug:group>": PUBLIC,
    ".well-known/openid-configuration": PUBLIC,
    "oauth/jwks": PUBLIC,
    "oauth/device": PUBLIC,
    "oauth/token": PUBLIC,
    "oauth/revoke": PUBLIC,
    "oauth/userinfo": PERSON,
    "api/credentials/revoke": PUBLIC,
    "api/users/<str:name>/overview": PUBLIC,
    "api/organizations/<str:name>/overview": PUBLIC,
    "api/organizations/<str:name>/members": PUBLIC,
    "api/organizations/<str:name>/members/<str:member>/role": PERSON,
    "^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/followers$": PUBLIC,
    "^api/(?P<kind>users)/(?P<name>[^/]+)/following$": PUBLIC,
    "^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/follow$": PERSON,
    "^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/socials$": PUBLIC,
    "^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/avatar$": PUBLIC,
    "api/avatars/<str:name>": PUBLIC,
    "api/repos/create": PERSON,
    "api/repos/import": PERSON,
    "api/imports": PERSON,
    "api/imports/<str:import_id>": PERSON,
    "api/imports/<str:import_id>/cancel": PERSON,
    "api/imports/<str:import_id>/retry": PERSON,
    "api/repos/delete": PERSON,
    "api/repos/move": PERSON,
    "api/settings/repositories": PERSON,
    "api/organizations/<str:organization>/settings/repositories": PERSON,
    "api/users/<str:user>/likes": PUBLIC,
    "api/validate-yaml": PUBLIC,
    "api/settings/webhooks": PERSON,
    "api/settings/webhooks/<str:webhook_id>": PERSON,
    **{
        f"api/settings/webhooks/<str:webhook_id>/{part}": PERSON
        for part in ("enable", "disable", "deliveries", "replay/<str:delivery_id>")
    },
    "api/notifications": PERSON,
    "api/notifications/mark-as-read": PERSON,
    "api/settings/notifications": PERSON,
    "api/settings/watch": PERSON,
    "api/collections": PUBLIC,
    "api/collections/<str:owner>/<str:slug>": PUBLIC,
    **{
        f"api/collections/<str:owner>/<str:slug>/{part}": PERSON
        for part in ("items", "items/batch", "items/<str:item_id>", "upvote")
    },
    "uploads": PERSON,
    "uploads/<str:name>": PUBLIC,
    "api/tasks": PUBLIC,
    "api/trending": PUBLIC,
    **{f"api/{kind.plural}": PUBLIC for kind in RepoType},
    **{f"api/{kind.plural}/<str:name>": PUBLIC for kind in RepoType},
    # ids of one part, which no repo has
    **{f"api/{kind.plural}/<str:name>{tail}": PUBLIC for kind in RepoType for tail in API if "<path:" in tail},
    **{f"{kind.web_prefix}<str:name>/{act}/<path:rest>": PUBLIC for kind in RepoType for act in ("resolve", "raw")},
    **{f"api/{kind.plural}-tags-by-type": PUBLIC for kind in RepoType},
}
#: Only models run.
MODELS = {
    "api/inference/<str:namespace>/<str:name>/state": VISIBLE,
    "<str:namespace>/<str:name>/playground": VISIBLE,
}

DOOR_RULES = {
    "health": "anybody; no fact about people or repos",
    "data": "who holds a signed URL",
    "cas": "hub.storage.xet.cas: who holds a token of the store, made after FILES or WRITE was judged",
    "upstream": "who holds a signed link to one file of the upstream hub, made for a signed-in person",
    "git": "hub.api.git_http: files to read, write to push",
    "inference": "inference.gateway.access: a person who may see the model, with the inference right",
    "django": "the tables above",
}
SIGNED_RULES = {
    Action.BLOB: "one object, made after FILES was judged",
    Action.PUT: "one upload, made after WRITE was judged",
    Action.PART: "one part of an upload, made after WRITE was judged",
    Action.COMPLETE: "the end of one upload, made after WRITE was judged",
    Action.XORB: "some bytes of one xorb, made for a file of a repo whose FILES were judged",
    Action.XORB_PUT: "one xorb, made after WRITE was judged",
}
GIT_RULES = {GitService.UPLOAD_PACK: FILES, GitService.RECEIVE_PACK: "writers; authors, to their open pull request"}
GATEWAY_RULES = {"list_models", "openai", "task"}

_ADDRESS = re.compile(r"<(?:str|namespace):namespace>/<(?:str|repo_name):name>")
_OF_REPO = frozenset({VISIBLE, FILES, LIKE, DISCUSS, REVIEW, PROPOSE, WRITE, ADMIN})


def _routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, URLPattern | URLResolver]]:
    """Each address with its pattern; what allauth and Django's admin add is one address each."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLPattern) or route in {"accounts/", "admin/"}:
            yield route, pattern
        else:
            yield from _routes(pattern.url_patterns, route)


def _rule(route: str) -> str | None:
    found = _ADDRESS.search(route)
    if route in OTHERS or route in MODELS or found is None:
        return OTHERS.get(route) or MODELS.get(route)
    head, tail = route[: found.start()], route[found.end() :]
    if head in {f"api/{kind.plural}/" for kind in RepoType}:
        return API.get(tail)
    return PROGRAMS.get(tail) or PAGES.get(tail) if head in {kind.web_prefix for kind in RepoType} else None


def test_every_address_has_a_rule() -> None:
    assert [route for route, _ in _routes() if _rule(route) is None] == []


def test_every_address_is_there_once() -> None:
    routes = [route for route, _ in _routes()]
    assert sorted({route for route in routes if routes.count(route) > 1}) == []


def test_every_door_has_a_rule() -> None:
    assert {door.name for door in DOORS} == set(DOOR_RULES)
    assert set(METHODS) == set(Action) == set(SIGNED_RULES)
    assert set(GitService) == set(GIT_RULES)
    assert {name for name in vars(Gateway) if not name.startswith("_")} == GATEWAY_RULES


# --- probes ----------------------------------------------------------------------------------------------------------

_VALUES = {
    "rest": "main/README.md",
    "revision": "main",
    "branch": "main",
    "compare": "main..main",
    "oid": "0" * 40,
    "draft_id": "00000000-0000-4000-8000-000000000000",
    "invitation_pk": "1",
    "token": "x",
    "object_id": "0" * 24,
    "import_id": "0" * 24,
    "client_id": "0" * 32,
    "member": "somebody",
    "state": "pending",
    "sha256": "0" * 64,
    "webhook_id": "0" * 24,
    "delivery_id": "0" * 24,
    "owner": "somebody",
    "slug": "list-" + "0" * 24,
    "item_id": "0" * 24,
    "secret": "x",
    "lock_id": "1",
    "num": "1",
    "comment_id": "0" * 24,
    "review_id": "0" * 24,
    "measure_id": "0" * 24,
    "appeal_id": "0" * 24,
    "held_id": "0" * 24,
    "kind": "repo",
    "target_id": "0" * 24,
    "user": "nobody",
}


def _path(route: str, **values: str) -> str:
    return "/" + re.sub(r"<\w+:(\w+)>", lambda match: {**_VALUES, **values}[match[1]], route)


def _methods(pattern: URLPattern | URLResolver) -> list[str]:
    return sorted(getattr(getattr(pattern, "callback", None), "methods", None) or {"GET", "POST"})


def _ask(client: Client, method: str, path: str, secret: str = "") -> HttpResponseBase:
    body = {} if method in {"GET", "HEAD"} else {"data": "{}", "content_type": "application/json"}
    return client.generic(method, path, **body, **(bearer(secret) if secret else {}))


def _told(response: HttpResponseBase, name: str) -> tuple[int, dict[str, str], str]:
    """What a caller can compare: status, headers and body, without what differs between any two requests."""
    # `Expires` is the second of the answer: two answers in a row may differ by one.
    dropped = {"x-request-id", "ratelimit", "content-length", "set-cookie", "expires"}
    headers = {key.lower(): value.replace(name, "NAME") for key, value in response.items()}
    body = b"".join(response) if response.streaming else response.content  # type: ignore[attr-defined]
    text = body.decode().replace(name, "NAME").replace(response.get("X-Request-Id", "-"), "ID")
    text = re.sub(r'(csrf[\w-]*"? (?:value|content)=")\w{64}', r"\1", text)
    return response.status_code, {key: value for key, value in headers.items() if key not in dropped}, text


@pytest.fixture
def _no_limits(settings: Any) -> None:
    settings.HUB_RATE_API = settings.HUB_RATE_RESOLVE = settings.HUB_RATE_PAGES = 1_000_000


def _repo_routes(rules: frozenset[str] = _OF_REPO) -> list[tuple[str, URLPattern | URLResolver]]:
    return [(route, pattern) for route, pattern in _routes() if _rule(route) in rules]


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_limits")
@pytest.mark.parametrize("who", ["anonymous", "session", "token", "inference"])
def test_hidden_repos_answer_as_missing_ones_t29(who: str) -> None:
    owner, stranger = make_user("owner", password=None), make_user("stranger", password=None)
    for repo_type in RepoType:
        make_repo(owner, "zz-veiled", repo_type=repo_type, is_private=True)
    secret = (
        make_token(stranger, "write" if who == "token" else "inference")[1] if who in {"token", "inference"} else ""
    )
    client = Client()
    if who == "session":
        client.force_login(stranger)
    for route, pattern in _repo_routes():
        for method in _methods(pattern):
            hidden, missing = (
                _told(_ask(client, method, _path(route, namespace="owner", name=name), secret), name)
                for name in ("zz-veiled", "zz-absent")
            )
            assert hidden[:2] == missing[:2], (method, route)
            assert [*unified_diff(hidden[2].split("\n"), missing[2].split("\n"), n=0)] == [], (method, route)
            assert hidden[0] >= 300, (method, route)


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_limits")
def test_strangers_write_nothing_t30() -> None:
    owner = make_user("owner", password=None)
    repos = [make_repo(owner, "public", repo_type=repo_type) for repo_type in RepoType]
    before = [(repo.head_oid, repo.refs.count(), repo.updated_at) for repo in repos]
    _token, secret = make_token(make_user("stranger", password=None))
    read_only = make_token(owner, "read")[1]
    client = Client()
    for route, pattern in _repo_routes(frozenset({WRITE, ADMIN})):
        for method in _methods(pattern):
            path = _path(route, namespace="owner", name="public")
            if not path.startswith("/api/") and method == "GET":
                continue  # a page may show what it will not do
            for given in ("", secret, read_only):
                status = _ask(client, method, path, given).status_code
                assert status in {302, 401, 403, 404, 405}, (method, route, bool(given))
    for repo in repos:
        repo.refresh_from_db()
    assert [(repo.head_oid, repo.refs.count(), repo.updated_at) for repo in repos] == before


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_limits")
def test_tokens_and_strangers_open_no_account_page_t17() -> None:
    _token, secret = make_token(make_user("ann", password=None))
    client = Client()
    for route, pattern in _routes():
        if _rule(route) not in {SESSION, STAFF}:
            continue
        for method in _methods(pattern):
            path = _path(route, name="ann")
            allowed = {302, 401, 403, 404, 405} | ({200} if route == "accounts/" else set())
            for given in ("", secret):
                assert _ask(client, method, path, given).status_code in allowed, (method, route, bool(given))


@pytest.mark.django_db
def test_strangers_are_asked_to_sign_in_where_a_person_is_needed() -> None:
    for route, pattern in _routes():
        if _rule(route) != PERSON:
            continue
        for method in _methods(pattern):
            path = _path(route, name="nobody", organization="nobody", member="nobody")
            assert _ask(Client(), method, path).status_code in {400, 401, 403, 404, 405}, (method, route)


def test_told_sees_a_difference() -> None:
    """The comparison above must be able to fail."""
    client = Client()
    assert _told(client.get("/robots.txt"), "x") != _told(client.get("/favicon.ico"), "x")
