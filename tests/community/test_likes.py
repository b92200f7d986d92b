"""Likes: once per person, counted from rows, seen only where the repo is."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress

from community.models import Like
from community.queries import liked_repo_pks, likers_of, likes_of, repo_summary
from community.services.likes import like, unlike
from hub.accounts.auth import Viewer
from hub.core.errors import AuthenticationRequired, InsufficientScope, PermissionDenied
from hub.repos.enums import Visibility
from hub.repos.models import Repo
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import make_user, make_viewer
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


def test_like_counts_once_and_can_be_taken_back_t175() -> None:
    repo, fan = make_repo(), Viewer(user=make_user(password=None))
    assert [like(fan, repo), like(fan, repo)] == [1, 1]
    assert like(make_viewer(make_user(password=None)), repo) == 2
    assert [unlike(fan, repo), unlike(fan, repo)] == [1, 1]
    assert Repo.objects.get(pk=repo.pk).likes == Like.objects.filter(repo=repo).count() == 1


def test_only_people_with_the_right_like() -> None:
    repo = make_repo()
    with pytest.raises(AuthenticationRequired):
        like(Viewer(), repo)
    with pytest.raises(InsufficientScope):
        like(make_viewer(make_user(password=None), "read"), repo)
    assert not Like.objects.exists()


def test_likes_of_hidden_repos_are_hidden_t36() -> None:
    repo, user = make_repo(), make_user(password=None)
    fan = Viewer(user=user)
    like(fan, repo)
    assert [row.repo_id for row in likes_of(Viewer(), user).items] == [repo.pk]
    assert [row.user for row in likers_of(repo).items] == [user]
    assert liked_repo_pks(fan, [repo.pk, 0]) == {repo.pk}
    assert repo_summary(fan, Repo.objects.get(pk=repo.pk)).is_liked
    update_repo_settings(Viewer(user=repo.created_by), repo, visibility=Visibility.PRIVATE)
    assert likes_of(Viewer(), user).items == []
    assert likes_of(fan, user).items == []


def test_pages_follow_each_other() -> None:
    user = make_user(password=None)
    repos = [make_repo() for _ in range(3)]
    for repo in repos:
        like(Viewer(user=user), repo)
    first = likes_of(Viewer(), user, limit=2)
    rest = likes_of(Viewer(), user, cursor=first.next_cursor, limit=2)
    assert [row.repo_id for row in [*first.items, *rest.items]] == [repo.pk for repo in reversed(repos)]
    assert rest.next_cursor is None


def test_likes_need_a_confirmed_address_where_mail_is_sent_t50(settings) -> None:
    """Accounts without one are cheap; a like of theirs can still be taken back."""
    settings.IS_MAIL_CONFIGURED = True
    repo, person = make_repo(), make_user(password=None, is_email_verified=False)
    with pytest.raises(PermissionDenied):
        like(Viewer(user=person), repo)
    assert (Repo.objects.get(pk=repo.pk).likes, unlike(Viewer(user=person), repo)) == (0, 0)
    EmailAddress.objects.filter(user=person).update(verified=True)
    assert like(Viewer(user=person), repo) == 1
