from __future__ import annotations

import io
import multiprocessing
import time

import pytest

from hub.core.errors import (
    BadRequest,
    Conflict,
    EntryNotFound,
    PayloadTooLarge,
    PreconditionFailed,
    RevisionNotFound,
    Unprocessable,
)
from hub.storage.git.commits import (
    AddBytes,
    AddPointer,
    AddStream,
    CopyEntry,
    DeleteEntry,
    DeleteFile,
    DeleteFolder,
    MoveEntry,
    write_commit,
    write_initial_commit,
    write_squashed,
)
from hub.storage.git.maintenance import check_integrity
from hub.storage.git.objects import count_commits, get_entry, list_commits, list_tree, read_blob, resolve_revision
from hub.storage.git.refs import Signature
from hub.storage.git.repository import create_repository, open_repository

MAIN = "refs/heads/main"


@pytest.fixture
def commit(repo_path, author):
    def write(*operations, ref=MAIN, **options):
        return write_commit(repo_path, ref, operations, message="Title\n\nBody", author=author, **options)

    return write


def files(repo_path, revision="main"):
    repo = open_repository(repo_path)
    page = list_tree(repo, resolve_revision(repo, revision), recursive=True)
    return {entry.path: read_blob(repo, entry.oid, 1000) for entry in page.entries if entry.type == "file"}


def test_additions_keep_the_rest(repo_path, commit):
    result = commit(AddBytes("src/new/x.txt", b"x"), AddStream("y", io.BytesIO(b"yy"), 2))
    assert result.changed_paths == ("src/new/x.txt", "y")
    assert result.is_new
    expected = {"README.md": b"# Hi\n", "src/app.py": b"print(1)\n", "src/new/x.txt": b"x", "y": b"yy"}
    assert files(repo_path) == expected
    info = list_commits(open_repository(repo_path), result.oid)[0]
    assert (info.title, info.message, info.author.name, info.parents) == ("Title", "Body", "Ada", (result.parent_oid,))
    assert (info.author.time_s, info.author.offset_min) == (1_700_000_000, 60)


def test_pointer_is_written(repo_path, commit):
    result = commit(AddPointer("w.bin", "a" * 64, 7))
    entry = get_entry(open_repository(repo_path), result.oid, "w.bin")
    assert (entry.size, entry.lfs.sha256, entry.lfs.pointer_size) == (7, "a" * 64, 126)
    with pytest.raises(BadRequest):
        commit(AddPointer("w.bin", "A" * 64, 7))


def test_many_files_take_the_pack_path(repo_path, commit):
    operations = [AddBytes(f"d{index % 50}/f{index}", b"%d" % index) for index in range(10_000)]
    started = time.monotonic()
    result = commit(*operations)
    assert time.monotonic() - started < 6
    repo = open_repository(repo_path)
    assert read_blob(repo, get_entry(repo, result.oid, "d7/f57").oid, 10) == b"57"
    assert check_integrity(repo_path).is_sound


def test_deletes(repo_path, commit):
    commit(AddBytes("a/b/c", b"c"), AddBytes("a/d", b"d"), AddBytes("e/f", b"f"))
    commit(DeleteFile("a/b/c"), DeleteFolder("e/"))
    assert set(files(repo_path)) == {"README.md", "src/app.py", "a/d"}
    commit(DeleteFile("a"), DeleteEntry("src/app.py"), DeleteFile("README.md"))
    assert list_tree(open_repository(repo_path), resolve_revision(open_repository(repo_path), "main")).entries == []


@pytest.mark.parametrize("path", ["none", "src/none", "none/x", "README.md/x", "", "/", "src//app.py"])
def test_deleting_what_is_missing_is_entry_not_found(commit, path):
    with pytest.raises(EntryNotFound):
        commit(DeleteEntry(path))


def test_path_deleted_and_added_ends_added(repo_path, commit):
    commit(AddBytes("README.md", b"new"), DeleteFile("README.md"), DeleteFile("fresh"), AddBytes("fresh", b"f"))
    assert files(repo_path)["README.md"] == b"new"
    assert files(repo_path)["fresh"] == b"f"
    commit(DeleteFolder("src"), AddBytes("src/only", b"o"))
    assert set(files(repo_path)) == {"README.md", "fresh", "src/only"}
    commit(DeleteFolder("src"), AddBytes("src", b"now a file"))
    assert files(repo_path)["src"] == b"now a file"


def test_t54_file_folder_and_link_clashes_are_400(repo_path, commit):
    for path in ("README.md/x", "src"):
        with pytest.raises(BadRequest):
            commit(AddBytes(path, b""))
    with pytest.raises(BadRequest):
        commit(AddBytes("a", b""), AddBytes("a/b", b""))
    assert set(files(repo_path)) == {"README.md", "src/app.py"}


def test_t52_twins_are_400(commit):
    for path in ("readme.MD", "SRC/x"):
        with pytest.raises(BadRequest, match="differ only by case"):
            commit(AddBytes(path, b""))
    with pytest.raises(BadRequest):
        commit(AddBytes("e\u0301", b""), AddBytes("\u00e9", b""))
    commit(DeleteFile("README.md"), AddBytes("readme.md", b"renamed by case"))


