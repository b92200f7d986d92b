"""The one way to write: pointers, attributes, cards, rows after a crash."""

from __future__ import annotations

import pytest

from hub.accounts.auth import Viewer
from hub.core.errors import BadRequest, HubError, PayloadTooLarge, PreconditionFailed, RevisionNotFound, Unprocessable
from hub.repos import content
from hub.repos.models import LastCommit, Ref, Repo, RepoObject
from hub.repos.services import care, repos
from hub.repos.services.commits import UNKNOWN_SIZE, AddBytes, AddPointer, DeleteFile, create_commit
from hub.repos.services.refs import create_branch, create_tag, delete_branch, super_squash
from hub.repos.signals import commit_created
from hub.storage.git.commits import write_commit
from hub.storage.git.refs import Signature
from hub.storage.lfs.pointer import format_pointer
from tests.factories.repos import commit_files, commit_large_file, make_repo, upload_object

pytestmark = pytest.mark.django_db(transaction=True)


def _commit(repo: Repo, *operations: object, actor: Viewer | None = None, **arguments: object):
    arguments.setdefault("message", "m")
    arguments.setdefault("revision", "main")
    return create_commit(repo, actor=actor or Viewer(user=repo.created_by), operations=operations, **arguments)


def _paths(repo: Repo) -> list[str]:
    return [entry.path for entry in content.walk_files(content.at_revision(repo))]


def test_commit_moves_ref_rows_and_last_commits() -> None:
    repo = make_repo()
    first = repo.head_oid
    done = _commit(repo, AddBytes("dir/a.txt", b"a"), description="why")
    assert repo.head_oid == done.oid == Ref.objects.get(repo=repo).oid
    rows = {(row.parent_path, row.name): row.oid for row in LastCommit.objects.filter(repo=repo)}
    assert rows == {("", ".gitattributes"): first, ("", "dir"): done.oid, ("dir", "a.txt"): done.oid}
    _commit(repo, DeleteFile("dir/a.txt"))
    assert LastCommit.objects.filter(repo=repo).count() == 1


def test_no_change_makes_no_commit() -> None:
    repo = make_repo()
    done = _commit(repo, AddBytes("a", b"a"))
    again = _commit(repo, AddBytes("a", b"a"))
    assert (again.is_new, again.oid) == (False, done.oid)


def test_signal_comes_once_with_both_oids() -> None:
    repo = make_repo()
    heard: list[dict] = []

    def hear(**facts: object) -> None:
        heard.append(facts)

    commit_created.connect(hear)
    before = repo.head_oid
    done = _commit(repo, AddBytes("a", b"a"))
    commit_created.disconnect(hear)
    assert [(f["repo_pk"], f["ref"], f["old_oid"], f["new_oid"]) for f in heard] == [
        (repo.pk, "refs/heads/main", before, done.oid)
    ]


@pytest.mark.parametrize("revision", ["none", "v1", "refs/tags/v1", "refs/heads/none", ""])
def test_only_branches_take_commits(revision: str) -> None:
    repo = make_repo()
    create_tag(repo, actor=Viewer(user=repo.created_by), name="v1", revision="main")
    with pytest.raises(RevisionNotFound):
        _commit(repo, AddBytes("a", b"a"), revision=revision)


def test_stale_parent_is_refused() -> None:
    repo = make_repo()
    first = repo.head_oid
    _commit(repo, AddBytes("a", b"a"))
    stored = upload_object(repo, b"x" * 100)
    for operation in (AddBytes("b", b"b"), AddPointer("big.weird", stored.sha256, 100)):
        with pytest.raises(PreconditionFailed):
            _commit(repo, operation, parent_oid=first[:8])
    _commit(repo, AddPointer("big.weird", stored.sha256, 100), parent_oid=repo.head_oid[:8])


def test_large_file_outside_the_patterns_gets_a_line() -> None:
    repo = make_repo()
    commit_large_file(repo, repo.created_by, "data/big.weird", b"\0" * 50)
    text = content.read_text(content.at_revision(repo), ".gitattributes", 10_000)
    assert text.endswith("data/big.weird filter=lfs diff=lfs merge=lfs -text\n")
    entry = content.get_entry(content.at_revision(repo), "data/big.weird")
    assert (entry.size, entry.lfs.size) == (50, 50)
    assert content.read_range(content.at_revision(repo), entry, 0, 99) == b"\0" * 50


def test_clients_own_attributes_are_kept_and_completed() -> None:
    repo = make_repo()
    stored = upload_object(repo, b"\0" * 60)
    _commit(repo, AddBytes(".gitattributes", b"*.png filter=lfs"), AddPointer("x.odd", stored.sha256, 60))
    text = content.read_text(content.at_revision(repo), ".gitattributes", 10_000)
    assert text == "*.png filter=lfs\n/x.odd filter=lfs diff=lfs merge=lfs -text\n"


