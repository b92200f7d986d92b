"""Discussions in the browser: the list, threads, and everything that is done in them, without a line of script."""

from __future__ import annotations

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from community.enums import EventKind
from community.models import CommentRevision, Discussion, Event, Reaction
from community.services.discussions import comment_discussion, edit_discussion_comment, pin_discussion
from community.services.reactions import set_reaction
from community.services.threads import add_event
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.repos.models import Repo
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import make_user
from tests.factories.community import make_discussion, make_pull_request
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/ada/atlas/discussions"
ONE = f"{LIST}/1"


@pytest.fixture
def owner() -> User:
    return make_user("ada", password=None)


@pytest.fixture
def guest() -> User:
    return make_user("grace", password=None)


@pytest.fixture
def repo(owner: User) -> Repo:
    return make_repo(owner, "atlas")


def _browser(user: User | None = None) -> Client:
    client = Client(headers={"accept": "text/html"})
    if user is not None:
        client.force_login(user)
    return client


def _page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, (path, answer.status_code)
    return answer.content.decode()


def _act(client: Client, action: str, path: str = ONE, **more: str) -> HttpResponse:
    return client.post(path, {"action": action, **more})


def _first(discussion: Discussion) -> Event:
    return discussion.events.filter(kind="comment").earliest("pk")


# --- the list --------------------------------------------------------------------------------------------------------


def test_an_empty_repo_invites_to_begin(repo: Repo, guest: User) -> None:
    page = _page(_browser(guest), LIST)
    assert "Nobody has said anything yet" in page
    assert f'href="{LIST}/new"' in page


def test_the_list_is_narrowed_by_state_kind_author_and_words(repo: Repo, owner: User, guest: User) -> None:
    make_discussion(repo, guest, title="Why so slow?")
    make_discussion(repo, owner, title="Roadmap")
    make_pull_request(repo, guest, title="Fix the typo")
    closed = make_discussion(repo, guest, title="Done already")
    client = _browser(owner)
    _act(client, "close", f"{LIST}/{closed.num}")

    def titles(query: str = "") -> list[str]:
        page = _page(client, f"{LIST}{query}")
        return [title for title in ("Why so slow?", "Roadmap", "Fix the typo", "Done already") if title in page]

    assert titles() == ["Why so slow?", "Roadmap", "Fix the typo"]
    assert titles("?status=closed") == ["Done already"]
    assert titles("?type=pull_request") == ["Fix the typo"]
    assert titles("?author=ADA") == ["Roadmap"]
    assert titles("?search=SLOW&status=all") == ["Why so slow?"]
    assert titles("?search=nothing-like-it") == []
    assert titles("?status=nonsense&p=x&type=9") == ["Why so slow?", "Roadmap", "Fix the typo"]
    assert "Nothing matches" in _page(client, f"{LIST}?search=nothing-like-it")


def test_tabs_count_and_lead_to_the_discussions(repo: Repo, guest: User) -> None:
    for number in range(2):
        make_discussion(repo, guest, title=f"Question {number}")
    _act(_browser(guest), "close")
    page = _page(_browser(), "/ada/atlas")
    assert f'href="{LIST}"' in page
    listed = _page(_browser(), LIST)
    assert '<span>Open</span><span class="tabs__count">1</span>' in listed
    assert '<span>Closed</span><span class="tabs__count">1</span>' in listed


def test_pinned_ones_come_first_and_once(repo: Repo, owner: User) -> None:
    make_discussion(repo, title="Old and pinned")
    make_discussion(repo, title="Newer")
    _act(_browser(owner), "pin")
    page = _page(_browser(), LIST)
    assert page.index("Old and pinned") < page.index("Newer")
    assert page.count("Old and pinned") == 1
    _act(_browser(owner), "unpin")
    page = _page(_browser(), LIST)
    assert page.index("Newer") < page.index("Old and pinned")


