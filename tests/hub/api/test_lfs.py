"""Git LFS: batch, verify, and what one repo learns of another (T67–T73)."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.test import Client

from hub.repos.models import Repo
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.repos import commit_large_file, make_repo, upload_object

pytestmark = pytest.mark.django_db(transaction=True)


def _batch(client: Client, repo: Repo, operation: str, objects: list, secret: str | None = None, **fields):
    return client.post(
        f"{repo.urls.page}.git/info/lfs/objects/batch",
        json.dumps({"operation": operation, "objects": objects, **fields}),
        content_type="application/vnd.git-lfs+json",
        **(bearer(secret) if secret else {}),
    )


def test_object_held_elsewhere_looks_unknown_t69(client: Client) -> None:
    holder, repo = make_repo(is_private=True), make_repo()
    stored = commit_large_file(holder, holder.created_by, "a.bin", b"held" * 50)
    secret = make_token(repo.created_by)[1]
    fresh = {"oid": hashlib.sha256(b"new").hexdigest(), "size": 200}
    reply = _batch(client, repo, "upload", [{"oid": stored.sha256, "size": 200}, fresh], secret).json()
    known, unknown = reply["objects"]
    assert known.keys() == unknown.keys()
    assert known["actions"].keys() == unknown["actions"].keys() == {"upload", "verify"}
    upload_object(repo, b"held" * 50)
    assert (
        "actions"
        not in _batch(client, repo, "upload", [{"oid": stored.sha256, "size": 200}], secret).json()["objects"][0]
    )


def test_download_is_bound_to_the_repo_t71(client: Client) -> None:
    holder, repo = make_repo(), make_repo()
    stored = commit_large_file(holder, holder.created_by, "a.bin", b"x" * 100)
    item = [{"oid": stored.sha256, "size": 100}]
    assert "download" in _batch(client, holder, "download", item).json()["objects"][0]["actions"]
    assert _batch(client, repo, "download", item).json()["objects"][0]["error"]["code"] == 404
    secret = make_token(repo.created_by)[1]
    verify = client.post(
        f"{repo.urls.page}.git/info/lfs/objects/verify",
        json.dumps(item[0]),
        content_type="application/json",
        **bearer(secret),
    )
    assert verify.status_code == 404


@pytest.mark.parametrize(
    ("operation", "objects", "fields", "status"),
    [
        ("steal", [], {}, 422),
        ("upload", [{"oid": "../x", "size": 1}], {}, 422),
        ("upload", [{"oid": "A" * 64, "size": 1}], {}, 422),
        ("upload", [{"oid": "a" * 64, "size": -1}], {}, 422),
        ("upload", [{"oid": "a" * 64, "size": True}], {}, 400),
        ("upload", [], {"hash_algo": "sha512"}, 409),
        ("upload", [{"oid": "a" * 64, "size": 1}] * 1001, {}, 413),
    ],
)
def test_bad_batches_t72(client: Client, operation: str, objects: list, fields: dict, status: int) -> None:
    repo = make_repo()
    secret = make_token(repo.created_by)[1]
    assert _batch(client, repo, operation, objects, secret, **fields).status_code == status


def test_multipart_is_offered_above_one_part(client: Client) -> None:
    repo = make_repo()
    secret = make_token(repo.created_by)[1]
    item = {"oid": "b" * 64, "size": 150 * 1024**2}
    reply = _batch(client, repo, "upload", [item], secret, transfers=["basic", "multipart"]).json()
    header = reply["objects"][0]["actions"]["upload"]["header"]
    assert (reply["transfer"], header["chunk_size"]) == ("multipart", str(64 * 1024**2))
    assert sorted(key for key in header if key.isdigit()) == ["00001", "00002", "00003"]


def test_quota_refuses_each_file_t75(client: Client, settings) -> None:
    repo = make_repo()
    settings.HUB_QUOTA_BYTES = 100
    secret = make_token(repo.created_by)[1]
    item = _batch(client, repo, "upload", [{"oid": "c" * 64, "size": 101}], secret).json()["objects"][0]
    assert item["error"]["code"] == 413


def test_uploads_need_write_rights(client: Client) -> None:
    repo = make_repo()
    item = [{"oid": "d" * 64, "size": 1}]
    stranger = make_token(make_user(password=None))[1]
    assert _batch(client, repo, "upload", item, stranger, ref={"name": "main"}).status_code == 403
    # Without a ref the files are for a pull request, which every reader may open (hub-api §13.4, §14.2).
    assert _batch(client, repo, "upload", item, stranger).status_code == 200
    assert _batch(client, repo, "upload", item, make_token(repo.created_by, "read")[1]).status_code == 403
    assert _batch(client, repo, "upload", item).status_code == 401
