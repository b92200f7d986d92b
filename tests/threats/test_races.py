"""T173-T175: many clients at once over two web processes: one winner per parent, one repo per name, some order."""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from community.models import Like
from hub.accounts.enums import Role
from hub.accounts.services.organizations import set_member
from hub.repos.content import at_revision, list_commits, list_tree, walk_files
from hub.repos.models import Ref, Repo, RepoRedirect
from hub.repos.services.care import reconcile_recent
from hub.repos.services.fsck import check_repo
from hub.storage.git.objects import get_commit
from tests.factories.accounts import make_organization, make_token, make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.usefixtures("no_errors")

CLIENTS, COMMITS = 50, 20


def _payload(path: str, content: str, parent: str = "") -> str:
    header = {"summary": path, **({"parentCommit": parent} if parent else {})}
    lines = [{"key": "header", "value": header}, {"key": "file", "value": {"path": path, "content": content}}]
    return "\n".join(json.dumps(line) for line in lines)


def _history(repo: Repo) -> list[Any]:
    """All commits of main, newest first."""
    snapshot, found = at_revision(Repo.objects.get(pk=repo.pk)), []
    while page := list_commits(snapshot, offset=len(found), limit=1000):
        found += page
    return found


def _rows_follow(repo: Repo) -> None:
    reconcile_recent()
    fresh = Repo.objects.get(pk=repo.pk)
    assert [finding for finding in check_repo(fresh, deep=True) if finding.code != "size_differs"] == []


@pytest.mark.slow
def test_t173_fifty_clients_commit_to_one_branch_and_none_is_lost(web, person):
    """Each 200 is in the history exactly once, and nothing else is; the others were told 409, 412 or 503."""
    owner, secret = person()
    repo = make_repo(owner)
    first = at_revision(repo).oid
    acknowledged: list[tuple[str, str]] = []
    statuses: Counter[int] = Counter()
    guard = threading.Lock()

    def commit_all(number: int) -> None:
        with web.client(secret) as client:
            for turn in range(COMMITS):
                path = f"c{number:02d}/f{turn:02d}.txt"
                answer = client.post(f"/api/models/{repo.repo_id}/commit/main", content=_payload(path, path))
                with guard:
                    statuses[answer.status_code] += 1
                    if answer.status_code == 200:
                        acknowledged.append((path, answer.json()["commitOid"]))

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(commit_all, range(CLIENTS)))
    assert sum(statuses.values()) == CLIENTS * COMMITS
    assert set(statuses) <= {200, 409, 412, 503}
    assert statuses[200] > CLIENTS * COMMITS * 0.9
    history = [commit for commit in _history(repo) if commit.oid != first]
    assert sorted(commit.oid for commit in history) == sorted(oid for _, oid in acknowledged)
    assert {commit.oid: commit.title for commit in history} == {oid: path for path, oid in acknowledged}
    _is_a_line(history, first)
    files = {entry.path for entry in walk_files(at_revision(repo))} - {".gitattributes"}
    assert files == {path for path, _ in acknowledged}
    _rows_follow(repo)


def _is_a_line(history: list[Any], first: str) -> None:
    """Every commit has the one before it as its only parent: nobody's work was built over."""
    for newer, older in zip(history, [*history[1:], None], strict=True):
        assert newer.parents == (older.oid if older else first,) or list(newer.parents) == [
            older.oid if older else first
        ]


def test_t173_one_winner_for_each_parent(web, person):
    """All name the same parent: one 200, the others 412, five times over."""
    owner, secret = person()
    repo = make_repo(owner)
    for turn in range(5):
        parent = at_revision(Repo.objects.get(pk=repo.pk)).oid

        def commit(number: int, parent: str = parent, turn: int = turn) -> int:
            with web.client(secret) as client:
                content = _payload("same.txt", f"{turn} {number}", parent)
                return client.post(f"/api/models/{repo.repo_id}/commit/main", content=content).status_code

        with ThreadPoolExecutor(16) as pool:
            statuses = Counter(pool.map(commit, range(16)))
        assert statuses == {200: 1, 412: 15}
        assert get_commit(at_revision(repo).git, at_revision(repo).oid).parents[0] == parent
    assert len(_history(repo)) == 6
    _rows_follow(repo)