def test_t51_paths_are_judged(commit):
    for path in ("../x", "/x", ".git/config", "a\nb"):
        with pytest.raises(BadRequest):
            commit(AddBytes(path, b""))
        with pytest.raises(BadRequest):
            commit(CopyEntry("README.md", path))
    with pytest.raises(Unprocessable):
        commit(AddBytes("..\\x", b""))
    commit(AddBytes("folder/..\\..\\file", b"legal"))


def test_t64_large_plain_file_is_refused(commit):
    with pytest.raises(PayloadTooLarge, match="Use LFS"):
        commit(AddBytes("big", bytes((10 << 20) + 1)))


def test_stream_of_the_wrong_size_is_refused(commit):
    for size in (1, 3):
        with pytest.raises(BadRequest):
            commit(AddStream("s", io.BytesIO(b"ab"), size))


def test_copy_and_move_read_the_parent(repo_path, commit):
    commit(MoveEntry("src", "lib"), CopyEntry("src/app.py", "app.py"), AddBytes("README.md", b"2"))
    assert files(repo_path) == {"lib/app.py": b"print(1)\n", "app.py": b"print(1)\n", "README.md": b"2"}
    with pytest.raises(EntryNotFound):
        commit(CopyEntry("src", "x"))


def test_parent_must_be_the_tip(repo_path, commit):
    first = resolve_revision(open_repository(repo_path), "main")
    second = commit(AddBytes("a", b"a"), parent_oid=first[:7])
    for parent in (first, first[:5], second.oid[:4], "zz"):
        with pytest.raises(PreconditionFailed):
            commit(AddBytes("b", b"b"), parent_oid=parent)
    with pytest.raises(RevisionNotFound):
        commit(AddBytes("b", b"b"), ref="refs/heads/none")


def test_nothing_changed_returns_the_tip(repo_path, commit):
    tip = resolve_revision(open_repository(repo_path), "main")
    result = commit(AddBytes("README.md", b"# Hi\n"))
    assert (result.oid, result.is_new) == (tip, False)
    assert commit(allow_empty=True).oid != tip


def test_pull_request_ref_is_created_on_a_base(repo_path, commit):
    base = resolve_revision(open_repository(repo_path), "main")
    made = commit(AddBytes("a", b"a"), ref="refs/pr/1", create_from=base)
    assert (made.parent_oid, resolve_revision(open_repository(repo_path), "main")) == (base, base)
    with pytest.raises(Conflict):
        commit(AddBytes("a", b"a"), ref="refs/pr/1", create_from=base)


def test_blob_by_oid_must_be_here(repo_path, commit):
    repo = open_repository(repo_path)
    oid = get_entry(repo, resolve_revision(repo, "main"), "README.md").oid
    commit(AddBytes("copy.md", blob_oid=oid))
    assert files(repo_path)["copy.md"] == b"# Hi\n"
    with pytest.raises(EntryNotFound):
        commit(AddBytes("x", blob_oid="1" * 40))


def test_squash_keeps_files(repo_path, commit):
    commit(AddBytes("a", b"a"))
    before = files(repo_path)
    result = write_squashed(repo_path, MAIN, message="One", author=Signature("x", "y"))
    assert files(repo_path) == before
    assert count_commits(open_repository(repo_path), result.oid) == 1


def test_initial_commit_happens_once(tmp_path, author):
    create_repository(tmp_path / "r")
    write_initial_commit(tmp_path / "r", [], message="init", author=author)
    with pytest.raises(Conflict):
        write_initial_commit(tmp_path / "r", [], message="init", author=author)


def test_odd_author_and_message_are_stored_safely(repo_path):
    who = Signature("<\n>", "a>\nb")
    result = write_commit(repo_path, MAIN, [AddBytes("a", b"")], message="t\0x\ud800", author=who)
    assert list_commits(open_repository(repo_path), result.oid)[0].title == "tx?"
    assert check_integrity(repo_path).is_sound


def _commit_many(repo_path, worker: int, count: int) -> None:
    for index in range(count):
        write_commit(
            repo_path,
            MAIN,
            [AddBytes(f"w{worker}/{index}", b"")],
            message=f"{worker}-{index}",
            author=Signature("a", "b"),
        )


def test_t173_concurrent_commits_lose_none(repo_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_commit_many, args=(repo_path, worker, 15)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    repo = open_repository(repo_path)
    tip = resolve_revision(repo, "main")
    titles = [commit.title for commit in list_commits(repo, tip, limit=1000)]
    assert sorted(titles[:-1]) == sorted(f"{worker}-{index}" for worker in range(4) for index in range(15))
    assert len(files(repo_path)) == 62


def test_t160_killed_writer_leaves_old_or_new(repo_path, author):
    context = multiprocessing.get_context("spawn")
    writer = context.Process(target=_commit_many, args=(repo_path, 9, 10_000))
    writer.start()
    deadline = time.monotonic() + 30
    while count_commits(open_repository(repo_path), resolve_revision(open_repository(repo_path), "main")) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    writer.kill()
    writer.join(10)
    (repo_path / "refs/heads/main.lock").unlink(missing_ok=True)
    assert check_integrity(repo_path).is_sound
    write_commit(repo_path, MAIN, [AddBytes("after", b"")], message="after", author=author)
    assert "after" in files(repo_path)
