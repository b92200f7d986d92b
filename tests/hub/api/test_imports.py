"""The wire of imports: what is asked for, what is told, who may. For the copying see repos/services/test_imports."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from hub.accounts.models import User
from hub.repos.models import RepoImport
from tests.factories.accounts import bearer, make_token, make_user

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = {
    "endpoint": "https://hub.example/",
    "source": "ann/model",
    "target": "cid/copy",
    "type": "dataset",
    "revision": "v1",
    "token": "hf_secret",
    "private": True,
}


@pytest.fixture
def cid() -> User:
    return make_user("cid", password=None)


def _post(path: str, body: Any, secret: str) -> Any:
    return Client().post(path, body, content_type="application/json", **bearer(secret))


def test_import_is_taken_and_can_be_watched(cid: User) -> None:
    _token, secret = make_token(cid)
    answer = _post("/api/repos/import", ASKED, secret)
    assert answer.status_code == 202
    told = answer.json()
    job = RepoImport.objects.get()
    assert told == {
        "id": job.object_id,
        "state": "queued",
        "url": f"http://testserver/api/imports/{job.object_id}",
        "source": {
            "endpoint": "https://hub.example",
            "name": "ann/model",
            "type": "dataset",
            "revision": "v1",
            "commit": None,
        },
        "target": {"name": "cid/copy", "type": "dataset"},
        "files": {"done": 0, "total": 0},
        "bytes": {"done": 0, "total": 0, "perSecond": 0},
        "currentFile": None,
        "error": None,
        "commitOid": None,
        "createdAt": told["createdAt"],
    }
    assert job.visibility == "private"
    assert Client().get(f"/api/imports/{job.object_id}", **bearer(secret)).json() == told
    assert Client().get("/api/imports", **bearer(secret)).json() == [told]


def test_cancel_and_retry(cid: User) -> None:
    _token, secret = make_token(cid)
    path = f"/api/imports/{_post('/api/repos/import', ASKED, secret).json()['id']}"
    assert _post(f"{path}/retry", {}, secret).status_code == 409
    for _ in range(2):
        cancelled = _post(f"{path}/cancel", {}, secret).json()
        assert (cancelled["state"], "finishedAt" in cancelled) == ("cancelled", True)
    assert _post(f"{path}/retry", {"token": "hf_new"}, secret).json()["state"] == "queued"


def test_read_tokens_watch_and_change_nothing(cid: User) -> None:
    _token, secret = make_token(cid)
    _read, read_only = make_token(cid, "read")
    path = f"/api/imports/{_post('/api/repos/import', ASKED, secret).json()['id']}"
    assert Client().get(path, **bearer(read_only)).status_code == 200
    assert _post(f"{path}/cancel", {}, read_only).status_code == 403
    assert _post("/api/repos/import", ASKED, read_only).status_code == 403
    assert RepoImport.objects.get().state == "queued"


def test_others_find_nothing_t33(cid: User) -> None:
    """T33."""
    _token, secret = make_token(cid)
    path = f"/api/imports/{_post('/api/repos/import', ASKED, secret).json()['id']}"
    _other, stranger = make_token(make_user("dora", password=None))
    answers = [Client().get(place, **bearer(stranger)) for place in (path, "/api/imports/" + "0" * 24)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert Client().get(path).status_code == 401
    assert Client().get("/api/imports", **bearer(stranger)).json() == []


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "gopher://x"},
        {"endpoint": 7},
        {"source": "../.."},
        {"target": "copy"},
        {"target": "cid/.."},
        {"type": "movie"},
        {"revision": "x" * 256},
        {"token": "ä"},
        {"visibility": "secret"},
    ],
)
def test_bad_wishes_are_refused_clearly(cid: User, change: dict[str, Any]) -> None:
    _token, secret = make_token(cid)
    answer = _post("/api/repos/import", ASKED | change, secret)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert not RepoImport.objects.exists()


def test_list_goes_on_by_its_link(cid: User) -> None:
    _token, secret = make_token(cid)
    for number in range(3):
        _post("/api/repos/import", ASKED | {"target": f"cid/copy-{number}"}, secret)
    first = Client().get("/api/imports?limit=2", **bearer(secret))
    following = first["Link"].partition("<")[2].partition(">")[0]
    second = Client().get(following, **bearer(secret))
    names = [item["target"]["name"] for item in [*first.json(), *second.json()]]
    assert names == ["cid/copy-2", "cid/copy-1", "cid/copy-0"]
    assert "Link" not in second


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_the_same_number_of_queries(cid: User, count: int, django_assert_num_queries: Any) -> None:
    _token, secret = make_token(cid)
    for number in range(count):
        _post("/api/repos/import", ASKED | {"target": f"cid/copy-{number}"}, secret)
    Client().get("/api/imports", **bearer(secret))
    with django_assert_num_queries(2):
        Client().get("/api/imports", **bearer(secret))
