"""The bell, the inbox, its settings, and the menu that chooses what to hear of a repo (T35, T38)."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from community.models import Notification, Watch
from community.notices import choices_of, preference_of
from community.services import notices
from community.services.discussions import comment_discussion
from hub.accounts.auth import Viewer
from hub.accounts.enums import Role
from hub.accounts.models import Membership, User
from hub.repos.models import Repo
from tests.factories.accounts import make_organization, make_user
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)

INBOX = "/notifications"
SETTINGS = "/settings/notifications"


@pytest.fixture
def ann() -> User:
    return make_user("ann", password=None)


@pytest.fixture
def bob() -> User:
    return make_user("bob", password=None)


def _browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _text(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, path
    return answer.content.decode()


def _bell(client: Client) -> str:
    return re.search(r"data-bell-label>([^<]*)<", _text(client, "/models"))[1]


def _thread(owner: User, asker: User, title: str = "A question", **more: object) -> Repo:
    repo = make_repo(owner, **more)
    make_discussion(repo, asker, title=title)
    notices.spread_all()
    return repo


def test_the_bell_counts_and_the_inbox_shows_what_is_unread(ann: User, bob: User) -> None:
    client = _browser(ann)
    assert _bell(client) == ""
    assert "Nothing unread" in _text(client, INBOX)
    _thread(ann, bob, "Which <i>licence</i>?")
    assert _bell(client) == "1"
    assert client.get(f"{INBOX}/count").json() == {"label": "1"}
    page = _text(client, INBOX)
    assert "Which &lt;i&gt;licence&lt;/i&gt;?" in page
    assert "bob opened a discussion" in page


def test_the_bell_stops_at_ninety_nine(ann: User) -> None:
    rows = [Notification(user=ann, group=f"x{number}", kind="moderation", reason="moderation") for number in range(120)]
    Notification.objects.bulk_create(rows)
    assert _bell(_browser(ann)) == "99+"


def test_strangers_have_no_bell_and_no_inbox() -> None:
    client = Client()
    assert "data-bell=" not in _text(client, "/models")
    for path in (INBOX, f"{INBOX}/count", f"{INBOX}/{'0' * 24}", SETTINGS):
        assert client.get(path)["Location"].startswith("/accounts/login/")


def test_following_a_notice_reads_it_and_leads_to_the_thread(ann: User, bob: User) -> None:
    repo = _thread(ann, bob)
    client, row = _browser(ann), Notification.objects.get()
    assert client.head(f"{INBOX}/{row.object_id}").status_code == 302
    assert _bell(client) == "1"
    went = client.get(f"{INBOX}/{row.object_id}")
    assert went["Location"].startswith(f"{repo.urls.page}/discussions/1#")
    assert _bell(client) == ""
    assert "A question" in _text(client, f"{INBOX}?show=all")
    assert _browser(bob).get(f"{INBOX}/{row.object_id}").status_code == 404


def test_rows_are_marked_muted_and_all_read(ann: User, bob: User) -> None:
    repo = _thread(ann, bob)
    client, row = _browser(ann), Notification.objects.get()

    def act(action: str, back: str = f"{INBOX}?show=all") -> str:
        answer = client.post(INBOX, {"action": action, "id": row.object_id, "next": back})
        row.refresh_from_db()
        return answer["Location"]

    assert (act("read"), row.is_unread) == (f"{INBOX}?show=all", False)
    assert (act("unread"), row.is_unread) == (f"{INBOX}?show=all", True)
    assert (act("mute"), row.is_unread) == (f"{INBOX}?show=all", False)
    assert "Muted" in _text(client, f"{INBOX}?show=all")
    comment_discussion(Viewer(user=bob), repo.discussions.get(), comment="Well?")
    notices.spread_all()
    assert _bell(client) == ""
    act("unmute")
    comment_discussion(Viewer(user=bob), repo.discussions.get(), comment="Well?")
    notices.spread_all()
    assert _bell(client) == "1"
    assert act("read_all") == f"{INBOX}?show=all"
    assert _bell(client) == ""
    for outside in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        assert act("read", outside) == INBOX


def test_the_inbox_is_narrowed_by_reason(ann: User, bob: User) -> None:
    repo = _thread(ann, bob, "Watched only")
    make_discussion(repo, bob, title="Named in it", text="@ann")
    notices.spread_all()
    client = _browser(ann)
    page = _text(client, f"{INBOX}?reason=mention")
    assert "Named in it" in page
    assert "Watched only" not in page
    assert "No notification fits" in _text(client, f"{INBOX}?reason=access")
    assert "Watched only" in _text(client, f"{INBOX}?reason=nonsense")
    assert client.get(f"{INBOX}?cursor=x").status_code == 400


def test_opening_a_thread_reads_its_notice_and_it_can_be_muted_there(ann: User, bob: User) -> None:
    repo = _thread(ann, bob)
    client, thread = _browser(ann), f"{repo.urls.page}/discussions/1"
    client.head(thread)
    Client().get(thread)
    assert _bell(client) == "1"
    assert "Mute this thread" in _text(client, thread)
    assert _bell(client) == ""
    client.post(thread, {"action": "mute"})
    assert "You hear nothing of this thread." in _text(client, thread)
    comment_discussion(Viewer(user=bob), repo.discussions.get(), comment="Well?")
    notices.spread_all()
    assert not Notification.objects.filter(user=ann, read_at__isnull=True).exists()
    client.post(thread, {"action": "unmute"})
    assert "Mute this thread" in _text(client, thread)
    assert Client().post(thread, {"action": "mute"})["Location"].startswith("/accounts/login/")


def test_titles_are_gone_with_the_right_t38(ann: User, bob: User) -> None:
    make_organization("orchard", admin=bob, members={ann: Role.ADMIN})
    _thread(bob, bob, "Secret plans", name="hidden-repo", namespace="orchard", is_private=True)
    client = _browser(ann)
    assert "Secret plans" in _text(client, INBOX)
    Membership.objects.filter(user=ann).delete()
    for path in (INBOX, f"{INBOX}?show=all", SETTINGS):
        page = _text(client, path)
        assert "Secret plans" not in page
        assert "hidden-repo" not in page
    assert _bell(client) == ""


def test_settings_are_saved_and_shown(ann: User) -> None:
    client = _browser(ann)
    page = _text(client, SETTINGS)
    assert re.search(r'name="web_mention"[^>]* checked', page)
    assert not re.search(r'name="web_like"[^>]* checked', page)
    form = {"digest": "daily", "is_quiet": "on", "web_like": "on"}
    form |= {f"mail_{kind}": "digest" for kind in choices_of(ann)} | {"mail_mention": "once"}
    assert client.post(SETTINGS, form)["Location"] == SETTINGS
    chosen, preference = choices_of(ann), preference_of(ann)
    assert (chosen["like"].is_shown, chosen["mention"].is_shown, chosen["mention"].mail) == (True, False, "once")
    assert (preference.digest, preference.is_quiet) == ("daily", True)
    assert client.post(SETTINGS, form | {"digest": "hourly"}).status_code == 422
    assert "You asked for quiet" in _text(client, INBOX)


def test_the_menu_of_a_repo_chooses_what_is_heard(ann: User, bob: User) -> None:
    repo = make_repo(bob, "one")
    client = _browser(ann)
    url = f"{repo.urls.page}/watch"
    assert f'action="{url}"' in _text(client, repo.urls.page)
    assert url not in _text(Client(), repo.urls.page)
    assert client.post(url, {"level": "all"})["Location"] == repo.urls.page
    assert Watch.objects.get().level == "all"
    assert re.search(r'value="all">(?:<[^>]*>)*<button[^>]*aria-pressed="true"', _text(client, repo.urls.page))
    client.post(url, {"level": "nonsense"})
    assert "level must be one of" in _text(client, repo.urls.page)
    assert "bob/one" in _text(client, SETTINGS)
    client.post(SETTINGS, {"action": "unwatch", "watch": Watch.objects.get().pk})
    assert not Watch.objects.exists()
    assert Client().post(url, {"level": "all"})["Location"].startswith("/accounts/login/")

    assert client.post("/-/watch/bob", {"level": "all"})["Location"] == "/bob"
    assert Watch.objects.get().namespace == bob.namespace


@pytest.mark.parametrize("path", [INBOX, f"{INBOX}?show=all", SETTINGS])
def test_pages_take_as_many_queries_for_three_as_for_one(ann: User, bob: User, path: str) -> None:
    repo, client, counts = make_repo(ann), _browser(ann), []
    _text(client, path)  # the first page of a session writes it
    for more in (1, 2):
        for _number in range(more):
            make_discussion(repo, bob)
            Watch.objects.create(user=ann, repo=make_repo(bob), level="all")
        notices.spread_all()
        with CaptureQueriesContext(connection) as queries:
            _text(client, path)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12
