"""Deleting large files for good: gone from every branch, tag, pull request, link and quota (hub-api §11.6, T70)."""

from __future__ import annotations

import subprocess

import pygit2
import pytest

from community.services import pulls
from hub.core.errors import BadRequest, EntryNotFound, PermissionDenied
from hub.repos.content import at_revision, get_file, list_commits, walk_files
from hub.repos.models import Ref, Repo, RepoObject
from hub.repos.queries import list_large_files
from hub.repos.services import lfs, refs
from hub.repos.services.commits import AddBytes, AddPointer, create_commit
from hub.repos.services.fsck import check_repo
from hub.repos.services.permanent_delete import permanently_delete_lfs_files
from hub.repos.services.repos import update_repo_settings
from hub.storage.git.refs import read_ref
from hub.storage.git.repository import git_environment, open_repository
from hub.storage.models import UploadSession
from tests.factories.accounts import make_user, make_viewer
from tests.factories.repos import commit_files, commit_large_file, make_repo, upload_object

pytestmark = pytest.mark.django_db(transaction=True)


class World:
    def __init__(self) -> None:
        self.owner = make_user("owner", password=None)
        self.viewer = make_viewer(self.owner)
        self.repo = make_repo(self.owner, "one", files={"a.txt": b"a"})
        self.doomed = commit_large_file(self.repo, self.owner, "deep/er/doomed.bin", b"doomed" * 100)
        self.kept = commit_large_file(self.repo, self.owner, "kept.bin", b"kept" * 100)

    def delete(self, *sha256s: str, **options) -> list[str]:
        return permanently_delete_lfs_files(self.repo, actor=self.viewer, sha256s=sha256s, **options)

    def paths(self, revision: str = "main") -> list[str]:
        return sorted(entry.path for entry in walk_files(at_revision(self.repo, revision)))

    def titles(self, revision: str = "main") -> list[str]:
        return [commit.title for commit in list_commits(at_revision(self.repo, revision))]

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.repo.git_path), *arguments],
            env=git_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()


def test_a_file_goes_from_all_branches_tags_and_pull_requests():
    world = World()
    refs.create_branch(world.repo, actor=world.viewer, name="side")
    commit_files(world.repo, world.owner, {"side.txt": b"s"}, revision="side")
    refs.create_tag(world.repo, actor=world.viewer, name="light", revision="main")
    refs.create_tag(world.repo, actor=world.viewer, name="noted", revision="main", message="Version one")
    pull = pulls.create_pull_request(world.viewer, world.repo, title="Change", description="x")
    commit_files(world.repo, world.owner, {"later.txt": b"l"})
    titles = {name: world.titles(name) for name in ("main", "side", "light", "noted", pull.head_ref)}
    dates = world.git("log", "main", "--format=%an %ae %at %ct %B")

    assert world.delete(world.doomed.sha256) == [world.doomed.sha256]

    common = [".gitattributes", "a.txt", "kept.bin"]
    assert world.paths() == [*common, "later.txt"]
    assert world.paths("side") == [*common, "side.txt"]
    for name in ("light", "noted", pull.head_ref):
        assert world.paths(name) == common
    assert {name: world.titles(name) for name in titles} == titles
    assert world.git("log", "main", "--format=%an %ae %at %ct %B") == dates
    assert "Version one" in world.git("cat-file", "tag", "noted")
    # Nothing that a reference leads to names it, and rows say what git says.
    assert "doomed" not in world.git("rev-list", "--all", "--objects")
    rows = dict(Ref.objects.filter(repo=world.repo).values_list("name", "oid"))
    assert rows == {name: world.git("rev-parse", f"{name}^{{commit}}") for name in rows}
    assert world.repo.head_oid == rows["refs/heads/main"]
    assert world.git("fsck", "--strict", "--no-dangling") == ""
    assert list(check_repo(world.repo)) == []
    with pytest.raises(EntryNotFound):
        get_file(at_revision(world.repo), "deep/er/doomed.bin")


def test_the_quota_falls_and_the_bytes_must_be_sent_anew_t70():
    world = World()
    before = lfs.stored_bytes(world.owner.namespace_id)
    world.delete(world.doomed.sha256)

    assert RepoObject.objects.filter(repo=world.repo).values_list("sha256", flat=True).get() == world.kept.sha256
    assert lfs.stored_bytes(world.owner.namespace_id) + lfs.uncommitted_bytes(world.repo) < before
    assert lfs.uncommitted_bytes(world.repo) == 0
    assert not UploadSession.objects.filter(sha256=world.doomed.sha256).exists()
    assert not lfs.is_present(world.repo, world.doomed.sha256)
    pointer = [AddPointer("again.bin", world.doomed.sha256, world.doomed.size_bytes)]
    with pytest.raises(BadRequest, match="LFS object missing"):
        create_commit(world.repo, actor=world.viewer, revision="main", operations=pointer, message="Again")
    upload_object(world.repo, b"doomed" * 100)
    create_commit(world.repo, actor=world.viewer, revision="main", operations=pointer, message="Again")
    assert "again.bin" in world.paths()


