from __future__ import annotations

import random

import pytest

from hub.core.errors import EntryNotFound
from hub.storage.git.commits import AddBytes, DeleteEntry, write_commit
from hub.storage.git.last_commits import PathChange, changes_of_commit, last_commits
from hub.storage.git.objects import get_commit, list_commits, list_tree, resolve_revision
from hub.storage.git.repository import open_repository


@pytest.fixture
def commit(repo_path, author):
    return lambda *operations: write_commit(
        repo_path, "refs/heads/main", operations, message="m", author=author, allow_empty=True
    )


def test_changes_name_parent_folders(repo_path, commit):
    repo = open_repository(repo_path)
    made = commit(AddBytes("a/b/c", b"c"), DeleteEntry("src/app.py"))
    changes = set(changes_of_commit(repo, made.parent_oid, made.oid))
    assert changes == {
        PathChange("a", True, False),
        PathChange("a/b", True, False),
        PathChange("a/b/c", False, False),
        PathChange("src", True, True),
        PathChange("src/app.py", False, True),
    }


def test_rebuild_agrees_with_git_log_per_path(repo_path, commit):
    repo, chance = open_repository(repo_path), random.Random(7)
    for index in range(40):
        path = f"{chance.choice('abc')}/{chance.choice('xyz')}/{chance.randrange(4)}"
        try:
            commit(DeleteEntry(path)) if chance.random() < 0.3 else commit(AddBytes(path, b"%d" % index))
        except EntryNotFound:
            continue
    tip = resolve_revision(repo, "main")
    found = last_commits(repo, tip)
    paths = [entry.path for entry in list_tree(repo, tip, recursive=True).entries]
    assert found.by_path == {path: list_commits(repo, tip, path=path, limit=1)[0].oid for path in paths}
    assert found.is_complete
    assert not found.deleted_paths


def test_push_of_several_commits_updates_only_what_changed(repo_path, commit):
    repo = open_repository(repo_path)
    old = resolve_revision(repo, "main")
    first = commit(AddBytes("a/1", b"1")).oid
    second = commit(AddBytes("a/2", b"2"), DeleteEntry("README.md")).oid
    found = last_commits(repo, second, old)
    assert found.by_path == {"a": second, "a/1": first, "a/2": second}
    assert found.deleted_paths == {"README.md"}
    table = last_commits(repo, old).by_path | found.by_path
    assert {path: oid for path, oid in table.items() if path not in found.deleted_paths} == last_commits(
        repo, second
    ).by_path


def test_merge_commit_does_not_claim_its_parents_changes(repo_path, commit, author):
    repo = open_repository(repo_path)
    base = resolve_revision(repo, "main")
    side = write_commit(
        repo_path, "refs/heads/side", [AddBytes("s", b"")], message="s", author=author, create_from=base
    ).oid
    main = commit(AddBytes("m", b"")).oid
    tree = repo.merge_trees(repo[base].tree, repo[main].tree, repo[side].tree).write_tree(repo)
    who = author.to_git()
    merge = str(repo.create_commit(None, who, who, "merge", tree, [main, side]))
    found = last_commits(repo, merge).by_path
    assert (found["s"], found["m"], found["README.md"]) == (side, main, base)
    assert get_commit(repo, merge).parents == (main, side)
