"""Who blocks whom: no words in the other's repos, no follow, no notices; by API and service."""

from __future__ import annotations

import pytest
from django.test import Client

from community.models import Block, Follow, Happening
from community.services import blocks, discussions, follows
from community.services.notices import spread
from hub.accounts.auth import Viewer
from hub.accounts.models import AuditEvent
from hub.core.errors import BadRequest, InsufficientScope, PermissionDenied
from tests.factories.accounts import bearer, make_token, make_user, make_viewer
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> Viewer:
    return Viewer(user=make_user("ann", password=None))


@pytest.fixture
def bob() -> Viewer:
    return Viewer(user=make_user("bob", password=None))


def test_blocked_people_neither_write_nor_follow(ann: Viewer, bob: Viewer) -> None:
    thread = make_discussion(make_repo(ann.user))
    follows.follow(bob, ann.user)
    before = AuditEvent.objects.count()
    blocks.block(ann, bob.user)
    blocks.block(ann, bob.user)
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))[before:] == ["user.block"]
    assert not Follow.objects.exists()
    with pytest.raises(PermissionDenied):
        follows.follow(bob, ann.user)
    with pytest.raises(PermissionDenied):
        discussions.comment_discussion(bob, thread, comment="But")
    with pytest.raises(PermissionDenied):
        discussions.create_discussion(bob, thread.repo, title="Well then")
    discussions.comment_discussion(bob, make_discussion(make_repo()), comment="Elsewhere")
    blocks.unblock(ann, bob.user)
    discussions.comment_discussion(bob, thread, comment="Thanks")


def test_mention_by_a_blocked_person_is_not_heard(ann: Viewer, bob: Viewer) -> None:
    from community.models import Notification

    carol = make_user("carol", password=None)
    blocks.block(ann, bob.user)
    Happening.objects.all().delete()
    thread = make_discussion(make_repo(), bob.user, text="Hear, @ann and @carol!")
    from community.services.notices import record_thread

    record_thread(thread.pk, "created", thread.events.get().pk, bob.user.pk)
    for happening in Happening.objects.all():
        spread(happening.pk)
    told = set(Notification.objects.values_list("user__username", flat=True))
    assert "ann" not in told
    assert carol.username in told


def test_nobody_blocks_themselves_and_narrow_tokens_block_nobody(ann: Viewer, bob: Viewer) -> None:
    with pytest.raises(BadRequest):
        blocks.block(ann, ann.user)
    with pytest.raises(InsufficientScope):
        blocks.block(make_viewer(ann.user, "read"), bob.user)
    assert not Block.objects.exists()


def test_api_lists_only_ones_own_blocks_t33(ann: Viewer, bob: Viewer, client: Client) -> None:
    secret = make_token(ann.user)[1]
    assert client.put("/api/settings/blocks/bob", **bearer(secret)).json() == {"isBlocked": True}
    shown = client.get("/api/settings/blocks", **bearer(secret)).json()
    assert [person["user"] for person in shown] == ["bob"]
    assert "email" not in shown[0]
    assert client.get("/api/settings/blocks", **bearer(make_token(bob.user)[1])).json() == []
    assert client.delete("/api/settings/blocks/bob", **bearer(secret)).json() == {"isBlocked": False}
    assert client.put("/api/settings/blocks/nobody-here", **bearer(secret)).status_code == 404


def test_reports_by_api_are_ones_own(ann: Viewer, bob: Viewer, client: Client) -> None:
    repo, hidden = make_repo(), make_repo(is_private=True)
    secret = make_token(ann.user)[1]
    body = {"kind": "repo", "id": repo.object_id, "category": "spam", "text": "Ads", "state": "accepted"}
    made = client.post("/api/reports", body, content_type="application/json", **bearer(secret))
    assert (made.status_code, made.json()["state"]) == (201, "open")  # state is never settable (T34)
    again = client.post("/api/reports", body, content_type="application/json", **bearer(secret))
    assert again.status_code == 409
    gone = client.post(
        "/api/reports", body | {"id": hidden.object_id}, content_type="application/json", **bearer(secret)
    )
    missing = client.post("/api/reports", body | {"id": "0" * 24}, content_type="application/json", **bearer(secret))
    assert (gone.status_code, gone.json()) == (missing.status_code, missing.json())
    assert gone.status_code == 404
    assert [item["id"] for item in client.get("/api/reports", **bearer(secret)).json()] == [made.json()["id"]]
    assert client.get("/api/reports", **bearer(make_token(bob.user)[1])).json() == []
