"""Pull requests: heads in the owner's repo, commits by right and state, merges that survive a kill, and who pays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from community.enums import EventKind, Status
from community.models import Discussion
from community.queries import events_of, get_discussion, has_open_pull_request
from community.services import pulls
from community.services.discussions import change_discussion_status
from hub.accounts.auth import ANONYMOUS, Viewer
from hub.core.errors import (
    AuthenticationRequired,
    BadRequest,
    Conflict,
    EntryNotFound,
    GatedRepo,
    PayloadTooLarge,
    PermissionDenied,
    PreconditionFailed,
    RevisionNotFound,
)
from hub.repos import content
from hub.repos.enums import Gating
from hub.repos.models import GuestBytes, Ref, Repo, RepoObject
from hub.repos.provenance import foreign_commits, pull_request_of
from hub.repos.services import lfs, locks, pull_heads
from hub.repos.services.commits import AddBytes, AddPointer, DeleteFile, create_commit
from hub.repos.services.mirror import follow_refs
from hub.repos.services.repos import update_repo_settings
from hub.storage.git.maintenance import collect_garbage
from hub.storage.git.merges import MergeConflict
from hub.storage.lfs import transfer
from hub.storage.lfs.objects import put_object
from hub.storage.models import UploadSession
from inference.queries import serving_of
from tests.factories.accounts import make_user
from tests.factories.community import make_discussion, make_pull_request
from tests.factories.repos import commit_files, make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def repo() -> Repo:
    return make_repo(files={"a.txt": b"1\n2\n3\n", "README.md": b"# Hi\n"})


@pytest.fixture
def owner(repo) -> Viewer:
    return Viewer(user=repo.created_by)


@pytest.fixture
def guest() -> Viewer:
    return Viewer(user=make_user(password=None))


def _add(viewer: Viewer, repo: Repo, revision: str, **files: bytes):
    operations = [AddBytes(f"{name}.txt", data) for name, data in files.items()]
    return pulls.commit_to_pull_request(viewer, repo, revision, operations=operations, message="More")


def _names(repo: Repo, revision: str) -> list[str]:
    return sorted(entry.path for entry in content.walk_files(content.at_revision(repo, revision)))


def _tip(repo: Repo, revision: str = "main") -> str:
    return content.at_revision(repo, revision).oid


def _upload(repo: Repo, actor: Viewer, data: bytes):
    """A finished upload by ``actor``, on whoever's quota that is."""
    stored = put_object([data])
    session = transfer.begin_basic_upload(
        sha256=stored.sha256, size_bytes=len(data), repo_key=lfs.repo_key(repo), owner_key=lfs.owner_key(repo, actor)
    )
    UploadSession.objects.filter(pk=session.pk).update(state="complete")
    return stored


# --- open ------------------------------------------------------------------------------------------------------------


def test_a_draft_begins_at_the_head_of_the_default_branch(repo, guest) -> None:
    draft = pulls.create_pull_request(guest, repo, title="A plan", description="Soon")
    assert (draft.num, draft.status, draft.base_ref) == (1, Status.DRAFT, "refs/heads/main")
    assert _tip(repo, "refs/pr/1") == _tip(repo)
    assert [event.kind for event in events_of(draft)] == [EventKind.COMMENT]
    assert Repo.objects.get(pk=repo.pk).discussions_open == 1


def test_one_commit_on_top_of_the_base_opens_a_pull_request(repo, guest) -> None:
    before = _tip(repo)
    opened = make_pull_request(repo, guest.user, files={"b.txt": b"b"}, title="Add b")
    assert (opened.title, opened.status, opened.author) == ("Add b", Status.OPEN, guest.user)
    head = content.get_commit(content.at_revision(repo, "refs/pr/1"))
    assert (head.parents, head.author.name) == ((before,), guest.user.username)
    assert _tip(repo) == before
    events = list(events_of(opened))
    assert [(event.kind, event.data) for event in events] == [
        ("comment", {}),
        ("commit", {"subject": "Add b", "oid": head.oid}),
    ]
    assert events[1].author == guest.user


