from __future__ import annotations

import time

import pygit2
import pytest

from hub.core.errors import BadRequest, EntryNotFound, PayloadTooLarge, RevisionNotFound
from hub.storage.git.commits import AddBytes, AddPointer, DeleteFile, MoveEntry, write_commit
from hub.storage.git.diffs import diff_commits
from hub.storage.git.objects import (
    EntryType,
    count_commits,
    default_branch,
    get_commit,
    get_entry,
    get_paths,
    iterate_blob,
    list_commits,
    list_refs,
    list_tree,
    merge_base,
    read_blob,
    resolve_revision,
    split_revision_and_path,
)
from hub.storage.git.refs import create_branch, create_tag
from hub.storage.git.repository import open_repository

MAIN = "refs/heads/main"


@pytest.fixture
def repo(repo_path):
    return open_repository(repo_path)


@pytest.fixture
def commit(repo_path, author):
    return lambda *operations, message="m", ref=MAIN: (
        write_commit(repo_path, ref, operations, message=message, author=author).oid
    )


def test_revisions_resolve(repo, author):
    oid = resolve_revision(repo, "main")
    create_branch(repo, "a/b", oid)
    create_tag(repo, "v1", oid, message="x", tagger=author)
    for revision in ("HEAD", "a/b", "v1", "refs/heads/main", "refs/tags/v1", oid, oid[:5], oid[:12].upper()):
        assert resolve_revision(repo, revision) == oid
    assert default_branch(repo) == "main"


@pytest.mark.parametrize(
    "revision",
    [
        "",
        "none",
        "refs/none",
        "refs/hub/x",
        "f" * 40,
        "main~0",
        "HEAD^{tree}",
        ":/init",
        "@",
        "--output=x",
        "main:README.md",
        "../config",
        "a" * 5000,
        "abcd",
        "\x00",
        "main\n",
        "refs/heads/../../config",
    ],
)
def test_t57_other_revisions_are_not_found(repo, revision):
    with pytest.raises(RevisionNotFound):
        resolve_revision(repo, revision)


def test_a_tree_or_blob_is_no_revision(repo):
    with pytest.raises(RevisionNotFound):
        resolve_revision(repo, get_entry(repo, resolve_revision(repo, "main"), "README.md").oid)


def test_rest_of_url_splits(repo):
    oid = resolve_revision(repo, "main")
    create_branch(repo, "a/b", oid)
    cases = {
        "main": ("main", ""),
        "main/x/y": ("main", "x/y"),
        "a/b/c": ("a/b", "c"),
        "a/c": ("a", "c"),
        "refs/pr/1/d/e": ("refs/pr/1", "d/e"),
        "refs/pr/12": ("refs/pr/12", ""),
        "refs/heads/a/b/c": ("refs/heads/a/b", "c"),
        f"{oid}/x": (oid, "x"),
    }
    assert {rest: split_revision_and_path(repo, rest) for rest in cases} == cases


