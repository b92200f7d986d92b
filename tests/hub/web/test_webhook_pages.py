"""Settings › Webhooks: the pages over ``community.services.webhooks`` (T33, T38, T96, T102)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from community.models import Delivery, Webhook
from community.services.webhooks import Watched, create_webhook, secret_of
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from tests.factories.accounts import make_organization, make_user

pytestmark = pytest.mark.django_db

LIST = "/settings/webhooks"
FORM = {"url": "https://receiver.example/x", "watched": "ann", "domains": ["repo", "discussion"], "secret": "s3cret"}


@pytest.fixture
def ann() -> User:
    return make_user("ann")


@pytest.fixture
def client(ann: User) -> Client:
    client = Client()
    client.force_login(ann)
    return client


def _hook(owner: User, **more: Any) -> Webhook:
    return create_webhook(
        Viewer(user=owner), **{"url": FORM["url"], "watched": [Watched("user", "ann")], "domains": ["repo"], **more}
    )


def _delivery(webhook: Webhook, **facts: Any) -> Delivery:
    return Delivery.objects.create(webhook=webhook, event="repo.content update", body="{}", **facts)


def _items(webhook: Webhook) -> list[tuple[str, str]]:
    return list(webhook.watched.order_by("pk").values_list("kind", "name"))


def test_a_webhook_is_made_by_the_form_and_its_secret_never_shown_t102(client: Client, ann: User) -> None:
    make_organization("orchard", admin=ann)
    watched = "ann\r\nORCHARD\nann/model\n datasets/ann/rows \nkernels/ann/lathe\nmodels/ann/other\nann\n\n"
    made = client.post(f"{LIST}/new", FORM | {"watched": watched})
    webhook = Webhook.objects.get()
    assert (made.status_code, made["Location"]) == (302, f"{LIST}/{webhook.object_id}")
    assert _items(webhook) == [
        ("user", "ann"),
        ("org", "ORCHARD"),
        ("model", "ann/model"),
        ("dataset", "ann/rows"),
        ("kernel", "ann/lathe"),
        ("model", "ann/other"),
    ]
    assert secret_of(webhook) == "s3cret"
    for page in (client.get(LIST), client.get(made["Location"])):
        assert "datasets/ann/rows" in page.content.decode()
        assert "s3cret" not in page.content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "ftp://x.example"}, "Only http:// and https:// URLs are called."),
        ({"url": "http://u:p@x.example"}, "The URL must not hold a user name or password."),
        ({"url": "https://x.example:22"}, "This hub does not call port 22"),
        ({"watched": "nobody"}, "There is no user or organization named nobody."),
        ({"watched": "a/b/c"}, "A repository id has the form namespace/name"),
        ({"watched": "\n".join(f"ann/m{n}" for n in range(101))}, "A webhook watches 1 to 100 things."),
        ({"domains": []}, "This field is required."),
        ({"secret": "schlüssel"}, "A secret has at most 200 printable ASCII characters"),
    ],
)
def test_the_form_says_what_is_wrong_and_makes_nothing(client: Client, change: dict[str, Any], words: str) -> None:
    """T96: what cannot be an address of another server is refused before it is kept."""
    refused = client.post(f"{LIST}/new", FORM | change)
    assert (refused.status_code, words in refused.content.decode().replace("&#x27;", "'")) == (422, True)
    assert "s3cret" not in refused.content.decode()
    assert not Webhook.objects.exists()


def test_an_empty_secret_keeps_the_present_one(client: Client, ann: User) -> None:
    webhook = _hook(ann, secret="old")
    page = f"{LIST}/{webhook.object_id}"
    for sent, kept in (
        ({"secret": ""}, "old"),
        ({"secret": "new"}, "new"),
        ({"remove_secret": "on", "secret": ""}, ""),
    ):
        assert client.post(page, FORM | {"domains": ["discussion"]} | sent).status_code == 302
        webhook.refresh_from_db()
        assert (secret_of(webhook), webhook.domains) == (kept, ["discussion"])


def test_names_that_wait_for_their_owner_stay(client: Client, ann: User) -> None:
    webhook = _hook(ann, watched=[Watched("org", "Later"), Watched("bucket", "ann/box")])
    page = f"{LIST}/{webhook.object_id}"
    assert client.post(page, FORM | {"watched": "Later\nbuckets/ann/box\nann"}).status_code == 302
    assert _items(webhook) == [("org", "Later"), ("bucket", "ann/box"), ("user", "ann")]


def test_on_off_delete(client: Client, ann: User) -> None:
    webhook = _hook(ann)
    page = f"{LIST}/{webhook.object_id}"
    for action, is_off in (("off", True), ("on", False)):
        assert client.post(f"{page}/switch", {"action": action}).status_code == 302
        webhook.refresh_from_db()
        assert webhook.is_disabled is is_off
        assert ("This webhook is off" in client.get(page).content.decode()) is is_off
    assert client.post(f"{page}/delete")["Location"] == LIST
    assert not Webhook.objects.exists()


def test_deliveries_are_listed_and_sent_once_more(client: Client, ann: User) -> None:
    webhook = _hook(ann)
    page = f"{LIST}/{webhook.object_id}"
    failed = _delivery(webhook, state="failed", attempts=10, last_error="tls", finished_at=timezone.now())
    _delivery(webhook, state="delivered", attempts=1, last_status=204, finished_at=timezone.now())
    shown = client.get(page).content.decode()
    assert ("certificate not valid" in shown, "status 204" in shown) == (True, True)
    for words in ("The event is sent once more", "This delivery waits for its turn already."):
        assert client.post(f"{page}/replay/{failed.object_id}").status_code == 302
        assert words in client.get(page).content.decode()
    failed.refresh_from_db()
    assert (failed.state, failed.attempts) == ("waiting", 0)


def test_webhooks_of_others_are_not_there_t33(client: Client) -> None:
    """T33: an id of somebody else's answers as one that does not exist, on every route."""
    theirs = _hook(make_user("bob"), watched=[Watched("user", "bob")])
    delivery = _delivery(theirs, state="failed")
    page = f"{LIST}/{theirs.object_id}"
    assert client.get(page).status_code == 404
    for path in ("", "/switch", "/delete", f"/replay/{delivery.object_id}"):
        assert client.post(f"{page}{path}", FORM).status_code == 404
    assert Webhook.objects.filter(pk=theirs.pk, disabled_at__isnull=True, url=FORM["url"]).count() == 1
    assert theirs.object_id not in client.get(LIST).content.decode()


def test_many_cost_the_list_and_the_page_no_more_questions(client: Client, ann: User) -> None:
    client.get(LIST)  # what is asked once, and then remembered
    counts = []
    for _number in range(3):
        webhook = _hook(ann)
        _delivery(webhook, state="failed", last_error="name")
        _delivery(Webhook.objects.order_by("pk")[0], state="failed")
        page = f"{LIST}/{Webhook.objects.order_by('pk')[0].object_id}"
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
            client.get(page)
        counts.append(len(queries))
    assert counts[0] == counts[2]
