"""T76: locks of git-lfs: who sees them, who makes and breaks them, and what they forbid on every door."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.accounts.enums import Role
from hub.repos.enums import Visibility
from hub.repos.models import FileLock
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import make_organization, make_token, make_user, make_viewer
from tests.factories.repos import make_repo

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_errors")]

TYPE = "application/vnd.git-lfs+json"


class Team:
    """An organization with a repo in it, and one person of each role."""

    def __init__(self, web: Any) -> None:
        self.admin = make_user(password=None)
        self.people = {name: make_user(password=None) for name in ("ann", "bob", "reader")}
        roles = {"ann": Role.WRITE, "bob": Role.WRITE, "reader": Role.READ}
        self.org = make_organization(
            admin=self.admin, members={self.people[name]: role for name, role in roles.items()}
        )
        self.people |= {"admin": self.admin, "stranger": make_user(password=None)}
        self.repo = make_repo(self.admin, namespace=self.org.namespace.name, files={"a.txt": b"a", "dir/b.txt": b"b"})
        self.secrets = {name: make_token(user)[1] for name, user in self.people.items()} | {"nobody": ""}
        self.web = web

    def ask(self, who: str, method: str, rest: str = "", body: dict | None = None, repo: Any = None, **query: Any):
        path = f"{(repo or self.repo).urls.page}.git/info/lfs/locks{rest}"
        with self.web.client(self.secrets[who]) as client:
            headers = {"Accept": TYPE, "Content-Type": TYPE}
            content = None if method == "GET" else json.dumps(body or {})
            return client.request(method, path, content=content, headers=headers, params=query)

    def lock(self, who: str, path: str) -> str:
        answer = self.ask(who, "POST", body={"path": path, "ref": {"name": "refs/heads/main"}})
        assert answer.status_code == 201, answer.text
        return answer.json()["lock"]["id"]


@pytest.fixture
def team(web) -> Team:
    return Team(web)


def test_t76_a_lock_is_made_once_and_names_its_owner(team):
    first = team.ask("ann", "POST", body={"path": "a.txt"})
    assert (first.status_code, first.headers["content-type"]) == (201, TYPE)
    lock = first.json()["lock"]
    assert (lock["path"], lock["owner"]) == ("a.txt", {"name": team.people["ann"].username})
    again = team.ask("bob", "POST", body={"path": "a.txt"})
    assert (again.status_code, again.json()["lock"]) == (409, lock)
    assert "locked by" in again.json()["message"]
    assert FileLock.objects.filter(repo=team.repo).count() == 1


@pytest.mark.parametrize("path", ["", "../x", "/etc/passwd", "a/../b", ".git/config", "a\x01b", "x" * 1025])
def test_t76_t51_locks_take_paths_of_files_only(team, path):
    assert team.ask("ann", "POST", body={"path": path}).status_code in (400, 422)
    assert FileLock.objects.count() == 0


@pytest.mark.parametrize(
    ("who", "status", "asked"),
    [("nobody", 401, 401), ("stranger", 403, 200), ("reader", 403, 200), ("bob", 201, 200)],
)
def test_t76_only_writers_lock_and_readers_may_ask(team, who, status, asked):
    """git-lfs asks before every push, and a reader may push to a pull request of their own."""
    held = team.lock("ann", "dir/b.txt")
    assert team.ask(who, "POST", body={"path": "a.txt"}).status_code == status
    answer = team.ask(who, "POST", "/verify")
    assert answer.status_code == asked
    if asked == 200:
        assert held in [lock["id"] for lock in answer.json()["theirs"]]
        assert [lock["path"] for lock in answer.json()["ours"]] == (["a.txt"] if status == 201 else [])


def test_t76_the_list_is_for_readers(team):
    team.lock("ann", "a.txt")
    update_repo_settings(make_viewer(team.admin), team.repo, visibility=Visibility.PRIVATE)
    statuses = {who: team.ask(who, "GET").status_code for who in ("nobody", "stranger", "reader", "ann")}
    assert statuses == {"nobody": 401, "stranger": 404, "reader": 200, "ann": 200}
    hidden = team.ask("stranger", "GET")
    team.repo.name = "absent"
    missing = team.ask("stranger", "GET")
    assert (hidden.status_code, hidden.json()) == (missing.status_code, missing.json())


def test_t76_the_list_is_filtered_and_goes_on(team):
    ids = {path: team.lock(who, path) for who, path in (("ann", "a.txt"), ("bob", "b.txt"), ("ann", "c.txt"))}
    by_path = team.ask("reader", "GET", path="b.txt").json()["locks"]
    by_id = team.ask("reader", "GET", id=ids["c.txt"]).json()["locks"]
    assert [lock["id"] for lock in by_path + by_id] == [ids["b.txt"], ids["c.txt"]]
    assert team.ask("reader", "GET", path="nothing").json() == {"locks": []}
    page = team.ask("reader", "GET", limit=2).json()
    rest = team.ask("reader", "GET", limit=2, cursor=page["next_cursor"]).json()
    assert [lock["path"] for lock in page["locks"] + rest["locks"]] == ["a.txt", "b.txt", "c.txt"]
    assert "next_cursor" not in rest
    for bad in ({"limit": "0"}, {"limit": "-1"}, {"cursor": "%%"}, {"limit": "9" * 30}):
        assert team.ask("reader", "GET", **bad).status_code == 400
    assert team.ask("reader", "GET", id="x").status_code == 404
    assert team.ask("reader", "GET", id="9" * 40).status_code == 404


def test_t76_verify_tells_ours_from_theirs_page_by_page(team):
    for who, path in (("ann", "a.txt"), ("bob", "b.txt"), ("ann", "c.txt")):
        team.lock(who, path)
    answer = team.ask("ann", "POST", "/verify", {"ref": {"name": "refs/heads/main"}}).json()
    assert [lock["path"] for lock in answer["ours"]] == ["a.txt", "c.txt"]
    assert [lock["path"] for lock in answer["theirs"]] == ["b.txt"]
    page = team.ask("ann", "POST", "/verify", {"limit": 1}).json()
    assert [lock["path"] for lock in page["ours"] + page["theirs"]] == ["a.txt"]
    rest = team.ask("ann", "POST", "/verify", {"limit": 5, "cursor": page["next_cursor"]}).json()
    assert [lock["path"] for lock in rest["theirs"] + rest["ours"]] == ["b.txt", "c.txt"]
    assert team.ask("ann", "POST", "/verify", {"limit": -1}).status_code == 400


def test_t76_unlocking_follows_the_roles(team):
    lock_id = team.lock("ann", "a.txt")
    tries = [
        ("nobody", {}, 401),
        ("stranger", {"force": True}, 403),
        ("reader", {"force": True}, 403),
        ("bob", {}, 403),
        ("bob", {"force": True}, 403),
        ("admin", {}, 403),
        ("ann", {"force": "yes"}, 400),
    ]
    for who, body, status in tries:
        assert team.ask(who, "POST", f"/{lock_id}/unlock", body).status_code == status, (who, body)
    assert FileLock.objects.count() == 1
    broken = team.ask("admin", "POST", f"/{lock_id}/unlock", {"force": True})
    assert (broken.status_code, broken.json()["lock"]["path"]) == (200, "a.txt")
    assert team.ask("admin", "POST", f"/{lock_id}/unlock", {"force": True}).status_code == 404
    own = team.lock("ann", "a.txt")
    assert team.ask("ann", "POST", f"/{own}/unlock").status_code == 200
    assert FileLock.objects.count() == 0


def test_t76_a_lock_of_another_repo_does_not_exist(team):
    other = make_repo(team.admin)
    lock_id = team.lock("ann", "a.txt")
    answer = team.ask("admin", "POST", f"/{lock_id}/unlock", {"force": True}, repo=other)
    missing = team.ask("admin", "POST", f"/{int(lock_id) + 1000}/unlock", {"force": True}, repo=other)
    assert (answer.status_code, answer.json()) == (missing.status_code, missing.json()) == (404, missing.json())
    assert team.ask("admin", "GET", repo=other, id=lock_id).json() == {"locks": []}
    assert FileLock.objects.count() == 1


def _commit(team: Team, who: str, *operations: dict) -> int:
    lines = [{"key": "header", "value": {"summary": "x"}}, *operations]
    with team.web.client(team.secrets[who]) as client:
        answer = client.post(
            f"/api/models/{team.repo.repo_id}/commit/main",
            content="\n".join(json.dumps(line) for line in lines),
            headers={"Content-Type": "application/x-ndjson"},
        )
    assert answer.status_code in (200, 409), answer.text
    if answer.status_code == 409:
        assert "is locked by" in answer.json()["error"]
    return answer.status_code


def _file(path: str, content: str = "new") -> dict:
    return {"key": "file", "value": {"path": path, "content": content}}


def test_t76_commits_leave_locked_files_alone(team):
    team.lock("ann", "dir/b.txt")
    assert _commit(team, "bob", _file("dir/b.txt")) == 409
    assert _commit(team, "bob", {"key": "deletedFile", "value": {"path": "dir/b.txt"}}) == 409
    assert _commit(team, "bob", {"key": "deletedFolder", "value": {"path": "dir/"}}) == 409
    assert _commit(team, "bob", {"key": "file", "value": {"path": "moved", "oldPath": "dir/b.txt"}}) == 409
    assert _commit(team, "admin", _file("dir/b.txt")) == 409
    assert _commit(team, "bob", _file("dir/other.txt"), _file("dir/b.txt2")) == 200
    assert _commit(team, "ann", _file("dir/b.txt", "anns")) == 200


def test_t76_pushes_leave_locked_files_alone(team, git_of):
    team.lock("ann", "dir/b.txt")
    bob, ann = git_of(team.secrets["bob"]), git_of(team.secrets["ann"])
    work = bob.clone(team.repo.urls.page, "work")
    bob.commit(work, {"a.txt": b"free"})
    bob("push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/fresh", cwd=work)
    bob.commit(work, {"dir/b.txt": b"stolen"})
    for target in ("main", "fresh", "refs/heads/new"):
        refused = bob("push", "origin", f"HEAD:{target}", cwd=work, check=False)
        assert refused.returncode != 0
        assert "dir/b.txt is locked by" in refused.text
    bob("rm", "-qr", "dir", cwd=work)
    bob("commit", "-qm", "gone", cwd=work)
    assert "is locked by" in bob("push", "origin", "HEAD:main", cwd=work, check=False).text
    mine = ann.clone(team.repo.urls.page, "mine")
    ann.commit(mine, {"dir/b.txt": b"anns"})
    ann("push", "-q", "origin", "HEAD:main", cwd=mine)
    assert not (set(bob("ls-remote", "origin", cwd=work).stdout.decode().split()) & {"refs/heads/new"})


def test_t76_git_lfs_itself_locks_pushes_and_unlocks(team, git_of):
    ann, bob = git_of(team.secrets["ann"]), git_of(team.secrets["bob"])
    work, other = ann.clone(team.repo.urls.page, "work"), bob.clone(team.repo.urls.page, "other")
    for git, folder in ((ann, work), (bob, other)):
        git("lfs", "install", "--local", cwd=folder)
    ann("lfs", "lock", "a.txt", cwd=work)
    assert "a.txt" in bob("lfs", "locks", cwd=other).text
    assert "is locked by" in bob("lfs", "lock", "a.txt", cwd=other, check=False).text
    assert bob("lfs", "unlock", "--force", "a.txt", cwd=other, check=False).returncode != 0
    ann.commit(work, {"a.txt": b"mine"})
    ann("push", "-q", "origin", "HEAD:main", cwd=work)
    ann("lfs", "unlock", "a.txt", cwd=work)
    assert FileLock.objects.count() == 0