@pytest.mark.parametrize("branch", ["missing", "", "refs/tags/v1", "refs/pr/1"])
def test_pull_requests_go_to_branches_only(repo, owner, branch) -> None:
    for wrong in (branch, _tip(repo)):
        with pytest.raises(RevisionNotFound):
            pulls.create_pull_request_with_commit(
                owner, repo, branch=wrong, operations=[AddBytes("b", b"b")], message="No"
            )
    assert not Discussion.objects.exists()


def test_a_refused_commit_opens_nothing_and_leaves_no_gap(repo, guest) -> None:
    for operations, parent, error in (
        ([DeleteFile("missing")], None, EntryNotFound),
        ([AddBytes("../x", b"x")], None, BadRequest),
        ([AddPointer("w.bin", "0" * 64, 5)], None, BadRequest),
        ([AddBytes("b", b"b")], "abcdef", PreconditionFailed),
    ):
        with pytest.raises(error):
            pulls.create_pull_request_with_commit(
                guest, repo, branch="main", operations=operations, message="No", parent_oid=parent
            )
    assert not Ref.objects.filter(repo=repo, name__startswith="refs/pr/").exists()
    assert make_pull_request(repo, guest.user).num == 1


def test_who_cannot_read_files_proposes_none(repo, owner, guest) -> None:
    with pytest.raises(AuthenticationRequired):
        pulls.create_pull_request(ANONYMOUS, repo, title="Hello")
    gated = update_repo_settings(owner, repo, gated=Gating.MANUAL)
    with pytest.raises(GatedRepo):
        pulls.create_pull_request(guest, gated, title="Hello")
    closed = update_repo_settings(owner, repo, gated=Gating.OFF, are_discussions_disabled=True)
    with pytest.raises(PermissionDenied):
        pulls.create_pull_request(guest, closed, title="Hello")


# --- commits ---------------------------------------------------------------------------------------------------------


def test_authors_and_writers_add_commits_others_do_not_t58(repo, owner, guest) -> None:
    make_pull_request(repo, guest.user)
    oids = [_add(viewer, repo, "refs/pr/1", **{name: b"x"}).oid for viewer, name in ((guest, "b"), (owner, "c"))]
    with pytest.raises(PermissionDenied):
        _add(Viewer(user=make_user(password=None)), repo, "refs/pr/1", d=b"x")
    events = [event for event in events_of(get_discussion(repo, 1)) if event.kind == EventKind.COMMIT]
    assert [(event.oid, event.author) for event in events[1:]] == [*zip(oids, (guest.user, owner.user), strict=True)]


@pytest.mark.parametrize("revision", ["refs/pr/2", "refs/pr/1", "refs/pr/x", "refs/pr/99999999999"])
def test_what_is_no_pull_request_takes_no_commit(repo, owner, revision) -> None:
    make_discussion(repo)  # number 1
    with pytest.raises(RevisionNotFound):
        _add(owner, repo, revision, b=b"x")


def test_branch_commits_do_not_reach_heads_of_pull_requests(repo, owner, guest) -> None:
    """The web form and drafts commit to branches; state and right of a pull request are asked elsewhere."""
    make_pull_request(repo, guest.user)
    with pytest.raises(RevisionNotFound):
        create_commit(repo, actor=owner, revision="refs/pr/1", operations=[AddBytes("b", b"b")], message="No")


def test_closed_and_merged_ones_take_no_commit_and_stay_readable(repo, owner, guest) -> None:
    for number, end in ((1, "close"), (2, "merge")):
        opened = make_pull_request(repo, guest.user, files={f"{end}.txt": b"x"})
        if end == "close":
            change_discussion_status(guest, opened, new_status=Status.CLOSED)
        else:
            pulls.merge_pull_request(owner, opened)
        with pytest.raises(Conflict):
            _add(guest, repo, f"refs/pr/{number}", b=b"x")
        assert f"{end}.txt" in _names(repo, f"refs/pr/{number}")
    assert not has_open_pull_request(guest, repo)


