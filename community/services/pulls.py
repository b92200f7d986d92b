"""Pull requests: a discussion with a head at ``refs/pr/N``; commits go onto the head, a merge onto its base.

    number → head in git → rows                    a head without rows is nobody's: swept (``sweep_orphans``)
    merge: commit made → its id in the row → base moved → status        cut short it is finished (``finish_merges``)

The state is asked, and changed, under the repo's lock, so no commit slips in behind a merge (T162).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from community.enums import EventKind, Status
from community.models import Discussion, Event
from community.permissions import require_comment, require_contribute, require_merge, require_moderate, require_push
from community.queries import get_discussion
from community.services import threads
from community.services.discussions import add_comment, next_num, open_thread, person
from community.services.holding import hold_quietly
from community.services.threads import Change
from hub.accounts.auth import Viewer
from hub.core.errors import (
    BadRequest,
    Conflict,
    HubError,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    RevisionNotFound,
)
from hub.core.remembering import recall, remember
from hub.repos.models import Ref, Repo
from hub.repos.permissions import can_admin
from hub.repos.services import lfs, pull_heads
from hub.repos.services.commits import CommitResult, Operation, PullHead, create_commit
from hub.repos.services.mirror import follow_refs
from hub.storage.git.diffs import TreeDiff
from hub.storage.git.objects import CommitInfo
from hub.storage.git.refs import PULL_PREFIX
from hub.storage.git.repository import writer_lock

log = structlog.get_logger("community.pulls")

_CONFLICTS_CACHE_S: Final = 24 * 3600
# An unfinished opening or merge is left alone for so long: its request may still be running.
_ORPHAN_AGE: Final = timedelta(hours=1)
_ORPHAN_WINDOW: Final = timedelta(days=7)
_MAX_RACES: Final = 20


# --- open ------------------------------------------------------------------------------------------------------------


def create_pull_request(viewer: Viewer, repo: Repo, *, title: str, description: str = "") -> Discussion:
    """Open a draft at the head of the default branch; commits follow.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, GatedRepo, BadRequest, RateLimited
    """
    require_contribute(viewer, repo)
    title, description = threads.clean_title(title), threads.clean_body(description, may_be_empty=True)
    base_ref, oid = pull_heads.branch_tip(repo, repo.default_branch)

    def make_head(ref: str) -> None:
        pull_heads.create_head(repo, ref, oid, actor_pk=viewer.user_pk)

    draft = Discussion(repo=repo, title=title, status=Status.DRAFT, base_ref=base_ref)
    return _open(viewer, draft, description, make_head)


def create_pull_request_with_commit(
    viewer: Viewer,
    repo: Repo,
    *,
    branch: str,
    operations: Sequence[Operation],
    message: str,
    description: str = "",
    parent_oid: str | None = None,
) -> tuple[Discussion, CommitResult]:
    """Open a pull request against ``branch`` with one commit on top of it (``create_pr=1``).

    Raises: as ``create_pull_request`` and ``create_commit``; RevisionNotFound unless ``branch`` is a branch
    """
    require_contribute(viewer, repo)
    description = threads.clean_body(description, may_be_empty=True)
    base_ref, base_oid = pull_heads.branch_tip(repo, branch)
    if parent_oid is not None and not base_oid.startswith(parent_oid.lower()):
        raise PreconditionFailed(commit_oid=base_oid)
    results: list[CommitResult] = []

    def make_head(ref: str) -> None:
        results.append(
            create_commit(
                repo,
                actor=viewer,
                revision=ref,
                operations=operations,
                message=message,
                description=description,
                pull=PullHead(ref, create_from=base_oid),
            )
        )

    draft = Discussion(repo=repo, title=threads.title_of(message), base_ref=base_ref)
    opened = _open(viewer, draft, description, make_head)
    return opened, results[0]


def _open(viewer: Viewer, draft: Discussion, description: str, make_head: Callable[[str], None]) -> Discussion:
    draft.author, draft.is_pull_request = person(viewer), True
    threads.count_discussion(draft.author)
    draft.num = next_num(draft.repo)
    try:
        make_head(draft.head_ref)
    except HubError:
        _give_back(draft)
        raise
    with transaction.atomic():
        draft.save()
        # The change itself is shown; what it is said to be may wait for a moderator, and comes as a comment then.
        is_held = hold_quietly(viewer, draft, body=description)
        open_thread(draft, "" if is_held else description)
        _add_commits(draft, viewer.user_pk)
    return draft


def _give_back(draft: Discussion) -> None:
    """A refused opening leaves no gap, unless somebody has taken the next number already."""
    if not pull_heads.head_exists(draft.repo, draft.head_ref):
        Repo.objects.filter(pk=draft.repo_id, last_discussion_num=draft.num).update(
            last_discussion_num=F("last_discussion_num") - 1
        )


# --- commits ---------------------------------------------------------------------------------------------------------


def get_pull_request(repo: Repo, revision: str) -> Discussion:
    """The pull request of a ``refs/pr/N``. Raises: RevisionNotFound."""
    number = revision.removeprefix(PULL_PREFIX)
    missing = RevisionNotFound(f"Invalid rev id: {revision[:200]}")
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        raise missing
    try:
        found = get_discussion(repo, int(number))
    except NotFound as error:
        raise missing from error
    if not found.is_pull_request or found.is_ref_deleted:
        raise missing
    return found


def require_open_head(viewer: Viewer, repo: Repo, revision: str) -> Discussion:
    """The pull request whose head the viewer may move now: theirs or as a writer, and neither merged nor closed.

    Raises: RevisionNotFound, AuthenticationRequired, PermissionDenied, Conflict
    """
    discussion = get_pull_request(repo, revision)
    require_push(viewer, discussion)
    if not discussion.is_active:
        raise Conflict("This pull request is merged or closed: nothing can be added to it.")
    return discussion


def push_problem(viewer: Viewer, repo: Repo, ref: str) -> str:
    """Why a push may not move the head, empty when it may."""
    try:
        require_open_head(viewer, repo, ref)
    except HubError as error:
        return error.message
    return ""


def commit_to_pull_request(
    viewer: Viewer,
    repo: Repo,
    revision: str,
    *,
    operations: Sequence[Operation],
    message: str,
    description: str = "",
    parent_oid: str | None = None,
) -> CommitResult:
    """Add a commit to an open pull request or draft. Raises: as ``require_open_head`` and ``create_commit``"""
    discussion = require_open_head(viewer, repo, revision)
    return create_commit(
        repo,
        actor=viewer,
        revision=discussion.head_ref,
        operations=operations,
        message=message,
        description=description,
        parent_oid=parent_oid,
        pull=PullHead(discussion.head_ref, guard=lambda: _require_active(discussion.pk)),
    )


def _require_active(discussion_pk: int) -> None:
    status = Discussion.objects.filter(pk=discussion_pk).values_list("status", flat=True).first()
    if status is None or not Status(status).is_active:
        raise Conflict("This pull request was merged or closed meanwhile.")


def count_pushed(viewer: Viewer, repo: Repo, ref: str, old_oid: str, new_oid: str) -> None:
    """Count what a stranger pushed to a pull request on the stranger's quota (T196)."""
    if not lfs.is_guest(repo, viewer):
        return
    try:
        lfs.add_plain_bytes(repo, viewer, ref, pull_heads.plain_bytes(repo, old_oid, new_oid))
    except HubError as error:  # more files than are looked at one by one; the push stands
        log.warning("push_not_counted", repo=repo.pk, ref=ref, reason=error.message)