def test_pointer_needs_bytes_or_right_on_a_holder_t70() -> None:
    holder = make_repo(is_private=True)
    stored = commit_large_file(holder, holder.created_by, "secret.bin", b"secret" * 20)
    thief = make_repo()
    pointer_text = AddBytes("taken.txt", format_pointer(stored.sha256, stored.size_bytes))
    for operation in (AddPointer("taken.bin", stored.sha256, stored.size_bytes), pointer_text):
        with pytest.raises(BadRequest, match="LFS object missing"):
            _commit(thief, operation)
    assert not RepoObject.objects.filter(repo=thief).exists()
    with pytest.raises(BadRequest, match="LFS object missing"):
        _commit(thief, AddPointer("none.bin", "0" * 64, 3))
    own = make_repo(holder.created_by)
    _commit(own, AddPointer("copy.bin", stored.sha256, UNKNOWN_SIZE))
    assert content.get_entry(content.at_revision(own), "copy.bin").size == stored.size_bytes


def test_declared_size_must_be_the_stored_one() -> None:
    repo = make_repo()
    stored = upload_object(repo, b"12345")
    with pytest.raises(Unprocessable):
        _commit(repo, AddPointer("a.bin", stored.sha256, 6))


def test_unreadable_front_matter_is_refused_with_its_line_t104() -> None:
    repo = make_repo()
    with pytest.raises(BadRequest) as refusal:
        _commit(repo, AddBytes("README.md", b"---\nlicense: mit\ntags: [a\n---\n"))
    assert refusal.value.data["line"] >= 3
    assert _paths(repo) == [".gitattributes"]


@pytest.mark.parametrize("path", ["../a", "a/../b", ".git/config", "a//b", "/a", "a\nb", "..\\x", ".GIT/x"])
def test_bad_paths_are_refused_t51(path: str) -> None:
    with pytest.raises((BadRequest, Unprocessable)):
        _commit(make_repo(), AddBytes(path, b"x"))


def test_plain_files_over_ten_mib_are_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="LFS"):
        _commit(make_repo(), AddBytes("a.txt", b"x" * (10 * 1024 * 1024 + 1)))


def test_quota_is_checked_where_bytes_are_linked_t75(settings) -> None:
    repo = make_repo()
    stored = upload_object(repo, b"\1" * 1000)
    settings.HUB_QUOTA_BYTES = Repo.objects.get(pk=repo.pk).storage_bytes + 999
    with pytest.raises(PayloadTooLarge, match="quota"):
        _commit(repo, AddPointer("a.bin", stored.sha256, 1000))
    assert not RepoObject.objects.filter(repo=repo).exists()
    settings.HUB_QUOTA_BYTES += 1000
    _commit(repo, AddPointer("a.bin", stored.sha256, 1000))


def test_reconciler_catches_up_after_a_kill_between_ref_and_rows_t160() -> None:
    repo = make_repo()
    author = Signature("x", "x@example.org")
    done = write_commit(repo.git_path, "refs/heads/main", [AddBytes("late.txt", b"x")], message="late", author=author)
    assert Repo.objects.get(pk=repo.pk).head_oid != done.oid
    assert care.reconcile_recent() == 1
    assert Repo.objects.get(pk=repo.pk).head_oid == done.oid
    assert LastCommit.objects.filter(repo=repo, name="late.txt", oid=done.oid).exists()
    assert care.reconcile_recent() == 0


def test_branches_have_their_own_last_commits() -> None:
    repo = make_repo(files={"a.txt": b"1"})
    actor = Viewer(user=repo.created_by)
    create_branch(repo, actor=actor, name="dev")
    commit_files(repo, repo.created_by, {"b.txt": b"2"}, revision="dev")
    names = lambda ref: set(LastCommit.objects.filter(repo=repo, ref=ref).values_list("name", flat=True))  # noqa: E731
    assert names("refs/heads/main") == {".gitattributes", "a.txt"}
    assert names("refs/heads/dev") == {".gitattributes", "a.txt", "b.txt"}
    squashed = super_squash(repo, actor=actor, revision="dev", message="one")
    assert set(LastCommit.objects.filter(repo=repo, ref="refs/heads/dev").values_list("oid", flat=True)) == {
        squashed.oid
    }
    delete_branch(repo, actor=actor, name="dev")
    assert names("refs/heads/dev") == set()
    with pytest.raises(HubError, match="Cannot delete refs/heads/main"):
        delete_branch(repo, actor=actor, name="main")


def test_deleted_while_committing_is_no_server_error_t175() -> None:
    repo = make_repo()
    repos.delete_repo(Viewer(user=repo.created_by), repo)
    Repo.objects.filter(pk=repo.pk).delete()
    with pytest.raises(HubError):
        _commit(repo, AddBytes("a", b"a"))