def test_a_commit_does_not_slip_in_behind_a_closing(repo, guest, monkeypatch) -> None:
    """The state is asked again under the repo's lock: the first look was too early."""
    opened = make_pull_request(repo, guest.user)
    head = _tip(repo, "refs/pr/1")
    monkeypatch.setattr(pulls, "require_open_head", lambda *_: opened)
    change_discussion_status(guest, opened, new_status=Status.CLOSED)
    with pytest.raises(Conflict, match="meanwhile"):
        _add(guest, repo, "refs/pr/1", b=b"x")
    assert _tip(repo, "refs/pr/1") == head


# --- merge -----------------------------------------------------------------------------------------------------------


def test_merging_makes_one_commit_of_the_author(repo, owner, guest) -> None:
    opened = make_pull_request(repo, guest.user, files={"b.txt": b"b"}, title="Add b")
    _add(guest, repo, "refs/pr/1", c=b"c")
    parent = commit_files(repo, owner.user, {"own.txt": b"o"}).oid
    merged = pulls.merge_pull_request(owner, opened, comment="Thanks")
    commit = content.get_commit(content.at_revision(repo, "main"))
    assert (merged.status, merged.merge_oid, merged.merged_by) == (Status.MERGED, commit.oid, owner.user)
    assert (commit.title, commit.parents) == ("Add b (#1)", (parent,))
    assert (commit.author.name, commit.committer.name) == (guest.user.username, owner.user.username)
    assert commit.message.splitlines()[0].startswith("- Add b (")
    assert {"b.txt", "c.txt", "own.txt", "a.txt"} <= set(_names(repo, "main"))
    fresh = Repo.objects.get(pk=repo.pk)
    assert (fresh.head_oid, fresh.discussions_open) == (commit.oid, 0)
    assert [(event.kind, event.body, event.data) for event in events_of(merged)][-2:] == [
        ("comment", "Thanks", {}),
        ("status-change", "", {"status": "merged"}),
    ]


def test_merging_again_is_harmless_t162(repo, owner, guest) -> None:
    opened = make_pull_request(repo, guest.user)
    first = pulls.merge_pull_request(owner, opened)
    again = pulls.merge_pull_request(owner, opened)
    assert (again.merge_oid, _tip(repo), again.events.count()) == (first.merge_oid, first.merge_oid, 3)


def test_only_writers_merge_and_only_what_is_open(repo, owner, guest) -> None:
    opened, before = make_pull_request(repo, guest.user), _tip(repo)
    with pytest.raises(PermissionDenied):
        pulls.merge_pull_request(guest, opened)
    change_discussion_status(guest, opened, new_status=Status.DRAFT)
    with pytest.raises(Conflict, match="draft"):
        pulls.merge_pull_request(owner, opened)
    change_discussion_status(guest, opened, new_status=Status.CLOSED)
    with pytest.raises(Conflict, match="closed"):
        pulls.merge_pull_request(owner, opened)
    with pytest.raises(BadRequest):
        pulls.merge_pull_request(owner, make_discussion(repo))
    assert _tip(repo) == before


def test_conflicts_are_listed_and_stop_the_merge(repo, owner, guest) -> None:
    opened = make_pull_request(repo, guest.user, files={"a.txt": b"theirs\n"})
    assert pulls.find_conflicts(opened) == []
    ours = commit_files(repo, owner.user, {"a.txt": b"ours\n"}).oid
    assert pulls.find_conflicts(opened) == ["a.txt"]
    with pytest.raises(MergeConflict):
        pulls.merge_pull_request(owner, opened)
    assert (_tip(repo), get_discussion(repo, 1).status) == (ours, Status.OPEN)


def test_files_that_others_locked_are_not_merged_t76(repo, owner, guest) -> None:
    opened, before = make_pull_request(repo, guest.user, files={"a.txt": b"theirs\n"}), _tip(repo)
    lock = locks.create_lock(repo, actor=owner, path="a.txt")
    type(lock).objects.filter(pk=lock.pk).update(owner=make_user(password=None))
    with pytest.raises(Conflict, match="locked"):
        pulls.merge_pull_request(owner, opened)
    assert (_tip(repo), get_discussion(repo, 1).status) == (before, Status.OPEN)


