"""Notices: who is told of what and why, and that nobody is told of what they may not see (T36, T38)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from community.enums import MailChoice, NoticeKind, Status, WatchLevel
from community.models import Happening, Notification, Watch
from community.notice_words import words_of
from community.notices import (
    Choice,
    NoticeFilter,
    count_unread,
    find_watchable,
    is_muted,
    list_notices,
    watch_state,
    watches_of,
)
from community.services import inbox, notices
from community.services.discussions import (
    change_discussion_status,
    comment_discussion,
    create_discussion,
    edit_discussion_comment,
    hide_discussion_comment,
)
from community.services.follows import follow, unfollow
from community.services.likes import like
from community.services.pulls import merge_pull_request
from community.services.ratings import Opinion, reply_to_review, save_review
from hub.accounts.auth import Viewer
from hub.accounts.enums import Role
from hub.accounts.models import Membership, User
from hub.core.errors import InsufficientScope, NotFound
from hub.repos.enums import AccessState, Gating, Visibility
from hub.repos.models import Repo
from hub.repos.services.access import ask_access, find_request, grant_access, handle_access_request
from hub.repos.services.repos import delete_repo, update_repo_settings
from tests.factories.accounts import make_organization, make_user, make_viewer
from tests.factories.community import make_discussion, make_pull_request
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


def _told(user: User) -> list[tuple[str, str]]:
    """(kind, reason) of what a person sees, the last first."""
    page = list_notices(Viewer(user=user), NoticeFilter(), limit=100)
    return [(item.kind, item.reason) for item in page.items]


def _people(*names: str) -> list[User]:
    return [make_user(name, password=None) for name in names]


def _say(user: User, discussion, text: str):
    event = comment_discussion(Viewer(user=user), discussion, comment=text)
    notices.spread_all()
    return event


# --- who, and why ----------------------------------------------------------------------------------------------------


def test_a_thread_tells_its_author_who_takes_part_the_owner_and_whom_it_names():
    owner, asker, helper, named, watcher, passer = _people("owner", "asker", "helper", "named", "watcher", "passer")
    repo = make_repo(owner, "one")
    inbox.watch(Viewer(user=watcher), repo, WatchLevel.ALL)
    discussion = make_discussion(repo, asker)
    notices.spread_all()
    assert _told(owner) == [("discussion", "watching")]
    assert _told(asker) == []

    _say(helper, discussion, "Look at @Named and @helper.")
    assert _told(asker) == [("comment", "author")]
    assert _told(named) == [("mention", "mention")]
    _say(owner, discussion, "Thanks")
    assert _told(helper) == [("comment", "participating")]
    assert _told(owner) == [("comment", "watching")]
    assert _told(watcher) == [("comment", "watching")]
    assert _told(passer) == []

    change_discussion_status(Viewer(user=owner), discussion, new_status=Status.CLOSED)
    notices.spread_all()
    assert (_told(asker), _told(passer)) == ([("status", "author")], [])
    assert not Happening.objects.exists()


def test_a_thread_is_one_notice_which_becomes_unread_again():
    owner, asker = _people("owner", "asker")
    discussion = make_discussion(make_repo(owner, "one"), asker)
    first = _say(owner, discussion, "One")
    _say(owner, discussion, "Two")
    row = Notification.objects.get(user=asker)
    assert (row.num_unread, row.event_id, row.is_unread) == (2, first.pk, True)

    inbox.mark(Viewer(user=asker), [row.object_id])
    assert count_unread(Viewer(user=asker)) == 0
    third = _say(owner, discussion, "Three @asker")
    row.refresh_from_db()
    assert (row.num_unread, row.event_id, row.reason) == (1, third.pk, "mention")
    _say(owner, discussion, "Four")
    row.refresh_from_db()
    assert (row.num_unread, row.event_id, row.reason, row.kind) == (2, third.pk, "mention", "comment")


def test_a_merged_pull_request_is_told_to_its_author():
    owner, author = _people("owner", "author")
    repo = make_repo(owner, "one", files={"a.txt": b"a"})
    pull = make_pull_request(repo, author)
    notices.spread_all()
    assert _told(owner) == [("pull_request", "watching")]
    merge_pull_request(Viewer(user=owner), pull)
    notices.spread_all()
    row = Notification.objects.get(user=author)
    assert (row.kind, row.text, row.actor) == ("status", "merged", owner)


def test_an_edit_tells_only_whom_it_newly_names():
    owner, asker, late = _people("owner", "asker", "late")
    make_user("early", password=None)
    discussion = make_discussion(make_repo(owner, "one"), asker)
    event = _say(owner, discussion, "Ask @early")
    Notification.objects.all().delete()
    edit_discussion_comment(Viewer(user=owner), discussion, event, new_content="Ask @early or @late")
    notices.spread_all()
    assert [row.user for row in Notification.objects.all()] == [late]


def test_a_hidden_comment_mentions_nobody():
    owner, asker, named = _people("owner", "asker", "named")
    discussion = make_discussion(make_repo(owner, "one"), asker)
    notices.spread_all()
    event = comment_discussion(Viewer(user=asker), discussion, comment="@named")
    hide_discussion_comment(Viewer(user=asker), discussion, event)
    notices.spread_all()
    assert _told(named) == []


def test_levels_choose_what_is_heard():
    owner, asker, everything, nothing, follower = _people("owner", "asker", "everything", "nothing", "follower")
    repo = make_repo(owner, "one")
    inbox.watch(Viewer(user=everything), repo, WatchLevel.ALL)
    inbox.watch(Viewer(user=nothing), repo, WatchLevel.IGNORE)
    inbox.watch(Viewer(user=follower), owner.namespace, WatchLevel.ALL)
    inbox.watch(Viewer(user=owner), repo, WatchLevel.PARTICIPATING)
    discussion = make_discussion(repo, asker)
    _say(asker, discussion, "@nothing, what do you say?")
    assert [bool(_told(user)) for user in (owner, everything, nothing, follower)] == [False, True, False, True]

    # The repo's own choice goes before that for its owner, and the thread's before both.
    inbox.watch(Viewer(user=follower), repo, WatchLevel.PARTICIPATING)
    inbox.watch(Viewer(user=nothing), discussion, WatchLevel.ALL)
    inbox.mute(Viewer(user=everything), discussion, is_muted=True)
    Notification.objects.all().delete()
    _say(asker, discussion, "Anybody?")
    assert [bool(_told(user)) for user in (everything, nothing, follower)] == [False, True, False]
    assert is_muted(Viewer(user=everything), discussion)
    inbox.mute(Viewer(user=everything), discussion, is_muted=False)
    _say(asker, discussion, "Still there?")
    assert _told(everything) == [("comment", "watching")]


def test_the_level_shown_follows_repo_owner_and_role():
    owner, member, stranger = _people("owner", "member", "stranger")
    organization = make_organization("orchard", admin=owner, members={member: Role.CONTRIBUTOR})
    repo = make_repo(member, "one", namespace="orchard")
    states = [watch_state(Viewer(user=user), repo) for user in (owner, member, stranger)]
    assert [state.level for state in states] == [WatchLevel.ALL, WatchLevel.ALL, WatchLevel.PARTICIPATING]
    inbox.watch(Viewer(user=stranger), organization.namespace, WatchLevel.ALL)
    assert watch_state(Viewer(user=stranger), repo).level == WatchLevel.ALL
    inbox.watch(Viewer(user=stranger), repo, WatchLevel.IGNORE)
    assert watch_state(Viewer(user=stranger), repo) == type(states[0])(WatchLevel.IGNORE, is_own_choice=True)
    inbox.watch(Viewer(user=stranger), repo, None)
    assert Watch.objects.filter(user=stranger).count() == 1


def test_members_who_answer_for_a_repo_hear_of_it():
    admin, maker, reader, asker = _people("boss", "maker", "reader", "asker")
    make_organization("orchard", admin=admin, members={maker: Role.CONTRIBUTOR, reader: Role.READ})
    make_discussion(make_repo(maker, "one", namespace="orchard"), asker)
    notices.spread_all()
    assert [bool(_told(user)) for user in (admin, maker, reader)] == [True, True, False]


def test_access_is_asked_of_admins_and_answered_to_who_asked():
    owner, asker, second = _people("owner", "asker", "second")
    repo = make_repo(owner, "one")
    update_repo_settings(Viewer(user=owner), repo, gated=Gating.MANUAL)
    repo.refresh_from_db()
    for user in (asker, second):
        ask_access(Viewer(user=user), repo, {})
    notices.spread_all()
    row = Notification.objects.get(user=owner)
    assert (row.kind, row.num_unread, row.href) == ("access_request", 2, "/owner/one/settings/access")

    handle_access_request(Viewer(user=owner), find_request(repo, user=asker), AccessState.ACCEPTED)
    handle_access_request(Viewer(user=owner), find_request(repo, user=second), AccessState.REJECTED)
    notices.spread_all()
    assert {row.user: row.text for row in Notification.objects.filter(kind="access_decision")} == {
        asker: "accepted",
        second: "rejected",
    }
    third = make_user("third", password=None)
    grant_access(Viewer(user=owner), repo, third)
    notices.spread_all()
    assert _told(third) == [("access_decision", "access")]


def test_followers_are_one_notice_and_likes_none_until_asked_for():
    owner, fan, other = _people("owner", "fan", "other")
    repo = make_repo(owner, "one")
    for user in (fan, other):
        follow(Viewer(user=user), owner)
        follow(Viewer(user=user), owner)
        like(Viewer(user=user), repo)
    notices.spread_all()
    row = Notification.objects.get(user=owner)
    assert (row.kind, row.num_unread, row.actor) == ("follower", 2, other)

    inbox.choose(Viewer(user=owner), {NoticeKind.LIKE.value: Choice(is_shown=True, mail=MailChoice.OFF)})
    like(Viewer(user=make_user("third", password=None)), repo)
    notices.spread_all()
    assert _told(owner)[0] == ("like", "like")
    unfollow(Viewer(user=fan), owner)

    organization = make_organization("orchard", admin=owner)
    follow(Viewer(user=fan), organization)
    notices.spread_all()
    assert Notification.objects.get(user=owner, title="orchard").href == "/orchard?tab=followers"


def test_a_review_is_told_to_the_owner_and_its_answer_to_who_wrote_it():
    owner, author = _people("owner", "author")
    repo = make_repo(owner, "one", files={"a.txt": b"a"})
    review = save_review(Viewer(user=author), repo, Opinion(stars=4, text="Good"))
    save_review(Viewer(user=author), repo, Opinion(stars=5, text="Better"))
    notices.spread_all()
    row = Notification.objects.get()
    assert (row.user, row.kind, row.href, row.num_unread) == (owner, "review", review.page, 1)
    reply_to_review(Viewer(user=owner), review, text="Thank you")
    notices.spread_all()
    row = Notification.objects.select_related("actor", "repo__namespace").get(user=author)
    assert words_of(row).sentence == "owner answered your review"


def test_what_other_parts_tell_arrives_and_leads_only_into_this_hub():
    owner, author = _people("owner", "author")
    repo = make_repo(owner, "one")
    notices.notify([owner, author], NoticeKind.REVIEW, actor=author, repo=repo, title="Four stars\n", href="/owner/one")
    notices.spread_all()
    assert (_told(owner), _told(author)) == ([("review", "review")], [])
    assert Notification.objects.get().title == "Four stars"
    for href in ("https://elsewhere.example", "//elsewhere.example", "javascript:alert(1)"):
        with pytest.raises(ValueError):
            notices.notify([owner], NoticeKind.MODERATION, title="x", href=href)


# --- rights ----------------------------------------------------------------------------------------------------------


def _private_thread() -> tuple[Repo, User, User]:
    admin, member = _people("boss", "member")
    make_organization("orchard", admin=admin, members={member: Role.WRITE})
    repo = make_repo(admin, "plans", namespace="orchard", is_private=True)
    inbox.watch(Viewer(user=member), repo, WatchLevel.ALL)
    return repo, admin, member


def test_who_loses_the_right_while_it_is_queued_is_not_told_t38():
    """T38: queue, revoke, run worker."""
    repo, admin, member = _private_thread()
    create_discussion(Viewer(user=admin), repo, title="Secret plans", description="@member @stranger")
    stranger = make_user("stranger", password=None)
    Membership.objects.filter(user=member).delete()
    assert Happening.objects.count() == 1
    notices.spread_all()
    assert not Notification.objects.exists()
    assert (_told(member), _told(stranger)) == ([], [])


def test_what_was_told_vanishes_with_the_right_and_comes_back_with_it_t38():
    repo, admin, member = _private_thread()
    create_discussion(Viewer(user=admin), repo, title="Secret plans", description="First")
    notices.spread_all()
    viewer = Viewer(user=member)
    assert count_unread(viewer) == 1
    row = Notification.objects.get(user=member)
    membership = Membership.objects.get(user=member)
    Membership.objects.filter(pk=membership.pk).delete()
    late = Viewer(user=member)
    assert (_told(member), count_unread(late), watches_of(late, limit=10)) == ([], 0, [])
    with pytest.raises(NotFound):
        inbox.get_notice(late, row.object_id)
    assert inbox.mark(late, [row.object_id]) == 0
    membership.save(force_insert=True)
    assert count_unread(Viewer(user=member)) == 1


@pytest.mark.parametrize("how", ["private", "deleted", "disabled"])
def test_closed_repos_are_in_no_inbox_t36(how):
    owner, asker = _people("owner", "asker")
    repo = make_repo(owner, "one")
    _say(owner, make_discussion(repo, asker), "Hello")
    assert count_unread(Viewer(user=asker)) == 1
    if how == "private":
        update_repo_settings(Viewer(user=owner), repo, visibility=Visibility.PRIVATE)
    elif how == "deleted":
        delete_repo(Viewer(user=owner), repo)
    else:
        Repo.objects.filter(pk=repo.pk).update(disabled_at=timezone.now())
    assert (_told(asker), count_unread(Viewer(user=asker))) == ([], 0)
    with pytest.raises(NotFound):
        find_watchable(Viewer(user=asker), "repo", repo.object_id)


def test_a_decision_about_a_closed_repo_reaches_its_owner():
    owner = make_user("owner", password=None)
    repo = make_repo(owner, "one")
    Repo.objects.filter(pk=repo.pk).update(disabled_at=timezone.now())
    repo.refresh_from_db()
    notices.notify([owner], NoticeKind.MODERATION, repo=repo, title="Your repository was closed", text="Because.")
    notices.spread_all()
    assert _told(owner) == [("moderation", "moderation")]


def test_nobody_changes_the_inbox_of_another_t33():
    owner, asker = _people("owner", "asker")
    _say(owner, make_discussion(make_repo(owner, "one"), asker), "Hello")
    row = Notification.objects.get(user=asker)
    assert inbox.mark(Viewer(user=owner), [row.object_id]) == 0
    inbox.mark_all(Viewer(user=owner))
    row.refresh_from_db()
    assert row.is_unread
    with pytest.raises(InsufficientScope):
        inbox.mark(make_viewer(asker, "read"), [row.object_id])
    assert inbox.mark(make_viewer(asker, "write"), [row.object_id]) == 1


# --- work ------------------------------------------------------------------------------------------------------------


def test_spreading_twice_tells_once_and_what_fails_for_ever_is_given_up_t170():
    owner, asker = _people("owner", "asker")
    discussion = make_discussion(make_repo(owner, "one"), asker)
    pk = Happening.objects.get().pk
    assert [notices.spread(pk), notices.spread(pk)] == [True, False]
    assert Notification.objects.get(user=owner).num_unread == 1

    comment_discussion(Viewer(user=asker), discussion, comment="More")
    Happening.objects.update(attempts=notices.MAX_ATTEMPTS)
    notices.spread_all()
    assert not Happening.objects.exists()
    assert Notification.objects.get(user=owner).num_unread == 1


@pytest.mark.parametrize("count", [1, 3])
def test_telling_three_takes_as_many_queries_as_telling_one(count, django_assert_num_queries):
    owner = make_user("owner", password=None)
    repo = make_repo(owner, "one")
    for user in _people(*(f"watcher{number}" for number in range(count))):
        inbox.watch(Viewer(user=user), repo, WatchLevel.ALL)
    make_discussion(repo, owner)
    pk = Happening.objects.get().pk
    with django_assert_num_queries(13):
        notices.spread(pk)
    assert Notification.objects.count() == count


@pytest.mark.parametrize("count", [1, 3])
def test_the_inbox_takes_as_many_queries_for_three_as_for_one(count, django_assert_num_queries):
    owner, asker = _people("owner", "asker")
    repo = make_repo(owner, "one")
    for _number in range(count):
        make_discussion(repo, asker)
    notices.spread_all()
    viewer = Viewer(user=owner)
    with django_assert_num_queries(2):  # memberships, notices
        assert len(list_notices(viewer, NoticeFilter(), limit=10).items) == count
    with django_assert_num_queries(1):
        assert count_unread(viewer) == count


def test_pages_follow_each_other_without_gaps():
    owner, asker = _people("owner", "asker")
    repo = make_repo(owner, "one")
    for number in range(5):
        make_discussion(repo, asker, title=f"Thread {number}")
    notices.spread_all()
    viewer, cursor, found = Viewer(user=owner), "", []
    while cursor is not None:
        page = list_notices(viewer, NoticeFilter(), cursor=cursor, limit=2)
        found += [item.discussion.title for item in page.items]
        cursor = page.next_cursor
    assert found == [f"Thread {number}" for number in (4, 3, 2, 1, 0)]


def test_quiet_takes_the_number_from_the_bell_and_leaves_the_inbox():
    owner, asker = _people("owner", "asker")
    _say(owner, make_discussion(make_repo(owner, "one"), asker), "Hello")
    inbox.choose(Viewer(user=asker), {}, is_quiet=True)
    assert (count_unread(Viewer(user=asker)), len(_told(asker))) == (0, 1)


def test_old_notices_are_forgotten():
    owner, asker = _people("owner", "asker")
    repo = make_repo(owner, "one")
    for title in ("read long ago", "unread", "older than all"):
        make_discussion(repo, asker, title=title)
    notices.spread_all()
    now = timezone.now()
    rows = {row.discussion.title: row.pk for row in Notification.objects.select_related("discussion")}
    old, ancient = now - timedelta(days=100), now - timedelta(days=400)
    Notification.objects.filter(pk=rows["read long ago"]).update(read_at=old, updated_at=old)
    Notification.objects.filter(pk=rows["unread"]).update(updated_at=old)
    Notification.objects.filter(pk=rows["older than all"]).update(updated_at=ancient)
    notices.forget_old()
    assert list(Notification.objects.values_list("pk", flat=True)) == [rows["unread"]]
