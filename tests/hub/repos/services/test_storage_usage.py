"""What repos take: the numbers of the storage pages are those that the quota check uses."""

from __future__ import annotations

import pytest

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.core.errors import PayloadTooLarge
from hub.repos.models import Repo, RepoObject
from hub.repos.services import lfs, storage_usage
from hub.repos.services.commits import AddPointer, DeleteFile, create_commit
from hub.repos.services.counters import recount_storage
from hub.repos.services.mirror import follow_refs
from hub.repos.services.pull_heads import create_head
from hub.repos.services.repos import delete_repo
from hub.repos.services.storage_usage import Place
from hub.storage.git.refs import create_branch, delete_branch
from hub.storage.git.repository import open_repository
from hub.storage.lfs import transfer
from tests.factories.accounts import make_user
from tests.factories.repos import commit_large_file, make_repo, upload_object

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann() -> User:
    return make_user("ann", password=None)


@pytest.fixture
def repo(ann: User) -> Repo:
    """Live: 3,000 bytes; in history 2,000; only on another branch 1,500; only in a pull request 1,000; unnamed 500."""
    repo = make_repo(ann, "model", files={"README.md": b"# Model\n"})
    commit_large_file(repo, ann, "old.bin", b"o" * 2000)
    git = open_repository(repo.git_path)
    create_branch(git, "side", repo.head_oid)
    _commit(repo, ann, "side.bin", b"s" * 1500, "side")
    create_branch(git, "draft", repo.head_oid)
    head = _commit(repo, ann, "pull.bin", b"p" * 1000, "draft")
    create_head(repo, "refs/pr/1", head, actor_pk=ann.pk)
    delete_branch(git, "draft")
    follow_refs(repo.pk)
    commit_large_file(repo, ann, "folder/live.bin", b"l" * 3000)
    create_commit(
        repo, actor=Viewer(user=ann), revision="main", operations=[DeleteFile("old.bin")], message="Remove old.bin"
    )
    lfs.link_objects(repo, actor=Viewer(user=ann), sha256s=[upload_object(repo, b"u" * 500).sha256])
    repo.refresh_from_db()
    return repo


def _commit(repo: Repo, ann: User, path: str, data: bytes, revision: str) -> str:
    stored = upload_object(repo, data)
    pointer = AddPointer(path, stored.sha256, len(data))
    actor = Viewer(user=ann)
    return create_commit(repo, actor=actor, revision=revision, operations=[pointer], message=f"Add {path}").oid


def test_bytes_are_found_where_they_are(repo: Repo) -> None:
    usage = storage_usage.repo_usage(repo)
    assert usage.by_place == {Place.LIVE: 3000, Place.HISTORY: 3500, Place.PULL: 1000, Place.UNUSED: 500}
    assert (usage.large_bytes, usage.large_count) == (8000, 5)
    files = storage_usage.list_large_files(repo)
    assert [(file.path, file.place, file.size_bytes) for file in files] == [
        ("folder/live.bin", Place.LIVE, 3000),
        ("old.bin", Place.HISTORY, 2000),
        ("side.bin", Place.HISTORY, 1500),
        ("pull.bin", Place.PULL, 1000),
        ("", Place.UNUSED, 500),
    ]


def test_a_moved_ref_is_seen_at_once(repo: Repo, ann: User) -> None:
    assert storage_usage.places_of(repo)
    delete_branch(open_repository(repo.git_path), "side")
    follow_refs(repo.pk)
    places = {file.path: file.place for file in storage_usage.list_large_files(repo)}
    assert places[""] is Place.UNUSED
    assert "side.bin" not in places


def test_numbers_equal_what_the_quota_check_uses(repo: Repo, ann: User, settings: object) -> None:
    """T75: the page's sum, and one byte more or less, decide whether an upload is taken."""
    upload_object(repo, b"x" * 700)  # sent, not committed
    other = make_repo(ann, "other")
    commit_large_file(other, ann, "o.bin", b"z" * 400)
    transfer.begin_basic_upload(
        sha256="a" * 64, size_bytes=300, repo_key=lfs.repo_key(other), owner_key=lfs.owner_key(other)
    )
    delete_repo(Viewer(user=ann), other)
    recount_storage(repo)
    usage = storage_usage.namespace_usage(ann.namespace)
    assert usage.stored_bytes == lfs.stored_bytes(ann.namespace_id)
    assert usage.uncommitted_bytes == lfs.uncommitted_bytes(repo) == 700
    assert usage.uploading_bytes == transfer.reserved_bytes(lfs.owner_key(repo)) == 300
    other.refresh_from_db()
    repo.refresh_from_db()
    assert usage.deleted_bytes == other.storage_bytes
    assert usage.stored_bytes == repo.storage_bytes + other.storage_bytes
    shown = storage_usage.repo_usage(repo)
    assert shown.counted_bytes == repo.storage_bytes == shown.large_bytes + shown.git_bytes
    assert shown.uncommitted_bytes == 700
    settings.HUB_QUOTA_BYTES = usage.counted_bytes + 100  # type: ignore[attr-defined]
    assert lfs.room_bytes(repo) == 100
    lfs.begin_upload(repo, sha256="b" * 64, size_bytes=100, in_parts=False)
    with pytest.raises(PayloadTooLarge):
        lfs.begin_upload(repo, sha256="c" * 64, size_bytes=1, in_parts=False)


def test_preview_says_what_a_delete_would_free(repo: Repo, ann: User) -> None:
    by_path = {file.path: file.sha256 for file in storage_usage.list_large_files(repo)}
    found = storage_usage.preview_delete(repo, [by_path["folder/live.bin"], by_path["old.bin"], "f" * 64, "nonsense"])
    assert [file.path for file in found.files] == ["folder/live.bin", "old.bin"]
    assert (found.quota_bytes, found.disk_bytes, found.live_paths) == (5000, 5000, ("folder/live.bin",))
    assert storage_usage.history_only(repo) == [by_path["old.bin"], by_path["side.bin"]]


def test_what_strangers_pay_for_does_not_count(repo: Repo) -> None:
    """T196: a guest's file in a pull request is shown, and counts for the guest."""
    dora = make_user("dora", password=None)
    pull = next(file for file in storage_usage.list_large_files(repo) if file.path == "pull.bin")
    RepoObject.objects.filter(pk=pull.pk).update(payer=dora.namespace)
    recount_storage(repo)
    usage = storage_usage.repo_usage(repo)
    assert (usage.guest_bytes, usage.by_place[Place.PULL], usage.large_bytes) == (1000, 0, 7000)
    assert storage_usage.preview_delete(repo, [pull.sha256]).quota_bytes == 0
    assert storage_usage.namespace_usage(dora.namespace).guest_bytes == 1000


def test_list_goes_on_behind_the_last(repo: Repo) -> None:
    first = storage_usage.list_large_files(repo, limit=2)
    assert len(first) == 3
    rest = storage_usage.list_large_files(repo, after=(first[1].size_bytes, first[1].pk), limit=10)
    assert [file.size_bytes for file in rest] == [1500, 1000, 500]


def test_repo_without_large_files(ann: User) -> None:
    repo = make_repo(ann, "plain")
    usage = storage_usage.repo_usage(repo)
    assert (usage.large_bytes, usage.disk_bytes, usage.counted_bytes) == (0, 0, usage.git_bytes)
    assert storage_usage.list_large_files(repo) == []
    assert storage_usage.preview_delete(repo, ["a" * 64]).files == ()
