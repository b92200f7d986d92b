"""Followers, and numbers on people that hold only what the viewer may see (hub-api §21, T36)."""

from __future__ import annotations

import pytest
from django.test import Client

from community.models import Follow
from community.services.discussions import create_discussion
from community.services.likes import like
from hub.repos.enums import Visibility
from hub.repos.models import Repo
from tests.factories.accounts import bearer, make_organization, make_token, make_user, make_viewer
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


def test_following_is_counted_and_listed(client: Client):
    ann, bob = make_user("ann", password=None), make_user("bob", password=None)
    make_organization("acme", admin=bob)
    token = bearer(make_token(ann)[1])
    for _ in range(2):
        assert client.post("/api/users/bob/follow", **token).json() == {"isFollowing": True}
    assert client.post("/api/organizations/acme/follow", **token).json() == {"isFollowing": True}
    assert client.post("/api/users/ann/follow", **token).status_code == 400
    assert client.post("/api/users/nobody/follow", **token).status_code == 404
    assert client.post("/api/users/bob/follow").status_code == 401
    assert client.post("/api/users/bob/follow", **bearer(make_token(ann, "read")[1])).status_code == 403

    shown = client.get("/api/users/bob/overview", **token).json()
    assert (shown["numFollowers"], shown["numFollowing"], shown["isFollowing"]) == (1, 0, True)
    shown = client.get("/api/users/ann/overview").json()
    assert (shown["numFollowers"], shown["numFollowing"], shown["isFollowing"]) == (0, 1, False)
    shown = client.get("/api/organizations/acme/overview", **token).json()
    assert (shown["numFollowers"], shown["isFollowing"]) == (1, True)
    assert [user["user"] for user in client.get("/api/users/bob/followers").json()] == ["ann"]
    assert [user["user"] for user in client.get("/api/organizations/acme/followers").json()] == ["ann"]
    (following,) = client.get("/api/users/ann/following", **token).json()
    assert (following["user"], following["isFollowing"], "email" in following) == ("bob", True, False)

    ann.is_active = False
    ann.save()
    assert client.get("/api/users/bob/followers").json() == []
    assert client.get("/api/users/bob/overview").json()["numFollowers"] == 0
    ann.is_active = True
    ann.save()
    assert client.delete("/api/users/bob/follow", **token).json() == {"isFollowing": False}
    assert client.delete("/api/users/bob/follow", **token).status_code == 200
    assert Follow.objects.count() == 1


def test_numbers_hold_what_the_viewer_may_see_t36(client: Client):
    ann, bob = make_user("ann", password=None), make_user("bob", password=None)
    repos = [make_repo(ann, "open"), make_repo(ann, "soon-hidden")]
    for repo in repos:
        like(make_viewer(ann), repo)
        create_discussion(make_viewer(ann), repo, title="Hello", description="x")
    Repo.objects.filter(pk=repos[1].pk).update(visibility=Visibility.PRIVATE)
    for user, expected in ((ann, 2), (bob, 1)):
        shown = client.get("/api/users/ann/overview", **bearer(make_token(user)[1])).json()
        assert (shown["numLikes"], shown["numDiscussions"]) == (expected, expected)
    likes = client.get("/api/users/ann/likes").json()
    assert [item["repo"]["name"] for item in likes] == ["ann/open"]


def test_lists_are_paged_with_constant_queries(client: Client, django_assert_num_queries):
    ann = make_user("ann", password=None)
    token = bearer(make_token(ann)[1])
    client.get("/api/users/ann/followers", **token)
    for number in range(3):
        Follow.objects.create(follower=make_user(f"fan-{number}", password=None), user=ann)
        if number in (0, 2):
            with django_assert_num_queries(4):
                client.get("/api/users/ann/followers", **token)
    first = client.get("/api/users/ann/followers?limit=2")
    assert [user["user"] for user in first.json()] == ["fan-2", "fan-1"]
    rest = client.get(first["Link"].split(">")[0].partition("testserver")[2])
    assert [user["user"] for user in rest.json()] == ["fan-0"]


def test_socials(client: Client):
    ann = make_user("ann", password=None)
    ann.website = "https://example.org"
    ann.save()
    assert client.get("/api/users/ann/socials").json() == {"socialHandles": {}, "website": "https://example.org"}
    assert client.get("/api/users/nobody/socials").status_code == 404