def test_long_lists_have_pages(repo: Repo, guest: User) -> None:
    rows = [Discussion(repo=repo, num=number, title=f"Question {number:03}", author=guest) for number in range(1, 53)]
    Discussion.objects.bulk_create(rows)
    Repo.objects.filter(pk=repo.pk).update(last_discussion_num=52)
    first, second = _page(_browser(), LIST), _page(_browser(), f"{LIST}?p=1")
    assert "1 to 50 of 52" in first
    assert f'href="{LIST}?p=1"' in first
    assert ("Question 002" in first, "Question 002" in second) == (False, True)
    assert f'href="{LIST}"' in second


@pytest.mark.parametrize("page", ["list", "thread"])
def test_pages_ask_the_database_as_often_for_three_as_for_one(page: str, repo: Repo, guest: User, owner: User) -> None:
    counts = []
    discussion = make_discussion(repo, guest, text=f"@{owner.username} see ada/atlas and #1")
    client = _browser(owner)
    for _ in range(2):
        client.get(LIST if page == "list" else ONE)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(LIST if page == "list" else ONE)
        counts.append(len(queries))
        for number in range(2):
            make_discussion(repo, make_user(password=None), title=f"More {number}")
            person = make_user(password=None)
            event = comment_discussion(
                Viewer(user=person), discussion, comment=f"@{guest.username} ada/atlas #{number}"
            )
            edit_discussion_comment(Viewer(user=person), discussion, event, new_content="Again #1")
            set_reaction(Viewer(user=guest), discussion, event, emoji="heart", is_on=True)
    assert counts[0] == counts[1]


# --- open, comment, preview ------------------------------------------------------------------------------------------


def test_a_discussion_is_opened_and_answered_by_plain_forms(repo: Repo, owner: User, guest: User) -> None:
    asker, answerer = _browser(guest), _browser(owner)
    made = asker.post(f"{LIST}/new", {"title": "What <b>data</b>?", "comment": "Hello @ada, **which** data?"})
    assert (made.status_code, made["Location"]) == (302, ONE)
    answered = _act(answerer, "comment", comment="Ask @nobody-here.")
    event = Event.objects.latest("pk")
    assert (answered.status_code, answered["Location"]) == (302, f"{ONE}#{event.object_id}")
    page = _page(_browser(), ONE)
    assert "What &lt;b&gt;data&lt;/b&gt;?" in page
    assert '<a class="mention" href="/ada">@ada</a>, <strong>which</strong> data?' in page
    assert "Ask @nobody-here." in page
    assert "Sign in to comment" in page


def test_long_threads_come_in_parts_and_every_comment_has_an_address(repo: Repo, owner: User, guest: User) -> None:
    thread = make_discussion(repo, guest, title="Long")
    Event.objects.filter(pk=_first(thread).pk).update(body="How it began")
    said = [add_event(thread, EventKind.COMMENT, owner, body=f"Word {number};").object_id for number in range(120)]
    client = _browser(guest)

    newest = _page(client, ONE)
    assert "How it began" in newest
    assert "Word 119;" in newest
    assert "Word 69;" not in newest
    assert "70 earlier entries" in newest
    assert f'href="{ONE}?at={said[20]}#{said[20]}"' in newest

    middle = _page(client, f"{ONE}?at={said[20]}")
    assert "20 earlier entries" in middle
    assert "50 later entries" in middle
    assert "Word 20;" in middle
    assert "Word 69;" in middle
    assert "Word 70;" not in middle

    first = _page(client, f"{ONE}?at={said[0]}")
    assert "earlier entries" not in first
    assert "Word 0;" in first
    assert "Word 119;" in _page(client, f"{ONE}?at=nonsense")


