"""A private repo answers strangers exactly as one that does not exist: on every route of the URLconf and every door.

Routes are read from the URL resolver, so that a new one is tested by being there (T32).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from hub.core.ids import RepoType
from tests.e2e.live import FullHub
from tests.e2e.routes import Route, all_routes

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# As long as each other: lengths must agree, too.
PRIVATE = {
    RepoType.MODEL: "secret-plans",
    RepoType.DATASET: "secret-rows",
    RepoType.SPACE: "secret-desk",
    RepoType.KERNEL: "secret-lathe",
}
MISSING = {
    RepoType.MODEL: "secret-plain",
    RepoType.DATASET: "secret-rags",
    RepoType.SPACE: "secret-dusk",
    RepoType.KERNEL: "secret-later",
}
# What differs between two answers to the same question: identity, clock, remaining calls, random form tokens.
# `connection: close` depends on whether the body had arrived when the answer was ready.
_OF_THE_MOMENT = {
    "connection",
    "date",
    "x-request-id",
    "expires",
    "server-timing",
    "ratelimit",
    "set-cookie",
    "x-inference-id",
}
_CSRF = re.compile(r'(name="csrfmiddlewaretoken" value=|name="csrf-token" content=|"X-CSRFToken": ?)"[^"]+"')
_HEX_ID = re.compile(r"(req-)?[0-9a-f]{24,32}")


@dataclass(frozen=True, slots=True)
class Question:
    method: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    content_type: str = "application/json"

    def about(self, name: str) -> Question:
        body = json.loads(json.dumps(self.body).replace("NAME", name))
        return replace(self, path=self.path.replace("NAME", name), body=body)


def _route_questions(route: Route, oids: dict[str, str]) -> Iterator[Question]:
    private = f"{route.repo_type.web_prefix}ada/{PRIVATE[route.repo_type]}"
    values = {
        "namespace": "ada",
        "name": "NAME",
        "oid": oids[private],
        "revision": "main",
        "branch": "main",
        "compare": "main..main",
        "draft_id": "00000000-0000-0000-0000-000000000000",
        "rest": "main/README.md"
        if any(word in route.pattern for word in ("resolve", "raw", "blob", "edit"))
        else "main",
    }
    for method in ("GET", "POST", "PUT", "DELETE"):
        yield Question(method, route.path(values))


def _door_questions(repo_type: RepoType) -> Iterator[Question]:
    """git, inference, and the routes that name a repo in the body."""
    repo = f"{repo_type.web_prefix}ada/NAME"
    for stem in (f"/{repo}", f"/{repo}.git"):
        for service in ("git-upload-pack", "git-receive-pack"):
            yield Question("GET", f"{stem}/info/refs?service={service}")
            yield Question("POST", f"{stem}/{service}", content_type=f"application/x-{service}-request")
    yield Question("DELETE", "/api/repos/delete", {"organization": "ada", "name": "NAME", "type": repo_type.value})
    yield Question("POST", "/api/repos/move", {"fromRepo": "ada/NAME", "toRepo": "grace/mine", "type": repo_type.value})
    if repo_type is not RepoType.MODEL:
        return
    messages = [{"role": "user", "content": "hello"}]
    yield Question("GET", "/v1/models/ada/NAME")
    yield Question("POST", "/v1/chat/completions", {"model": "ada/NAME", "messages": messages})
    yield Question("POST", "/v1/completions", {"model": "ada/NAME", "prompt": "hello"})
    yield Question("POST", "/v1/embeddings", {"model": "ada/NAME", "input": "hello"})
    yield Question("POST", "/models/ada/NAME", {"inputs": "hello"})
    yield Question("POST", "/models/ada/NAME/v1/chat/completions", {"model": "ada/NAME", "messages": messages})
    yield Question("POST", "/models/ada/NAME/pipeline/feature-extraction", {"inputs": "hello"})
    yield Question("POST", "/pipeline/feature-extraction/ada/NAME", {"inputs": "hello"})


def _questions(repo_type: RepoType, oids: dict[str, str]) -> list[Question]:
    routes = [
        route
        for route in all_routes()
        if {"namespace", "name"} <= set(route.parameters) and route.repo_type is repo_type
    ]
    assert len(routes) > 40
    asked = [question for route in routes for question in _route_questions(route, oids)]
    return [*asked, *_door_questions(repo_type)]


@pytest.fixture(scope="module")
def strangers(full_hub: FullHub, browser: Browser) -> Iterator[dict[str, httpx.Client]]:
    """Nobody, a person by token, and the same person by session."""
    page = browser.new_page()
    page.goto(f"{full_hub.url}/accounts/login/")
    page.locator("input[name=login]").fill("grace")
    page.locator("input[name=password]").fill("correct horse battery staple")
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/accounts/login" not in url)
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    page.close()
    # With the proof that a form of ours was sent, or every POST would end at that check.
    session_headers = {"X-CSRFToken": cookies.get("csrf", ""), "Origin": full_hub.url}
    clients = {
        "anonymous": httpx.Client(base_url=full_hub.url, timeout=30),
        "token": httpx.Client(base_url=full_hub.url, timeout=30, headers=full_hub.bearer("stranger")),
        "session": httpx.Client(base_url=full_hub.url, timeout=30, cookies=cookies, headers=session_headers),
    }
    yield clients
    for client in clients.values():
        client.close()


@pytest.mark.parametrize("who", ["anonymous", "token", "session"])
@pytest.mark.parametrize("repo_type", list(RepoType), ids=lambda repo_type: repo_type.value)
def test_private_answers_as_missing(
    full_hub: FullHub, strangers: dict[str, httpx.Client], repo_type: RepoType, who: str
) -> None:
    different, allowed = [], []
    for question in _questions(repo_type, full_hub.seeded["commits"]):
        private = _ask(strangers[who], question.about(PRIVATE[repo_type]), PRIVATE[repo_type])
        missing = _ask(strangers[who], question.about(MISSING[repo_type]), MISSING[repo_type])
        if private != missing:
            different.append(f"{question.method} {question.path}\n  private: {private}\n  missing: {missing}")
        if private[0] < 300:
            allowed.append(f"{question.method} {question.path} → {private[0]}")

    assert not different, "\n".join(different)
    assert not allowed


def _ask(client: httpx.Client, question: Question, name: str) -> tuple[int, dict[str, str], str]:
    has_body = question.method != "GET"
    answer = client.request(
        question.method,
        question.path,
        content=json.dumps(question.body) if has_body else None,
        headers={"Content-Type": question.content_type} if has_body else {},
    )
    headers = {key: value.replace(name, "NAME") for key, value in answer.headers.items() if key not in _OF_THE_MOMENT}
    text = _HEX_ID.sub("ID", _CSRF.sub(r"\1TOKEN", answer.text)).replace(name, "NAME")
    return answer.status_code, headers, text


@pytest.mark.parametrize(
    "path",
    [
        "/models?search=secret",
        "/datasets?search=secret",
        "/search?q=secret",
        "/search/suggest?q=secret",
        "/ada",
        "/api/models?search=secret",
        "/api/models?author=ada",
        "/api/datasets?search=secret",
        "/v1/models",
        "/api/users/ada/overview",
    ],
)
def test_no_list_names_a_private_repo(strangers: dict[str, httpx.Client], path: str) -> None:
    for client in strangers.values():
        answer = client.get(path)

        assert answer.status_code in (200, 401)
        assert not any(name in answer.text for name in PRIVATE.values())
