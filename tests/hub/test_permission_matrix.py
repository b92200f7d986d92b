"""The matrix of the threats, generated: every address of a repo × who asks × the repo's state (T28–T40).

The addresses come from the resolver with the rules of ``test_route_rules``; git and hosted inference, which Django does
not serve, are asked through the whole web application. What a cell must answer is computed from the words below alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone

from hub.accounts.enums import Role
from hub.accounts.models import User
from hub.core.ids import RepoType
from hub.repos.enums import AccessState, Gating, Visibility
from hub.repos.models import AccessRequest, Repo
from tests.factories.accounts import bearer, make_organization, make_token, make_user
from tests.factories.repos import make_repo
from tests.hub.test_route_rules import (
    _OF_REPO,
    ADMIN,
    DISCUSS,
    FILES,
    LIKE,
    PROPOSE,
    REVIEW,
    VISIBLE,
    WRITE,
    _methods,
    _path,
    _repo_routes,
    _rule,
)

STATES = ("public", "private", "gated", "disabled", "private and disabled")
#: Who asks: what they may do to ``guild/vault``, were it theirs to see. A token never adds to its person's rights.
NOBODY, MEMBER, WRITER, KEEPER = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Who:
    """``right``: what the person may do; ``scope``: what the token of theirs allows, all for sessions."""

    right: int = NOBODY
    scope: int = KEEPER
    is_signed_in: bool = True
    is_granted: bool = False
    is_token: bool = False

    @property
    def allowed(self) -> int:
        return min(self.right, self.scope)


PEOPLE = {
    "anonymous": Who(is_signed_in=False),
    "stranger": Who(),
    "granted": Who(is_granted=True),
    "reader": Who(MEMBER),
    "contributor": Who(MEMBER),  # the repo is another's: contributors write what they made themselves
    "writer": Who(WRITER),
    "admin": Who(KEEPER),
}
TOKENS = {
    "stranger's write token": Who(is_token=True),
    "granted one's inference token": Who(NOBODY, NOBODY, is_token=True),
    "reader's write token": Who(MEMBER, is_token=True),
    "writer's read token": Who(WRITER, MEMBER, is_token=True),
    "admin's write token": Who(KEEPER, KEEPER, is_token=True),
    "admin's read token": Who(KEEPER, MEMBER, is_token=True),
    "admin's inference token": Who(KEEPER, NOBODY, is_token=True),
    "admin's token to read this": Who(KEEPER, MEMBER, is_token=True),
    "admin's token to write this": Who(KEEPER, KEEPER, is_token=True),
    "admin's token for elsewhere": Who(KEEPER, NOBODY, is_token=True),
}
ALL = PEOPLE | TOKENS
#: Spaces, kernels and datasets share the views of models: for them those who differ most.
FEW = ("anonymous", "stranger", "reader", "admin's read token")

OPEN = "open"
HIDDEN = "RepoNotFound"
SIGN_IN = "sign in"
DENIED = "denied"
GATED = "GatedRepo"
DISABLED = "Access to this resource is disabled."
_NEEDS = {
    VISIBLE: NOBODY,
    LIKE: NOBODY,
    DISCUSS: NOBODY,
    FILES: NOBODY,
    PROPOSE: NOBODY,
    REVIEW: NOBODY,
    WRITE: WRITER,
    ADMIN: KEEPER,
}


def expected(rule: str, who: Who, state: str, *, is_safe: bool) -> str:
    """What the matrix of the threats says; the first reason to refuse counts."""
    if state.startswith("private") and who.allowed < MEMBER:
        return HIDDEN
    need = _NEEDS[rule]
    # Owners keep their settings while a repo is disabled, and find the notice there.
    if state.endswith("disabled") and rule != ADMIN:
        return DISABLED
    wants_person = need > NOBODY or rule in (LIKE, PROPOSE) or (rule in (DISCUSS, REVIEW) and not is_safe)
    if state == "gated" and rule in (FILES, PROPOSE) and not _passes_gate(who):
        return GATED
    if wants_person and not who.is_signed_in:
        return SIGN_IN
    return DENIED if who.allowed < need else OPEN


def _passes_gate(who: Who) -> bool:
    return who.allowed >= MEMBER or (who.is_granted and who.scope >= MEMBER)


@dataclass(slots=True)
class World:
    people: dict[str, User]
    secrets: dict[str, str]

    def client(self, name: str) -> tuple[Client, dict[str, str]]:
        client = Client()
        if name in self.secrets:
            return client, bearer(self.secrets[name])
        if name != "anonymous":
            client.force_login(self.people[name])
        return client, {}


def _entity(kind: str, name: str, *permissions: str) -> dict[str, Any]:
    return {"entity": {"type": kind, "name": name}, "permissions": list(permissions)}


def make_world(state: str) -> World:
    people = {name: make_user(f"the-{name}", password=None) for name in PEOPLE if name != "anonymous"}
    roles = {people[name]: Role(name.replace("reader", "read").replace("writer", "write"))
             for name in ("reader", "contributor", "writer")}  # fmt: skip
    make_organization("guild", admin=people["admin"], members=roles)
    make_repo(people["admin"], "elsewhere")
    for repo_type in RepoType:
        repo = make_repo(people["admin"], "vault", namespace="guild", repo_type=repo_type, files={"a.txt": b"secret\n"})
        AccessRequest.objects.create(repo=repo, user=people["granted"], state=AccessState.ACCEPTED)
    changes: dict[str, Any] = {
        "visibility": Visibility.PRIVATE if state.startswith("private") else Visibility.PUBLIC,
        "gated": Gating.MANUAL if state == "gated" else Gating.OFF,
        "disabled_at": timezone.now() if state.endswith("disabled") else None,
    }
    Repo.objects.filter(name="vault").update(**changes)
    secrets = {}
    for name in TOKENS:
        owner, _, kind = name.replace("granted one's", "granted's").partition("'s ")
        secrets[name] = _secret(people[owner], kind)
    return World(people, secrets)


def _secret(user: User, kind: str) -> str:
    if not kind.startswith("token"):
        return make_token(user, kind.removesuffix(" token"))[1]
    act, _, target = kind.removeprefix("token ").removeprefix("to ").partition(" ")
    if target == "this":
        right = "repo.content.read" if act == "read" else "repo.write"
        scoped = [_entity(repo_type, "guild/vault", right) for repo_type in ("model", "dataset")]
    else:
        scoped = [_entity("model", "the-admin/elsewhere", "repo.write"), _entity("user", "the-admin", "repo.write")]
    return make_token(user, "fineGrained", grants={"global": [], "scoped": scoped})[1]


def _is_page(route: str) -> bool:
    return not route.startswith("api/") and not any(
        part in route for part in ("/info/lfs/", "/resolve/", "/raw/", "/ask-access", "/user-access-report")
    )


def answered(response: HttpResponseBase, *, is_page: bool) -> str:
    """Which of the words above an answer is."""
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    message = response.headers.get("X-Error-Message", "")
    text = "" if response.streaming else response.content.decode()  # type: ignore[attr-defined]
    if status == 302 and response["Location"].startswith("/accounts/login/"):
        return SIGN_IN
    if code == HIDDEN or (is_page and status == 404 and "Repository not found" in text):
        return HIDDEN
    if code == GATED or (is_page and 'id="gate"' in text and status in (401, 403)):
        return GATED
    if status == 403 and (message == DISABLED or (is_page and ("disabled" in text))):
        return DISABLED
    if status == 401:
        return SIGN_IN
    return DENIED if status == 403 else OPEN


def is_as_expected(wanted: str, got: str, response: HttpResponseBase, who: Who, *, is_page: bool) -> bool:
    status = response.status_code
    if status >= 500:
        return False
    if status == 405:  # no such method here, whoever asks
        return True
    if is_page and not who.is_signed_in and wanted in (HIDDEN, DENIED, DISABLED) and got == SIGN_IN:
        return True  # pages of a browser's session ask for one before anything is looked up
    if wanted == GATED and got == (DENIED if who.is_signed_in else SIGN_IN):
        return True  # what also wants a writer says so first, in front of the gate
    if wanted == OPEN and got == SIGN_IN and is_page and not who.is_signed_in and status == 302:
        return True  # a form to write something leads to the sign-in
    if wanted == SIGN_IN and got == OPEN and status >= 400:
        return True  # the body was no sane request, or there is no such discussion
    if is_page and who.is_token and wanted != OPEN and got == DENIED:
        return True  # and tokens open none of them (T17)
    return got == wanted


def _matters(rule: str, who: Who, route: str, wanted: str, *, is_safe: bool, is_page: bool) -> bool:
    """Whether the rule alone says what an open cell answers; further rights are the business of other tests."""
    if wanted != OPEN:
        return True
    if is_page and who.is_token and rule in (WRITE, ADMIN):
        return False  # session pages
    if rule == REVIEW:
        return False  # nobody judges what is their own
    return not (rule in (LIKE, DISCUSS, PROPOSE) and (who.is_token or not is_safe))


#: Open to them, and refused for another reason than a right: the default branch stays.
_REFUSED_OTHERWISE = {"/branch/<path:branch>", "/edit/<path:rest>", "/delete/<path:rest>", "/new/<path:rest>"}


@pytest.fixture
def _no_limits(settings: Any) -> None:
    for name in ("API", "RESOLVE", "PAGES", "DISCUSSIONS", "COMMENTS"):
        setattr(settings, f"HUB_RATE_{name}", 10_000_000)


@pytest.mark.django_db
@pytest.mark.usefixtures("_no_limits")
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("state", STATES)
def test_every_address_keeps_the_matrix_t28_t39_t40(state: str) -> None:
    world = make_world(state)
    wrong, cells = [], 0
    routes = [(route, method) for route, pattern in _repo_routes() for method in _methods(pattern) if method != "HEAD"]
    for name, who in ALL.items():
        client, headers = world.client(name)
        for route, method in routes:
            if _is_of_models(route) or (name in FEW and state in ("private", "gated")):
                rule, is_page = _rule_of(route, method), _is_page(route)
                wanted = expected(rule, who, state, is_safe=method == "GET")
                response = _ask(client, method, route, headers, is_page=is_page)
                got, cells = answered(response, is_page=is_page), cells + 1
                if method != "GET" and rule == VISIBLE and got == HIDDEN:
                    continue  # the bare address takes no writes: there it reads as an id of one part
                if not _matters(rule, who, route, wanted, is_safe=method == "GET", is_page=is_page):
                    assert response.status_code < 500, (name, method, route)
                elif got == DENIED and wanted == OPEN and any(route.endswith(end) for end in _REFUSED_OTHERWISE):
                    continue
                elif not is_as_expected(wanted, got, response, who, is_page=is_page):
                    wrong.append((name, method, route, wanted, got, response.status_code))
    assert not wrong, "\n".join(str(cell) for cell in wrong)
    assert cells > 1_000
    repo = Repo.objects.get(name="vault", repo_type="model")
    assert repo.deleted_at is None


def _rule_of(route: str, method: str) -> str:
    """Some addresses show to everybody what few may change."""
    rule = str(_rule(route))
    if method == "GET":
        return rule
    if route.endswith(("/refs", "/info/lfs/locks")):
        return WRITE
    return LIKE if route.endswith("<str:name>/duplicate") else rule


def _is_of_models(route: str) -> bool:
    return not route.startswith(("api/datasets", "api/spaces", "api/kernels", "datasets/", "spaces/", "kernels/"))


def _ask(client: Client, method: str, route: str, headers: dict[str, str], *, is_page: bool) -> HttpResponseBase:
    path = _path(route, namespace="guild", name="vault", rest="main/a.txt" if "tree" not in route else "main")
    if route.endswith("/commit/<str:oid>") and is_page:
        path = path.replace("0" * 40, "main")
    if method == "GET":
        return client.get(path, **headers)
    if is_page:
        return client.generic(method, path, "", content_type="application/x-www-form-urlencoded", **headers)
    body = '{"operation": "download", "objects": []}' if path.endswith("/objects/batch") else "{}"
    return client.generic(method, path, body, content_type="application/json", **headers)


# --- the doors beside Django -----------------------------------------------------------------------------------------


async def _call(method: str, path: str, query: str, secret: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    from hub.asgi import application

    service = path.rpartition("/")[2]
    kind = f"application/x-{service}-request" if service.startswith("git-") else "application/json"
    headers = [(b"host", b"localhost"), (b"content-type", kind.encode())]
    headers += [(b"content-length", str(len(body)).encode())] if body else []
    headers += [(b"authorization", f"Bearer {secret}".encode())] if secret else []
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
             "headers": headers, "client": ("127.0.0.1", 5000), "server": ("localhost", 80), "scheme": "http",
             "http_version": "1.1"}  # fmt: skip
    sent, told, chunks = [body], {}, []
    never = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if sent:
            return {"type": "http.request", "body": sent.pop(), "more_body": False}
        await never.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            told["status"] = message["status"]
            told["headers"] = {key.decode().lower(): value.decode("latin-1") for key, value in message["headers"]}
        else:
            chunks.append(message.get("body", b""))

    await asyncio.wait_for(application(scope, receive, send), 30)
    return told["status"], told["headers"], b"".join(chunks)


#: Door → (method, path, query, body); the rule that it keeps.
DOORS = {
    "git fetch": ("GET", "/guild/vault.git/info/refs", "service=git-upload-pack", b"", FILES),
    "git fetch, no suffix": ("GET", "/guild/vault/info/refs", "service=git-upload-pack", b"", FILES),
    "git fetch of a dataset": ("GET", "/datasets/guild/vault/info/refs", "service=git-upload-pack", b"", FILES),
    "git objects": ("POST", "/guild/vault.git/git-upload-pack", "", b"0000", FILES),
    "git push": ("GET", "/guild/vault.git/info/refs", "service=git-receive-pack", b"", WRITE),
    "git push of objects": ("POST", "/guild/vault.git/git-receive-pack", "", b"0000", WRITE),
    "inference": ("POST", "/models/guild/vault", "", b'{"inputs": "x"}', "call"),
    "inference by task": ("POST", "/pipeline/text-classification/guild/vault", "", b'{"inputs": "x"}', "call"),
    "chat": ("POST", "/v1/chat/completions", "",
             b'{"model": "guild/vault", "messages": [{"role": "user", "content": "x"}]}', "call"),
}  # fmt: skip
_MAY_CALL = {"granted one's inference token": True, "admin's inference token": True}


def _expected_call(name: str, who: Who, state: str) -> str:
    """Hosted inference asks for a person, the right to see the model and the right to call (T24, T137)."""
    if not who.is_signed_in:
        return SIGN_IN
    is_inference = _MAY_CALL.get(name, False)
    is_narrow = name.startswith("admin's token")  # fine-grained, none of them to call
    sees = who.right >= MEMBER and (is_inference or who.scope >= MEMBER)
    if state.startswith("private") and not sees:
        return HIDDEN
    if is_narrow:
        return DENIED
    if state.endswith("disabled"):
        return DISABLED
    granted = who.is_granted or name.startswith("granted")
    return GATED if state == "gated" and who.right < MEMBER and not granted else OPEN


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_limits")
@pytest.mark.parametrize("state", STATES)
def test_git_and_inference_keep_the_matrix_t22_t28_t31(state: str, settings: Any) -> None:
    from inference.gateway import access

    access.forget()
    settings.HUB_INFERENCE_RPM = 1_000_000
    world = make_world(state)
    for name in ("stranger", "granted", "reader", "contributor", "writer", "admin"):  # programs have no session
        world.secrets[name] = make_token(world.people[name], "write")[1]
    before = [(repo.head_oid, repo.refs.count()) for repo in Repo.objects.order_by("pk")]
    wrong = asyncio.run(_ask_doors(world, state))
    assert not wrong, "\n".join(str(cell) for cell in wrong)
    assert [(repo.head_oid, repo.refs.count()) for repo in Repo.objects.order_by("pk")] == before


async def _ask_doors(world: World, state: str) -> list[tuple[object, ...]]:
    wrong = []
    for name, who in ALL.items():
        for door, (method, path, query, body, rule) in DOORS.items():
            status, headers, text = await _call(method, path, query, world.secrets.get(name, ""), body)
            wanted = (
                _expected_call(name, who, state)
                if rule == "call"
                else expected(rule, who, state, is_safe=rule == FILES)
            )
            got = _heard(status, headers, text, is_anonymous=not who.is_signed_in)
            # git asks strangers for a password, whatever there is or is not.
            if rule != "call" and not who.is_signed_in and wanted in (HIDDEN, GATED):
                wanted = SIGN_IN
            if got != wanted or status >= 500:
                wrong.append((name, door, wanted, got, status, text[:200]))
    return wrong


def _heard(status: int, headers: dict[str, str], text: bytes, *, is_anonymous: bool) -> str:
    if status == 401 and is_anonymous:
        return SIGN_IN
    if status in (401, 403, 404):
        words = text.decode(errors="replace") + headers.get("x-error-message", "")
        if DISABLED in words:
            return DISABLED
        if GATED in headers.get("x-error-code", "") or "is restricted" in words:
            return GATED
        return HIDDEN if status == 404 else DENIED
    return OPEN


def test_the_matrix_can_fail() -> None:
    """Each word stands in it for each state where the threats have it."""
    said = {state: {expected(rule, who, state, is_safe=True) for rule in _NEEDS for who in ALL.values()}
            for state in STATES}  # fmt: skip
    assert set(_NEEDS) == _OF_REPO
    assert said["public"] == {OPEN, SIGN_IN, DENIED}
    assert said["private"] == {OPEN, HIDDEN, DENIED}
    assert said["gated"] == {OPEN, SIGN_IN, DENIED, GATED}
    assert said["disabled"] == {OPEN, SIGN_IN, DENIED, DISABLED}
    assert said["private and disabled"] == {OPEN, HIDDEN, DENIED, DISABLED}