def test_text_of_strangers_is_rendered_safely_t94(repo: Repo, guest: User) -> None:
    text = (
        "<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\n"
        "[x](javascript:alert(1)) ![p](https://spy.example/p.png)"
    )
    make_discussion(repo, guest, title="<img src=x onerror=alert(2)>", text=text)
    for path in (ONE, LIST):
        page = _page(_browser(), path)
        for bad in ("<script>alert", "<img src=x", "onerror=alert(1)", 'src="https://spy.example', 'href="javascript:'):
            assert bad not in page, bad


def test_hidden_repos_in_comments_stay_text_t94(repo: Repo, owner: User) -> None:
    make_repo(owner, "plans", is_private=True)
    make_discussion(repo, owner, text="See ada/plans and ada/missing")
    link = '<a class="reference" href="/ada/plans">'
    assert link in _page(_browser(owner), ONE)
    assert link not in _page(_browser(), ONE)


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        (f"{LIST}/new", {"title": "ab", "comment": "kept text"}, "A title has 3 to 200 characters."),
        (ONE, {"action": "comment", "comment": "  "}, "A comment needs a text."),
        (ONE, {"action": "rename", "title": "x", "comment": "kept text"}, "A title has 3 to 200 characters."),
    ],
)
def test_refusals_keep_what_was_typed(path: str, data: dict[str, str], words: str, repo: Repo, guest: User) -> None:
    make_discussion(repo, guest)
    answer = _browser(guest).post(path, data)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    if "kept text" in data.values():
        assert "kept text</textarea>" in answer.content.decode()


def test_previews_show_what_readers_will_see_with_and_without_script(repo: Repo, guest: User) -> None:
    make_discussion(repo, guest)
    client = _browser(guest)
    part = client.post(f"{LIST}/preview", {"comment": "**bold** @grace"}, headers={"hx-request": "true"})
    assert "<strong>bold</strong>" in part.content.decode()
    assert '<a class="mention" href="/grace">' in part.content.decode()
    for path, more in ((ONE, {"action": "comment"}), (f"{LIST}/new", {"title": "A title"})):
        before = Event.objects.count()
        whole = client.post(path, {**more, "comment": "**bold** words", "preview": "1"}).content.decode()
        assert "<strong>bold</strong> words" in whole
        assert "**bold** words</textarea>" in whole
        assert Event.objects.count() == before
    assert _browser().post(f"{LIST}/preview", {"comment": "x"}).status_code in (302, 401, 403)


def test_quotes_are_written_by_a_link(repo: Repo, guest: User, owner: User) -> None:
    discussion = make_discussion(repo, guest, text="One line\n\n<b>two</b>")
    event = _first(discussion)
    page = _page(_browser(owner), f"{ONE}?quote={event.object_id}")
    assert "&gt; @grace wrote:\n&gt;\n&gt; One line\n&gt;\n&gt; &lt;b&gt;two&lt;/b&gt;" in page
    _browser(guest).post(f"{ONE}/comments/{event.object_id}/hide")
    assert "One line" not in _page(_browser(owner), f"{ONE}?quote={event.object_id}")
    assert _page(_browser(owner), f"{ONE}?quote=nonsense")


# --- comments --------------------------------------------------------------------------------------------------------


def test_comments_are_edited_by_their_author_and_keep_their_history(repo: Repo, guest: User, owner: User) -> None:
    event = _first(make_discussion(repo, guest, text="Frist"))
    path = f"{ONE}/comments/{event.object_id}"
    assert "Frist</textarea>" in _page(_browser(guest), f"{path}/edit")
    assert _browser(owner).post(f"{path}/edit", {"comment": "Mine"})["Location"] == f"{ONE}#{event.object_id}"
    saved = _browser(guest).post(f"{path}/edit", {"comment": "First"})
    assert saved["Location"] == f"{ONE}#{event.object_id}"
    event.refresh_from_db()
    assert (event.body, CommentRevision.objects.get().body) == ("First", "Frist")
    assert f'href="{path}/history"' in _page(_browser(), ONE)
    history = _page(_browser(), f"{path}/history")
    assert history.index("First") < history.index("Frist")


