"""Collections over HTTP (hub-api §20): slugs, order, what stays hidden."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from community.models import Collection
from hub.accounts.enums import Role
from hub.core.ids import RepoType
from hub.repos.services.repos import delete_repo
from tests.factories.accounts import bearer, make_organization, make_token, make_user, make_viewer
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


class World:
    def __init__(self) -> None:
        self.ann, self.bob = make_user("ann", password=None), make_user("bob", password=None)
        self.tokens = {user.username: make_token(user)[1] for user in (self.ann, self.bob)}
        self.client = Client()

    def send(self, method: str, path: str, body: object = None, who: str = "ann"):
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return self.client.generic(method, f"/api/collections{path}", **data, **bearer(self.tokens.get(who, who)))

    def create(self, title: str = "My list", **fields) -> str:
        answer = self.send("POST", "", {"title": title, **fields})
        assert answer.status_code == 200, answer.content
        return answer.json()["slug"]

    def add(self, slug: str, kind: str, name: str, who: str = "ann", **fields) -> int:
        body = {"item": {"type": kind, "id": name}, **fields}
        return self.send("POST", f"/{slug}/items", body, who).status_code

    def show(self, slug: str, who: str = "ann"):
        return self.send("GET", f"/{slug}", who=who).json()

    def ids(self, slug: str, who: str = "ann") -> list[str]:
        return [item["id"] for item in self.show(slug, who)["items"]]


def test_a_collection_is_made_renamed_and_found_by_both_slugs():
    world = World()
    slug = world.create("My cool stuff!", description="Things")
    prefix, _, object_id = slug.rpartition("-")
    assert (prefix, len(object_id)) == ("ann/my-cool-stuff", 24)
    shown = world.show(slug)
    assert shown["owner"]["name"] == "ann"
    assert (shown["items"], shown["position"], shown["upvotes"], shown["private"]) == ([], 0, 0, False)
    assert shown["lastUpdated"].endswith("Z")

    changed = world.send("PATCH", f"/{slug}", {"title": "模型", "theme": "pink"}).json()
    assert changed["success"] is True
    assert changed["data"]["slug"] == f"ann/{object_id}"
    assert (changed["data"]["theme"], changed["data"]["description"]) == ("pink", "Things")
    assert world.show(slug)["title"] == world.show(f"ann/{object_id}")["title"] == "模型"

    assert world.send("DELETE", f"/{slug}").status_code == 200
    assert world.send("DELETE", f"/{slug}").status_code == 404


def test_a_title_is_taken_once_in_a_namespace():
    world = World()
    slug = world.create("Same")
    refused = world.send("POST", "", {"title": " SAME "})
    assert (refused.status_code, refused.json()["slug"]) == (409, slug)
    other = world.create("Other")
    assert world.send("PATCH", f"/{other}", {"title": "same"}).status_code == 409
    assert world.send("POST", "", {"title": "Same"}, who="bob").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "x" * 61},
        {"title": "x", "description": "y" * 151},
        {"title": 5},
        {},
        {"title": "x", "private": "yes"},
    ],
)
def test_bad_input_is_refused(body):
    world = World()
    assert world.send("POST", "", body).status_code == 400
    slug = world.create("ok")
    for wrong in ({"theme": "black"}, {"position": -1}, {"position": "first"}, {"gating": {"mode": "auto"}}):
        assert world.send("PATCH", f"/{slug}", wrong).status_code == 400, wrong
    assert world.add(slug, "movie", "ann/x") == 400
    assert Collection.objects.count() == 1


def test_items_keep_their_order_and_notes():
    world = World()
    slug, nested = world.create("List"), world.create("Nested")
    make_repo(world.ann, "one")
    make_repo(world.ann, "two", repo_type=RepoType.DATASET)
    assert world.add(slug, "model", "Ann/One", note="First <b>") == 200
    assert world.add(slug, "dataset", "ann/two") == 200
    assert world.add(slug, "collection", nested) == 200
    assert world.add(slug, "paper", "2307.09288") == 200
    shown = world.show(slug)["items"]
    assert [(item["type"], item["position"]) for item in shown] == [
        ("model", 0),
        ("dataset", 1),
        ("collection", 2),
        ("paper", 3),
    ]
    assert shown[0]["id"] == "ann/one"
    assert shown[0]["note"] == {"text": "First <b>", "html": "First &lt;b&gt;"}
    assert shown[2]["slug"] == nested

    assert world.add(slug, "model", "ann/one") == 409
    assert world.add(slug, "collection", nested) == 409
    assert world.add(slug, "paper", "2307.09288") == 409
    assert world.add(slug, "dataset", "ann/one") == 404
    assert world.add(slug, "collection", slug) == 400
    assert world.add(slug, "paper", "my-paper") == 404

    first = shown[0]["_id"]
    assert world.send("PATCH", f"/{slug}/items/{first}", {"note": "Now third", "position": 2}).status_code == 200
    assert [item["position"] for item in world.show(slug)["items"]] == [0, 1, 2, 3]
    assert world.ids(slug)[2] == "ann/one"
    changes = [{"action": "update", "_id": first, "data": {"position": 99}}]
    assert world.send("POST", f"/{slug}/items/batch", changes).status_code == 200
    assert world.ids(slug)[3] == "ann/one"
    assert world.send("DELETE", f"/{slug}/items/{first}").status_code == 200
    assert world.send("DELETE", f"/{slug}/items/{first}").status_code == 404
    assert [item["position"] for item in world.show(slug)["items"]] == [0, 1, 2]


def test_private_collections_answer_as_missing_ones_t29():
    world = World()
    slug = world.create("Secret plan", private=True)
    missing = slug[:-24] + "0" * 24
    for who in ("bob", make_token(world.ann, "inference")[1]):
        hidden, absent = (world.send("GET", f"/{name}", who=who) for name in (slug, missing))
        assert (hidden.status_code, hidden.content) == (404, absent.content)
        assert world.send("PATCH", f"/{slug}", {"private": False}, who=who).status_code == 404
        assert world.send("GET", "?owner=ann", who=who).json() == []
        assert world.send("GET", "?q=plan", who=who).json() == []
    assert [item["slug"] for item in world.send("GET", "?owner=ann").json()] == [slug]
    world.send("PATCH", f"/{slug}", {"private": False})
    assert world.send("GET", f"/{slug}", who="bob").status_code == 200
    assert world.send("PATCH", f"/{slug}", {"title": "Mine"}, who="bob").status_code == 403


def test_what_a_viewer_may_not_see_is_not_in_it_t36():
    world = World()
    slug = world.create("List")
    hidden, gone = make_repo(world.ann, "hidden", is_private=True), make_repo(world.ann, "gone")
    nested = world.create("Nested", private=True)
    make_repo(world.ann, "open")
    for kind, name in (("model", "ann/hidden"), ("model", "ann/gone"), ("collection", nested), ("model", "ann/open")):
        assert world.add(slug, kind, name) == 200
    delete_repo(make_viewer(world.ann), gone)

    assert len(world.ids(slug)) == 3
    assert world.ids(slug, "bob") == ["ann/open"]
    assert [item["id"] for item in world.send("GET", "?owner=ann", who="bob").json()[0]["items"]] == ["ann/open"]
    assert world.send("GET", f"?item=models/{hidden.repo_id}", who="bob").json() == []
    assert len(world.send("GET", f"?item=models/{hidden.repo_id}").json()) == 1
    # A stranger cannot find out by adding either.
    own = world.send("POST", "", {"title": "Own"}, who="bob").json()["slug"]
    assert world.add(own, "model", "ann/hidden", who="bob") == world.add(own, "model", "ann/nothing", who="bob") == 404
    assert world.add(own, "collection", nested, who="bob") == 404


def test_items_are_found_in_their_own_collection_t33():
    world = World()
    make_repo(world.ann, "one")
    slug = world.create("List")
    world.add(slug, "model", "ann/one")
    item = world.show(slug)["items"][0]["_id"]
    own = world.send("POST", "", {"title": "Own"}, who="bob").json()["slug"]
    assert world.send("DELETE", f"/{own}/items/{item}", who="bob").status_code == 404
    assert world.send("PATCH", f"/{own}/items/{item}", {"note": "x"}, who="bob").status_code == 404
    assert world.ids(slug) == ["ann/one"]


def test_organizations_share_their_collections_by_role():
    world = World()
    reader, writer = make_user("reader", password=None), make_user("writer", password=None)
    make_organization("acme", admin=world.ann, members={reader: Role.READ, writer: Role.WRITE})
    world.tokens |= {user.username: make_token(user)[1] for user in (reader, writer)}
    slug = world.create("Team", namespace="acme", private=True)
    assert world.show(slug, "reader")["owner"]["type"] == "org"
    for who, status in (("reader", 403), ("writer", 200), ("bob", 404)):
        assert world.send("PATCH", f"/{slug}", {"description": who}, who=who).status_code == status
    assert world.send("POST", "", {"title": "x", "namespace": "acme"}, who="reader").status_code == 403
    assert world.send("POST", "", {"title": "x", "namespace": "nobody"}, who="bob").status_code == 403
    read_only = make_token(world.ann, "read")[1]
    assert world.send("PATCH", f"/{slug}", {"description": "x"}, who=read_only).status_code == 403


def test_upvotes_count_once_per_person():
    world = World()
    slug = world.create()
    for _ in range(2):
        assert world.send("POST", f"/{slug}/upvote", who="bob").json() == {"upvotes": 1}
    assert world.show(slug, "bob")["isUpvotedByUser"] is True
    assert world.show(slug)["isUpvotedByUser"] is False
    assert world.send("DELETE", f"/{slug}/upvote", who="bob").json() == {"upvotes": 0}


def test_lists_are_sorted_paged_and_cut_with_constant_queries(django_assert_num_queries):
    world = World()
    slugs = [world.create(f"List {number}") for number in range(3)]
    for number in range(6):
        make_repo(world.ann, f"repo-{number}")
        for slug in slugs:
            world.add(slug, "model", f"ann/repo-{number}")
    world.send("POST", f"/{slugs[1]}/upvote", who="bob")
    for limit in (1, 3):
        with django_assert_num_queries(4):
            found = world.send("GET", f"?owner=ann&limit={limit}").json()
        assert [item["slug"] for item in found] == slugs[::-1][:limit]
        assert [[entry["id"] for entry in item["items"]] for item in found] == [
            [f"ann/repo-{n}" for n in range(4)]
        ] * limit
        assert all("position" not in item for item in found)

    for sort, expected in (("lastModified", slugs[::-1]), ("upvotes", [slugs[1], slugs[2], slugs[0]])):
        shown, url = [], f"?sort={sort}&limit=2"
        while url:
            answer = world.send("GET", url)
            shown += [item["slug"] for item in answer.json()]
            link = answer.headers.get("Link", "")
            url = link.split(">")[0].partition("/api/collections")[2]
        assert shown == expected
    assert world.send("GET", "?sort=name").status_code == 400
    assert world.send("GET", "?cursor=abc").status_code == 400
    assert world.send("GET", "?item=nonsense/x").status_code == 400
