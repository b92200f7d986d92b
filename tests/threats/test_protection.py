"""T60: protected branches and tags: force, deletion and overwriting are refused, by git, by the API and by the page."""

from __future__ import annotations

import pytest
from django.test import Client

from hub.core.errors import BadRequest
from hub.repos.content import list_refs
from hub.repos.models import Repo
from hub.repos.protection import MAX_PATTERNS, Protection, clean_patterns
from tests.factories.accounts import make_user
from tests.factories.repos import commit_files, make_repo


@pytest.mark.parametrize(
    ("pattern", "ref", "is_protected"),
    [
        ("main", "refs/heads/main", True),
        ("main", "refs/heads/maintenance", False),
        ("main", "refs/tags/main", False),
        ("release/*", "refs/heads/release/1.0/rc", True),
        ("*", "refs/heads/any/thing", True),
        ("*", "refs/tags/v1", False),
        ("refs/tags/v*", "refs/tags/v1", True),
        ("refs/heads/main", "refs/heads/main", True),
    ],
)
def test_t60_patterns_match_whole_names(pattern, ref, is_protected):
    assert (ref in Protection(tuple(clean_patterns([pattern])))) is is_protected


@pytest.mark.parametrize("pattern", ["a b", "[ab]", "x?", "-x", "a..b", "refs/pr/1", "x.lock", "a" * 201, "\x00", "~"])
def test_t60_patterns_that_name_nothing_are_refused(pattern):
    with pytest.raises(BadRequest):
        clean_patterns([pattern])


def test_t60_patterns_are_few_and_each_once():
    assert clean_patterns(["main", " main ", "", "refs/heads/main"]) == ["refs/heads/main"]
    with pytest.raises(BadRequest):
        clean_patterns([f"b{number}" for number in range(MAX_PATTERNS + 1)])


@pytest.fixture
def scene(web, person, git_of, no_errors):
    """(repo with branches main, kept, free and tags v1, loose; its owner's client and git)."""
    owner, secret = person()
    repo = make_repo(owner, files={"a.txt": b"a"})
    with web.client(secret) as api:
        root = f"/api/models/{repo.repo_id}"
        for branch in ("kept", "free"):
            assert api.post(f"{root}/branch/{branch}", json={}).status_code == 201
        for tag in ("v1", "loose"):
            assert api.post(f"{root}/tag/main", json={"tag": tag}).status_code == 201
        answer = api.put(f"{root}/settings", json={"protectedRefs": ["kept", "refs/tags/v*"]})
        assert answer.json()["protectedRefs"] == ["refs/heads/kept", "refs/tags/v*"]
        commit_files(repo, owner, {"b.txt": b"b"})
        yield repo, api, root, git_of(secret)


def _refs(repo: Repo) -> dict[str, str]:
    found = list_refs(repo)
    return {ref.ref: ref.target_commit for ref in (*found.branches, *found.tags)}


