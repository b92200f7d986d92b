"""Drafts of the web form: what is asked for, what is here, what is committed."""

from __future__ import annotations

import hashlib

import pytest

from hub.accounts.auth import Viewer
from hub.core.errors import Conflict, EntryNotFound, PayloadTooLarge, Unprocessable
from hub.repos import content
from hub.repos.models import Repo, UploadDraft
from hub.repos.services import uploads
from hub.repos.services.uploads import WantedFile
from hub.storage.lfs import transfer
from hub.storage.models import UploadSession
from tests.factories.accounts import make_user
from tests.factories.repos import commit_large_file, make_repo, upload_object

pytestmark = pytest.mark.django_db(transaction=True)


def _wanted(path: str, data: bytes) -> WantedFile:
    return WantedFile(path, len(data), data[:512], hashlib.sha256(data).hexdigest())


def _draft(repo: Repo) -> UploadDraft:
    return uploads.create_draft(repo, author=Viewer(user=repo.created_by))


def test_server_decides_mode_and_says_what_is_here() -> None:
    repo = make_repo()
    commit_large_file(repo, repo.created_by, "old.bin", b"\1" * 100)
    wanted = [
        _wanted("a.txt", b"text"),
        _wanted("new.bin", b"\2" * 99),
        _wanted("old.bin", b"\1" * 100),
        _wanted("e", b""),
    ]
    files = uploads.register_files(_draft(repo), wanted)
    assert [(file.path, file.is_large, file.is_stored) for file in files] == [
        ("a.txt", False, False),
        ("new.bin", True, False),
        ("old.bin", True, True),
        ("e", False, True),
    ]


def test_large_file_begins_in_parts_and_resumes() -> None:
    draft = _draft(make_repo())
    size = uploads.IN_PARTS_FROM_BYTES + 1
    (file,) = uploads.register_files(draft, [WantedFile("m.bin", size, None, "a" * 64)])
    first = uploads.begin_file(draft, file_id=file.pk)
    again = uploads.begin_file(draft, file_id=file.pk)
    assert [number for number, _ in first.parts] == [number for number, _ in again.parts] == [1, 2]
    assert UploadSession.objects.count() == 1
    uploads.abandon(draft)
    assert UploadSession.objects.get().state == "aborted"
    assert transfer.reserved_bytes(UploadSession.objects.get().owner_key) == 0


def test_commit_waits_for_all_files_and_closes_the_draft() -> None:
    repo = make_repo()
    draft, actor = _draft(repo), Viewer(user=repo.created_by)
    small, large = b"plain", b"\0" * 200
    files = uploads.register_files(draft, [_wanted("dir/a.txt", small), _wanted("w.bin", large), _wanted("e.txt", b"")])
    with pytest.raises(Unprocessable, match="2 files have not arrived"):
        uploads.commit_draft(draft, actor=actor, message="m")
    with pytest.raises(Unprocessable, match="has not arrived"):
        uploads.finish_file(draft, file_id=files[0].pk)
    for data, file in ((small, files[0]), (large, files[1])):
        upload_object(repo, data)
        assert uploads.finish_file(draft, file_id=file.pk).is_stored
    done = uploads.commit_draft(draft, actor=actor, message="m")
    snapshot = content.at_revision(repo)
    entries = {entry.path: entry for entry in content.walk_files(snapshot)}
    assert snapshot.oid == done.oid
    assert content.read_range(snapshot, entries["dir/a.txt"], 0, 99) == small
    assert entries["dir/a.txt"].lfs is None
    assert entries["w.bin"].lfs is not None
    assert entries["e.txt"].size == 0
    with pytest.raises(Conflict):
        uploads.commit_draft(draft, actor=actor, message="m")


def test_draft_is_its_authors_alone_t33() -> None:
    repo, other = make_repo(), make_repo()
    draft = _draft(repo)
    for place, viewer in ((other, Viewer(user=repo.created_by)), (repo, Viewer(user=make_user(password=None)))):
        with pytest.raises(EntryNotFound):
            uploads.get_draft(place, author=viewer, draft_id=draft.pk)
    assert uploads.get_draft(repo, author=Viewer(user=repo.created_by), draft_id=draft.pk) == draft
    assert uploads.list_open_drafts(repo, author=Viewer(user=repo.created_by)) == [draft]


def test_bounds() -> None:
    draft = _draft(make_repo())
    with pytest.raises(PayloadTooLarge):
        uploads.register_files(draft, [WantedFile(f"f{number}", 1, None, "a" * 64) for number in range(1001)])
    with pytest.raises(Unprocessable):
        uploads.register_files(draft, [WantedFile("f", 1, None, "short")])


def test_ignored_and_present_files_are_planned() -> None:
    repo = make_repo(files={".gitignore": b"*.log\n", "a.txt": b"a"})
    plans = uploads.plan_uploads(content.at_revision(repo), [_wanted("x.log", b"x"), _wanted("a.txt", b"a")])
    oid = content.get_entry(content.at_revision(repo), "a.txt").oid
    assert [(plan.is_ignored, plan.oid) for plan in plans] == [(True, None), (False, oid)]


def test_size_of_a_small_file_is_not_the_browsers_word_t68() -> None:
    repo = make_repo()
    draft, actor = _draft(repo), Viewer(user=repo.created_by)
    data = b"\0" * 5000
    commit_large_file(repo, repo.created_by, "large.bin", data)
    lie = WantedFile("tiny.txt", 1, b"t", hashlib.sha256(data).hexdigest())
    (file,) = uploads.register_files(draft, [lie])
    assert (file.is_large, file.is_stored) == (False, True)
    with pytest.raises(Unprocessable, match="has 5000 bytes, not 1"):
        uploads.commit_draft(draft, actor=actor, message="m")