def test_hidden_comments_leave_no_trace_of_their_words(repo: Repo, guest: User, owner: User) -> None:
    event = _first(make_discussion(repo, guest, text="A secret word"))
    path = f"{ONE}/comments/{event.object_id}"
    _browser(guest).post(f"{path}/edit", {"comment": "Another secret word"})
    stranger = make_user("eve", password=None)
    assert _browser(stranger).post(f"{path}/hide").status_code == 403
    assert _browser(owner).post(f"{path}/hide").status_code == 302
    for reader in (_browser(), _browser(owner), _browser(guest)):
        page = _page(reader, ONE)
        assert "secret word" not in page
        assert "This comment was hidden." in page
        assert "secret word" not in _page(reader, f"{path}/history", 404)


def test_comments_of_another_thread_are_not_found_t33(repo: Repo, guest: User) -> None:
    event = _first(make_discussion(repo, guest))
    other = make_repo(guest, "other")
    make_discussion(other, guest)
    for part in ("edit", "history"):
        assert _browser(guest).get(f"/grace/other/discussions/1/comments/{event.object_id}/{part}").status_code == 404
    for part in ("hide", "react"):
        assert _browser(guest).post(f"/grace/other/discussions/1/comments/{event.object_id}/{part}").status_code == 404
    event.refresh_from_db()
    assert not event.is_hidden


def test_reactions_are_one_for_each_person_and_emoji(repo: Repo, guest: User, owner: User) -> None:
    event = _first(make_discussion(repo, guest))
    path = f"{ONE}/comments/{event.object_id}/react"
    for _ in range(2):
        assert _browser(owner).post(path, {"emoji": "heart"}).status_code == 302
    _browser(guest).post(path, {"emoji": "heart"})
    part = _browser(owner).post(path, {"emoji": "rocket"}, headers={"hx-request": "true"}).content.decode()
    assert 'aria-label="Heart: 2, from ada, grace"' in part
    assert 'aria-label="Rocket: 1, from ada"' in part
    assert "<html" not in part
    discussion = Discussion.objects.get()
    assert (discussion.num_reaction_users, discussion.top_reactions) == (2, [["heart", 2], ["rocket", 1]])
    _browser(owner).post(path, {"emoji": "heart", "on": "0"})
    assert Reaction.objects.count() == 2
    assert _browser(owner).post(path, {"emoji": "skull"}).status_code == 400
    wire = _browser().get("/api/models/ada/atlas/discussions/1").json()
    assert wire["events"][0]["data"]["reactions"] == [
        {"reaction": "❤️", "users": ["grace"], "count": 1},
        {"reaction": "🚀", "users": ["ada"], "count": 1},
    ]
    assert wire["numReactionUsers"] == 2
    _browser(owner).post(f"{ONE}/comments/{event.object_id}/hide")
    discussion.refresh_from_db()
    assert discussion.num_reaction_users == 0
    assert _browser(owner).post(path, {"emoji": "heart"}).status_code == 302
    assert Reaction.objects.count() == 2


# --- the thread ------------------------------------------------------------------------------------------------------


def test_threads_are_closed_reopened_and_renamed(repo: Repo, guest: User) -> None:
    make_discussion(repo, guest)
    client = _browser(guest)
    _act(client, "close", comment="Solved, thanks.")
    page = _page(client, ONE)
    assert "closed this" in page
    assert "Solved, thanks." in page
    _act(client, "open")
    _act(client, "rename", title="A better <title>")
    page = _page(client, ONE)
    assert "A better &lt;title&gt;" in page
    assert "opened this" in page
    assert Discussion.objects.get().status == "open"


