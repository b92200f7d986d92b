"""The feed of whom one follows, contributions, pins: only what the viewer may see (T35, T36)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from community.feed import Contributions, cast_of, contributions_of, followed_cast, stories
from community.models import Pin
from community.people import pinned_of
from community.services.collections import create_collection
from community.services.discussions import comment_discussion
from community.services.follows import follow
from community.services.likes import like
from community.services.pins import MAX_PINS, set_pins
from hub.accounts.auth import ANONYMOUS, Viewer
from hub.accounts.enums import Role
from hub.accounts.models import User
from hub.core.errors import BadRequest, PermissionDenied
from hub.repos.enums import Visibility
from hub.repos.models import Repo
from hub.repos.services.refs import create_tag
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import make_organization, make_user
from tests.factories.community import make_discussion, make_pull_request
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


def _told(viewer: Viewer, limit: int = 50) -> list[tuple[str, str, str]]:
    page = stories(viewer, followed_cast(viewer), limit=limit)
    return [(item.actor, item.kind.value, item.subject) for item in page.items]


def _reader(*subjects: object) -> Viewer:
    viewer = Viewer(user=make_user("reader", password=None))
    for subject in subjects:
        follow(viewer, subject)
    return viewer


def test_a_feed_tells_what_those_did_whom_one_follows_and_nothing_else():
    ada, other = make_user("ada", password=None), make_user("other", password=None)
    orchard = make_organization("orchard", admin=other)
    viewer = _reader(ada, orchard)
    make_repo(other, "elsewhere")
    repo = make_repo(ada, "one", files={"a.txt": b"a"})
    create_tag(repo, actor=Viewer(user=ada), name="v1", revision="main")
    target = make_repo(other, "target", namespace="orchard")
    make_discussion(target, ada)
    make_pull_request(target, ada)
    make_discussion(target, other)
    like(Viewer(user=ada), target)
    like(Viewer(user=other), repo)
    create_collection(Viewer(user=ada), namespace="ada", title="Best of")
    assert _told(viewer) == [
        ("ada", "collection", "Best of"),
        ("ada", "like", "orchard/target"),
        ("ada", "pull_request", "orchard/target"),
        ("ada", "discussion", "orchard/target"),
        ("orchard", "repo", "orchard/target"),
        ("ada", "version", "ada/one"),
        ("ada", "repo", "ada/one"),
    ]
    assert _told(Viewer(user=other)) == []
    assert stories(ANONYMOUS, followed_cast(ANONYMOUS), limit=5).items == []


def test_a_change_long_after_the_first_is_told_once():
    ada = make_user("ada", password=None)
    viewer = _reader(ada)
    repo = make_repo(ada, "one")
    Repo.objects.filter(pk=repo.pk).update(created_at=timezone.now() - timedelta(days=3))
    assert _told(viewer) == [("ada", "update", "ada/one"), ("ada", "repo", "ada/one")]


def test_what_turns_private_is_in_no_feed_t36():
    """T36: flip a repo private, look at all that tells of it."""
    ada = make_user("ada", password=None)
    viewer = _reader(ada)
    repo = make_repo(ada, "one", files={"a.txt": b"a"})
    create_tag(repo, actor=Viewer(user=ada), name="v1", revision="main")
    comment_discussion(Viewer(user=ada), make_discussion(repo, ada), comment="More")
    like(Viewer(user=ada), repo)
    set_pins(Viewer(user=ada), ada.namespace, [repo.pk])
    hidden = create_collection(Viewer(user=ada), namespace="ada", title="Mine", is_private=True)
    assert hidden.title not in str(_told(viewer))
    assert (len(_told(viewer)), contributions_of(viewer, ada).total) == (4, 3)
    update_repo_settings(Viewer(user=ada), repo, visibility=Visibility.PRIVATE)
    assert (_told(viewer), contributions_of(viewer, ada).total, pinned_of(viewer, ada.namespace)) == ([], 0, [])
    own = Viewer(user=ada)
    assert len(stories(own, cast_of(ada), limit=20).items) == 5
    assert (contributions_of(own, ada).total, len(pinned_of(own, ada.namespace))) == (3, 1)


def test_pages_follow_each_other_without_gaps():
    ada = make_user("ada", password=None)
    viewer = _reader(ada)
    repo = make_repo(ada, "one")
    for number in range(4):
        make_discussion(repo, ada, title=f"Thread {number}")
        like(Viewer(user=ada), make_repo(make_user(password=None)))
    whole = [(item.kind, item.at) for item in stories(viewer, followed_cast(viewer), limit=50).items]
    cursor, found = "", []
    while cursor is not None:
        page = stories(viewer, followed_cast(viewer), cursor=cursor, limit=2)
        found += [(item.kind, item.at) for item in page.items]
        cursor = page.next_cursor
    assert (found, len(found)) == (whole, 9)
    with pytest.raises(BadRequest):
        stories(viewer, followed_cast(viewer), cursor="WyJzb29uIl0", limit=2)


@pytest.mark.parametrize("count", [1, 3])
def test_a_feed_takes_as_many_queries_for_three_as_for_one(count, django_assert_num_queries):
    users = [make_user(f"user{number}", password=None) for number in range(count)]
    viewer = _reader(*users)
    for user in users:
        repo = make_repo(user)
        create_tag(repo, actor=Viewer(user=user), name="v1", revision="main")
        make_discussion(repo, user)
        like(Viewer(user=user), repo)
        create_collection(Viewer(user=user), namespace=user.username, title="Mine")
    viewer = Viewer(user=User.objects.get(username="reader"))
    with django_assert_num_queries(9):  # whom, memberships, seven sources
        assert len(stories(viewer, followed_cast(viewer), limit=50).items) == 5 * count


def test_contributions_are_counted_by_day():
    ada = make_user("ada", password=None)
    repo = make_repo(ada, "one")
    discussion = make_discussion(repo, ada)
    comment_discussion(Viewer(user=ada), discussion, comment="More")
    today = timezone.now().date()
    found = contributions_of(ANONYMOUS, ada, today=today)
    assert (found.days[-1], found.total, found.first.weekday()) == (3, 3, 0)
    assert 365 <= len(found.days) <= 371
    discussion.events.update(created_at=timezone.now() - timedelta(days=7))
    assert contributions_of(ANONYMOUS, ada, today=today).days[-8] == 2
    assert isinstance(found, Contributions)


def test_only_owners_pin_and_only_what_is_theirs():
    ada, other = make_user("ada", password=None), make_user("other", password=None)
    make_organization("orchard", admin=ada, members={other: Role.WRITE})
    repos = [make_repo(ada) for _number in range(MAX_PINS + 1)]
    viewer = Viewer(user=ada)
    set_pins(viewer, ada.namespace, [repos[2].pk, repos[0].pk])
    assert pinned_of(ANONYMOUS, ada.namespace) == [repos[2], repos[0]]
    set_pins(viewer, ada.namespace, [repos[1].pk])
    assert pinned_of(ANONYMOUS, ada.namespace) == [repos[1]]
    with pytest.raises(BadRequest):
        set_pins(viewer, ada.namespace, [repo.pk for repo in repos])
    with pytest.raises(BadRequest):
        set_pins(viewer, ada.namespace, [make_repo(other).pk])
    organization = make_repo(ada, "shared", namespace="orchard")
    with pytest.raises(PermissionDenied):
        set_pins(Viewer(user=other), organization.namespace, [organization.pk])
    set_pins(viewer, organization.namespace, [organization.pk])
    assert Pin.objects.count() == 2