def follow_ref(repo_pk: int, ref: str, new_oid: str, actor_pk: int | None) -> None:
    """What a moved reference means here: new commits of a pull request, or a merge that was cut short and now seen."""
    if ref.startswith(PULL_PREFIX):
        if new_oid:
            record_commits(repo_pk, ref, actor_pk)
    else:
        finish_merges(repo_pk)


def record_commits(repo_pk: int, ref: str, actor_pk: int | None) -> None:
    """Let the thread show commits that its head has got, by whatever door. Safe to repeat.

    Heads without a discussion are being opened: that writes its own.
    """
    number = ref.removeprefix(PULL_PREFIX)
    discussion = Discussion.objects.filter(repo_id=repo_pk, num=number, is_pull_request=True).first()
    if discussion is None:
        return
    with threads.changing(discussion) as locked:
        if not _add_commits(locked, actor_pk):
            return
        locked.updated_at = timezone.now()
        locked.save(update_fields=["updated_at"])
        threads.announce(locked, Change.COMMITS, actor_pk=actor_pk)


def _add_commits(discussion: Discussion, actor_pk: int | None) -> int:
    """Write an entry for each commit that has none, oldest first; return how many."""
    head = head_oid(discussion)
    if not head:
        return 0
    known = set(Event.objects.filter(discussion=discussion).exclude(oid="").values_list("oid", flat=True))
    commits = pull_heads.commits_of(discussion.repo, head, discussion.base_ref)
    fresh = [commit for commit in reversed(commits) if commit.oid not in known]
    Event.objects.bulk_create([_commit_event(discussion, commit, actor_pk) for commit in fresh], ignore_conflicts=True)
    return len(fresh)


def _commit_event(discussion: Discussion, commit: CommitInfo, actor_pk: int | None) -> Event:
    return Event(
        discussion=discussion,
        kind=EventKind.COMMIT,
        author_id=actor_pk,
        oid=commit.oid,
        data={"subject": commit.title[:500], "oid": commit.oid},
    )


