"""Large files over HTTP: list, delete for good, copy to another repo (hub-api §11.6)."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from hub.accounts.enums import Role
from hub.repos.enums import Gating
from hub.repos.models import Repo, RepoObject
from tests.factories.accounts import bearer, make_organization, make_token, make_user
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db(transaction=True)


def _send(method: str, path: str, secret: str, body: object = None):
    data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    return Client().generic(method, path, **data, **(bearer(secret) if secret else {}))


def test_files_are_deleted_one_or_many():
    owner = make_user("owner", password=None)
    secret = make_token(owner)[1]
    repo = make_repo(owner, "one")
    stored = [commit_large_file(repo, owner, f"{name}.bin", name.encode() * 100) for name in "abc"]
    base = "/api/models/owner/one/lfs-files"
    listed = _send("GET", base, secret).json()
    assert [(item["filename"], item["fileOid"], item["ref"]) for item in listed] == [
        (f"{name}.bin", item.sha256, "refs/heads/main") for name, item in zip("cba", reversed(stored), strict=True)
    ]
    body = {"deletions": {"sha": [stored[0].sha256, stored[1].sha256], "rewriteHistory": True}}
    assert _send("POST", f"{base}/batch", secret, body).json() == {"deleted": 2}
    assert _send("GET", "/owner/one/resolve/main/a.bin", secret).status_code == 404
    assert _send("DELETE", f"{base}/{stored[2].sha256}?rewriteHistory=false", secret).json() == {"deleted": 1}
    assert _send("GET", base, secret).json() == []
    for wrong in ({}, {"deletions": {"sha": "x"}}, {"deletions": {"sha": [1]}}, {"deletions": {"sha": ["x"]}}):
        assert _send("POST", f"{base}/batch", secret, wrong).status_code == 400, wrong
    assert _send("POST", f"{base}/batch", secret, {"deletions": {"sha": ["0" * 64] * 1001}}).status_code == 413


def test_admins_alone_delete_for_good():
    admin, writer, stranger = (make_user(name, password=None) for name in ("admin1", "writer", "stranger"))
    make_organization("acme", admin=admin, members={writer: Role.WRITE})
    repo = make_repo(admin, "one", namespace="acme")
    stored = commit_large_file(repo, admin, "a.bin", b"a" * 100)
    path = f"/api/models/acme/one/lfs-files/{stored.sha256}"
    for secret, status in (
        ("", 401),
        (make_token(stranger)[1], 403),
        (make_token(writer)[1], 403),
        (make_token(admin, "read")[1], 403),
        (make_token(admin)[1], 200),
    ):
        assert _send("DELETE", path, secret).status_code == status
    assert RepoObject.objects.filter(repo=repo).count() == 0


def test_files_are_copied_between_repos_by_who_reads_one_and_writes_the_other_t70():
    ann, bob = make_user("ann", password=None), make_user("bob", password=None)
    source, hidden = make_repo(ann, "source"), make_repo(ann, "hidden", is_private=True)
    stored, secret_file = (
        commit_large_file(repo, ann, "a.bin", data) for repo, data in ((source, b"a" * 100), (hidden, b"b" * 100))
    )
    target = make_repo(bob, "target")
    token = make_token(bob)[1]

    def ask(repo: Repo, sha256: str, name: str = "bob/target", secret: str = token):
        body = {
            "target": {"type": "model", "name": name},
            "files": [{"sha256": sha256, "xetHash": "0" * 64, "filename": "a.bin"}],
        }
        return _send("POST", f"/api/models/{repo.repo_id}/lfs-files/duplicate", secret, body)

    assert ask(source, stored.sha256).json() == {"failed": []}
    assert [item["sha256"] for item in ask(source, secret_file.sha256).json()["failed"]] == [secret_file.sha256]
    assert ask(hidden, secret_file.sha256).status_code == 404
    assert ask(source, stored.sha256, "ann/source").status_code == 403
    assert ask(source, stored.sha256, secret="").status_code == 401
    # Asking alone gives nothing away: the commit takes the file over.
    assert RepoObject.objects.filter(repo=target).count() == 0
    lines = [
        {"key": "header", "value": {"summary": "Copy"}},
        {"key": "lfsFile", "value": {"path": "copy.bin", "algo": "sha256", "oid": stored.sha256, "size": 100}},
    ]
    answer = Client().post(
        "/api/models/bob/target/commit/main",
        "\n".join(map(json.dumps, lines)),
        content_type="application/x-ndjson",
        **bearer(token),
    )
    assert answer.status_code == 200, answer.content
    assert RepoObject.objects.filter(repo=target, sha256=stored.sha256).exists()
    Repo.objects.filter(pk=source.pk).update(gated=Gating.MANUAL)
    assert ask(source, stored.sha256).status_code == 403


def test_a_copy_must_fit_the_quota_t75(settings):
    ann = make_user("ann", password=None)
    source, _target = make_repo(ann, "source"), make_repo(ann, "target")
    stored = commit_large_file(source, ann, "a.bin", b"a" * 100_000)
    settings.HUB_QUOTA_BYTES = 150_000
    body = {"target": {"type": "model", "name": "ann/target"}, "files": [{"sha256": stored.sha256, "xetHash": ""}]}
    answer = _send("POST", "/api/models/ann/source/lfs-files/duplicate", make_token(ann)[1], body)
    assert answer.status_code == 413
