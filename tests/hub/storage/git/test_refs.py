from __future__ import annotations

import pytest

from hub.core.errors import BadRequest, Conflict, PermissionDenied, PreconditionFailed, RevisionNotFound
from hub.storage.git.commits import AddBytes, write_commit
from hub.storage.git.objects import list_refs, resolve_revision
from hub.storage.git.refs import (
    compare_and_swap,
    create_branch,
    create_tag,
    delete_branch,
    delete_tag,
    name_problem,
    pushed_ref_problem,
    read_ref,
)
from hub.storage.git.repository import open_repository


@pytest.fixture
def repo(repo_path):
    return open_repository(repo_path)


@pytest.mark.parametrize("name", ["main", "a/b", "v1.0", "feature_x", "deadbeef", "版本", "a-b"])
def test_names_allowed(name):
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-x",
        "--output=x",
        "a b",
        "a..b",
        "a.lock",
        "a/.b",
        "/a",
        "a/",
        "a.",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "@{",
        "@",
        "HEAD",
        "head",
        "refs/heads/x",
        "a" * 40,
        "x" * 201,
        "a\n",
        "a\x00",
        "a//b",
        "\u202ea",
    ],
)
def test_t57_t58_names_refused(name, repo):
    assert name_problem(name)
    with pytest.raises(BadRequest):
        create_branch(repo, name, resolve_revision(repo, "main"))


def test_pushed_refs_are_limited_to_three_kinds():
    assert pushed_ref_problem("refs/pr/12") is None
    for ref in ("HEAD", "refs/pr/x", "refs/pr/1/head", "refs/replace/x", "refs/heads", "refs/stash", "main"):
        assert pushed_ref_problem(ref)


def test_branch_life(repo):
    oid = resolve_revision(repo, "main")
    create_branch(repo, "dev/x", oid)
    with pytest.raises(Conflict, match="Reference refs/heads/dev/x already exists"):
        create_branch(repo, "dev/x", oid)
    with pytest.raises(Conflict):
        create_branch(repo, "dev", oid)
    with pytest.raises(Conflict):
        create_branch(repo, "main/below", oid)
    create_branch(repo, "dev/x", oid, overwrite=True)
    delete_branch(repo, "dev/x")
    with pytest.raises(RevisionNotFound):
        delete_branch(repo, "dev/x")
    with pytest.raises(PermissionDenied, match="Cannot delete refs/heads/main"):
        delete_branch(repo, "main")
    with pytest.raises(RevisionNotFound):
        create_branch(repo, "y", "0" * 40)


def test_tag_life(repo, author):
    oid = resolve_revision(repo, "main")
    create_tag(repo, "light", oid)
    create_tag(repo, "main", oid, message="About it", tagger=author)
    assert {row.name: row.target_commit for row in list_refs(repo).tags} == {"light": oid, "main": oid}
    assert read_ref(repo, "refs/tags/main") != oid
    assert repo[read_ref(repo, "refs/tags/main")].message == "About it\n"
    with pytest.raises(Conflict):
        create_tag(repo, "light", oid)
    with pytest.raises(RevisionNotFound):
        create_tag(repo, "invalid tag", "f" * 40)
    with pytest.raises(BadRequest):
        create_tag(repo, "invalid tag", oid)
    delete_tag(repo, "main")
    assert [row.name for row in list_refs(repo).branches] == ["main"]
    with pytest.raises(RevisionNotFound):
        delete_tag(repo, "main")


def test_compare_and_swap_refuses_a_moved_reference(repo, repo_path, author):
    old = resolve_revision(repo, "main")
    new = write_commit(repo_path, "refs/heads/main", [AddBytes("a", b"a")], message="a", author=author).oid
    with pytest.raises(PreconditionFailed):
        compare_and_swap(repo, "refs/heads/main", old_oid=old, new_oid=old)
    with pytest.raises(PreconditionFailed):
        compare_and_swap(repo, "refs/heads/main", old_oid=None, new_oid=old)
    compare_and_swap(repo, "refs/heads/main", old_oid=new, new_oid=old)
    assert resolve_revision(repo, "main") == old


def test_a_held_lock_file_is_a_conflict(repo, repo_path):
    oid = resolve_revision(repo, "main")
    (repo_path / "refs/heads/main.lock").touch()
    with pytest.raises(Conflict, match="locked"):
        compare_and_swap(repo, "refs/heads/main", old_oid=oid, new_oid=oid)
