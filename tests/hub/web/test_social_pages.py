"""Feed, following, collections, profiles and pins in the browser (T35, T36)."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from community.collections import items_of
from community.enums import ItemKind
from community.models import Collection, Follow, Pin
from community.services.collections import add_collection_item, create_collection
from community.services.follows import follow
from community.services.likes import like
from hub.accounts.auth import Viewer
from hub.accounts.enums import Role
from hub.accounts.models import User
from hub.core.ids import RepoType
from tests.factories.accounts import make_organization, make_user
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return make_user("ann", password=None)


@pytest.fixture
def bob() -> User:
    return make_user("bob", password=None)


def _browser(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def _text(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, path
    return answer.content.decode()


# --- following and the feed ------------------------------------------------------------------------------------------


def test_following_fills_the_feed(ann: User, bob: User) -> None:
    client = _browser(ann)
    assert "You follow nobody yet" in _text(client, "/feed")
    assert "Follow" in _text(client, "/bob")
    assert client.post("/-/follow/bob", {"action": "follow", "next": "/bob"})["Location"] == "/bob"
    assert "Following" in _text(client, "/bob")
    assert "Nothing yet" in _text(client, "/feed")
    repo = make_repo(bob, "one")
    make_discussion(repo, bob, title="What <b>next</b>?")
    page = _text(client, "/feed")
    assert "published" in page
    assert "What &lt;b&gt;next&lt;/b&gt;?" in page
    client.post("/-/follow/bob", {"action": "unfollow", "next": "https://evil.example"})
    assert not Follow.objects.exists()
    client.post("/-/follow/ann", {"action": "follow"})
    assert "Nobody follows themselves." in _text(client, "/ann")
    assert client.get("/feed?cursor=x").status_code == 200
    follow(Viewer(user=ann), bob)
    assert client.get("/feed?cursor=x").status_code == 400


def test_strangers_are_asked_to_sign_in_before_they_follow(bob: User) -> None:
    client = _browser(None)
    assert "/-/follow/bob" in _text(client, "/bob")
    went = client.post("/-/follow/bob", {"action": "follow", "next": "/bob"})
    assert went["Location"] == "/accounts/login/?next=/bob"
    assert client.get("/feed").status_code == 302
    assert client.post("/-/follow/nobody-here").status_code == 404


# --- collections -----------------------------------------------------------------------------------------------------


def test_a_collection_is_made_from_a_repo_filled_ordered_and_deleted(ann: User, bob: User) -> None:
    client = _browser(ann)
    first = make_repo(bob, "first")
    make_repo(bob, "second", repo_type=RepoType.DATASET)
    page = _text(client, first.urls.page)
    href = re.search(r'href="(/collections/add\?item=[^"]+)"', page)[1]
    assert "You have no collections yet" in _text(client, href)
    form = {"namespace": "ann", "title": "Best <i>of</i>", "description": "What I use", "item": "models/bob/first"}
    here = client.post("/collections/new", form)["Location"]
    found = Collection.objects.get()
    assert here == f"/collections/{found.slug}"

    client.post(here, {"action": "add", "address": "datasets/bob/second", "note": "With it"})
    client.post(here, {"action": "add", "address": "2307.09288"})
    for wrong, words in (
        ("bob/nothing", "Repository not found"),
        ("nonsense", "Name a model as ada/model"),
        ("bob/first", "This is in the collection already."),
    ):
        client.post(here, {"action": "add", "address": wrong})
        assert words in _text(client, here), wrong
    viewer = Viewer(user=ann)

    def order() -> list[str]:
        return [item.repo.name if item.repo else item.reference for item in items_of(viewer, found)]

    assert order() == ["first", "second", "2307.09288"]
    ids = [item.object_id for item in items_of(viewer, found)]
    client.post(here, {"action": "up", "item": ids[2]})
    client.post(here, {"action": "down", "item": ids[0]})
    assert order() == ["2307.09288", "first", "second"]
    client.post(here, {"action": "note", "item": ids[0], "note": "<script>alert(1)</script>"})
    page = _text(client, here)
    assert "Best &lt;i&gt;of&lt;/i&gt;" in page
    assert "&lt;script&gt;alert(1)" in page
    client.post(here, {"action": "remove", "item": ids[1]})
    assert order() == ["2307.09288", "first"]

    _browser(bob).post(here, {"action": "upvote"})
    assert "1 upvote" in _text(client, "/collections")
    changed = client.post(f"{here}/edit", {"title": "Better", "description": "", "is_private": "on"})["Location"]
    assert _browser(None).get(here).status_code == _browser(bob).get(changed).status_code == 404
    assert client.get(here)["Location"] == changed
    assert client.post(f"{changed}/edit", {"action": "delete"})["Location"] == "/collections"
    assert not Collection.objects.exists()
    assert "No collections yet" in _text(client, "/collections")


def test_adding_to_one_of_ones_own(ann: User, bob: User) -> None:
    make_organization("orchard", admin=bob, members={ann: Role.WRITE})
    create_collection(Viewer(user=bob), namespace="orchard", title="Shared")
    create_collection(Viewer(user=bob), namespace="bob", title="Of bob alone")
    make_repo(bob, "one")
    client = _browser(ann)
    page = _text(client, "/collections/add?item=models/bob/one")
    assert "Shared" in page
    assert "Of bob alone" not in page
    shared, other = (Collection.objects.get(title=title) for title in ("Shared", "Of bob alone"))
    assert client.post("/collections/add", {"item": "models/bob/one", "collection": other.slug}).status_code == 403
    client.post("/collections/add", {"item": "models/bob/one", "collection": shared.slug})
    assert (shared.items.count(), other.items.count()) == (1, 0)


def test_nobody_changes_the_collections_of_others_t30(ann: User, bob: User) -> None:
    found = create_collection(Viewer(user=bob), namespace="bob", title="Mine")
    make_repo(bob, "one")
    here = f"/collections/{found.slug}"
    client = _browser(ann)
    assert "Add something" not in _text(client, here)
    client.post(here, {"action": "add", "address": "bob/one"})
    assert "do not have the rights" in _text(client, here)
    assert client.get(f"{here}/edit").status_code == client.post(f"{here}/edit", {"title": "x"}).status_code == 403
    assert client.post("/collections/new", {"namespace": "bob", "title": "x"}).status_code == 422
    assert not found.items.exists()
    assert _browser(None).post(here, {"action": "upvote"})["Location"].startswith("/accounts/login/")


def test_hidden_things_are_in_no_collection_page_t35(ann: User, bob: User) -> None:
    hidden = make_repo(bob, "hidden-repo", is_private=True)
    public = create_collection(Viewer(user=bob), namespace="bob", title="Open list")
    secret = create_collection(Viewer(user=bob), namespace="bob", title="Closed list", is_private=True)
    add_collection_item(Viewer(user=bob), public, ItemKind.MODEL, hidden.repo_id)
    add_collection_item(Viewer(user=bob), public, ItemKind.COLLECTION, secret.slug)
    for client in (_browser(ann), _browser(None)):
        for path in (
            f"/collections/{public.slug}",
            "/collections",
            "/collections?q=list",
            "/bob?tab=collections",
            "/bob",
        ):
            page = _text(client, path)
            assert "hidden-repo" not in page, path
            assert "Closed list" not in page, path
        _text(client, f"/collections/{secret.slug}", 404)
    client = _browser(ann)
    client.post("/collections/new", {"namespace": "ann", "title": "Probe"})
    probe = f"/collections/{Collection.objects.get(title='Probe').slug}"
    client.post(probe, {"action": "add", "address": "bob/hidden-repo"})
    assert "Repository not found" in _text(client, probe)


def test_collections_are_searched_and_paged(ann: User) -> None:
    for number in range(23):
        create_collection(Viewer(user=ann), namespace="ann", title=f"List {number:02}")
    client = _browser(None)
    page = _text(client, "/collections?owner=ann")
    assert len(re.findall(r'class="collection-card"', page)) == 20
    following = re.search(r'href="(\?owner=ann&amp;cursor=[^"]+)" rel="next"', page)[1].replace("&amp;", "&")
    assert len(re.findall(r'class="collection-card"', _text(client, f"/collections{following}"))) == 3
    assert "No collection fits" in _text(client, "/collections?q=zzz")
    assert "List 07" in _text(client, "/collections?q=list%2007&sort=upvotes")


# --- profiles --------------------------------------------------------------------------------------------------------


def test_a_profile_shows_pins_contributions_activity_and_who_follows(ann: User, bob: User) -> None:
    repo, hidden = make_repo(ann, "shown-first"), make_repo(ann, "hidden-repo", is_private=True)
    client = _browser(ann)
    assert client.post("/-/pins/ann", {"repo": [hidden.pk, "", repo.pk]})["Location"] == "/ann"
    assert Pin.objects.count() == 2
    assert client.get("/-/pins/bob").status_code == 403
    like(Viewer(user=bob), repo)
    like(Viewer(user=bob), make_repo(bob, "own"))
    follow(Viewer(user=bob), ann)
    follow(Viewer(user=bob), make_organization("orchard", admin=ann))
    stranger = _browser(None)
    page = _text(stranger, "/ann")
    for words in ("Pinned", "shown-first", "1 contribution in the last year", "published"):
        assert words in page
    assert "hidden-repo" not in page
    assert "hidden-repo" in _text(client, "/ann")
    assert "2 contributions" in _text(client, "/ann")
    assert "bob" in _text(stranger, "/ann?tab=followers")
    likes = _text(stranger, "/bob?tab=likes")
    assert "ann/shown-first" in likes
    following = _text(stranger, "/bob?tab=following")
    assert "orchard" in following
    assert ">ann<" in following
    assert "Overview" in _text(stranger, "/ann?tab=nonsense")


def test_an_organization_has_pins_members_and_followers(ann: User, bob: User) -> None:
    make_organization("orchard", admin=ann, members={bob: Role.READ})
    repo = make_repo(ann, "fruit", namespace="orchard")
    client = _browser(ann)
    assert "orchard/fruit" in _text(client, "/-/pins/orchard")
    client.post("/-/pins/orchard", {"repo": [repo.pk]})
    assert _browser(bob).get("/-/pins/orchard").status_code == 403
    _browser(bob).post("/-/follow/orchard", {"action": "follow"})
    page = _text(_browser(None), "/orchard")
    assert "Pinned" in page
    assert "2 members" in page
    assert "bob" in _text(_browser(None), "/orchard?tab=followers")
    assert "Overview" in _text(_browser(None), "/orchard?tab=following")


@pytest.mark.parametrize(
    "path",
    [
        "/feed",
        "/collections",
        "/bob",
        "/bob?tab=likes",
        "/bob?tab=followers",
        "/bob?tab=following",
        "/bob?tab=collections",
        "/collections/{slug}",
    ],
)
def test_pages_take_as_many_queries_for_three_as_for_one(ann: User, bob: User, path: str) -> None:
    client, counts, viewer = _browser(ann), [], Viewer(user=bob)
    follow(Viewer(user=ann), bob)
    found = create_collection(viewer, namespace="bob", title="All")
    path = path.format(slug=found.slug)
    _text(client, path)
    for more in (1, 2):
        for _number in range(more):
            user = make_user(password=None)
            repo = make_repo(user)
            own = make_repo(bob)
            make_discussion(repo, bob)
            like(viewer, repo)
            follow(viewer, user)
            follow(viewer, make_organization())
            follow(Viewer(user=user), bob)
            Pin.objects.create(namespace=bob.namespace, repo=own, position=Pin.objects.count())
            add_collection_item(viewer, found, ItemKind.MODEL, repo.repo_id)
            add_collection_item(
                viewer, create_collection(viewer, namespace="bob", title=f"x{own.pk}"), ItemKind.MODEL, own.repo_id
            )
        with CaptureQueriesContext(connection) as queries:
            _text(client, path)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 40