def head_oid(discussion: Discussion) -> str:
    """The commit at the head, empty when its files were removed."""
    return (
        Ref.objects.filter(repo=discussion.repo_id, name=discussion.head_ref).values_list("oid", flat=True).first()
        or ""
    )


def base_oid(discussion: Discussion) -> str:
    """The commit of the target branch, empty when the branch is gone."""
    return (
        Ref.objects.filter(repo=discussion.repo_id, name=discussion.base_ref).values_list("oid", flat=True).first()
        or ""
    )


# --- what it changes -------------------------------------------------------------------------------------------------


def find_conflicts(discussion: Discussion) -> list[str] | bool:
    """Paths that stand against a merge; True when they cannot be listed, empty when there are none."""
    head, base = head_oid(discussion), base_oid(discussion)
    if not discussion.is_active or not head:
        return []
    if not base:
        return True
    key = f"conflicts:{discussion.repo_id}:{base}:{head}"
    found = recall(key)
    if found is None:
        try:
            paths = pull_heads.find_conflicts(discussion.repo, base, head)
        except HubError:
            return True
        found = True if paths is None else list(paths)
        remember(key, found, _CONFLICTS_CACHE_S)
    return found if isinstance(found, bool) else [str(path) for path in found]


def get_diff(discussion: Discussion) -> TreeDiff | None:
    """What the pull request changes; None when its files were removed. The caller has checked the right to files.

    Raises: PayloadTooLarge
    """
    head = head_oid(discussion)
    return pull_heads.changes_of(discussion.repo, discussion.head_ref, _against(discussion, head)) if head else None


def _against(discussion: Discussion, head: str) -> str:
    """What the head is compared with: its branch, or what that was before the merge."""
    merged = discussion.merge_oid
    return (pull_heads.parent_of(discussion.repo, merged) if merged else base_oid(discussion)) or head


def get_sides(discussion: Discussion) -> tuple[str, str] | None:
    """The two commits that ``get_diff`` compares, the former empty when there is none; None without files."""
    head = head_oid(discussion)
    return (pull_heads.start_of(discussion.repo, head, _against(discussion, head)), head) if head else None


def list_pull_request_commits(discussion: Discussion) -> list[CommitInfo]:
    """What its author put into a pull request, oldest first, also after it was merged.

    The caller has checked the right to files.
    """
    head = head_oid(discussion)
    if not head:
        return []
    return list(reversed(pull_heads.commits_between(discussion.repo, head, _against(discussion, head))))


# --- merge -----------------------------------------------------------------------------------------------------------


def merge_pull_request(viewer: Viewer, discussion: Discussion, *, comment: str = "") -> Discussion:
    """Put an open pull request on its target branch as one commit. A merged one stays as it is.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, BadRequest (no pull request),
        Conflict (draft, closed, nothing to merge, locked files), MergeConflict, RevisionNotFound, PayloadTooLarge
    """
    require_merge(viewer, discussion.repo)
    if not discussion.is_pull_request:
        raise BadRequest("This discussion is not a pull request.")
    if comment:
        require_comment(viewer, discussion)
        comment = threads.clean_body(comment)
    threads.count_comment(person(viewer))
    with writer_lock(discussion.repo.git_path):
        if not _finish(discussion) and _require_mergeable(discussion):
            _set_merged(discussion, _move_base(viewer, discussion), comment)
    follow_refs(discussion.repo_id, refs=[discussion.base_ref], actor_pk=viewer.user_pk)
    return get_discussion(discussion.repo, discussion.num)


def _require_mergeable(discussion: Discussion) -> bool:
    """False when it is merged already. Raises: Conflict unless it is open now; NotFound."""
    status = Discussion.objects.filter(pk=discussion.pk).values_list("status", flat=True).first()
    if status is None:
        raise NotFound("This discussion does not exist.")
    if status == Status.DRAFT:
        raise Conflict("This pull request is a draft. Mark it as open before it is merged.")
    if status == Status.CLOSED:
        raise Conflict("This pull request is closed. Open it again before it is merged.")
    return status == Status.OPEN


def _move_base(viewer: Viewer, discussion: Discussion) -> str:
    """Merge in git; return the commit. Its id is in the row before the branch moves, so a crash can be told (T162)."""
    for _ in range(_MAX_RACES):
        merge = pull_heads.prepare_merge(
            discussion.repo,
            actor=viewer,
            author=Viewer(user=discussion.author) if discussion.author else viewer,
            base_ref=discussion.base_ref,
            head_ref=discussion.head_ref,
            title=f"{discussion.title} (#{discussion.num})",
        )
        Discussion.objects.filter(pk=discussion.pk).update(merging_oid=merge.oid, merging_by=viewer.user)
        try:
            pull_heads.apply_merge(discussion.repo, discussion.base_ref, merge)
        except PreconditionFailed:
            continue  # a push moved the branch: merge with what it brought
        return merge.oid
    raise Conflict("The branch keeps changing. Please try again.")