def test_commits_before_the_file_keep_their_ids():
    world = World()
    first = world.git("rev-list", "--reverse", "main").splitlines()[:2]
    world.delete(world.doomed.sha256)
    assert world.git("rev-list", "--reverse", "main").splitlines()[:2] == first


def test_a_file_that_no_commit_names_moves_nothing():
    world = World()
    head = world.repo.head_oid
    stray = upload_object(world.repo, b"stray" * 50)
    RepoObject.objects.create(repo=world.repo, sha256=stray.sha256, size_bytes=stray.size_bytes)
    assert world.delete(stray.sha256) == [stray.sha256]
    assert world.delete("0" * 64) == []
    assert world.repo.head_oid == head


def test_history_can_be_left_as_it_is():
    world = World()
    head = world.repo.head_oid
    world.delete(world.doomed.sha256, rewrite_history=False)
    assert (world.repo.head_oid, "deep/er/doomed.bin" in world.paths()) == (head, True)
    assert not RepoObject.objects.filter(repo=world.repo, sha256=world.doomed.sha256).exists()


def test_pointers_in_other_words_go_too():
    """A pointer that git-lfs would not write leads to the same file."""
    world = World()
    text = f"version https://git-lfs.github.com/spec/v1\next-0-x sha256:{'0' * 64}\noid sha256:{world.doomed.sha256}\n"
    text += f"size {world.doomed.size_bytes}\n"
    git = open_repository(world.repo.git_path)
    builder = git.TreeBuilder(git[world.repo.head_oid].peel(pygit2.Tree))
    builder.insert("odd.bin", git.create_blob(text.encode()), pygit2.enums.FileMode.BLOB)
    who = pygit2.Signature("x", "x@example.org")
    git.create_commit("refs/heads/main", who, who, "Odd", builder.write(), [world.repo.head_oid])
    world.delete(world.doomed.sha256)
    assert world.paths() == [".gitattributes", "a.txt", "kept.bin"]


def test_signatures_that_no_longer_hold_are_dropped():
    world = World()
    git = open_repository(world.repo.git_path)
    tree = git[world.repo.head_oid].tree_id
    who = "x <x@example.org> 1700000000 +0100"
    text = f"tree {tree}\nparent {world.repo.head_oid}\nauthor {who}\ncommitter {who}\n"
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"
    oid = git.odb.write(pygit2.enums.ObjectType.COMMIT, f"{text}{signature}encoding UTF-8\n\nSigned\n\nBody\n".encode())
    git.references["refs/heads/main"].set_target(oid)
    world.delete(world.doomed.sha256)
    raw = world.git("cat-file", "commit", "main")
    assert raw.splitlines()[2:] == [f"author {who}", f"committer {who}", "encoding UTF-8", "", "Signed", "", "Body"]


def test_merges_keep_their_shape():
    world = World()
    refs.create_branch(world.repo, actor=world.viewer, name="side")
    commit_files(world.repo, world.owner, {"s.txt": b"s"}, revision="side")
    commit_files(world.repo, world.owner, {"m.txt": b"m"})
    git = open_repository(world.repo.git_path)
    tips = [read_ref(git, f"refs/heads/{name}") for name in ("main", "side")]
    who = pygit2.Signature("x", "x@example.org")
    git.create_commit("refs/heads/main", who, who, "Merge", git[tips[0]].peel(pygit2.Tree).id, tips)
    graph = world.git("log", "--graph", "--format=%s", "main")
    world.delete(world.doomed.sha256)
    assert world.git("log", "--graph", "--format=%s", "main") == graph
    assert world.git("rev-parse", "main^2") == world.git("rev-parse", "side")


def test_a_protected_branch_is_not_rewritten_t60():
    world = World()
    refs.create_branch(world.repo, actor=world.viewer, name="stable")
    world.repo = update_repo_settings(world.viewer, world.repo, protected_refs=["stable"])
    before = world.git("for-each-ref")
    with pytest.raises(PermissionDenied):
        world.delete(world.doomed.sha256)
    assert world.git("for-each-ref") == before
    assert RepoObject.objects.filter(repo=world.repo, sha256=world.doomed.sha256).exists()


def test_what_is_not_a_hash_is_refused():
    world = World()
    for sha256s in ([], ["x"], ["A" * 64], ["../../etc"]):
        with pytest.raises(BadRequest):
            world.delete(*sha256s)


def test_the_list_says_where_each_file_is():
    world = World()
    refs.create_branch(world.repo, actor=world.viewer, name="side")
    stored = upload_object(world.repo, b"side" * 100)
    create_commit(
        world.repo,
        actor=world.viewer,
        revision="side",
        operations=[AddPointer("side.bin", stored.sha256, stored.size_bytes)],
        message="Side",
    )
    create_commit(
        world.repo, actor=world.viewer, revision="main", operations=[AddBytes("kept.bin", b"plain")], message="Plain"
    )
    found = list_large_files(Repo.objects.get(pk=world.repo.pk), before_pk=None, limit=10).items
    assert [(item.path, item.ref) for item in found] == [
        ("side.bin", "refs/heads/side"),
        ("kept.bin", ""),
        ("deep/er/doomed.bin", "refs/heads/main"),
    ]