class _Killed(BaseException):
    """The process dies here."""


def _kill(*_: object, **__: object) -> None:
    raise _Killed


@pytest.mark.parametrize("finish", ["repeat", "reconciler", "task"])
@pytest.mark.parametrize("point", ["prepared", "noted", "moved", "marked"])
def test_a_merge_killed_at_any_point_is_whole_or_was_not_t162(repo, owner, guest, monkeypatch, point, finish) -> None:
    opened, before = make_pull_request(repo, guest.user), _tip(repo)
    places = {
        "prepared": (pull_heads, "apply_merge"),  # below
        "noted": (pull_heads, "apply_merge"),
        "moved": (pulls, "_set_merged"),
        "marked": (pulls, "follow_refs"),
    }
    with monkeypatch.context() as patched:
        if point == "prepared":
            prepare = pull_heads.prepare_merge

            def prepare_and_die(*arguments, **named):
                prepare(*arguments, **named)
                raise _Killed

            patched.setattr(pull_heads, "prepare_merge", prepare_and_die)
        else:
            patched.setattr(*places[point], _kill)
        with pytest.raises(_Killed):
            pulls.merge_pull_request(owner, opened)
    has_moved = _tip(repo) != before
    assert has_moved == (point in ("moved", "marked"))
    if finish == "repeat":
        pulls.merge_pull_request(owner, opened)
    elif finish == "reconciler":
        follow_refs(repo.pk)
    else:
        pulls.finish_merges()
        follow_refs(repo.pk)
    is_merged = has_moved or finish == "repeat"
    found = get_discussion(repo, 1)
    assert found.status == (Status.MERGED if is_merged else Status.OPEN)
    assert found.merge_oid == (_tip(repo) if is_merged else "")
    assert Repo.objects.get(pk=repo.pk).head_oid == _tip(repo)
    commits = content.list_commits(content.at_revision(repo, "main"))
    assert sum(commit.title.endswith("(#1)") for commit in commits) == is_merged


def test_heads_whose_opening_died_are_swept(repo, guest, monkeypatch) -> None:
    kept = make_pull_request(repo, guest.user)
    with monkeypatch.context() as patched:
        patched.setattr(pulls, "open_thread", _kill)
        with pytest.raises(_Killed):
            make_pull_request(repo, guest.user)
    assert pulls.sweep_orphans() == 0  # it may still be running
    Ref.objects.filter(name__startswith="refs/pr/").update(updated_at=timezone.now() - timedelta(hours=2))
    assert pulls.sweep_orphans() == 1
    assert [ref.ref for ref in content.list_refs(repo).pull_requests] == [kept.head_ref]
    assert make_pull_request(repo, guest.user).num == 3


def test_the_diff_is_what_the_pull_request_changed_before_and_after_the_merge(repo, owner, guest) -> None:
    opened = make_pull_request(repo, guest.user, files={"b.txt": b"b\n"})
    commit_files(repo, owner.user, {"own.txt": b"o"})
    assert [file.path for file in pulls.get_diff(opened).files] == ["b.txt"]
    merged = pulls.merge_pull_request(owner, opened)
    assert [file.path for file in pulls.get_diff(merged).files] == ["b.txt"]


# --- strangers' files in the owner's repo (T196) ---------------------------------------------------------------------


def test_commits_of_pull_requests_are_told_from_the_repos_own_t196(repo, owner, guest) -> None:
    opened, before = make_pull_request(repo, guest.user), _tip(repo)
    head = _tip(repo, "refs/pr/1")
    repo.refresh_from_db()

    def said(revision: str) -> int | None:
        return pull_request_of(content.at_revision(repo, revision))

    assert [said(revision) for revision in ("refs/pr/1", head, head[:8], "main", before)] == [1, 1, 1, None, None]
    assert foreign_commits(content.at_revision(repo, "refs/pr/1")) == {head}
    pulls.create_pull_request(guest, repo, title="Empty so far")
    assert said("refs/pr/2") is None  # it stands on main
    merged = pulls.merge_pull_request(owner, opened)
    assert [said(merged.merge_oid), said(head), said("main")] == [None, 1, None]