def _set_merged(discussion: Discussion, oid: str, comment: str = "") -> None:
    with threads.changing(discussion) as locked:
        actor = locked.merging_by or locked.merged_by
        if comment and actor is not None:
            add_comment(Viewer(user=actor), locked, comment)
        if locked.status == Status.MERGED:
            return
        locked.merge_oid, locked.merged_by = oid, actor
        locked.merging_oid, locked.merging_by = "", None
        locked.save(update_fields=["merge_oid", "merging_oid", "merged_by", "merging_by"])
        threads.set_status(locked, Status.MERGED, actor)
        threads.announce(locked, Change.STATUS, actor_pk=actor.pk if actor else None)


def _finish(discussion: Discussion) -> bool:
    """Complete a merge whose branch had moved when its process died; True if there was one (T162)."""
    oid = Discussion.objects.filter(pk=discussion.pk).values_list("merging_oid", flat=True).first()
    if not oid or not pull_heads.is_merged(discussion.repo, oid, discussion.base_ref):
        return False
    _set_merged(discussion, oid)
    return True


def finish_merges(repo_pk: int | None = None) -> int:
    """Complete interrupted merges, of one repo or all; return how many. That rows follow refs is ``repos``' care."""
    rows = Discussion.objects.exclude(merging_oid="").exclude(status=Status.MERGED)
    rows = rows.filter(repo__deleted_at__isnull=True)
    if repo_pk is not None:
        rows = rows.filter(repo_id=repo_pk)
    return sum(_finish(discussion) for discussion in rows.select_related("repo", "repo__namespace"))


# --- remove ----------------------------------------------------------------------------------------------------------


def delete_pull_request_ref(viewer: Viewer, discussion: Discussion) -> Discussion:
    """Remove the files of a closed or merged pull request; the thread stays.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, BadRequest, Conflict (still open)
    """
    require_moderate(viewer, discussion.repo)
    if not discussion.is_pull_request:
        raise BadRequest("This discussion is not a pull request.")
    with threads.changing(discussion) as locked:
        if locked.is_active:
            raise Conflict("Close the pull request before its files are removed.")
        if locked.is_ref_deleted:
            return locked
        locked.is_ref_deleted = True
        locked.save(update_fields=["is_ref_deleted"])
        threads.add_event(locked, EventKind.REF_DELETED, viewer.user)
    pull_heads.delete_head(discussion.repo, discussion.head_ref, actor_pk=viewer.user_pk)
    return locked


def delete_discussion(viewer: Viewer, discussion: Discussion) -> None:
    """Remove a thread for good, with the files of a pull request; its number stays taken.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied
    """
    repo = discussion.repo
    require_moderate(viewer, repo)
    if not can_admin(viewer, repo):
        raise PermissionDenied("Only people who administer this repository can do this.")
    with threads.changing(discussion) as locked:
        threads.announce(locked, Change.DELETED, actor_pk=viewer.user_pk)
        Discussion.objects.filter(pk=locked.pk).delete()
        threads.recount(repo.pk)
    if discussion.is_pull_request:
        pull_heads.delete_head(repo, discussion.head_ref, actor_pk=viewer.user_pk)


def sweep_orphans() -> int:
    """Remove heads whose opening died before its rows: nobody was told of them. Return how many."""
    now = timezone.now()
    ref = Concat(Value(PULL_PREFIX), Cast("num", CharField()))
    threads_of = Discussion.objects.annotate(ref=ref).filter(repo=OuterRef("repo"), ref=OuterRef("name"))
    orphans = Ref.objects.filter(
        ~Exists(threads_of),
        name__startswith=PULL_PREFIX,
        updated_at__lt=now - _ORPHAN_AGE,
        updated_at__gt=now - _ORPHAN_WINDOW,
    ).select_related("repo")
    removed = 0
    for orphan in orphans:
        pull_heads.delete_head(orphan.repo, orphan.name, actor_pk=None)
        log.warning("orphan_head_removed", repo=orphan.repo_id, ref=orphan.name)
        removed += 1
    return removed


def drop_removed_files() -> int:
    """Free large files that only removed pull requests named, once git has pruned those; return how many went."""
    held = Repo.objects.filter(objects_linked__payer__isnull=False, deleted_at__isnull=True).distinct()
    return sum(pull_heads.drop_guest_links(repo) for repo in held)
