"""The page of downloads: the number with its method for all, more for the owner (T36, T50)."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from hub.catalog.models import LookAlike
from hub.repos.models import DownloadDay, Repo
from tests.factories.accounts import make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


@pytest.fixture
def repo() -> Repo:
    repo = make_repo(name="atlas")
    today = timezone.now().date()
    for ago, count in ((0, 3), (2, 5), (60, 7)):
        day = today - timedelta(days=ago)
        DownloadDay.objects.create(repo=repo, day=day, count=count, members=11, robots=13)
    return repo


def stats(client: Client, repo: Repo, query: str = "") -> str:
    answer = client.get(f"{repo.urls.page}/stats{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_everybody_sees_thirty_days_and_the_method(client: Client, repo: Repo) -> None:
    page = stats(client, repo, "?days=365")
    assert "Downloads in 30 days" in page
    assert page.count('class="bar-chart__bar"') == page.count("</time></th>") == 2
    assert 'role="img" aria-label="Downloads a day over 30 days, 8 in all' in page
    assert "Robots" not in page
    assert 'href="/docs/counts"' in page


def test_the_owner_sees_a_year_with_members_and_robots(client: Client, repo: Repo) -> None:
    client.force_login(repo.created_by)
    page = stats(client, repo, "?days=90")
    assert "Downloads in 90 days" in page
    assert page.count('class="bar-chart__bar"') == 3
    assert '<td class="number">13</td>' in page
    answer = client.get(f"{repo.urls.page}/stats/downloads.csv")
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert rows[0] == ["day", "downloads", "members", "robots"]
    assert [row[1:] for row in rows[1:]] == [["7", "11", "13"], ["5", "11", "13"], ["3", "11", "13"]]


def test_csv_is_for_administrators(client: Client, repo: Repo) -> None:
    address = f"{repo.urls.page}/stats/downloads.csv"
    assert client.get(address).status_code == 302
    client.force_login(make_user(password=None))
    assert client.get(address).status_code == 403


def test_private_repos_have_no_page_for_strangers_t36(client: Client) -> None:
    repo = make_repo(is_private=True)
    client.force_login(make_user(password=None))
    for path in ("/stats", "/stats/downloads.csv"):
        assert client.get(f"{repo.urls.page}{path}").status_code == 404


def test_without_downloads_the_page_says_so(client: Client) -> None:
    page = stats(client, make_repo())
    assert "No downloads yet" in page
    assert "bar-chart" not in page.split("<main", 1)[1]


def test_the_owner_alone_is_told_of_a_name_under_review_t49(client: Client, repo: Repo) -> None:
    LookAlike.objects.create(repo=repo, name=repo.repo_id, resembles="known/atlas")
    assert "known/atlas" not in stats(client, repo)
    client.force_login(repo.created_by)
    assert "known/atlas" in stats(client, repo)


def test_queries_do_not_grow_with_days(client: Client, repo: Repo, django_assert_num_queries) -> None:
    stats(client, repo)  # what is kept between requests
    with django_assert_num_queries(4):
        stats(client, repo)
    DownloadDay.objects.bulk_create(
        DownloadDay(repo=repo, day=timezone.now().date() - timedelta(days=ago), count=1) for ago in range(3, 20)
    )
    with django_assert_num_queries(4):
        stats(client, repo)


def test_the_method_is_printed_with_the_constants_of_the_code(client: Client) -> None:
    page = client.get("/docs/counts").content.decode()
    assert "Σ downloads of a day × 2^(−days ago ÷ 3) + 10 × Σ likes × 2^(−days ago ÷ 7)" in page
    assert "at most 50 and 3 times the mean of the 7 days before it" in page
