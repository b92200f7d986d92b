"""A hidden repo answers as a missing one, on every route that names a repo (T28, T29, T35); taken from the URLs."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from django.test import Client
from django.urls import URLPattern

from hub.api import urls
from hub.core.ids import RepoType
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.community import make_pull_request
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db(transaction=True)

_BODIES = {
    "batch": {"operation": "download", "objects": []},
    "verify": {"oid": "0" * 64, "size": 1},
    "status": {"status": "closed"},
    "title": {"title": "Another title"},
    "edit": {"content": "other words"},
    "pin": {"pinned": True},
    "lock": {"locked": True},
}
_VALUES = {
    "revision": "main",
    "rest": "main/README.md",
    "branch": "b",
    "compare": "main",
    "draft_id": str(uuid.UUID(int=1)),
    "file_id": "1",
    "num": "1",
    "comment_id": "0" * 24,
    "lock_id": "1",
    "review_id": "0" * 24,
    "sha256": "0" * 64,
    "state": "pending",
}


def _routes() -> list[tuple[str, str, RepoType]]:
    """(method, route, type) of every route with a repo in it."""
    found = []
    for pattern in urls.urlpatterns:
        if isinstance(pattern, URLPattern) and "<str:namespace>" in str(pattern.pattern):
            route, repo_type = str(pattern.pattern), pattern.default_args["repo_type"]
            found += [(method, route, repo_type) for method in sorted(pattern.callback.methods)]
    return found


def _url(route: str, namespace: str, name: str) -> str:
    values = {**_VALUES, "namespace": namespace, "name": name}
    return "/" + re.sub(r"<\w+:(\w+)>", lambda match: values[match[1]], route)


def _ask(client: Client, method: str, url: str, secret: str | None) -> tuple[object, ...]:
    headers = bearer(secret) if secret else {}
    body = _BODIES.get(url.rpartition("/")[2], {}) if method != "GET" else None
    response = client.generic(method, url, data="" if body is None else json.dumps(body),
                              content_type="application/json", **headers)  # fmt: skip
    shown = {k: v for k, v in response.headers.items() if k not in ("X-Request-Id", "RateLimit")}
    return response.status_code, b"".join(response) if response.streaming else response.content, sorted(shown.items())


@pytest.mark.parametrize("who", ["anonymous", "stranger"])
def test_hidden_equals_missing_on_every_route(client: Client, who: str, settings) -> None:
    settings.HUB_RATE_API = settings.HUB_RATE_RESOLVE = 100_000
    owner = make_user("owner", password=None)
    hidden = {}
    for repo_type in RepoType:
        hidden[repo_type] = make_repo(
            owner, "hidden", repo_type=repo_type, is_private=True, files={"README.md": b"# secret"}
        )
        commit_large_file(hidden[repo_type], owner, "w.bin", b"\1" * 100)
    secret = make_token(make_user(password=None))[1] if who == "stranger" else None
    routes = _routes()
    assert len(routes) > 100
    for method, route, repo_type in routes:
        there = _ask(client, method, _url(route, "owner", "hidden"), secret)
        gone = _ask(client, method, _url(route, "owner", "absent"), secret)
        assert there == gone, (method, route)
        assert there[0] == (404 if secret else 401), (method, route, there)
        if method != "HEAD":
            # git-lfs reads "message"; every other client "error".
            words = json.loads(there[1])
            assert set(words.values()) == {"Repository not found"}, (method, route)
            assert set(words) <= ({"error", "message"} if "/info/lfs/" in route else {"error"}), (method, route)
        assert ("X-Error-Code", "RepoNotFound") in there[2], (method, route)
        assert repo_type in hidden


def test_readers_of_a_public_repo_cannot_write_t30(client: Client, settings) -> None:
    settings.HUB_RATE_API = 100_000
    repo = make_repo(files={"README.md": b"# x"})
    secret = make_token(make_user(password=None))[1]
    head = repo.head_oid
    opened = make_pull_request(repo)
    comment = opened.events.first()
    # What every reader may do: copy, like, review, take part in a conversation, take back a request of their own.
    # Who may answer a review, or change it, is asked in test_reviews.py and in the permission matrix.
    harmless = {"paths-info", "batch", "duplicate", "like", "reviews"}
    theirs = ("/discussions", "/comment", "/user-access-request/cancel", "/ask-access")
    # Asked on the way to a pull request of their own; nothing changes by it.
    theirs += ("/objects/verify", "/locks/verify")
    for method, route, repo_type in _routes():
        if repo_type is not RepoType.MODEL or method in ("GET", "HEAD"):
            continue
        url = _url(route, repo.namespace.name, repo.name)
        if any(f"/{word}" in url for word in harmless) or url.endswith(theirs):
            continue
        url = url.replace("0" * 24, comment.object_id)
        # The bare address takes no writes: there it reads as a one-part id with an act, which names no repo here.
        # A reader may ask whether their own upload for a pull request has arrived; this one has sent none.
        expected = 404 if route.endswith(("<str:name>", "/objects/verify")) else 403
        assert _ask(client, method, url, secret)[0] == expected, (method, route)
        assert _ask(client, method, url, None)[0] == 401, (method, route)
    repo.refresh_from_db()
    assert repo.head_oid == head


def test_bad_token_is_refused_on_public_files_t27(client: Client) -> None:
    repo = make_repo(files={"README.md": b"# x"})
    response = client.get(repo.urls.resolve("main", "README.md"), HTTP_AUTHORIZATION="Bearer hf_wrong")
    assert response.status_code == 401
    assert response.json()["error"] == "Invalid credentials in Authorization header"


def test_session_needs_the_pages_token_t09() -> None:
    repo = make_repo()
    client = Client(enforce_csrf_checks=True)
    client.force_login(repo.created_by)
    url = f"{repo.urls.api}/like"
    assert client.post(url).status_code == 403
    client.get("/api/tasks")
    client.cookies["csrf"] = "a" * 32
    assert client.post(url, HTTP_X_CSRFTOKEN="a" * 32).status_code == 200


def test_disabled_repo_is_closed_on_every_door_t40(client: Client) -> None:
    from django.utils import timezone

    repo = make_repo(files={"README.md": b"# x"})
    repo.disabled_at = timezone.now()
    repo.save()
    for url in (repo.urls.api, repo.urls.resolve("main", "README.md"), f"{repo.urls.api}/tree/main"):
        response = client.get(url)
        assert response.status_code == 403
        assert response["X-Error-Message"] == "Access to this resource is disabled."