def test_tree_lists_folders_first_with_lfs_facts(repo, commit):
    oid = commit(AddPointer("a.bin", "a" * 64, 99), AddBytes("zz/deep/x", b"1"))
    page = list_tree(repo, oid)
    assert [(entry.type, entry.path, entry.size) for entry in page.entries] == [
        ("directory", "src", 0),
        ("directory", "zz", 0),
        ("file", "README.md", 5),
        ("file", "a.bin", 99),
    ]
    assert page.entries[3].lfs.sha256 == "a" * 64
    assert page.next_cursor is None
    assert [entry.path for entry in list_tree(repo, oid, "zz/deep").entries] == ["zz/deep/x"]
    for path in ("none", "README.md", "src/none"):
        with pytest.raises(EntryNotFound):
            list_tree(repo, oid, path)


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
@pytest.mark.parametrize("path", ["", "d"])
def test_pages_join_to_the_whole(repo, commit, recursive, limit, path):
    names = ["d/a/1", "d/a/2", "d/b/c/d", "d/b/e", "d/z", "d/a.txt", "d.txt", "e/f"]
    oid = commit(*(AddBytes(name, name.encode()) for name in names))
    whole = [entry.path for entry in list_tree(repo, oid, path, recursive=recursive).entries]
    joined, cursor = [], None
    while True:
        page = list_tree(repo, oid, path, recursive=recursive, limit=limit, cursor=cursor)
        joined += [entry.path for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert joined == whole
    if recursive:
        assert {name for name in names if not path or name.startswith(f"{path}/")} <= set(whole)


def test_foreign_cursors_are_harmless(repo):
    oid = resolve_revision(repo, "main")
    for cursor in ("none/x", "../x", "\0/", "src/app.py/x"):
        with pytest.raises(BadRequest):
            list_tree(repo, oid, recursive=True, cursor=cursor)
    assert list_tree(repo, oid, cursor="zzz").entries == []


def test_t65_huge_virtual_tree_is_listed_by_page(repo_path, repo):
    oid = repo.create_blob(b"x")
    mode = pygit2.enums.FileMode.BLOB
    for _ in range(10):
        builder = repo.TreeBuilder()
        for index in range(10):
            builder.insert(f"f{index}", oid, mode)
        oid, mode = builder.write(), pygit2.enums.FileMode.TREE
    who = pygit2.Signature("a", "b")
    commit_oid = str(repo.create_commit(None, who, who, "bomb", oid, []))
    started = time.monotonic()
    page = list_tree(repo, commit_oid, recursive=True)
    assert len(page.entries) == 1000
    assert page.next_cursor
    assert len(list_tree(repo, commit_oid, recursive=True, cursor=page.next_cursor).entries) == 1000
    assert time.monotonic() - started < 2


def test_paths_info_leaves_missing_out(repo):
    oid = resolve_revision(repo, "main")
    found = get_paths(repo, oid, ["none", "src", "README.md", "src/app.py", "README.md", "../x", "", "\0", "a//b"])
    assert [(entry.path, entry.type) for entry in found] == [
        ("src", EntryType.DIRECTORY),
        ("README.md", EntryType.FILE),
        ("src/app.py", EntryType.FILE),
    ]


def test_t54_links_are_text(repo):
    link = repo.create_blob(b"/etc/passwd")
    builder = repo.TreeBuilder()
    builder.insert("link", link, pygit2.enums.FileMode.LINK)
    who = pygit2.Signature("a", "b")
    oid = str(repo.create_commit(None, who, who, "m", builder.write(), []))
    assert get_entry(repo, oid, "link").type is EntryType.SYMLINK
    assert read_blob(repo, get_entry(repo, oid, "link").oid, 100) == b"/etc/passwd"
    with pytest.raises(EntryNotFound):
        get_entry(repo, oid, "link/passwd")


def test_blobs_are_read_within_bounds(repo, commit):
    data = bytes(range(256)) * 4096
    entry = get_entry(repo, commit(AddBytes("b", data), AddBytes("empty", b"")), "b")
    assert b"".join(iterate_blob(repo, entry.oid)) == data == read_blob(repo, entry.oid, len(data))
    with pytest.raises(PayloadTooLarge):
        read_blob(repo, entry.oid, len(data) - 1)
    with pytest.raises(EntryNotFound):
        read_blob(repo, "0" * 40, 10)


def test_history_pages_counts_and_filters(repo, commit):
    for index in range(5):
        commit(AddBytes("n", b"%d" % index), message=f"n{index}")
    tip = commit(AddBytes("other", b""), message="other\n\nbody")
    titles = [row.title for row in list_commits(repo, tip)]
    assert titles == ["other", "n4", "n3", "n2", "n1", "n0", "Initial commit"]
    assert [row.title for row in list_commits(repo, tip, offset=1, limit=2)] == ["n4", "n3"]
    assert [row.title for row in list_commits(repo, tip, path="n", limit=2)] == ["n4", "n3"]
    assert [row.title for row in list_commits(repo, tip, path="src")] == ["Initial commit"]
    assert [row.title for row in list_commits(repo, tip, exclude_oid=get_commit(repo, tip).parents[0])] == ["other"]
    assert count_commits(repo, tip) == 7
    assert get_commit(repo, tip).message == "body"


def test_diff_is_structured_and_bounded(repo, commit):
    base = resolve_revision(repo, "main")
    head = commit(
        AddBytes("README.md", b"# Hello\n"),
        AddBytes("bin", b"\0\1\2"),
        AddPointer("w", "b" * 64, 5),
        MoveEntry("src/app.py", "app.py"),
        AddBytes("many", b"\n".join(b"%d" % index for index in range(100))),
    )
    diff = diff_commits(repo, base, head)
    by_path = {file.path: file for file in diff.files}
    assert set(by_path) == {"README.md", "bin", "w", "app.py", "many"}
    assert diff.total_files == 5
    lines = [(line.origin, line.old_line, line.new_line, line.text) for line in by_path["README.md"].hunks[0].lines]
    assert lines == [("-", 1, None, "# Hi"), ("+", None, 1, "# Hello")]
    assert by_path["bin"].is_binary
    assert by_path["w"].new_lfs.size == 5
    assert by_path["w"].hunks == []
    assert (by_path["app.py"].status, by_path["app.py"].old_path) == ("renamed", "src/app.py")
    assert diff_commits(repo, base, head, max_files=2).is_truncated
    cut = diff_commits(repo, base, head, max_lines=10)
    assert cut.is_truncated
    assert sum(len(hunk.lines) for file in cut.files for hunk in file.hunks) <= 10
    assert {file.status for file in diff_commits(repo, None, head).files} == {"added"}


def test_diff_of_a_deleted_file(repo, commit):
    base = resolve_revision(repo, "main")
    file = diff_commits(repo, base, commit(DeleteFile("README.md"))).files[0]
    assert (file.status, file.new_oid, file.deletions) == ("deleted", None, 1)


def test_refs_are_listed_by_kind(repo, commit):
    oid = resolve_revision(repo, "main")
    for ref in ("refs/pr/10", "refs/pr/2", "refs/convert/parquet", "refs/hub/x"):
        repo.create_reference_direct(ref, oid, False)
    refs = list_refs(repo)
    assert [(row.name, row.ref) for row in refs.pull_requests] == [("2", "refs/pr/2"), ("10", "refs/pr/10")]
    assert [row.name for row in refs.converts] == ["parquet"]
    assert refs.tags == []
    assert merge_base(repo, oid, commit(AddBytes("q", b""))) == oid
