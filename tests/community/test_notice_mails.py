"""Notices by mail: at once or in a digest, with a way out, and never more than the reader may see (T38, T95)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from community.enums import Digest, MailChoice, NoticeKind, WatchLevel
from community.models import Discussion, Notification, NotificationPreference
from community.notices import Choice, choices_of, preference_of
from community.services import inbox, notice_mails, notices
from community.services.discussions import comment_discussion, create_discussion
from hub.accounts.auth import Viewer
from hub.accounts.enums import Role
from hub.accounts.models import Membership, User
from hub.core.errors import BadRequest
from tests.factories.accounts import make_organization, make_user
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _mail(settings):
    settings.IS_MAIL_CONFIGURED = True
    settings.HUB_URL = "https://hub.example"


def _at_once(user: User, kind: NoticeKind = NoticeKind.MENTION) -> None:
    inbox.choose(Viewer(user=user), {kind.value: Choice(is_shown=True, mail=MailChoice.ONCE)})


def _mention(text: str = "@named, look: <b>bold</b>", title: str = "A question") -> tuple[User, Discussion]:
    owner, named = make_user("owner", password=None), make_user("named", password=None)
    _at_once(named)
    discussion = make_discussion(make_repo(owner, "one"), owner, title=title, text="First")
    comment_discussion(Viewer(user=owner), discussion, comment=text)
    return named, discussion


def _run() -> list[str]:
    notices.spread_all()
    notice_mails.send_due()
    return [message.to[0] for message in mail.outbox]


def test_a_mention_is_mailed_at_once_as_text_and_html_without_pictures_t95():
    _mention("@named ![x](https://tracker.example/pixel.gif) <img src=https://tracker.example/2.gif>")
    assert _run() == ["named@example.org"]
    message = mail.outbox[0]
    assert message.subject == "owner mentioned you: A question"
    assert "https://hub.example/owner/one/discussions/1#" in message.body
    html, kind = message.alternatives[0]
    assert kind == "text/html"
    assert "<img" not in html
    assert "&lt;img" in html
    assert "<script" not in html
    assert _run() == ["named@example.org"]


@pytest.mark.parametrize(
    "forged",
    [
        "Hi\r\nBcc: all@example.org",
        "Hi\nX: y",
        "Hi\rX",
        "Hi\u2028X: y",
        "Hi\x0bX",
        "Hi\x85Bcc: all@example.org",
        "=?x?=\r\nX: y",
    ],
)
def test_nothing_in_a_title_or_name_becomes_a_header_t95(forged):
    """T95: the service refuses such a title, and should one be in the database all the same, its mail has one line."""
    named, discussion = _mention()
    with pytest.raises(BadRequest):
        create_discussion(Viewer(user=named), discussion.repo, title=forged)
    Discussion.objects.filter(pk=discussion.pk).update(title=forged)
    User.objects.filter(username="owner").update(full_name=forged[:100])
    _run()
    raw = mail.outbox[0].message()
    assert len(raw["Subject"].splitlines()) == 1
    assert not {"Bcc", "X"} & set(raw.keys())
    assert len(mail.outbox[0].recipients()) == 1


def test_a_title_in_html_stays_text_t95():
    _mention(title="<a href=https://evil.example>Sign in</a>")
    _run()
    html = mail.outbox[0].alternatives[0][0]
    assert "evil.example>" not in html.replace("&gt;", "")
    assert "&lt;a href=" in html


@pytest.mark.parametrize("change", ["member", "read", "quiet", "choice", "address", "hidden"])
def test_a_mail_asks_again_before_it_leaves_t38(change):
    """T38: queue, revoke, run worker."""
    admin, named = make_user("boss", password=None), make_user("named", password=None)
    make_organization("orchard", admin=admin, members={named: Role.READ})
    _at_once(named)
    repo = make_repo(admin, "plans", namespace="orchard", is_private=True)
    event = make_discussion(repo, admin, title="Secret plans", text="@named the password is 1234").events.get()
    notices.spread_all()
    assert Notification.objects.get(user=named).mail_at is not None
    if change == "member":
        Membership.objects.filter(user=named).delete()
    elif change == "read":
        inbox.mark_all(Viewer(user=named))
    elif change == "quiet":
        inbox.choose(Viewer(user=named), {}, is_quiet=True)
    elif change == "choice":
        inbox.choose(Viewer(user=named), {"mention": Choice()})
    elif change == "address":
        named.emailaddress_set.update(verified=False)
    else:
        event.hidden_at = timezone.now()
        event.save()
    notice_mails.send_due()
    assert len(mail.outbox) == (change == "hidden")
    assert all("1234" not in message.body for message in mail.outbox)
    assert Notification.objects.get(user=named).mail_at is None


def test_by_default_only_what_concerns_a_person_alone_is_mailed():
    owner, named = make_user("owner", password=None), make_user("named", password=None)
    make_discussion(make_repo(owner, "one"), owner, text="@named")
    notices.notify([named], NoticeKind.MODERATION, title="Your comment was hidden", text="It was an advertisement.")
    _run()
    assert [message.subject for message in mail.outbox] == ["A moderator decided: Your comment was hidden"]
    assert "It was an advertisement." in mail.outbox[0].body


def test_mails_of_one_person_are_bounded(monkeypatch):
    owner, named = make_user("owner", password=None), make_user("named", password=None)
    _at_once(named)
    repo = make_repo(owner, "one")
    for number in range(notice_mails.MAX_PER_HOUR + 3):
        make_discussion(repo, owner, title=f"Thread {number}", text="@named")
    _run()
    assert len(mail.outbox) == notice_mails.MAX_PER_HOUR


def test_mails_are_in_the_language_of_the_reader():
    named, _discussion = _mention()
    User.objects.filter(pk=named.pk).update(language="zh-hans")
    _run()
    assert "owner 提到了你" in mail.outbox[0].subject


# --- digests ---------------------------------------------------------------------------------------------------------


def _digest_reader(digest: Digest = Digest.DAILY) -> tuple[User, User]:
    owner, reader = make_user("owner", password=None), make_user("reader", password=None)
    inbox.choose(Viewer(user=reader), {}, digest=digest)
    return owner, reader


def _pass(user: User, **time: int) -> None:
    preference = NotificationPreference.objects.get(user=user)
    preference.digest_at -= timedelta(**time)
    preference.save()
    for row in Notification.objects.filter(user=user):
        row.updated_at -= timedelta(**time)
        row.save()


def test_a_digest_tells_what_is_new_and_unread_once():
    owner, reader = _digest_reader()
    repo = make_repo(owner, "one")
    inbox.watch(Viewer(user=reader), repo, WatchLevel.ALL)
    for title in ("First", "Second", "Seen"):
        make_discussion(repo, owner, title=title)
    notices.spread_all()
    inbox.mark_thread_seen(Viewer(user=reader), Discussion.objects.get(title="Seen"))
    assert notice_mails.send_digests() == 0
    _pass(reader, days=1)
    assert [notice_mails.send_digests(), notice_mails.send_digests()] == [1, 0]
    message = mail.outbox[0]
    assert message.subject.startswith("2 things new for you")
    for body in (message.body, message.alternatives[0][0]):
        assert "owner opened a discussion" in body
        assert all(word in body for word in ("First", "Second"))
        assert "Seen" not in body
    _pass(reader, days=1)
    assert notice_mails.send_digests() == 0


def test_weekly_digests_wait_a_week_and_quiet_ones_for_ever():
    owner, reader = _digest_reader(Digest.WEEKLY)
    make_discussion(make_repo(owner, "one"), owner, text="@reader")
    notices.spread_all()
    _pass(reader, days=3)
    assert notice_mails.send_digests() == 0
    inbox.choose(Viewer(user=reader), {}, is_quiet=True)
    _pass(reader, days=5)
    assert notice_mails.send_digests() == 0
    inbox.choose(Viewer(user=reader), {}, is_quiet=False)
    assert notice_mails.send_digests() == 1


def test_a_digest_holds_nothing_that_may_not_be_seen_any_more_t38():
    owner, reader = _digest_reader()
    make_organization("orchard", admin=owner, members={reader: Role.READ})
    for name, title, is_private in (("plans", "Secret plans", True), ("shop", "Open hours", False)):
        repo = make_repo(owner, name, namespace="orchard", is_private=is_private)
        make_discussion(repo, owner, title=title, text="@reader")
    notices.spread_all()
    Membership.objects.filter(user=reader).delete()
    _pass(reader, days=1)
    notice_mails.send_digests()
    whole = mail.outbox[0].subject + mail.outbox[0].body + mail.outbox[0].alternatives[0][0]
    assert "Open hours" in whole
    assert "plans" not in whole
    assert mail.outbox[0].subject.startswith("One thing")


# --- no more ---------------------------------------------------------------------------------------------------------


def test_one_click_ends_the_mails_of_a_kind_and_nothing_else(client):
    named, _discussion = _mention()
    _run()
    headers = mail.outbox[0].message()
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = re.fullmatch(
        r"<https://hub\.example(/notifications/unsubscribe/[^>]+)>", "".join(headers["List-Unsubscribe"].split())
    )[1]
    assert f"https://hub.example{path}" in mail.outbox[0].body
    page = client.get(path)
    assert (page.status_code, choices_of(named)["mention"].mail) == (200, MailChoice.ONCE)
    assert "named" in page.content.decode()
    # As mail programs do it: without a session, without a CSRF token.
    client.handler.enforce_csrf_checks = True
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert choices_of(named)["mention"] == Choice(is_shown=True, mail=MailChoice.OFF)
    assert choices_of(named)["comment"].mail == MailChoice.DIGEST


def test_a_digest_is_ended_by_its_link_and_other_links_end_nothing(client):
    _owner, reader = _digest_reader()
    path = notice_mails.unsubscribe_url(reader, "digest").removeprefix("https://hub.example")
    assert client.post(path[:-1] + ("A" if path[-1] != "A" else "B")).status_code == 400
    assert preference_of(reader).digest == Digest.DAILY
    assert client.post(path).status_code == 200
    assert preference_of(reader).digest == Digest.OFF
    with pytest.raises(BadRequest):
        notice_mails.unsubscribe(notice_mails.sign_unsubscribe(reader, "password"))


def test_without_mail_nothing_waits(settings):
    settings.IS_MAIL_CONFIGURED = False
    named, _discussion = _mention()
    assert _run() == []
    assert Notification.objects.get(user=named).mail_at is None
    assert notice_mails.send_digests() == 0
