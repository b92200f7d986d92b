"""Quota: what lies on the disk counts, committed or not (T75); what nobody committed goes in the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.core.errors import PayloadTooLarge
from hub.repos.services import lfs
from hub.repos.tasks import purge_deleted_task
from hub.storage.gc import sweep_expired_uploads
from hub.storage.models import LfsObject, UploadSession
from tests.factories.repos import commit_large_file, make_repo, upload_object

pytestmark = pytest.mark.django_db(transaction=True)


def test_sent_and_never_committed_counts_against_the_quota_t75(settings) -> None:
    settings.HUB_QUOTA_BYTES = 10_000
    repo = make_repo()
    upload_object(repo, b"\1" * 6000)
    assert lfs.uncommitted_bytes(repo) == 6000
    with pytest.raises(PayloadTooLarge):
        lfs.begin_upload(repo, sha256="a" * 64, size_bytes=6000, in_parts=False)
    lfs.begin_upload(repo, sha256="b" * 64, size_bytes=3000, in_parts=False)
    assert lfs.uncommitted_bytes(make_repo()) == 0


def test_committed_files_count_once() -> None:
    repo = make_repo()
    commit_large_file(repo, repo.created_by, "w.bin", b"\1" * 500)
    assert lfs.uncommitted_bytes(repo) == 0
    assert lfs.stored_bytes(repo.namespace_id) >= 500


def test_daily_task_frees_what_was_never_committed() -> None:
    repo = make_repo()
    kept = commit_large_file(repo, repo.created_by, "w.bin", b"\1" * 500)
    upload_object(repo, b"\2" * 500)
    long_ago = timezone.now() - timedelta(days=9)
    UploadSession.objects.update(expires_at=long_ago)
    LfsObject.objects.update(verified_at=long_ago)
    sweep_expired_uploads()
    purge_deleted_task()
    assert [stored.sha256 for stored in LfsObject.objects.all()] == [kept.sha256]
