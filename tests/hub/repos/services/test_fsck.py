"""Every defect that is seeded is found, and repaired where it can be derived (T191)."""

from __future__ import annotations

import pytest

from hub.repos.models import LastCommit, Ref, Repo, RepoObject
from hub.repos.services.fsck import check_all
from hub.storage import blobs
from hub.storage.git.repository import create_repository
from hub.storage.models import LfsObject
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db(transaction=True)


def _codes(**options: bool) -> list[str]:
    return sorted(finding.code for finding in check_all(**options))


def test_sound_hub_has_no_findings() -> None:
    repo = make_repo(files={"dir/a.txt": b"a"})
    commit_large_file(repo, repo.created_by, "w.bin", b"\1" * 100)
    assert _codes(deep=True) == []


def test_rows_that_lag_are_found_and_repaired() -> None:
    repo = make_repo(files={"a.txt": b"a"})
    Ref.objects.filter(repo=repo).update(oid="0" * 40)
    Repo.objects.filter(pk=repo.pk).update(head_oid="0" * 40)
    LastCommit.objects.filter(repo=repo, name="a.txt").delete()
    assert _codes() == ["head_differs", "last_commits_differ", "ref_differs"]
    assert "ref_differs" in _codes(repair=True)
    assert _codes() == []


def test_lost_and_changed_bytes_are_named() -> None:
    repo = make_repo()
    lost = commit_large_file(repo, repo.created_by, "lost.bin", b"\1" * 100)
    changed = commit_large_file(repo, repo.created_by, "changed.bin", b"\2" * 100)
    store = blobs.get_blob_store()
    path = store.local_path(changed.sha256)
    path.chmod(0o600)
    path.write_bytes(b"\3" * 100)
    store.delete(lost.sha256)
    found = {finding.code: finding for finding in check_all(deep=True)}
    assert found["blob_missing"].subject == lost.sha256
    assert repo.repo_id in found["blob_missing"].text
    assert found["blob_corrupt"].subject == changed.sha256


def test_pointer_without_leave_is_named() -> None:
    repo = make_repo()
    stored = commit_large_file(repo, repo.created_by, "w.bin", b"\1" * 100)
    RepoObject.objects.filter(repo=repo).delete()
    (finding,) = [finding for finding in check_all() if finding.code == "pointer_unlinked"]
    assert "w.bin" in finding.text
    assert stored.sha256 in finding.text


def test_orphans_and_unindexed_bytes_are_repaired() -> None:
    repo = make_repo()
    create_repository(Repo(pk=repo.pk + 1000).git_path)
    stored = commit_large_file(repo, repo.created_by, "w.bin", b"\1" * 100)
    LfsObject.objects.filter(pk=stored.pk).delete()
    assert _codes(repair=True) == ["blob_unindexed", "git_orphan", "object_unknown"]
    assert _codes() == []