def test_t173_git_and_the_api_take_turns(web, person, git_of):
    """A push whose parent is no longer the tip is no fast-forward; the history is what both were told."""
    owner, secret = person()
    repo = make_repo(owner)
    oids: list[str] = []
    guard = threading.Lock()

    def by_api(number: int) -> None:
        with web.client(secret) as client:
            for turn in range(8):
                answer = client.post(
                    f"/api/models/{repo.repo_id}/commit/main", content=_payload(f"api{number}/{turn}", "x")
                )
                assert answer.status_code in (200, 409, 412), answer.text
                with guard:
                    oids.extend([answer.json()["commitOid"]] if answer.status_code == 200 else [])

    def by_git(number: int) -> None:
        git = git_of(secret)
        work = git.clone(repo.urls.page, "work")
        for turn in range(5):
            oid = git.commit(work, {f"git{number}/{turn}": os.urandom(50)})
            pushed = git("push", "origin", "HEAD:main", cwd=work, check=False)
            if pushed.returncode == 0:
                with guard:
                    oids.append(oid)
            else:
                assert any(
                    word in pushed.text
                    for word in (
                        "fetch first",
                        "non-fast-forward",
                        "failed to update ref",
                        "cannot lock ref",
                        "remote rejected",
                    )
                ), pushed.text
                git("fetch", "-q", "origin", cwd=work)
                git("reset", "-q", "--hard", "origin/main", cwd=work)

    with ThreadPoolExecutor(5) as pool:
        jobs = [pool.submit(by_api, number) for number in range(2)] + [
            pool.submit(by_git, number) for number in range(3)
        ]
        for job in jobs:
            job.result()
    history = _history(repo)
    assert sorted(commit.oid for commit in history[:-1]) == sorted(oids)
    _is_a_line(history[:-1], history[-1].oid)
    _rows_follow(repo)


