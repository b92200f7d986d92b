"""Three-way merges: what both sides did is there, what both did to one file is named, and the work is bounded."""

from __future__ import annotations

import pygit2
import pytest

from hub.core.errors import Conflict, PreconditionFailed
from hub.storage.git import merges
from hub.storage.git.commits import AddBytes, AddPointer, DeleteFile, write_commit
from hub.storage.git.maintenance import check_integrity
from hub.storage.git.merges import MergeConflict, apply_merge, find_conflicts, prepare_merge
from hub.storage.git.objects import get_commit, list_tree, read_blob, resolve_revision
from hub.storage.git.repository import open_repository
from hub.storage.git.trees import changed_entries

MAIN, HEAD = "refs/heads/main", "refs/pr/1"
LINES = b"1\n2\n3\n4\n5\n"


class Sides:
    """A repository whose pull request and main go separate ways."""

    def __init__(self, path, author) -> None:
        self.path, self.author = path, author
        self.git = open_repository(path)
        self.base = resolve_revision(self.git, "main")

    def ours(self, *operations) -> str:
        return write_commit(self.path, MAIN, operations, message="ours", author=self.author).oid

    def theirs(self, *operations) -> str:
        start = self.base if not self.git.references.get(HEAD) else None
        return write_commit(self.path, HEAD, operations, message="theirs", author=self.author, create_from=start).oid

    def conflicts(self):
        return find_conflicts(self.git, *(resolve_revision(self.git, ref) for ref in (MAIN, HEAD)))

    def prepare(self):
        return prepare_merge(
            self.git,
            ref=MAIN,
            head_ref=HEAD,
            message=lambda parent, head: f"Merge\n\n{parent[:4]} {head[:4]}",
            author=self.author,
            committer=self.author,
        )

    def merge(self) -> dict[str, bytes]:
        merge = self.prepare()
        apply_merge(self.git, MAIN, merge)
        assert get_commit(self.git, merge.oid).parents == (merge.parent_oid,)
        assert check_integrity(self.path).is_sound
        page = list_tree(self.git, merge.oid, recursive=True)
        return {entry.path: read_blob(self.git, entry.oid, 1000) for entry in page.entries if entry.type == "file"}


@pytest.fixture
def sides(repo_path, author) -> Sides:
    write_commit(repo_path, MAIN, [AddBytes("a.txt", LINES)], message="base", author=author)
    return Sides(repo_path, author)


def test_both_sides_are_kept_by_file_and_by_line(sides) -> None:
    sides.ours(AddBytes("a.txt", LINES.replace(b"1", b"one")), AddBytes("src/ours.py", b"o"), DeleteFile("README.md"))
    sides.theirs(AddBytes("a.txt", LINES.replace(b"5", b"five")), AddBytes("src/theirs.py", b"t"))
    assert sides.conflicts() == ()
    assert sides.merge() == {
        "a.txt": b"one\n2\n3\n4\nfive\n",
        "src/app.py": b"print(1)\n",
        "src/ours.py": b"o",
        "src/theirs.py": b"t",
    }


def test_conflicts_are_named_and_nothing_moves(sides) -> None:
    ours = sides.ours(
        AddBytes("a.txt", b"ours\n"), AddBytes("new", b"1"), DeleteFile("src/app.py"), AddBytes("bin", b"\0\1")
    )
    sides.theirs(
        AddBytes("a.txt", b"theirs\n"), AddBytes("new", b"2"), AddBytes("src/app.py", b"2"), AddBytes("bin", b"\0\2")
    )
    expected = ("a.txt", "bin", "new", "src/app.py")
    assert sides.conflicts() == expected
    with pytest.raises(MergeConflict) as refused:
        sides.prepare()
    assert refused.value.data["paths"] == expected
    assert resolve_revision(sides.git, "main") == ours


def test_a_file_where_the_other_side_has_a_folder_is_a_conflict(sides) -> None:
    sides.ours(AddBytes("x", b"1"))
    sides.theirs(AddBytes("x/y", b"2"))
    assert sides.conflicts() == ("x",)


def test_pointers_are_never_mixed(sides) -> None:
    sides.ours(AddPointer("w.bin", "a" * 64, 5))
    sides.theirs(AddPointer("w.bin", "b" * 64, 6))
    assert sides.conflicts() == ("w.bin",)


def test_same_change_on_both_sides_is_no_conflict_and_nothing_to_merge(sides) -> None:
    sides.ours(AddBytes("a.txt", b"same\n"))
    sides.theirs(AddBytes("a.txt", b"same\n"))
    assert sides.conflicts() == ()
    with pytest.raises(Conflict, match="changes nothing"):
        sides.prepare()


def test_attribute_rules_of_both_sides_stand(sides) -> None:
    sides.ours(AddBytes(".gitattributes", b"*.bin filter=lfs\n*.a filter=lfs\n"))
    sides.theirs(AddBytes(".gitattributes", b"*.bin filter=lfs\n*.b filter=lfs\n"))
    assert sides.merge()[".gitattributes"] == b"*.bin filter=lfs\n*.a filter=lfs\n*.b filter=lfs\n"


def test_names_that_differ_by_case_alone_do_not_meet_t52(sides) -> None:
    sides.ours(AddBytes("Weights.txt", b"1"))
    sides.theirs(AddBytes("weights.txt", b"2"))
    assert sides.conflicts() == ("Weights.txt", "weights.txt")


def test_a_push_in_between_is_seen(sides) -> None:
    sides.theirs(AddBytes("b", b"b"))
    merge = sides.prepare()
    pushed = sides.ours(AddBytes("c", b"c"))
    with pytest.raises(PreconditionFailed):
        apply_merge(sides.git, MAIN, merge)
    assert resolve_revision(sides.git, "main") == pushed
    assert {"b", "c"} <= set(sides.merge())


def _bomb(git: pygit2.Repository, depth: int, width: int, leaf: bytes) -> str:
    oid, mode = git.create_blob(leaf), pygit2.enums.FileMode.BLOB
    for _ in range(depth):
        builder = git.TreeBuilder()
        for index in range(width):
            builder.insert(f"d{index}", oid, mode)
        oid, mode = builder.write(), pygit2.enums.FileMode.TREE
    return str(oid)


def test_trees_that_spell_out_billions_of_names_cost_little_t65(sides) -> None:
    trees = [_bomb(sides.git, 10, 10, leaf) for leaf in (b"0", b"1", b"2")]
    assert merges.merge_trees(sides.git, trees[0], trees[0], trees[1]).tree_oid == trees[1]
    assert merges.merge_trees(sides.git, *trees) == merges.MergedTree("", None)
    with pytest.raises(Exception, match="too many files"):
        list(changed_entries(sides.git, trees[0], trees[1]))
    assert list(changed_entries(sides.git, trees[0], trees[0])) == []


def test_deep_folders_do_not_exhaust_the_stack(sides) -> None:
    deep = [_bomb(sides.git, 1200, 1, leaf) for leaf in (b"0", b"1", b"2")]
    assert merges.merge_trees(sides.git, *deep).tree_oid == ""
