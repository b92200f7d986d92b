"""Reviews: who may write them, what they count for, and what the hub's records prove (T36, T50, T175)."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from community.enums import ReviewSort
from community.models import Review, ReviewReply, Tally
from community.ratings import Rating, lower_bound
from community.reviews import ReviewFilter, get_review, items_of, list_reviews, rating_summary
from community.services.ratings import (
    Opinion,
    delete_review,
    prove_reviews,
    reply_to_review,
    save_review,
    vote_helpful,
)
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.accounts.services.users import delete_account
from hub.catalog.models import RepoIndex
from hub.catalog.services import index_repo, update_numbers
from hub.core.errors import (
    AuthenticationRequired,
    BadRequest,
    GatedRepo,
    InsufficientScope,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
)
from hub.core.ranges import ByteRange
from hub.repos.enums import Gating
from hub.repos.models import LastDownload, Repo
from hub.repos.services.access import grant_access
from hub.repos.services.downloads import hear, last_downloads, tally_of
from hub.repos.services.refs import create_tag
from hub.repos.services.repos import duplicate, move_repo, update_repo_settings
from inference.models import UsageOutcome
from tests.factories.accounts import make_organization, make_user, make_viewer
from tests.factories.community import make_pull_request
from tests.factories.inference import make_usage
from tests.factories.repos import commit_files, make_repo
from tests.factories.reviews import make_review

pytestmark = pytest.mark.django_db(transaction=True)


def _person() -> User:
    return make_user(password=None)


def _fresh(repo: Repo) -> Repo:
    return Repo.objects.select_related("namespace").get(pk=repo.pk)


# --- the numbers -----------------------------------------------------------------------------------------------------


def test_the_bound_is_wilsons_limit_of_the_mean() -> None:
    assert lower_bound((0, 0, 0, 0, 0)) == 0
    # Three of three: Wilson's lower limit is n / (n + z²).
    assert lower_bound((0, 0, 0, 0, 3)) == pytest.approx(1 + 4 * 3 / (3 + 1.96**2))
    # Half of the scale from a hundred: 0.5 - 0.0962 by the closed form.
    assert lower_bound((0, 0, 100, 0, 0)) == pytest.approx(1 + 4 * 0.40383, abs=1e-4)
    assert lower_bound((7, 0, 0, 0, 0)) == pytest.approx(1)
    assert Rating((1, 0, 0, 0, 1)).mean == 3


def test_one_enthusiast_does_not_outrank_many() -> None:
    assert lower_bound((0, 0, 0, 0, 1)) < lower_bound((0, 0, 5, 20, 75))


def test_a_person_counts_once_for_a_repo_with_their_latest_t50() -> None:
    repo, busy = make_repo(), _person()
    for number in range(3):
        commit_files(repo, repo.created_by, {f"{number}.txt": b"x"})
        make_review(_fresh(repo), busy, stars=5)
    make_review(_fresh(repo), stars=1)
    last = make_review(_fresh(repo), busy, stars=4)  # of the same version: an edit

    shown = _fresh(repo)
    assert Review.objects.filter(repo=repo).count() == 4
    assert (shown.rating_count, shown.rating, shown.rating_bound) == (2, 2.5, lower_bound((1, 0, 0, 1, 0)))
    assert rating_summary(shown).versions[0].counts == (1, 0, 0, 1, 0)

    delete_review(Viewer(user=busy), get_review(shown, last.object_id))
    assert (_fresh(repo).rating_count, _fresh(repo).rating) == (2, 3)  # the one before counts again
    for review in Review.objects.filter(author=busy):
        delete_review(Viewer(user=busy), get_review(shown, review.object_id))
    assert (_fresh(repo).rating_count, _fresh(repo).rating) == (1, 1)
    assert Tally.objects.filter(repo=repo).count() == 2  # the repo's, and the one version's


def test_the_catalogue_follows() -> None:
    repo = make_repo()
    index_repo(repo.pk)
    make_review(repo, stars=5)
    update_numbers(repo.pk)
    row = RepoIndex.objects.get(pk=repo.pk)
    assert (row.rating, row.rating_count) == (5, 1)
    assert row.s_rating >> 24 == int(lower_bound((0, 0, 0, 0, 1)) * 1000)
    index_repo(repo.pk)
    assert RepoIndex.objects.get(pk=repo.pk).s_rating == row.s_rating


# --- who may ---------------------------------------------------------------------------------------------------------


def test_members_of_the_owner_do_not_review() -> None:
    member, organization = _person(), make_organization()
    admin = organization.memberships.get().user
    repo = make_repo(admin, namespace=organization.name)
    make_review(repo, member)
    from hub.accounts.services.organizations import set_member

    set_member(organization, user=member, role="read")
    for insider in (member, admin):
        with pytest.raises(PermissionDenied, match="Members of the owner"):
            make_review(repo, insider, stars=5)
    review = make_review(repo)
    with pytest.raises(PermissionDenied, match="Members of the owner"):
        vote_helpful(Viewer(user=admin), review, is_helpful=True)


def test_only_confirmed_addresses_count_t50(settings: Any) -> None:
    settings.IS_MAIL_CONFIGURED = True
    repo, person = make_repo(), make_user(password=None, is_email_verified=False)
    review = make_review(repo)
    with pytest.raises(PermissionDenied, match="confirm your e-mail"):
        make_review(repo, person)
    with pytest.raises(PermissionDenied, match="confirm your e-mail"):
        vote_helpful(Viewer(user=person), review, is_helpful=True)
    EmailAddress.objects.filter(user=person).update(verified=True)
    make_review(repo, person)


def test_strangers_and_narrow_tokens_write_nothing() -> None:
    repo = make_repo()
    review = make_review(repo)
    for viewer, error in ((Viewer(), AuthenticationRequired), (make_viewer(_person(), "read"), InsufficientScope)):
        with pytest.raises(error):
            save_review(viewer, repo, Opinion(stars=1))
        with pytest.raises(error):
            vote_helpful(viewer, review, is_helpful=True)
        with pytest.raises(error):
            delete_review(viewer, review)
    with pytest.raises(PermissionDenied, match="Only its author"):
        delete_review(Viewer(user=_person()), review)
    with pytest.raises(PermissionDenied):
        reply_to_review(Viewer(user=_person()), review, text="Mine")
    assert Review.objects.count() == 1
    assert not ReviewReply.objects.exists()


def test_gated_files_are_reviewed_by_who_has_access() -> None:
    repo, person = make_repo(), _person()
    owner = Viewer(user=repo.created_by)
    gated = update_repo_settings(owner, repo, gated=Gating.MANUAL)
    with pytest.raises(GatedRepo):
        make_review(gated, person)
    grant_access(owner, gated, person)
    assert make_review(gated, person).stars == 4


def test_a_review_is_of_a_branch_or_tag_and_keeps_its_name() -> None:
    repo, person = make_repo(files={"a.txt": b"a"}), _person()
    first = _fresh(repo).head_oid
    create_tag(repo, actor=Viewer(user=repo.created_by), name="v1", revision="main")
    commit_files(repo, repo.created_by, {"b.txt": b"b"})
    repo = _fresh(repo)
    by_tag = make_review(repo, person, revision="v1")
    by_branch = make_review(repo, person)
    assert (by_tag.revision, by_tag.commit_oid) == ("v1", first)
    assert (by_branch.revision, by_branch.commit_oid) == ("main", repo.head_oid)
    assert make_review(repo, revision=first).revision == "v1"
    pull = make_pull_request(repo, person)
    repo = _fresh(repo)
    for revision in (pull.head_ref, repo.refs.get(name=pull.head_ref).oid):
        with pytest.raises(BadRequest, match="not of pull requests"):
            make_review(repo, revision=revision)


def test_what_is_written_is_checked() -> None:
    repo, viewer = make_repo(), Viewer(user=_person())
    for opinion in (
        Opinion(stars=0),
        Opinion(stars=6),
        Opinion(stars=3, task="no-such-task"),
        Opinion(stars=3, language="klingon"),
        Opinion(stars=3, outcome="perhaps"),
        Opinion(stars=3, hardware="x" * 81),
        Opinion(stars=3, text="a\0b"),
    ):
        with pytest.raises(BadRequest):
            save_review(viewer, repo, opinion)
    with pytest.raises(PayloadTooLarge):
        save_review(viewer, repo, Opinion(stars=3, text="x" * 10_001))
    assert not Review.objects.exists()


# --- history, reply, votes -------------------------------------------------------------------------------------------


def test_edits_keep_what_was_said() -> None:
    repo, person = make_repo(), _person()
    make_review(repo, person, stars=2, text="Poor.", task="text-generation")
    make_review(repo, person, stars=2, text="Poor.", task="text-generation")  # nothing changes
    edited = make_review(repo, person, stars=5, text="Fixed my set-up.", outcome="worked")
    found = get_review(repo, edited.object_id)
    assert (found.stars, found.text, found.task, found.outcome) == (5, "Fixed my set-up.", "", "worked")
    former = found.revisions.get()
    assert (former.stars, former.text, former.facts["task"]) == (2, "Poor.", "text-generation")
    assert former.created_at == found.created_at
    assert found.edited_at is not None


def test_the_owner_replies_once() -> None:
    repo = make_repo()
    review, owner = make_review(repo), Viewer(user=repo.created_by)
    reply_to_review(owner, review, text="Thank you")
    reply_to_review(owner, review, text="Thank you!")
    reply = ReviewReply.objects.get()
    assert (reply.text, reply.author) == ("Thank you!", repo.created_by)
    assert reply.edited_at is not None
    with pytest.raises(BadRequest):
        reply_to_review(owner, review, text="  ")


def test_votes_count_once_and_order_the_list_t175() -> None:
    repo, reader = make_repo(), Viewer(user=_person())
    older, newer = make_review(repo), make_review(repo)
    assert [vote_helpful(reader, older, is_helpful=True) for _ in range(2)] == [1, 1]
    with pytest.raises(PermissionDenied, match="own review"):
        vote_helpful(Viewer(user=older.author), older, is_helpful=True)
    assert [row.pk for row in list_reviews(repo, ReviewFilter()).items] == [older.pk, newer.pk]
    assert [row.pk for row in list_reviews(repo, ReviewFilter(sort=ReviewSort.NEWEST)).items] == [newer.pk, older.pk]
    assert [item.is_voted for item in items_of(reader, repo, list_reviews(repo, ReviewFilter()).items)] == [True, False]
    assert vote_helpful(reader, older, is_helpful=False) == 0
    delete_review(Viewer(user=older.author), older)
    with pytest.raises(NotFound):
        vote_helpful(reader, older, is_helpful=True)


@pytest.mark.parametrize("sort", list(ReviewSort))
def test_pages_follow_each_other(sort: ReviewSort) -> None:
    repo = make_repo()
    reviews = [make_review(repo) for _ in range(5)]
    for review, votes in zip(reviews, (1, 0, 2, 0, 1), strict=True):
        for _ in range(votes):
            vote_helpful(Viewer(user=_person()), review, is_helpful=True)
    wanted = ReviewFilter(sort=sort)
    whole = [row.pk for row in list_reviews(repo, wanted).items]
    cursor, seen = "", []
    for _ in range(3):
        page = list_reviews(repo, wanted, cursor=cursor, limit=2)
        seen += [row.pk for row in page.items]
        cursor = page.next_cursor or ""
    assert seen == whole
    assert len(whole) == 5
    assert cursor == ""


def test_filters() -> None:
    repo = make_repo()
    first = make_review(repo, stars=5)
    commit_files(repo, repo.created_by, {"b.txt": b"b"})
    second = make_review(_fresh(repo), stars=1)

    def found(**wanted: Any) -> list[int]:
        return [row.pk for row in list_reviews(repo, ReviewFilter(**wanted)).items]

    assert found(commit_oid=first.commit_oid) == [first.pk]
    assert found(stars=1) == [second.pk]
    assert found(is_proven=True) == []


# --- proof -----------------------------------------------------------------------------------------------------------


def _evidence(repo: Repo, review: Review) -> Any:
    return items_of(Viewer(), repo, [review])[0].evidence


def test_the_badge_counts_answered_calls_of_this_person_and_version() -> None:
    repo, person, other = make_repo(files={"a.txt": b"a"}), _person(), _person()
    repo = _fresh(repo)
    for outcome in (UsageOutcome.OK, UsageOutcome.OK, UsageOutcome.FAILED, UsageOutcome.RESERVED):
        make_usage(person, repo, outcome=outcome)
    make_usage(person, repo, commit_oid="b" * 40)
    make_usage(person, make_repo(), commit_oid=repo.head_oid)
    ran, did_not = make_review(repo, person), make_review(repo, other)
    assert (_evidence(repo, ran).runs, _evidence(repo, ran).other_runs) == (2, 1)
    assert (_evidence(repo, did_not).runs, _evidence(repo, did_not).other_runs) == (0, 0)
    assert (ran.is_proven, did_not.is_proven) == (True, False)
    assert [row.pk for row in list_reviews(repo, ReviewFilter(is_proven=True)).items] == [ran.pk]


def test_who_ran_it_after_the_review_is_found_later() -> None:
    repo = make_repo()
    reviews = [make_review(repo), make_review(repo)]
    make_usage(reviews[1].author, repo)
    assert prove_reviews() == 1
    assert [row.pk for row in list_reviews(repo, ReviewFilter(is_proven=True)).items] == [reviews[1].pk]
    assert prove_reviews() == 0


def test_whole_downloads_prove_use_of_their_person_alone() -> None:
    repo, person = make_repo(files={"a.txt": b"a"}), _person()
    for viewer in (Viewer(user=person), Viewer(user=repo.created_by), Viewer()):
        said = tally_of(repo, viewer=viewer, address="192.0.2.7", client="hf_hub", content="c", size_bytes=10)
        hear(said, "c", [ByteRange(0, 4)])  # a part is no download
        assert not last_downloads(repo.pk, [person.pk])
        if viewer.user != person:
            hear(said, "c", [ByteRange(0, 10)])
    review = make_review(_fresh(repo), person)
    assert _evidence(repo, review).downloaded_on is None
    said = tally_of(repo, viewer=Viewer(user=person), address="192.0.2.7", client="hf_hub", content="c", size_bytes=10)
    assert hear(said, "c", [ByteRange(0, 10)])
    assert _evidence(repo, review).downloaded_on == timezone.now().date()
    assert _evidence(repo, make_review(_fresh(repo))).downloaded_on is None
    assert LastDownload.objects.count() == 1
    assert prove_reviews() == 1


# --- what becomes of the repo and the people -------------------------------------------------------------------------


def test_reviews_stay_with_a_moved_repo_and_not_with_a_copy() -> None:
    repo = make_repo(files={"a.txt": b"a"})
    make_review(repo)
    owner = Viewer(user=repo.created_by)
    moved = move_repo(owner, repo, to_namespace=repo.namespace.name, to_name="another-name")
    assert (
        list_reviews(moved, ReviewFilter()).items[0].page
        == f"{moved.urls.page}/reviews/{Review.objects.get().object_id}"
    )
    copy = duplicate(owner, moved, namespace=repo.namespace.name, name="a-copy")
    assert (_fresh(copy).rating_count, list_reviews(copy, ReviewFilter()).items) == (0, [])


def test_a_review_outlives_its_account_as_comments_do() -> None:
    repo, person = make_repo(), _person()
    make_usage(person, repo)
    review = make_review(repo, person, stars=5)
    delete_account(person)
    left = get_review(repo, review.object_id)
    assert (left.author, left.text, _fresh(repo).rating_count) == (None, "It works.", 1)
    assert _evidence(repo, left).runs == 0