def test_t174_fifty_creators_of_one_name_make_one_repo(web, earlier_stages, person):
    _owner, secret = person()
    names = [
        f"{'M' if number & 1 else 'm'}{'O' if number & 2 else 'o'}{'D' if number & 4 else 'd'}el"
        for number in range(50)
    ]

    def create(name: str) -> httpx.Response:
        with web.client(secret) as client:
            return client.post("/api/repos/create", json={"name": name, "license": "mit"})

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(create, names))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: 1, 409: 49}
    repo = Repo.objects.get()
    (made,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (made["name"], made["id"]) == (repo.repo_id, repo.object_id)
    assert {answer.json()["url"].lower() for answer in answers if answer.status_code == 409} == {made["url"].lower()}
    _no_orphans(web, earlier_stages)
    assert sorted(entry.path for entry in list_tree(at_revision(repo)).entries) == [".gitattributes", "README.md"]


def _stages(web) -> set[Path]:
    return set((web.data_dir / "git" / "new").glob("*"))


@pytest.fixture
def earlier_stages(web) -> set[Path]:
    """What tests that kill processes have left for the janitor in the directory that all share."""
    return _stages(web)


def _no_orphans(web, earlier_stages: set[Path]) -> None:
    known = {repo.git_path for repo in Repo.objects.all()}
    assert {path for path in known if not path.exists()} == set()
    assert _stages(web) - earlier_stages == set()


def test_t174_movers_and_creators_of_one_name_leave_one_holder(web, earlier_stages, person):
    owner, secret = person()
    repos = [make_repo(owner, f"from-{number}") for number in range(10)]
    jobs: list[tuple[str, dict[str, str]]] = [
        ("/api/repos/move", {"fromRepo": repo.repo_id, "toRepo": f"{owner.username}/{name}"})
        for repo, name in zip(repos, ["target", "Target"] * 5, strict=True)
    ]
    jobs += [("/api/repos/create", {"name": name}) for name in ["TARGET", "target"] * 5]

    def act(job: tuple[str, dict[str, str]]) -> int:
        with web.client(secret) as client:
            return client.post(job[0], json=job[1]).status_code

    random.Random(174).shuffle(jobs)
    with ThreadPoolExecutor(20) as pool:
        statuses = Counter(pool.map(act, jobs))
    assert statuses == {200: 1, 409: 19}
    assert Repo.objects.filter(name_folded="target", deleted_at__isnull=True).count() == 1
    _no_orphans(web, earlier_stages)


class Schedule:
    """Acts on the repos of one organization; ``name`` and ``other`` are chosen by who calls."""

    def __init__(self, owner: str, people: list[Any]) -> None:
        self.owner, self.people = owner, [user.username for user in people]

    def api(self, name: str, rest: str = "") -> str:
        return f"/api/models/{self.owner}/{name}{rest}"

    def rename(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        body = {"fromRepo": f"{self.owner}/{name}", "toRepo": f"{self.owner}/{other}"}
        return client.post("/api/repos/move", json=body)

    def delete(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        return client.request("DELETE", "/api/repos/delete", json={"organization": self.owner, "name": name})

    def create(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        return client.post("/api/repos/create", json={"organization": self.owner, "name": name})

    def commit(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        return client.post(self.api(name, "/commit/main"), content=_payload(f"{random.random()}.txt", "x"))

    def like(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        return client.request(random.choice(["POST", "POST", "DELETE"]), self.api(name, "/like"))

    def role(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        path = f"/api/organizations/{self.owner}/members/{random.choice(self.people)}/role"
        return client.put(path, json={"role": random.choice(["read", "write", "contributor"])})

    def grant(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        body = {"user": random.choice(self.people)}
        return client.post(self.api(name, "/user-access-request/grant"), json=body)

    def settings(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        wanted = {"visibility": random.choice(["private", "public"]), "gated": random.choice([False, "auto", "manual"])}
        return client.put(self.api(name, "/settings"), json=wanted)

    def branch(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        return client.request(random.choice(["POST", "DELETE"]), self.api(name, "/branch/dev"), json={})

    def read(self, client: httpx.Client, name: str, other: str) -> httpx.Response:
        return client.get(self.api(name), params={"expand": "likes"})

    def plans(self, chance: random.Random, names: list[str]) -> list[list[tuple[Any, str, str]]]:
        """Of sixteen clients; the first four are an administrator's."""
        by_admin = [self.rename, self.delete, self.create, self.create, self.role, self.grant, self.settings]
        by_all = [self.commit, self.commit, self.like, self.like, self.branch, self.read]
        acts = [by_admin] * 4 + [by_all] * 12
        return [[(chance.choice(own), *chance.sample(names, 2)) for _ in range(40)] for own in acts]


@pytest.mark.slow
def test_t175_a_random_schedule_ends_in_some_order(web, earlier_stages, person):
    """Rename, delete, create, commit, like, grant, roles, branches, all at once: no 500, and numbers as counted."""
    admin, admin_secret = person()
    org = make_organization(admin=admin)
    people = [make_user(password=None) for _ in range(6)]
    for user in people:
        set_member(org, user=user, role=Role.WRITE)
    names = [f"r{number}" for number in range(4)]
    for name in names:
        make_repo(admin, name, namespace=org.namespace.name)
    plans = Schedule(org.namespace.name, people).plans(random.Random(175), names)
    secrets = [admin_secret] * 4 + [make_token(people[number % 6])[1] for number in range(12)]
    seen: Counter[tuple[str, int]] = Counter()

    def run(plan: list[tuple[Any, str, str]], secret: str) -> None:
        with web.client(secret, follow_redirects=True) as client:
            for act, name, other in plan:
                seen[act.__name__, act(client, name, other).status_code] += 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(run, plans, secrets))
    assert {status for _, status in seen} <= {200, 201, 400, 401, 403, 404, 409, 412, 503}, seen
    assert sum(count for (_, status), count in seen.items() if status == 503) < 20, seen
    done = {name for name, status in seen if status in (200, 201)}
    assert done >= {"rename", "delete", "create", "commit", "like", "role", "settings", "branch", "read"}, seen
    _addresses_lead_to_one_place(org)
    for repo in Repo.objects.all():
        assert repo.likes == Like.objects.filter(repo=repo).count()
        _rows_follow(repo)
        assert Ref.objects.get(repo=repo, name="refs/heads/main").oid == Repo.objects.get(pk=repo.pk).head_oid
    _no_orphans(web, earlier_stages)


def _addresses_lead_to_one_place(org: Any) -> None:
    """A living repo or a former address, never both."""
    folded = list(Repo.objects.filter(deleted_at__isnull=True).values_list("name_folded", flat=True))
    assert len(folded) == len(set(folded))
    former = set(RepoRedirect.objects.filter(namespace=org.namespace).values_list("name_folded", flat=True))
    assert former.isdisjoint(folded)
