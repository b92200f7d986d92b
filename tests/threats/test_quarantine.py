"""A repo under quarantine: closed on each door at once, with not a byte lost, and open again as it was (T40, T152)."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from community.services import moderation
from hub.accounts.auth import Viewer
from hub.core.errors import HubError, RepoDisabled
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_inference
from hub.repos.services import lfs
from hub.repos.services.xet import RepoRules
from hub.storage.models import LfsObject, XetFile
from hub.storage.xet.tokens import Claims, Scope
from tests.community.test_moderation import make_staff
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db

DISABLED = "Access to this resource is disabled."


def _bytes_of(root: Path) -> dict[str, str]:
    """Every file below, by the hash of its content."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _doors(repo: Repo) -> list[tuple[str, str]]:
    return [
        ("GET", repo.urls.api),
        ("GET", f"{repo.urls.api}/tree/main"),
        ("GET", f"{repo.urls.page}/resolve/main/a.txt"),
        ("GET", f"{repo.urls.page}/raw/main/a.txt"),
        ("GET", f"{repo.urls.api}/xet-read-token/main"),
        ("GET", f"{repo.urls.page}.git/info/lfs/locks"),
        ("POST", f"{repo.urls.api}/commit/main"),
        ("GET", f"{repo.urls.api}/discussions"),
        ("GET", f"/api/inference/{repo.repo_id}/state"),
    ]


def test_quarantine_closes_each_door_and_loses_no_byte_t40_t152() -> None:
    owner, staff = make_user("owner", password=None), make_staff()
    repo = make_repo(owner, files={"a.txt": b"words\n"})
    stored = commit_large_file(repo, owner, "big.bin", bytes(range(256)) * 4000)
    repo.refresh_from_db()
    before = _bytes_of(Path(settings.HUB_DATA_DIR))
    secret = make_token(owner)[1]
    client = Client()

    begun = time.monotonic()
    action = moderation.take_measure(staff, "quarantine", "repo", repo.object_id, reason="Malware.")
    for method, path in _doors(repo):
        for who in ({}, bearer(secret)):
            answer = client.generic(method, path, "{}", content_type="application/json", **who)
            told = answer.headers.get("X-Error-Message", "") or answer.content.decode()
            assert (answer.status_code, DISABLED in told) == (403, True), (method, path, bool(who))
    page = client.get(repo.urls.page)
    assert (page.status_code, "Malware." in page.content.decode()) == (403, True)
    with pytest.raises(RepoDisabled):
        get_repo_for_inference(Viewer(user=owner), owner.username, repo.name)
    assert time.monotonic() - begun < 5

    moderation.revert_measure(staff, action)
    assert _bytes_of(Path(settings.HUB_DATA_DIR)) == before
    served = client.get(f"{repo.urls.page}/raw/main/a.txt")
    assert b"".join(served) == b"words\n"
    assert LfsObject.objects.get(sha256=stored.sha256).is_whole
    assert client.get(repo.urls.api).json()["sha"] == repo.head_oid


def test_xet_tokens_made_before_open_nothing_then_t40() -> None:
    owner = make_user("owner", password=None)
    repo = make_repo(owner)
    stored = commit_large_file(repo, owner, "big.bin", bytes(range(256)) * 40)
    file = XetFile.objects.create(file_hash="a" * 64, size_bytes=stored.size_bytes, recipe=b"")
    LfsObject.objects.filter(pk=stored.pk).update(xet_file=file)
    claims = Claims(
        domain="d",
        epoch=0,
        repo_key=lfs.repo_key(repo),
        owner_key=lfs.owner_key(repo),
        ref="main",
        scope=Scope.READ,
        user_key="",
        expires_at=int(time.time()) + 600,
    )
    assert RepoRules().may_read(claims, file.file_hash)
    staff = make_staff()
    action = moderation.take_measure(staff, "quarantine", "repo", repo.object_id, reason="x")
    assert not RepoRules().may_read(claims, file.file_hash)
    moderation.revert_measure(staff, action)
    assert RepoRules().may_read(claims, file.file_hash)


def test_owner_reads_the_notice_and_cannot_write_t40() -> None:
    owner = make_user("owner", password=None)
    repo = make_repo(owner)
    moderation.take_measure(make_staff(), "quarantine", "repo", repo.object_id, reason="Malware in it.")
    client = Client()
    client.force_login(owner)
    assert "Malware in it." in client.get(repo.urls.settings).content.decode()
    assert "Malware in it." in client.get("/settings/moderation").content.decode()
    with pytest.raises(HubError):
        moderation.report(Viewer(user=owner), "repo", repo.object_id, category="spam")
