"""Discussions: numbers, threads, rights, history; what is hidden stays hidden."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from community.enums import DiscussionType, EventKind, Sort, Status, StatusFilter
from community.models import CommentRevision, Discussion, Event
from community.queries import DiscussionFilter, events_of, get_discussion, list_discussions
from community.services import threads
from community.services.discussions import (
    change_discussion_status,
    comment_discussion,
    create_discussion,
    edit_discussion_comment,
    hide_discussion_comment,
    lock_discussion,
    pin_discussion,
    rename_discussion,
)
from community.services.pulls import delete_discussion
from community.signals import discussion_changed
from hub.accounts.auth import ANONYMOUS, Viewer
from hub.accounts.models import AuditEvent
from hub.core.errors import (
    AuthenticationRequired,
    BadRequest,
    Conflict,
    InsufficientScope,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
)
from hub.repos.models import Repo
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import make_user, make_viewer
from tests.factories.community import make_discussion, make_pull_request
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def repo() -> Repo:
    return make_repo()


@pytest.fixture
def owner(repo) -> Viewer:
    return Viewer(user=repo.created_by)


@pytest.fixture
def guest() -> Viewer:
    return Viewer(user=make_user(password=None))


def _kinds(discussion: Discussion) -> list[tuple[str, dict]]:
    return [(event.kind, event.data) for event in events_of(discussion)]


# --- open and number -------------------------------------------------------------------------------------------------


def test_discussions_and_pull_requests_share_numbers_from_1(repo, guest) -> None:
    made = [make_discussion(repo, guest.user), make_pull_request(repo), make_discussion(repo)]
    assert [item.num for item in made] == [1, 2, 3]
    assert make_discussion(make_repo()).num == 1
    assert Repo.objects.get(pk=repo.pk).discussions_open == 3


def test_concurrent_openings_get_different_numbers(repo, guest) -> None:
    def open_one(number: int) -> int:
        try:
            return create_discussion(Viewer(user=guest.user), repo, title=f"Question {number}").num
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(open_one, range(12)))
    assert sorted(numbers) == list(range(1, 13))
    assert Repo.objects.get(pk=repo.pk).discussions_open == 12


def test_numbers_of_deleted_discussions_are_not_given_again(repo, owner) -> None:
    delete_discussion(owner, make_discussion(repo))
    assert make_discussion(repo).num == 2
    assert Repo.objects.get(pk=repo.pk).discussions_open == 1


def test_the_first_comment_is_the_description(repo, guest) -> None:
    discussion = create_discussion(guest, repo, title="  Two  words ", description="**Hi**")
    assert (discussion.title, discussion.status, discussion.author) == ("Two  words", Status.OPEN, guest.user)
    assert [(event.kind, event.body, event.author) for event in events_of(discussion)] == [
        (EventKind.COMMENT, "**Hi**", guest.user)
    ]


@pytest.mark.parametrize("title", ["", "ab", " ab ", "x" * 201, "two\nlines", "bell\x07bell"])
def test_bad_titles_are_refused_and_make_nothing(repo, guest, title) -> None:
    with pytest.raises(BadRequest):
        create_discussion(guest, repo, title=title)
    assert not Discussion.objects.exists()
    assert Repo.objects.get(pk=repo.pk).last_discussion_num == 0


def test_texts_are_bounded(repo, guest) -> None:
    discussion = create_discussion(guest, repo, title="x" * 200, description="x" * threads.MAX_BODY)
    with pytest.raises(PayloadTooLarge):
        comment_discussion(guest, discussion, comment="x" * (threads.MAX_BODY + 1))
    with pytest.raises(BadRequest):
        comment_discussion(guest, discussion, comment=" \n")
    assert len(events_of(discussion)) == 1


def test_openings_and_comments_are_limited_by_the_hour(repo, guest, settings) -> None:
    settings.HUB_RATE_DISCUSSIONS, settings.HUB_RATE_COMMENTS = 2, 1
    first, _second = make_discussion(repo, guest.user), make_discussion(repo, guest.user)
    with pytest.raises(RateLimited):
        make_discussion(repo, guest.user)
    comment_discussion(guest, first, comment="one")
    with pytest.raises(RateLimited):
        comment_discussion(guest, first, comment="two")
    assert (Discussion.objects.count(), first.events.count()) == (2, 2)


def test_a_full_thread_takes_no_more_but_can_be_closed(repo, guest, monkeypatch) -> None:
    monkeypatch.setattr(threads, "MAX_EVENTS", 2)
    discussion = make_discussion(repo, guest.user)
    comment_discussion(guest, discussion, comment="two")
    with pytest.raises(Conflict):
        comment_discussion(guest, discussion, comment="three")
    change_discussion_status(guest, discussion, new_status=Status.CLOSED)
    assert get_discussion(repo, 1).status == Status.CLOSED


# --- rights ----------------------------------------------------------------------------------------------------------


def test_talking_needs_a_person_and_the_right_scope(repo) -> None:
    discussion = make_discussion(repo)
    with pytest.raises(AuthenticationRequired):
        create_discussion(ANONYMOUS, repo, title="Hello")
    for role in ("read", "inference"):
        reader = make_viewer(make_user(password=None), role)
        with pytest.raises(InsufficientScope):
            create_discussion(reader, repo, title="Hello")
        with pytest.raises(InsufficientScope):
            comment_discussion(reader, discussion, comment="Hello")
    granted = make_viewer(make_user(password=None), "fineGrained", grants={"global": ["discussion.write"]})
    assert comment_discussion(granted, discussion, comment="Hello").body == "Hello"


def test_disabled_discussions_take_nothing_new_and_stay_readable(repo, owner, guest) -> None:
    discussion = make_discussion(repo, guest.user)
    repo = update_repo_settings(owner, repo, are_discussions_disabled=True)
    discussion = get_discussion(repo, discussion.num)
    for act in (
        lambda: create_discussion(guest, repo, title="Hello"),
        lambda: comment_discussion(guest, discussion, comment="Hello"),
        lambda: change_discussion_status(guest, discussion, new_status=Status.CLOSED),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert list_discussions(repo, DiscussionFilter()).count == 1
    change_discussion_status(owner, discussion, new_status=Status.CLOSED)  # but order is kept


def test_strangers_change_nothing_of_others(repo, guest) -> None:
    discussion = make_discussion(repo)
    comment = events_of(discussion)[0]
    for act in (
        lambda: change_discussion_status(guest, discussion, new_status=Status.CLOSED),
        lambda: rename_discussion(guest, discussion, new_title="Other title"),
        lambda: edit_discussion_comment(guest, discussion, comment, new_content="Other"),
        lambda: hide_discussion_comment(guest, discussion, comment),
        lambda: pin_discussion(guest, discussion, is_pinned=True),
        lambda: lock_discussion(guest, discussion, is_locked=True),
        lambda: delete_discussion(guest, discussion),
    ):
        with pytest.raises(PermissionDenied):
            act()
    kept = get_discussion(repo, discussion.num)
    assert (kept.title, kept.status, kept.is_pinned, kept.is_locked) == ("A question", Status.OPEN, False, False)
    assert _kinds(kept) == [("comment", {})]


def test_authors_close_reopen_and_rename_their_own(repo, guest) -> None:
    discussion = make_discussion(repo, guest.user)
    change_discussion_status(guest, discussion, new_status=Status.CLOSED, comment="Solved")
    assert Repo.objects.get(pk=repo.pk).discussions_open == 0
    change_discussion_status(guest, discussion, new_status=Status.OPEN)
    rename_discussion(guest, discussion, new_title="A better question")
    assert _kinds(discussion) == [
        ("comment", {}),
        ("comment", {}),
        ("status-change", {"status": "closed"}),
        ("status-change", {"status": "open"}),
        ("title-change", {"from": "A question", "to": "A better question"}),
    ]
    kept = get_discussion(repo, discussion.num)
    assert (kept.status, kept.title, kept.closed_at, kept.num_comments) == ("open", "A better question", None, 2)
    assert Repo.objects.get(pk=repo.pk).discussions_open == 1


def test_what_changes_nothing_is_refused(repo, owner) -> None:
    discussion = make_discussion(repo)
    for status in (Status.OPEN, Status.DRAFT, Status.MERGED):
        with pytest.raises((Conflict, BadRequest)):
            change_discussion_status(owner, discussion, new_status=status)
    with pytest.raises(Conflict):
        rename_discussion(owner, discussion, new_title=discussion.title)
    assert len(events_of(discussion)) == 1


def test_locked_threads_are_for_those_who_keep_order(repo, owner, guest) -> None:
    discussion = make_discussion(repo, guest.user)
    lock_discussion(owner, discussion, is_locked=True)
    discussion = get_discussion(repo, discussion.num)
    for act in (
        lambda: comment_discussion(guest, discussion, comment="But"),
        lambda: rename_discussion(guest, discussion, new_title="But why"),
        lambda: edit_discussion_comment(guest, discussion, events_of(discussion)[0], new_content="But"),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert comment_discussion(owner, discussion, comment="Enough").body == "Enough"
    assert lock_discussion(owner, discussion, is_locked=True) is None
    lock_discussion(owner, discussion, is_locked=False)
    comment_discussion(guest, get_discussion(repo, discussion.num), comment="Thanks")


def test_pins_are_told_once(repo, owner) -> None:
    discussion = make_discussion(repo)
    assert pin_discussion(owner, discussion, is_pinned=True).data == {"pinned": True}
    assert pin_discussion(owner, discussion, is_pinned=True) is None
    assert get_discussion(repo, discussion.num).is_pinned


# --- comments --------------------------------------------------------------------------------------------------------


def test_edits_keep_what_was_said_before(repo, guest) -> None:
    discussion = make_discussion(repo, guest.user, text="one")
    comment = events_of(discussion)[0]
    for text in ("two", "two", "three"):
        edit_discussion_comment(guest, discussion, comment, new_content=text)
    event = events_of(discussion)[0]
    assert (event.body, [revision.body for revision in event.revisions.all()]) == ("three", ["two", "one"])
    assert event.edited_by == guest.user
    assert event.revisions.all()[1].created_at == event.created_at


def test_own_hidden_comments_are_erased_others_are_kept_for_an_appeal(repo, owner, guest) -> None:
    discussion = make_discussion(repo, guest.user, text="secret")
    mine = events_of(discussion)[0]
    edit_discussion_comment(guest, discussion, mine, new_content="less secret")
    rude = comment_discussion(guest, discussion, comment="rude")
    hide_discussion_comment(guest, discussion, mine)
    hide_discussion_comment(owner, discussion, rude)
    assert [(event.body, event.is_hidden, event.hidden_by) for event in events_of(discussion)] == [
        ("", True, guest.user),
        ("rude", True, owner.user),
    ]
    assert not CommentRevision.objects.exists()
    assert AuditEvent.objects.filter(action="comment.hide", actor=owner.user).count() == 1
    with pytest.raises(Conflict):
        edit_discussion_comment(guest, discussion, Event.objects.get(pk=rude.pk), new_content="back")


def test_discussions_outlive_their_authors(repo) -> None:
    person = make_user(password=None)
    discussion = make_discussion(repo, person)
    person.delete()
    kept = get_discussion(repo, discussion.num)
    assert (kept.author, events_of(kept)[0].author) == (None, None)


# --- told and listed -------------------------------------------------------------------------------------------------


def test_each_change_is_told_after_the_database_has_it(repo, owner, guest) -> None:
    heard = []

    def hear(sender, discussion_pk, repo_pk, num, action, comment_pk, actor_pk, **_) -> None:
        assert repo_pk == repo.pk
        heard.append((num, action, comment_pk and Event.objects.get(pk=comment_pk).body, actor_pk))

    discussion_changed.connect(hear)
    try:
        discussion = make_discussion(repo, guest.user)
        comment_discussion(owner, discussion, comment="Because")
        edit_discussion_comment(guest, discussion, events_of(discussion)[0], new_content="Why not?")
        hide_discussion_comment(guest, discussion, events_of(discussion)[0])
        rename_discussion(guest, discussion, new_title="Answered")
        change_discussion_status(owner, discussion, new_status=Status.CLOSED)
        delete_discussion(owner, discussion)
    finally:
        discussion_changed.disconnect(hear)
    mine, theirs = guest.user_pk, owner.user_pk
    assert heard == [
        (1, "created", "Why?", mine),
        (1, "commented", "Because", theirs),
        (1, "comment-edited", "Why not?", mine),
        (1, "comment-hidden", "", mine),
        (1, "renamed", None, mine),
        (1, "status-changed", None, theirs),
        (1, "deleted", None, theirs),
    ]


def test_lists_filter_count_and_sort(repo, owner, guest) -> None:
    first = make_discussion(repo, guest.user, title="About tokenizers")
    make_pull_request(repo, guest.user)
    closed = make_discussion(repo, title="Old question")
    change_discussion_status(owner, closed, new_status=Status.CLOSED)
    comment_discussion(owner, first, comment="More")

    def nums(**wanted) -> tuple[list[int], int, int]:
        page = list_discussions(repo, DiscussionFilter(**wanted))
        return [item.num for item in page.items], page.count, page.num_closed

    assert nums() == ([3, 2, 1], 3, 1)
    assert nums(kind=DiscussionType.PULL_REQUEST) == ([2], 1, 0)
    assert nums(kind=DiscussionType.DISCUSSION) == ([3, 1], 2, 1)
    assert nums(status=StatusFilter.OPEN) == ([2, 1], 2, 1)
    assert nums(status=StatusFilter.CLOSED) == ([3], 1, 1)
    assert nums(author=guest.user.username.upper()) == ([2, 1], 2, 0)
    assert nums(author="nobody-of-that-name") == ([], 0, 0)
    assert nums(search="TOKEN") == ([1], 1, 0)
    assert nums(sort=Sort.TRENDING) == ([1, 3, 2], 3, 1)
    assert list_discussions(repo, DiscussionFilter(), page=1).items == []
    with pytest.raises(NotFound):
        get_discussion(make_repo(), first.num)


@pytest.mark.parametrize("count", [1, 3])
def test_lists_and_threads_cost_the_same_for_any_number(repo, guest, count, django_assert_num_queries) -> None:
    for _ in range(count):
        discussion = make_discussion(repo, make_user(password=None))
    for _ in range(count):
        comment = comment_discussion(Viewer(user=make_user(password=None)), discussion, comment="Hm")
        edit_discussion_comment(Viewer(user=comment.author), discussion, comment, new_content="Hm!")
    with django_assert_num_queries(2):
        page = list_discussions(repo, DiscussionFilter())
        assert len([item.author.username for item in page.items]) == count
    with django_assert_num_queries(3):
        events = list(events_of(discussion))
        assert [len(event.revisions.all()) for event in events] == [0, *[1] * count]
        assert all(revision.author.username for event in events for revision in event.revisions.all())