def test_t60_the_api_neither_deletes_nor_rewrites(scene):
    repo, api, root, _git = scene
    before = _refs(repo)
    refused = [
        api.delete(f"{root}/branch/kept"),
        api.delete(f"{root}/branch/main"),
        api.delete(f"{root}/tag/v1"),
        api.post(f"{root}/super-squash/kept", json={}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert _refs(repo) == before
    assert api.delete(f"{root}/branch/free").status_code == 200
    assert api.delete(f"{root}/tag/loose").status_code == 200


def test_t60_overwriting_a_branch_may_only_go_forward(scene):
    repo, api, root, _git = scene
    forward = api.post(f"{root}/branch/kept", json={"startingPoint": "main", "overwrite": True})
    assert forward.status_code == 201
    assert _refs(repo)["refs/heads/kept"] == _refs(repo)["refs/heads/main"]
    back = api.post(f"{root}/branch/kept", json={"startingPoint": "free", "overwrite": True})
    assert (back.status_code, "history cannot be rewritten" in back.json()["error"]) == (403, True)
    assert _refs(repo)["refs/heads/kept"] == _refs(repo)["refs/heads/main"]
    assert api.post(f"{root}/branch/free", json={"startingPoint": "v1", "overwrite": True}).status_code == 201


def test_t60_git_gives_the_same_answers(scene):
    repo, _api, _root, git = scene
    work = git.clone(repo.urls.page, "work")
    before = _refs(repo)
    git("checkout", "-q", "kept", cwd=work)
    git("commit", "-q", "--amend", "-m", "rewritten", cwd=work)
    for arguments, words in (
        (("-f", "origin", "HEAD:kept"), "history cannot be rewritten"),
        (("origin", ":kept"), "protected"),
        (("origin", ":main"), "the default branch cannot be deleted"),
        (("origin", ":refs/tags/v1"), "protected"),
        (("-f", "origin", "HEAD:refs/tags/v1"), "history cannot be rewritten"),
        (("-f", "origin", "main:refs/tags/v1"), "history cannot be rewritten"),
    ):
        refused = git("push", *arguments, cwd=work, check=False)
        assert refused.returncode != 0, arguments
        assert words in refused.text, arguments
    assert _refs(repo) == before
    git("push", "-qf", "origin", "HEAD:free", ":refs/tags/loose", "main:kept", "HEAD:refs/tags/v2", cwd=work)
    after = _refs(repo)
    assert after["refs/heads/kept"] == before["refs/heads/main"]
    assert "refs/tags/loose" not in after


def test_t60_a_push_of_allowed_and_protected_refs_moves_none(scene):
    """T59: each reference of each push is judged, and one that is refused takes the others with it."""
    repo, _api, _root, git = scene
    work = git.clone(repo.urls.page, "work")
    before = _refs(repo)
    git("checkout", "-q", "kept", cwd=work)
    git("commit", "-q", "--amend", "-m", "rewritten", cwd=work)
    for options in ((), ("--atomic",)):
        refused = git("push", "-f", *options, "origin", "HEAD:free", "HEAD:kept", "HEAD:new", cwd=work, check=False)
        assert refused.returncode != 0
        assert _refs(repo) == before
    for options in ((), ("--atomic",)):
        refused = git("push", *options, "origin", "HEAD:fresh", "HEAD:refs/notes/x", cwd=work, check=False)
        assert refused.returncode != 0
        assert _refs(repo) == before


@pytest.mark.parametrize("patterns", ["main", [1], ["a b"], {"a": 1}, ["x"] * 51, [None]])
def test_t60_settings_take_lists_of_names_only(scene, patterns):
    repo, api, root, _git = scene
    assert api.put(f"{root}/settings", json={"protectedRefs": patterns}).status_code in (400, 413)
    assert Repo.objects.get(pk=repo.pk).protected_refs == ["refs/heads/kept", "refs/tags/v*"]


@pytest.mark.django_db
def test_t60_the_settings_page_keeps_the_list(client: Client):
    owner = make_user("ada")
    repo = make_repo(owner, "guarded")
    client.force_login(owner)
    text = "main\r\nrelease/*\r\nrefs/tags/v*\r\n"
    saved = client.post(repo.urls.settings, {"action": "protection", "protected_refs": text})
    assert saved.status_code == 302
    repo.refresh_from_db()
    assert repo.protected_refs == ["refs/heads/main", "refs/heads/release/*", "refs/tags/v*"]
    page = client.get(repo.urls.settings).content.decode()
    assert "main\nrelease/*\nrefs/tags/v*</textarea>" in page
    refused = client.post(repo.urls.settings, {"action": "protection", "protected_refs": "<b> x"})
    assert (refused.status_code, b"&lt;b&gt; x" in refused.content) == (422, True)
    client.post(repo.urls.settings, {"action": "protection", "protected_refs": ""})
    repo.refresh_from_db()
    assert repo.protected_refs == []
