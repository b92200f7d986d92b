"""Small facts (hub-api §6.7, §8.4), and kernels, which are plain storage (§7.5)."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from hub.catalog.services import index_repo
from hub.core.ids import RepoType
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_size_of_a_folder_counts_large_files_whole(client: Client):
    owner = make_user("owner", password=None)
    repo = make_repo(owner, "one", files={"a/b/c.txt": b"123", "a/d.txt": b"4567", "e.txt": b"8"})
    commit_large_file(repo, owner, "a/large.bin", b"x" * 1000)
    for path, size in (("a", 1007), ("a/b", 3), ("a/d.txt", None)):
        answer = client.get(f"/api/models/owner/one/treesize/main/{path}")
        if size is None:
            continue
        assert answer.json() == {"path": path, "size": size}
    attributes = len(b"".join(client.get("/owner/one/resolve/main/.gitattributes").streaming_content))
    assert client.get("/api/models/owner/one/treesize/main").json()["size"] == 1008 + attributes
    assert client.get("/api/models/owner/one/treesize/main/nothing").status_code == 404
    assert client.get("/api/models/owner/one/scan").json() == {"scansDone": False, "filesWithIssues": []}


def test_trending_shows_what_the_viewer_may_see_t36(client: Client):
    owner = make_user("owner", password=None)
    for name, is_private in (("open", False), ("hidden", True)):
        index_repo(make_repo(owner, name, is_private=is_private).pk)
    index_repo(make_repo(owner, "data", repo_type=RepoType.DATASET).pk)

    def shown(query: str = "", **headers: str) -> list[tuple[str, str]]:
        found = client.get(f"/api/trending{query}", **headers).json()["recentlyTrending"]
        return sorted((item["repoType"], item["repoData"]["id"]) for item in found)

    assert shown() == [("dataset", "owner/data"), ("model", "owner/open")]
    assert shown("?type=dataset") == [("dataset", "owner/data")]
    assert ("model", "owner/hidden") in shown(**bearer(make_token(owner)[1]))
    assert len(shown("?limit=1")) == 1
    assert client.get("/api/trending?type=paper").status_code == 400


def test_kernels_are_stored_listed_shown_and_deleted(client: Client):
    owner = make_user("owner", password=None)
    token = bearer(make_token(owner)[1])

    def send(method: str, path: str, body: object) -> dict:
        answer = client.generic(method, path, json.dumps(body), "application/json", **token)
        assert answer.status_code == 200, answer.content
        return answer.json()

    made = send("POST", "/api/repos/create", {"name": "relu", "type": "kernel"})
    assert made["url"] == "http://testserver/kernels/owner/relu"
    lines = [
        {"key": "header", "value": {"summary": "Add"}},
        {"key": "file", "value": {"path": "build/k.py", "content": "print(1)", "encoding": "utf-8"}},
    ]
    done = client.post(
        "/api/kernels/owner/relu/commit/main",
        "\n".join(map(json.dumps, lines)),
        content_type="application/x-ndjson",
        **token,
    )
    assert done.json()["commitUrl"].startswith("http://testserver/kernels/owner/relu/commit/")
    info = client.get("/api/kernels/owner/relu").json()
    assert {"id", "author", "sha", "lastModified", "private", "gated", "downloads", "likes"} <= info.keys()
    assert (info["id"], info["sha"]) == ("owner/relu", done.json()["commitOid"])
    page = client.get("/kernels/owner/relu", HTTP_ACCEPT="text/html")
    assert page.status_code == 200
    assert client.get("/kernels/owner/relu/tree/main").status_code == 200
    assert b"".join(client.get("/kernels/owner/relu/resolve/main/build/k.py").streaming_content) == b"print(1)"
    # The same name may be a model too: another repo.
    assert client.get("/api/models/owner/relu").status_code == 401
    send("DELETE", "/api/repos/delete", {"name": "relu", "type": "kernel"})
    assert client.get("/api/kernels/owner/relu", **token).status_code == 404
