"""Webhooks: who hears what, how it is signed, what happens when nobody answers (T38, T97, T98, T102, T103)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from huggingface_hub import WebhookPayload

from community.enums import DeliveryState
from community.models import Delivery, WatchedItem, Webhook
from community.services import deliveries
from community.services.discussions import comment_discussion, create_discussion
from community.services.webhooks import Watched, create_webhook
from hub.accounts.enums import Role
from hub.accounts.models import Membership
from hub.core.errors import BadRequest
from hub.repos.enums import Visibility
from hub.repos.models import Repo
from hub.repos.services.repos import delete_repo, move_repo, update_repo_settings
from tests.factories.accounts import bearer, make_organization, make_token, make_user, make_viewer
from tests.factories.repos import commit_files, make_repo

pytestmark = pytest.mark.django_db(transaction=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()


@pytest.fixture
def receiver(settings):
    settings.HUB_OUTGOING_PORTS = ["any"]
    settings.HUB_OUTGOING_NETWORKS = ["127.0.0.1/32"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.seen, server.status = [], 200
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _hook(user, *watched: tuple[str, str], url: str = "https://example.com/hook", **fields) -> Webhook:
    fields.setdefault("domains", ["repo", "discussion"])
    items = [Watched(kind, name) for kind, name in watched]
    return create_webhook(make_viewer(user), url=url, watched=items, **fields)


def _events(webhook: Webhook) -> list[str]:
    return [item.event for item in Delivery.objects.filter(webhook=webhook).order_by("pk")]


def _new_repo(owner, name: str, **fields) -> Repo:
    """A repo whose creation is one event: that of its first commit is left out."""
    repo = make_repo(owner, name, **fields)
    Delivery.objects.filter(repo=repo, event="repo.content update").delete()
    return repo


def _send_all() -> list[DeliveryState | None]:
    return [deliveries.send(object_id) for object_id in deliveries.due()]


# --- what is heard ----------------------------------------------------------------------------------------------------


def test_what_happens_to_a_watched_repo_is_told_in_the_words_of_the_client():
    owner, watcher = make_user("owner", password=None), make_user("watcher", password=None)
    webhook = _hook(watcher, ("user", "Owner"))
    repo = make_repo(owner, "one")
    commit = commit_files(repo, owner, {"a.txt": b"a"})
    viewer = make_viewer(owner)
    update_repo_settings(viewer, repo, gated="auto")
    discussion = create_discussion(make_viewer(watcher), repo, title="Hello", description="First")
    comment_discussion(make_viewer(owner), discussion, comment="Second")
    repo = move_repo(viewer, Repo.objects.get(pk=repo.pk), to_namespace="owner", to_name="two")
    delete_repo(viewer, repo)

    assert _events(webhook) == [
        "repo create",
        "repo.content update",
        "repo.content update",
        "repo.config update",
        "discussion create",
        "discussion.comment create",
        "repo move",
        "repo delete",
    ]
    said = [json.loads(item.body) for item in Delivery.objects.order_by("pk")]
    for body in said:
        WebhookPayload(**body)
        assert body["webhook"] == {"id": webhook.object_id, "version": 3}
        assert body["repo"]["id"] == repo.object_id
    assert said[2]["updatedRefs"] == [{"ref": "refs/heads/main", "oldSha": commit.parent_oid, "newSha": commit.oid}]
    assert said[2]["repo"]["headSha"] == commit.oid
    assert said[3]["updatedConfig"] == {"private": False, "gated": "auto"}
    assert (said[4]["discussion"]["title"], said[4]["discussion"]["num"]) == ("Hello", 1)
    assert said[5]["comment"]["content"] == "Second"
    assert (said[6]["repo"]["name"], said[6]["movedTo"]["name"]) == ("owner/one", "owner/two")
    assert said[7]["repo"]["name"] == "owner/two"


def test_only_what_is_watched_is_told():
    owner, watcher = make_user("owner", password=None), make_user("watcher", password=None)
    hooks = {
        "repo": _hook(watcher, ("model", "OWNER/one")),
        "dataset": _hook(watcher, ("dataset", "owner/one")),
        "org": _hook(watcher, ("org", "owner")),
        "other": _hook(watcher, ("model", "owner/two"), ("user", "watcher")),
        "discussion": _hook(watcher, ("user", "owner"), domains=["discussion"]),
    }
    off = _hook(watcher, ("user", "owner"))
    Webhook.objects.filter(pk=off.pk).update(disabled_at=timezone.now())
    make_repo(owner, "one")
    heard = {name: _events(webhook) for name, webhook in {**hooks, "off": off}.items()}
    assert heard == {
        "repo": ["repo create", "repo.content update"],
        "dataset": [],
        "org": [],
        "other": [],
        "discussion": [],
        "off": [],
    }


def test_private_repos_are_told_to_members_only_t35():
    owner, member, stranger = (make_user(name, password=None) for name in ("owner", "member", "stranger"))
    make_organization("acme", admin=owner, members={member: Role.READ})
    hooks = [_hook(user, ("org", "acme"), ("model", "acme/secret")) for user in (owner, member, stranger)]
    repo = make_repo(owner, "secret", namespace="acme", is_private=True)
    assert [len(_events(hook)) for hook in hooks] == [2, 2, 0]

    update_repo_settings(make_viewer(owner), repo, visibility=Visibility.PUBLIC)
    commit_files(repo, owner, {"a.txt": b"a"})
    assert [len(_events(hook)) for hook in hooks] == [4, 4, 2]


def test_a_watched_repo_is_followed_to_its_new_name_where_it_may_be_seen():
    owner, watcher = make_user("owner", password=None), make_user("watcher", password=None)
    hooks = [_hook(user, ("model", "owner/one")) for user in (owner, watcher)]
    repo = make_repo(owner, "one")
    update_repo_settings(make_viewer(owner), repo, visibility=Visibility.PRIVATE)
    move_repo(make_viewer(owner), Repo.objects.get(pk=repo.pk), to_namespace="owner", to_name="two")
    names = [WatchedItem.objects.get(webhook=hook).name for hook in hooks]
    assert names == ["owner/two", "owner/one"]


def test_recording_takes_as_many_queries_for_three_as_for_one(django_assert_num_queries):
    owner = make_user("owner", password=None)
    repo = make_repo(owner, "one")
    event = deliveries.events.ref_moved(
        Repo.objects.select_related("namespace__user").get(pk=repo.pk), "refs/heads/x", "", "0" * 40
    )
    for total in (1, 3):
        while Webhook.objects.count() < total:
            _hook(make_user(password=None), ("user", "owner"))
        with django_assert_num_queries(6):
            assert deliveries.record(event) == total


def test_a_webhook_hears_a_thousand_events_a_day(monkeypatch):
    owner = make_user("owner", password=None)
    webhook = _hook(owner, ("user", "owner"))
    repo = make_repo(owner, "one")
    monkeypatch.setattr(deliveries, "MAX_PER_DAY", 2)
    for name in ("a", "b", "c"):
        commit_files(repo, owner, {name: b"x"})
    assert len(_events(webhook)) == 2


# --- sending ----------------------------------------------------------------------------------------------------------


def test_a_delivery_is_signed_t102(receiver):
    owner = make_user("owner", password=None)
    webhook = _hook(owner, ("user", "owner"), url=receiver.url, secret="s3cret")
    _new_repo(owner, "one")
    assert _send_all() == [DeliveryState.DELIVERED]
    assert deliveries.due() == []

    path, headers, body = receiver.seen[0]
    delivery = Delivery.objects.get()
    assert (path, body.decode()) == ("/hook", delivery.body)
    assert headers["X-Webhook-Secret"] == "s3cret"
    assert headers["webhook-id"] == delivery.object_id
    signed = f"{delivery.object_id}.{headers['webhook-timestamp']}.{delivery.body}".encode()
    expected = base64.b64encode(hmac.new(b"s3cret", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    # Nothing in the database opens it (T19).
    row = Webhook.objects.filter(pk=webhook.pk).values().get()
    assert "s3cret" not in str(row)


def test_a_changed_secret_signs_beside_the_former_one_for_a_day_t102(receiver, client):
    owner = make_user("owner", password=None)
    token = bearer(make_token(owner)[1])
    webhook = _hook(owner, ("user", "owner"), url=receiver.url, secret="old")
    url = f"/api/settings/webhooks/{webhook.object_id}"
    answer = client.post(url, {"secret": "new"}, content_type="application/json", **token)
    assert answer.status_code == 200
    assert "secret" not in answer.json()["webhook"]
    repo = _new_repo(owner, "one")
    _send_all()
    assert len(receiver.seen[0][1]["webhook-signature"].split()) == 2
    Webhook.objects.update(secret_changed_at=timezone.now() - timedelta(days=2))
    commit_files(repo, owner, {"a": b"a"})
    _send_all()
    assert len(receiver.seen[1][1]["webhook-signature"].split()) == 1


def test_the_right_is_asked_again_at_delivery_t38(receiver):
    owner, member, watcher = (make_user(name, password=None) for name in ("owner", "member", "watcher"))
    make_organization("acme", admin=owner, members={member: Role.READ})
    for user in (owner, member, watcher):
        _hook(user, ("org", "acme"), url=receiver.url)
    _new_repo(owner, "team", namespace="acme", is_private=True)
    public = _new_repo(owner, "public", namespace="acme")
    assert Delivery.objects.count() == 5
    Membership.objects.filter(user=member).delete()
    Repo.objects.filter(pk=public.pk).update(visibility=Visibility.PRIVATE)
    states = _send_all()
    assert (states.count(DeliveryState.DELIVERED), states.count(DeliveryState.DROPPED)) == (2, 3)
    assert {item.webhook.owner.username for item in Delivery.objects.filter(state="delivered")} == {"owner"}
    assert len(receiver.seen) == 2


def test_a_disabled_owner_hears_nothing_more_t07(receiver):
    owner = make_user("owner", password=None)
    _hook(owner, ("user", "owner"), url=receiver.url)
    repo = _new_repo(owner, "one")
    owner.is_active = False
    owner.save()
    assert _send_all() == [DeliveryState.DROPPED]
    commit_files(repo, owner, {"a": b"a"})
    assert (Delivery.objects.count(), receiver.seen) == (1, [])


@pytest.mark.parametrize("status", [500, 404, 302, 307])
def test_failures_are_tried_again_later_with_the_same_id_t103(receiver, status):
    owner = make_user("owner", password=None)
    _hook(owner, ("user", "owner"), url=receiver.url)
    _new_repo(owner, "one")
    receiver.status = status
    assert _send_all() == [DeliveryState.WAITING]
    assert (deliveries.due(), len(receiver.seen)) == ([], 1)  # and no redirect was followed (T97)
    delivery = Delivery.objects.get()
    wait = delivery.try_at - timezone.now()
    assert timedelta(seconds=40) < wait < timedelta(seconds=70)
    assert (delivery.attempts, delivery.last_status, delivery.webhook.failing_since is not None) == (1, status, True)

    Delivery.objects.update(try_at=timezone.now())
    receiver.status = 200
    assert _send_all() == [DeliveryState.DELIVERED]
    assert receiver.seen[0][1]["webhook-id"] == receiver.seen[1][1]["webhook-id"]
    assert Webhook.objects.get().failing_since is None


def test_ten_tries_are_all(receiver):
    owner = make_user("owner", password=None)
    _hook(owner, ("user", "owner"), url=receiver.url)
    _new_repo(owner, "one")
    receiver.status = 500
    states = []
    for _ in range(12):
        Delivery.objects.update(try_at=timezone.now())
        states += _send_all()
    assert states == [DeliveryState.WAITING] * 9 + [DeliveryState.FAILED]


def test_gone_and_five_silent_days_switch_it_off_t103(receiver, settings):
    settings.IS_MAIL_CONFIGURED = True
    owner = make_user("owner", password=None)
    webhook = _hook(owner, ("user", "owner"), url=receiver.url)
    repo = _new_repo(owner, "one")
    receiver.status = 410
    assert _send_all() == [DeliveryState.FAILED]
    webhook.refresh_from_db()
    assert (webhook.is_disabled, len(mail.outbox)) == (True, 1)
    assert receiver.url in mail.outbox[0].body

    Webhook.objects.update(disabled_at=None, failing_since=timezone.now() - timedelta(days=6))
    receiver.status = 500
    commit_files(repo, owner, {"a": b"a"})
    _send_all()
    webhook.refresh_from_db()
    assert (webhook.is_disabled, len(mail.outbox)) == (True, 2)


def test_a_lease_keeps_others_away_and_ends_t168(receiver):
    owner = make_user("owner", password=None)
    _hook(owner, ("user", "owner"), url=receiver.url)
    _new_repo(owner, "one")
    (object_id,) = deliveries.due()
    Delivery.objects.update(lease="other", leased_until=timezone.now() + timedelta(seconds=30))
    assert (deliveries.due(), deliveries.send(object_id), receiver.seen) == ([], None, [])
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert _send_all() == [DeliveryState.DELIVERED]
    assert deliveries.send(object_id) is None
    assert len(receiver.seen) == 1


def test_private_addresses_are_not_called_and_not_described_t96(receiver, settings):
    settings.HUB_OUTGOING_NETWORKS = []
    owner = make_user("owner", password=None)
    _hook(owner, ("user", "owner"), url=receiver.url)
    _new_repo(owner, "one")
    assert _send_all() == [DeliveryState.WAITING]
    assert (Delivery.objects.get().last_error, receiver.seen) == ("address refused", [])


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://example.com"},
        {"url": "http://user:pass@example.com/"},
        {"url": "http://0x7f.1/"},
        {"url": "http://example.com:22/"},
        {"domains": []},
        {"domains": ["jobs"]},
        {"secret": "geheim\n"},
        {"secret": "秘密"},
        {"watched": []},
        {"watched": [Watched("paper", "x")]},
        {"watched": [Watched("model", "one")]},
        {"watched": [Watched("user", "x" * 43)]},
    ],
)
def test_bad_webhooks_are_refused(fields):
    owner = make_user("owner", password=None)
    given = {"url": "https://example.com/", "watched": [Watched("user", "x")], "domains": ["repo"], **fields}
    with pytest.raises(BadRequest):
        create_webhook(make_viewer(owner), **given)
    assert Webhook.objects.count() == 0


# --- the wire ---------------------------------------------------------------------------------------------------------


def test_the_wire_of_the_clients(client: Client):
    owner = make_user("owner", password=None)
    token = bearer(make_token(owner)[1])

    def send(method: str, path: str = "", body: object = None):
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return client.generic(method, f"/api/settings/webhooks{path}", **data, **token)

    body = {"url": "https://example.com/a", "watched": [{"type": "org", "name": "HuggingFaceH4"}], "secret": "x"}
    made = send("POST", "", {**body, "domains": ["discussions", "repo"]}).json()["webhook"]
    assert made == {
        "id": made["id"],
        "url": "https://example.com/a",
        "watched": [{"type": "org", "name": "HuggingFaceH4"}],
        "domains": ["repo", "discussion"],
        "disabled": False,
        "hasSecret": True,
    }
    path = f"/{made['id']}"
    assert send("GET").json() == [made]
    assert send("GET", path).json() == {"webhook": made}
    assert send("POST", path, {"url": "https://example.com/b"}).json()["webhook"]["url"] == "https://example.com/b"
    assert send("POST", f"{path}/disable").json()["webhook"]["disabled"] is True
    assert send("POST", f"{path}/enable").json()["webhook"]["disabled"] is False
    assert send("POST", "", {"jobSourceId": "1", "watched": body["watched"]}).status_code == 400
    assert send("DELETE", path).status_code == 200
    assert send("GET", path).status_code == 404


def test_foreign_webhooks_and_deliveries_are_missing_t33(client: Client):
    ann, bob = make_user("ann", password=None), make_user("bob", password=None)
    theirs, own = _hook(ann, ("user", "ann")), _hook(bob, ("user", "bob"))
    _new_repo(ann, "one")
    delivery = Delivery.objects.get()
    token = bearer(make_token(bob)[1])
    base = f"/api/settings/webhooks/{theirs.object_id}"
    for method, path in [
        ("GET", base),
        ("POST", base),
        ("DELETE", base),
        ("POST", f"{base}/enable"),
        ("POST", f"{base}/disable"),
        ("GET", f"{base}/deliveries"),
        ("POST", f"{base}/replay/{delivery.object_id}"),
        ("POST", f"/api/settings/webhooks/{own.object_id}/replay/{delivery.object_id}"),
    ]:
        assert client.generic(method, path, "{}", "application/json", **token).status_code == 404, path
    read_only = bearer(make_token(ann, "read")[1])
    assert client.delete(base, **read_only).status_code == 403
    assert Webhook.objects.count() == 2


def test_a_delivery_is_sent_once_more_on_demand(client: Client, receiver):
    owner = make_user("owner", password=None)
    token = bearer(make_token(owner)[1])
    webhook = _hook(owner, ("user", "owner"), url=receiver.url)
    _new_repo(owner, "one")
    base = f"/api/settings/webhooks/{webhook.object_id}"
    (shown,) = client.get(f"{base}/deliveries", **token).json()
    assert (shown["event"], shown["state"], shown["attempts"]) == ("repo create", "waiting", 0)
    assert client.post(f"{base}/replay/{shown['id']}", **token).status_code == 409
    _send_all()
    (shown,) = client.get(f"{base}/deliveries", **token).json()
    assert (shown["state"], shown["lastStatus"]) == ("delivered", 200)

    assert client.post(f"{base}/replay/{shown['id']}", **token).status_code == 200
    assert _send_all() == [DeliveryState.DELIVERED]
    assert receiver.seen[0][1]["webhook-id"] == receiver.seen[1][1]["webhook-id"]
    client.post(f"{base}/disable", **token)
    assert client.post(f"{base}/replay/{shown['id']}", **token).status_code == 409


def test_lists_take_constant_queries(client: Client, django_assert_num_queries):
    owner = make_user("owner", password=None)
    token = bearer(make_token(owner)[1])
    client.get("/api/settings/webhooks", **token)  # the token's first use is a query of its own
    for total in (1, 3):
        while Webhook.objects.count() < total:
            _hook(owner, ("user", "owner"), ("org", "x"))
        with django_assert_num_queries(3):
            assert len(client.get("/api/settings/webhooks", **token).json()) == total


def test_old_deliveries_are_forgotten():
    owner = make_user("owner", password=None)
    _hook(owner, ("user", "owner"))
    _new_repo(owner, "one")
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=31))
    deliveries.forget_old()
    assert Delivery.objects.count() == 1
    Delivery.objects.update(state=DeliveryState.DELIVERED)
    deliveries.forget_old()
    assert Delivery.objects.count() == 0
