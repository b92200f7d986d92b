"""Rows from real commits: card, tags, library, task, parameters; and the feed that the search index reads."""

from __future__ import annotations

import json
import struct
from datetime import timedelta

import pytest
from django.utils import timezone

from hub.accounts.auth import ANONYMOUS
from hub.catalog import inspectors, search_index, services
from hub.catalog.filters import RepoFilters
from hub.catalog.models import IndexChange, RepoIndex
from hub.catalog.queries import list_repos
from hub.catalog.trending import score, update_trending
from hub.core.ids import RepoType
from hub.repos.enums import Visibility
from hub.repos.models import DownloadDay, Repo
from tests.factories.accounts import make_user, make_viewer
from tests.factories.catalog import make_row, publish_repo

pytestmark = pytest.mark.django_db


def safetensors(*, lie: bool = False) -> bytes:
    data = b"\0" * 24
    header = json.dumps({"w": {"dtype": "F16", "shape": [3, 4], "data_offsets": [0, 20 if lie else 24]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


@pytest.fixture
def viewer():
    return make_viewer(make_user("ada", password=None))


@pytest.fixture
def _no_inspector():
    before = list(inspectors._inspectors)
    inspectors._inspectors.clear()
    yield
    inspectors._inspectors[:] = before


@pytest.mark.usefixtures("_no_inspector")
def test_row_of_a_model(viewer):
    repo = publish_repo(
        viewer,
        "bert",
        card={
            "license": "MIT",
            "language": ["no", "en"],
            "tags": ["chem", "chem"],
            "datasets": ["squad"],
            "base_model": "google/bert",
            "base_model_relation": "finetune",
            "model-index": [],
        },
        body="# Bert\n\n![x](y.png)\n\nA **small** model of [words](http://a.b), see arXiv:1810.04805.\n",
        files={
            "config.json": b'{"architectures": ["BertForMaskedLM"], "model_type": "bert", "vocab_size": 9}',
            "model.safetensors": safetensors(),
        },
    )
    row = RepoIndex.objects.get(pk=repo.pk)
    assert row.tags == [
        "transformers", "safetensors", "bert", "fill-mask", "chem", "no", "en", "dataset:squad", "arxiv:1810.04805",
        "license:mit", "base_model:google/bert", "base_model:finetune:google/bert", "region:us",
    ]  # fmt: skip
    assert (row.license, row.library_name, row.pipeline_tag) == ("mit", "transformers", "fill-mask")
    assert (row.parameters, row.parameters_by_dtype) == (12, {"F16": 12})
    assert row.languages == ["no", "en"]
    assert row.summary == "A small model of words, see arXiv:1810.04805."
    assert row.config == {"architectures": ["BertForMaskedLM"], "model_type": "bert"}
    assert row.head_oid == repo.head_oid
    assert row.file_count == 4  # with .gitattributes
    assert row.card_data["license"] == "MIT"


@pytest.mark.usefixtures("_no_inspector")
def test_lying_header_gives_no_parameters(viewer):
    """T121: the numbers on a page come from checked headers alone."""
    repo = publish_repo(viewer, files={"model.safetensors": safetensors(lie=True)})
    assert RepoIndex.objects.get(pk=repo.pk).parameters is None


@pytest.mark.usefixtures("_no_inspector")
def test_inspector_decides_what_can_be_called(viewer):
    seen = []

    def inspector(files, read):
        seen.append((sorted(files), read("README.md", 0, 3)))
        return {"servable": True, "pipeline_tag": "text-generation", "findings": ("a", "b")}

    inspectors.register(inspector)
    repo = publish_repo(viewer, "called")
    row = RepoIndex.objects.get(pk=repo.pk)
    assert seen[-1] == ([".gitattributes", "README.md"], b"---")
    assert row.inspection == {"servable": True, "pipeline_tag": "text-generation", "findings": ["a", "b"]}
    assert (row.is_servable, row.pipeline_tag) == (True, "text-generation")
    assert "endpoints_compatible" in row.tags


def test_row_of_a_dataset(viewer):
    repo = publish_repo(
        viewer,
        "corpus",
        repo_type=RepoType.DATASET,
        card={"language": "zh", "task_categories": ["translation"], "size_categories": "n<1K", "pretty_name": "语料"},
        files={"data/train.csv": b"a,b\n1,2\n"},
    )
    row = RepoIndex.objects.get(pk=repo.pk)
    assert row.tags == [
        "task_categories:translation", "size_categories:n<1K", "language:zh", "format:csv", "modality:tabular",
        "library:datasets", "region:us",
    ]  # fmt: skip
    assert (row.title, row.pipeline_tag) == ("语料", "")


def test_commit_is_searchable_and_deletion_takes_it_away(viewer):
    repo = publish_repo(viewer, "findable", body="Words about zebrafish and other animals of the sea.")
    filters = RepoFilters(search=("zebrafish",))
    assert [item.name for item in list_repos(ANONYMOUS, filters).items] == ["findable"]
    Repo.objects.filter(pk=repo.pk).update(deleted_at=timezone.now())
    assert list_repos(ANONYMOUS, filters).items == []
    services.catch_up()
    assert not RepoIndex.objects.filter(pk=repo.pk).exists()
    assert list_repos(ANONYMOUS, filters).total == 0


def test_catch_up_finds_what_a_lost_message_left(viewer):
    """T166: the queue is a hint; a repo without a row, a stale number and a new name are all repaired."""
    repo = publish_repo(viewer, "late")
    RepoIndex.objects.all().delete()
    services.catch_up()
    assert RepoIndex.objects.get(pk=repo.pk).full_id == "ada/late"
    Repo.objects.filter(pk=repo.pk).update(likes=3, name="later", name_folded="later")
    services.catch_up()
    row = RepoIndex.objects.get(pk=repo.pk)
    assert (row.likes, row.full_id, row.s_likes >> 24) == (3, "ada/later", 3)


def test_numbers_change_without_reading_files(viewer):
    repo = publish_repo(viewer, "popular")
    Repo.objects.filter(pk=repo.pk).update(downloads=7, head_oid="")
    changes = IndexChange.objects.count()
    services.update_numbers(repo.pk)
    services.update_numbers(repo.pk)
    assert RepoIndex.objects.get(pk=repo.pk).downloads == 7
    assert IndexChange.objects.count() == changes + 1


def test_feed_is_applied_in_order_and_once(viewer):
    make_row(viewer.user.namespace, "one", tags=["x"])
    assert search_index.apply_changes() == 1  # builds it
    assert search_index.apply_changes() == 0
    make_row(viewer.user.namespace, "two", tags=["x"])
    assert search_index.apply_changes() == 1


def test_trending_fades_and_likes_outweigh_downloads(viewer):
    now = timezone.now()
    old = now - timedelta(days=100)
    used = make_row(viewer.user.namespace, "used", created_at=old, heat_at=now)
    liked = make_row(viewer.user.namespace, "liked", created_at=old, heat_at=now, likes=2)
    DownloadDay.objects.create(repo_id=used.pk, day=now.date(), count=8)
    DownloadDay.objects.create(repo_id=used.pk, day=now.date() - timedelta(days=3), count=8)
    assert update_trending(now) == 2
    assert RepoIndex.objects.get(pk=used.pk).trending_score == pytest.approx(12)
    assert RepoIndex.objects.get(pk=liked.pk).trending_score == pytest.approx(20)
    update_trending(now + timedelta(days=7))
    assert RepoIndex.objects.get(pk=liked.pk).trending_score == pytest.approx(10)
    assert score(0, 0, age_days=0) == 5


def test_new_and_moved_repos_are_listed_before_their_files_are_read(viewer):
    repo = publish_repo(viewer, "fresh-one", visibility=Visibility.PRIVATE)
    RepoIndex.objects.all().delete()
    IndexChange.objects.all().delete()
    names = RepoFilters(author="ada", search=("fresh",), is_id_search=True)
    services.place_repo(repo.pk)
    assert [item.full_id for item in list_repos(viewer, names).items] == ["ada/fresh-one"]
    assert list_repos(ANONYMOUS, names).items == []
    Repo.objects.filter(pk=repo.pk).update(name="fresh-two", name_folded="fresh-two")
    services.place_repo(repo.pk)
    assert [item.full_id for item in list_repos(viewer, names).items] == ["ada/fresh-two"]
