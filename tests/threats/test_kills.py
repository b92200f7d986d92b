"""T159-T163: the web process dies by SIGKILL at a named place. What was answered is there, what was not is whole or
absent, the same request again succeeds, and upkeep brings rows and files together.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from hub.repos.models import Ref, Repo
from hub.repos.services.care import reconcile_recent, remove_stale_stages
from hub.repos.services.fsck import Finding, check_all
from hub.repos.services.repos import purge_deleted, restore
from hub.storage import blobs
from hub.storage.gc import sweep_expired_uploads
from hub.storage.git.maintenance import clear_leftovers
from hub.storage.models import UploadSession
from tests.factories.accounts import make_organization, make_token, make_user, make_viewer
from tests.factories.repos import commit_files, commit_large_file, make_repo
from tests.threats.live import Git, WebServer, clear_stores, database_url

MIB = 1024 * 1024
PART = 64 * MIB


class Mortal(WebServer):
    """A server of one worker that dies on order, and is started anew on the same files and port."""

    @property
    def argv_end(self) -> list[str]:
        return ["tests.threats.killable:application"]

    def order(self, place: str) -> None:
        """Let the worker die the next time it passes ``place``."""
        (self.data_dir / "kill-at").write_text(place)

    def wait_back(self, place: str) -> None:
        """Check that it died there, and start the next one."""
        assert not (self.data_dir / "kill-at").exists(), f"nothing passed '{place}'"
        self.stop()
        self.start()


@pytest.fixture(scope="module")
def mortal_server(django_db_setup, tmp_path_factory):
    server = Mortal(tmp_path_factory.mktemp("mortal") / "data", database_url(), workers=1)
    try:
        yield server.start()
    finally:
        server.stop()


class Scene:
    """A repo with one acknowledged small and one acknowledged large file, and its owner's clients."""

    def __init__(self, server: Mortal, home: Any) -> None:
        self.server = server
        self.owner = make_user(password=None)
        self.secret = make_token(self.owner)[1]
        self.repo = make_repo(self.owner, files={"kept.txt": b"acknowledged"})
        self.kept = os.urandom(70_000)
        commit_large_file(self.repo, self.owner, "kept.bin", self.kept)
        self.git = Git(home, server.url, self.secret)
        self.api = f"/api/models/{self.repo.repo_id}"

    def send(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Ask; None when the connection died."""
        try:
            with self.server.client(self.secret) as client:
                return client.request(method, path, **options)
        except httpx.HTTPError:
            return None

    def die(self, place: str, method: str, path: str, **options: Any) -> None:
        self.server.order(place)
        assert self.send(method, path, **options) is None
        self.server.wait_back(place)

    def commit(self, path: str, data: str, parent: str = "", **large: Any) -> dict[str, Any]:
        header = {"summary": f"Add {path}", **({"parentCommit": parent} if parent else {})}
        line = {"key": "lfsFile", "value": {"path": path, "algo": "sha256", **large}}
        if not large:
            line = {"key": "file", "value": {"path": path, "content": data}}
        return {"content": "\n".join(json.dumps(each) for each in ({"key": "header", "value": header}, line))}

    def read(self, path: str, repo: Repo | None = None) -> httpx.Response:
        page = (repo or self.repo).urls.page
        with self.server.client(self.secret) as client:
            return client.get(f"{page}/resolve/main/{path}", follow_redirects=True)

    def titles(self) -> list[str]:
        with self.server.client(self.secret) as client:
            return [commit["title"] for commit in client.get(f"{self.api}/commits/main").json()]

    def batch(self, data: bytes, **fields: Any) -> dict[str, Any]:
        body = {"operation": "upload", "objects": [{"oid": _sha(data), "size": len(data)}], **fields}
        answer = self.send("POST", f"{self.repo.urls.page}.git/info/lfs/objects/batch", json=body)
        assert answer is not None
        return answer.json()["objects"][0]

    def acknowledged_is_there(self) -> None:
        assert self.read("kept.txt").content == b"acknowledged"
        assert self.read("kept.bin").content == self.kept


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _upkeep() -> list[Finding]:
    """What the hub's own tasks do within a minute and a day, then everything that a deep check still finds."""
    reconcile_recent()
    tomorrow = timezone.now() + timedelta(hours=25)
    for repo in Repo.objects.all():
        if repo.git_path.exists():
            clear_leftovers(repo.git_path, lock_age_s=-1, quarantine_age_s=-1)
    remove_stale_stages(now=time.time() + 25 * 3600)
    sweep_expired_uploads(tomorrow)
    return list(check_all(deep=True))


def _leftovers(server: WebServer) -> list[str]:
    """Temporary files of uploads and of git."""
    root = server.data_dir
    found = [*root.glob("blobs/tmp/*"), *root.glob("blobs/uploads/*"), *root.glob("git/new/*")]
    found += [*root.glob("git/??/*.git/objects/tmp_objdir-*"), *root.glob("git/??/*.git/objects/incoming-*")]
    found += [path for path in root.glob("git/??/*.git/**/*.lock") if path.name != "hub.lock"]
    return [str(path.relative_to(root)) for path in found]


@pytest.fixture
def scene(mortal_server, transactional_db, settings, tmp_path):
    settings.HUB_DATA_DIR, settings.HUB_STORAGE_URL = mortal_server.data_dir, mortal_server.storage_url
    clear_stores(mortal_server.data_dir)
    return Scene(mortal_server, tmp_path / "home")


# --- uploads ---------------------------------------------------------------------------------------------------------

WHOLE = [
    "upload: mid-write", "upload: before fsync", "upload: before rename", "upload: after rename", "upload: before rows",
    "upload: in rows", "upload: before reply",
]  # fmt: skip


@pytest.mark.parametrize("place", WHOLE)
def test_t159_killed_in_an_lfs_upload(scene, place):
    data = os.urandom(300_000)
    url = scene.batch(data)["actions"]["upload"]["href"]
    scene.die(place, "PUT", url, content=data)
    store = blobs.get_blob_store()
    if store.exists(_sha(data)):
        assert store.verify(_sha(data)).size_bytes == len(data)
    again = scene.batch(data)
    if "actions" in again:
        answer = scene.send("PUT", again["actions"]["upload"]["href"], content=data)
        assert answer is not None
        assert answer.status_code == 200
    answer = scene.send("POST", f"{scene.api}/commit/main", **scene.commit("w.bin", "", oid=_sha(data), size=len(data)))
    assert answer is not None
    assert answer.status_code == 200
    assert scene.read("w.bin").content == data
    scene.acknowledged_is_there()
    assert _upkeep() == []
    assert _leftovers(scene.server) == []


PARTS = [
    "part: mid-write", "part: before fsync", "part: after fsync", "join: before hash", "join: after hash",
    "upload: before rename", "upload: before rows", "upload: in rows", "upload: before reply",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("place", PARTS)
def test_t159_killed_in_an_upload_in_parts(scene, place):
    """T74: what was answered need not be sent again; after the crash the rest gives the right hash."""
    data = os.urandom(PART + 1000)
    pieces = {1: data[:PART], 2: data[PART:]}

    def begin() -> dict[str, Any]:
        return scene.batch(data, transfers=["multipart"]).get("actions", {}).get("upload", {})

    def complete(upload: dict[str, Any], etags: dict[int, str]) -> tuple[str, dict[str, Any]]:
        parts = [{"partNumber": number, "etag": etag} for number, etag in sorted(etags.items())]
        return upload["href"], {"json": {"oid": _sha(data), "parts": parts}}

    upload, etags = begin(), {}
    for number in (2, 1):
        dies_here = place.startswith("part:") and number == 1
        if dies_here:
            scene.die(place, "PUT", upload["header"][f"{number:05d}"], content=pieces[number])
        else:
            answer = scene.send("PUT", upload["header"][f"{number:05d}"], content=pieces[number])
            assert answer is not None
            etags[number] = answer.headers["etag"]
    if not place.startswith("part:"):
        url, options = complete(upload, etags)
        scene.die(place, "POST", url, **options)
    upload = begin()
    if upload:
        for number in {1, 2} - set(etags):
            answer = scene.send("PUT", upload["header"][f"{number:05d}"], content=pieces[number])
            assert answer is not None
            etags[number] = answer.headers["etag"]
        url, options = complete(upload, etags)
        answer = scene.send("POST", url, **options)
        assert answer is not None
        assert answer.status_code == 200, answer.text
    assert UploadSession.objects.filter(sha256=_sha(data), state="complete").count() == 1
    assert blobs.get_blob_store().verify(_sha(data)).size_bytes == len(data)
    scene.acknowledged_is_there()
    assert _upkeep() == []
    assert _leftovers(scene.server) == []


# --- commits ---------------------------------------------------------------------------------------------------------

COMMIT = [
    "commit: after links", "commit: after blobs", "commit: before ref", "commit: after ref", "commit: before rows",
    "rows: in transaction", "rows: before signals", "rows: after signals", "commit: before reply",
]  # fmt: skip


@pytest.mark.parametrize("with_parent", [True, False])
@pytest.mark.parametrize("place", COMMIT)
def test_t160_killed_in_a_commit(scene, place, with_parent):
    """The ref is the commit point: asked again it is the same commit or 412, and never there twice."""
    parent = scene.send("GET", scene.api).json()["sha"] if with_parent else ""
    request = scene.commit("new.txt", "content", parent)
    scene.die(place, "POST", f"{scene.api}/commit/main", **request)
    found = scene.read("new.txt")
    assert found.status_code == 404 or found.content == b"content"
    moved = COMMIT.index(place) > COMMIT.index("commit: before ref")
    reconcile_recent()
    repo = Repo.objects.get(pk=scene.repo.pk)
    head = scene.send("GET", f"{scene.api}/revision/main").json()["sha"]
    assert repo.head_oid == Ref.objects.get(repo=repo, name="refs/heads/main").oid == head
    again = scene.send("POST", f"{scene.api}/commit/main", **request)
    assert again.status_code == (412 if moved and with_parent else 200), again.text
    if moved and not with_parent:
        assert again.json()["commitOid"] == head
    assert scene.read("new.txt").content == b"content"
    assert scene.titles().count("Add new.txt") == 1
    scene.acknowledged_is_there()
    assert _upkeep() == []
    assert _leftovers(scene.server) == []


@pytest.mark.parametrize("place", ["commit: after links", "commit: after ref"])
def test_t160_killed_in_a_commit_of_a_large_file(scene, place):
    data = os.urandom(50_000)
    scene.send("PUT", scene.batch(data)["actions"]["upload"]["href"], content=data)
    request = scene.commit("w.bin", "", oid=_sha(data), size=len(data))
    scene.die(place, "POST", f"{scene.api}/commit/main", **request)
    assert scene.read("w.bin").status_code in (200, 404)
    assert scene.send("POST", f"{scene.api}/commit/main", **request).status_code == 200
    assert scene.read("w.bin").content == data
    assert scene.titles().count("Add w.bin") == 1
    scene.acknowledged_is_there()
    assert _upkeep() == []


@pytest.mark.parametrize("place", ["refs: before rows", "rows: in transaction", "refs: before reply"])
def test_t160_killed_between_a_branch_and_its_row(scene, place):
    scene.die(place, "POST", f"{scene.api}/branch/dev", json={})
    assert reconcile_recent() in (0, 1)
    assert Ref.objects.filter(repo=scene.repo, name="refs/heads/dev").count() == 1
    assert scene.send("POST", f"{scene.api}/branch/dev", json={}).status_code == 409
    assert _upkeep() == []


# --- pushes ----------------------------------------------------------------------------------------------------------

PUSH = [
    "push: before judging", "push: in quarantine", "push: before verdict", "push: after verdict", "push: after git",
    "push: refs moved", "push: before rows", "rows: in transaction", "rows: before signals", "push: before reply",
]  # fmt: skip


@pytest.mark.parametrize("place", PUSH)
def test_t161_killed_in_a_push(scene, place):
    """The tip is the old or the new one, the next push works, and the janitor takes what lies about."""
    work = scene.git.clone(scene.repo.urls.page, "work")
    old = scene.git.head(work)
    new = scene.git.commit(work, {"pushed.txt": b"by git", "more": os.urandom(200_000)})
    scene.server.order(place)
    assert scene.git("push", "origin", "HEAD:main", cwd=work, check=False).returncode != 0
    scene.server.wait_back(place)
    deadline = time.monotonic() + 2  # git below the killed process ends by itself, or leaves this to the janitor
    while any("objdir" in name for name in _leftovers(scene.server)) and time.monotonic() < deadline:
        time.sleep(0.05)
    tip = scene.git("ls-remote", "origin", "refs/heads/main", cwd=work).stdout.decode().split()[0]
    assert tip in (old, new)
    if PUSH.index(place) >= PUSH.index("push: after git"):
        assert tip == new
    if PUSH.index(place) < PUSH.index("push: before verdict"):
        assert tip == old
    reconcile_recent()
    assert Repo.objects.get(pk=scene.repo.pk).head_oid == tip
    scene.git("push", "-q", "origin", "HEAD:main", cwd=work)
    scene.git.commit(work, {"again.txt": b"again"})
    scene.git("push", "-q", "origin", "HEAD:main", cwd=work)
    assert scene.read("pushed.txt").content == b"by git"
    scene.acknowledged_is_there()
    assert _upkeep() == []
    assert _leftovers(scene.server) == []


def test_t161_stale_locks_and_quarantines_go_with_the_janitor(scene):
    """They block every push until somebody takes them away: the task does, once they are old."""
    work = scene.git.clone(scene.repo.urls.page, "work")
    scene.git.commit(work, {"a": b"a"})
    lock = scene.repo.git_path / "refs" / "heads" / "main.lock"
    quarantine = scene.repo.git_path / "objects" / "tmp_objdir-incoming-x"
    lock.touch()
    quarantine.mkdir()
    (quarantine / "pack").write_bytes(b"half")
    assert scene.git("push", "origin", "HEAD:main", cwd=work, check=False).returncode != 0
    for path in (lock, quarantine / "pack", quarantine):
        os.utime(path, (time.time() - 10_000,) * 2)
    reconcile_recent()
    assert _leftovers(scene.server) == []
    scene.git("push", "-q", "origin", "HEAD:main", cwd=work)
    assert _upkeep() == []


# --- the life of a repo ----------------------------------------------------------------------------------------------

CREATE = [
    "create: staged empty", "create: staged", "create: in place, no row", "audit: in transaction", "create: row",
    "create: before rows", "rows: in transaction", "create: before reply",
]  # fmt: skip


@pytest.mark.parametrize("place", CREATE)
def test_t163_killed_in_creating(scene, place):
    request = {"json": {"name": "fresh", "license": "mit"}}
    scene.die(place, "POST", "/api/repos/create", **request)
    reconcile_recent()
    there = Repo.objects.filter(name="fresh")
    again = scene.send("POST", "/api/repos/create", **request)
    assert again.status_code in (200, 409), again.text
    assert there.count() == 1
    repo = there.get()
    info = scene.send("GET", f"/api/models/{repo.repo_id}").json()
    assert sorted(entry["rfilename"] for entry in info["siblings"]) == [".gitattributes", "README.md"]
    assert commit_files(repo, scene.owner, {"x": b"x"}).is_new
    findings = [finding for finding in _upkeep() if finding.code != "git_orphan"]
    assert findings == []
    list(check_all(repair=True))
    assert list(check_all(deep=True)) == []
    assert _leftovers(scene.server) == []


@pytest.mark.parametrize("place", ["move: in transaction", "audit: in transaction", "move: before reply"])
@pytest.mark.parametrize("is_transfer", [False, True])
def test_t163_killed_in_renaming_and_transferring(scene, place, is_transfer):
    """The old address or the new one, with all its files; never both, never neither."""
    target = make_organization(admin=scene.owner).namespace.name if is_transfer else scene.owner.username
    former = scene.repo.repo_id
    request = {"json": {"fromRepo": former, "toRepo": f"{target}/moved", "type": "model"}}
    scene.die(place, "POST", "/api/repos/move", **request)
    now = Repo.objects.select_related("namespace").get(pk=scene.repo.pk)
    assert now.repo_id in (former, f"{target}/moved")
    assert (now.repo_id == former) is (place != "move: before reply")
    again = scene.send("POST", "/api/repos/move", **request)
    assert again.status_code in (200, 409)
    now = Repo.objects.select_related("namespace").get(pk=scene.repo.pk)
    assert now.repo_id == f"{target}/moved"
    assert scene.read("kept.bin", now).content == scene.kept
    assert scene.read("kept.bin").content == scene.kept  # by the former address
    assert _upkeep() == []


@pytest.mark.parametrize("place", ["audit: in transaction", "delete: before reply"])
def test_t163_killed_in_deleting(scene, place):
    """Gone or there; gone for seven days only, with every byte."""
    request = {"json": {"name": scene.repo.name, "type": "model"}}
    scene.die(place, "DELETE", "/api/repos/delete", **request)
    is_gone = scene.send("GET", scene.api).status_code == 404
    assert is_gone is (place == "delete: before reply")
    assert scene.send("DELETE", "/api/repos/delete", **request).status_code == (404 if is_gone else 200)
    assert purge_deleted() == 0
    restore(make_viewer(scene.owner), Repo.objects.get(pk=scene.repo.pk))
    scene.acknowledged_is_there()
    assert _upkeep() == []


def test_t163_killed_in_purging(scene):
    """The bytes go first, the row last: a purge that was cut is finished by the next one."""
    Repo.objects.filter(pk=scene.repo.pk).update(deleted_at=timezone.now() - timedelta(days=8))
    shutil.rmtree(scene.repo.git_path)  # as far as the killed one came
    assert purge_deleted() == 1
    assert not Repo.objects.filter(pk=scene.repo.pk).exists()
    assert [finding.code for finding in _upkeep()] == []