def test_strangers_change_nothing_t30(repo: Repo, guest: User) -> None:
    make_discussion(repo, guest, title="As it was")
    client = _browser(make_user("eve", password=None))
    for action in ("close", "pin", "lock", "merge", "remove-files"):
        assert _act(client, action).status_code in (403, 422), action
    assert _act(client, "rename", title="Other").status_code == 403
    assert client.post(f"{ONE}/delete").status_code == 403
    assert _act(client, "no-such-act").status_code == 404
    found = Discussion.objects.get()
    assert (found.title, found.status, found.is_pinned, found.is_locked) == ("As it was", "open", False, False)
    page = _page(client, ONE)
    for words in ("Rename", "Pin to the top", "Lock: only", "Delete…"):
        assert words not in page


def test_locked_threads_take_no_words_but_of_those_who_keep_order(repo: Repo, guest: User, owner: User) -> None:
    make_discussion(repo, guest)
    _act(_browser(owner), "lock")
    page = _page(_browser(guest), ONE)
    assert "This discussion is locked." in page
    assert 'name="comment"' not in page
    assert _act(_browser(guest), "comment", comment="But still!").status_code == 403
    assert _act(_browser(owner), "comment", comment="It is closed.").status_code == 302
    _act(_browser(owner), "unlock")
    assert _act(_browser(guest), "comment", comment="Thanks.").status_code == 302


def test_threads_are_deleted_after_a_question(repo: Repo, guest: User, owner: User) -> None:
    make_discussion(repo, guest)
    assert "removed for good" in _page(_browser(owner), f"{ONE}/delete")
    assert _browser(guest).get(f"{ONE}/delete")["Location"] == ONE
    assert _browser(owner).post(f"{ONE}/delete")["Location"] == LIST
    assert not Discussion.objects.exists()


def test_signed_out_people_are_led_to_the_sign_in(repo: Repo, guest: User) -> None:
    event = _first(make_discussion(repo, guest))
    client = _browser()
    for path in (ONE, f"{ONE}/comments/{event.object_id}/hide", f"{ONE}/comments/{event.object_id}/react"):
        assert client.post(path, {"comment": "x"})["Location"] == f"/accounts/login/?next={ONE}"
    assert client.get(f"{LIST}/new")["Location"] == f"/accounts/login/?next={LIST}/new"


def test_discussions_that_are_off_say_so(repo: Repo, guest: User, owner: User) -> None:
    words = "Discussions and pull requests are disabled for this repository."
    switched = _browser(owner).post("/ada/atlas/settings", {"action": "discussions"}, follow=True)
    assert "Discussions are switched off." in switched.content.decode()
    assert "Switch them on in the settings" in _page(_browser(owner), LIST)
    assert words in _page(_browser(guest), LIST)
    assert LIST not in _page(_browser(guest), "/ada/atlas")
    _browser(owner).post("/ada/atlas/settings", {"action": "discussions", "are_on": "on"})
    make_discussion(repo, guest, title="Said before")
    update_repo_settings(Viewer(user=owner), repo, are_discussions_disabled=True)
    for reader in (guest, None):
        assert "Said before" in _page(_browser(reader), LIST)
        assert words in _page(_browser(reader), ONE)
        assert 'name="comment"' not in _page(_browser(reader), ONE)
    assert _act(_browser(guest), "comment", comment="Still?").status_code == 403
    assert _browser(guest).post(f"{LIST}/new", {"title": "Again", "comment": ""}).status_code == 403


def test_private_discussions_are_for_those_who_see_the_repo_t29(owner: User, guest: User) -> None:
    repo = make_repo(owner, "plans", is_private=True)
    make_discussion(repo, owner)
    for path in ("discussions", "discussions/1", "discussions/new"):
        answers = [_browser(guest).get(f"/ada/{name}/{path}") for name in ("plans", "missing")]
        assert [answer.status_code for answer in answers] == [404, 404]
    pin_discussion(Viewer(user=owner), Discussion.objects.get(), is_pinned=True)
    assert "Pinned" in _page(_browser(owner), "/ada/plans/discussions/1")