def test_inference_runs_no_pull_request_t196(guest) -> None:
    repo = make_repo()
    make_pull_request(repo, guest.user, files={"config.json": b"{}"})
    for revision in ("refs/pr/1", _tip(repo, "refs/pr/1")):
        with pytest.raises(RevisionNotFound):
            serving_of(repo, revision)


def test_pull_requests_do_not_move_a_repo_up_in_lists_t196(repo, guest) -> None:
    before = Repo.objects.get(pk=repo.pk)
    make_pull_request(repo, guest.user)
    after = Repo.objects.get(pk=repo.pk)
    assert (after.updated_at, after.head_oid) == (before.updated_at, before.head_oid)


def test_strangers_bytes_count_on_their_own_quota_until_they_are_merged_t196(repo, owner, guest, settings) -> None:
    large = _upload(repo, guest, b"\1" * 4000)
    owners = lfs.stored_bytes(repo.namespace_id)
    opened, _result = pulls.create_pull_request_with_commit(
        guest,
        repo,
        branch="main",
        operations=[AddPointer("w.bin", large.sha256, 4000), AddBytes("plain.txt", b"x" * 500)],
        message="Add weights",
    )
    guests = guest.user.namespace_id
    assert (lfs.stored_bytes(repo.namespace_id), lfs.stored_bytes(guests)) == (owners, 4500)
    settings.HUB_QUOTA_BYTES = 4600
    with pytest.raises(PayloadTooLarge):
        _add(guest, repo, "refs/pr/1", more=b"x" * 200)
    settings.HUB_QUOTA_BYTES = owners + 4000
    with pytest.raises(PayloadTooLarge):  # the owner has no room for it
        pulls.merge_pull_request(owner, opened)
    assert get_discussion(repo, 1).status == Status.OPEN
    settings.HUB_QUOTA_BYTES = 0
    pulls.merge_pull_request(owner, opened)
    assert (lfs.stored_bytes(repo.namespace_id), lfs.stored_bytes(guests)) == (owners + 4500, 0)
    assert not RepoObject.objects.filter(payer__isnull=False).exists()


def test_strangers_link_only_what_they_sent_themselves_t70(repo, owner, guest) -> None:
    """Knowing the hash of what the owner has sent, and not committed, is no right to it."""
    private = _upload(repo, owner, b"\2" * 100)
    assert lfs.present(repo, [private.sha256], actor=guest) == set()
    with pytest.raises(BadRequest):
        pulls.create_pull_request_with_commit(
            guest, repo, branch="main", operations=[AddPointer("w.bin", private.sha256, 100)], message="Steal"
        )
    assert not RepoObject.objects.filter(repo=repo, sha256=private.sha256).exists()


def test_removed_pull_requests_free_what_they_held_t196(repo, owner, guest) -> None:
    large = _upload(repo, guest, b"\3" * 3000)
    opened, result = pulls.create_pull_request_with_commit(
        guest, repo, branch="main", operations=[AddPointer("w.bin", large.sha256, 3000)], message="Add weights"
    )
    with pytest.raises(Conflict):
        pulls.delete_pull_request_ref(owner, opened)
    change_discussion_status(guest, opened, new_status=Status.CLOSED)
    with pytest.raises(PermissionDenied):
        pulls.delete_pull_request_ref(guest, opened)
    pulls.delete_pull_request_ref(owner, opened)
    assert pulls.drop_removed_files() == 0  # git still holds the pointer
    collect_garbage(repo.git_path, prune_age_s=0)
    assert pulls.drop_removed_files() == 1
    assert lfs.stored_bytes(guest.user.namespace_id) == 0
    assert not GuestBytes.objects.exists()
    for revision in ("refs/pr/1", result.oid):
        with pytest.raises(RevisionNotFound):
            content.at_revision(repo, revision)
    with pytest.raises(Conflict):
        change_discussion_status(guest, get_discussion(repo, 1), new_status=Status.OPEN)
    assert len(events_of(opened)) == 4
