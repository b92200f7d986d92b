"""What reports and measures are about, found by kind and id: for those who may see it, and for moderators.

A kind is one entry of ``_FINDERS``; a foreign, a hidden and a missing thing give one answer (T33, T35).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from community.collections import visible_collections
from community.enums import EventKind, MeasureKind, TargetKind
from community.models import Collection, Discussion, Event, Review
from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace, Organization, User
from hub.core.errors import NotFound
from hub.repos.models import Repo
from hub.repos.permissions import visible_to

MEASURES: Final[dict[TargetKind, tuple[MeasureKind, ...]]] = {
    TargetKind.REPO: (MeasureKind.WARN, MeasureKind.QUARANTINE),
    TargetKind.DISCUSSION: (MeasureKind.WARN, MeasureKind.HIDE, MeasureKind.LOCK),
    TargetKind.COMMENT: (MeasureKind.WARN, MeasureKind.HIDE),
    TargetKind.USER: (MeasureKind.WARN, MeasureKind.SUSPEND),
    TargetKind.ORGANIZATION: (MeasureKind.WARN,),
    TargetKind.COLLECTION: (MeasureKind.WARN, MeasureKind.HIDE),
    TargetKind.REVIEW: (MeasureKind.WARN, MeasureKind.HIDE),
}
_MAX_EXCERPT: Final = 4_000


@dataclass(frozen=True, slots=True)
class Found:
    """``subject`` is the person who made it, ``namespace`` whose it is; ``thing`` is the row itself."""

    kind: TargetKind
    object_id: str
    name: str
    href: str
    excerpt: str
    subject: User | None
    namespace: Namespace | None
    thing: Any

    @property
    def measures(self) -> tuple[MeasureKind, ...]:
        return MEASURES[self.kind]


def find_target(viewer: Viewer, kind: str, object_id: str) -> Found:
    """A thing that the viewer may see. Raises: NotFound."""
    found = _find(kind, object_id, viewer)
    if found is None:
        raise NotFound("There is nothing to report under this address.")
    return found


def find_for_staff(kind: str, object_id: str) -> Found | None:
    """As moderators need it: hidden, private and closed things too; None when it is gone."""
    return _find(kind, object_id, None)


def _find(kind: str, object_id: str, viewer: Viewer | None) -> Found | None:
    if kind not in TargetKind.values or len(object_id) > 24:
        return None
    return _FINDERS[TargetKind(kind)](object_id, viewer)


def _repo(object_id: str, viewer: Viewer | None) -> Found | None:
    rows = Repo.objects.select_related("namespace", "namespace__user", "namespace__organization")
    rows = rows.filter(object_id=object_id, deleted_at__isnull=True)
    repo = (rows if viewer is None else rows.filter(visible_to(viewer), disabled_at__isnull=True)).first()
    if repo is None:
        return None
    owner = getattr(repo.namespace, "user", None)
    return Found(
        TargetKind.REPO, object_id, repo.repo_id, repo.urls.page, "", owner or repo.created_by, repo.namespace, repo
    )


def _discussion(object_id: str, viewer: Viewer | None) -> Found | None:
    rows = Discussion.objects.select_related("author", "repo", "repo__namespace").filter(object_id=object_id)
    if viewer is not None:
        rows = rows.filter(visible_to(viewer, "repo__"), repo__disabled_at__isnull=True, hidden_at__isnull=True)
    discussion = rows.first()
    if discussion is None:
        return None
    first = Event.objects.filter(discussion=discussion, kind=EventKind.COMMENT).order_by("pk").first()
    text = first.body if first is not None and (viewer is None or not first.is_hidden) else ""
    excerpt = f"{discussion.title}\n\n{text}"[:_MAX_EXCERPT]
    name = f"{discussion.repo.repo_id}#{discussion.num}"
    return Found(TargetKind.DISCUSSION, object_id, name, discussion.page, excerpt, discussion.author, None, discussion)


def _comment(object_id: str, viewer: Viewer | None) -> Found | None:
    rows = Event.objects.select_related("author", "discussion", "discussion__repo", "discussion__repo__namespace")
    rows = rows.filter(object_id=object_id, kind=EventKind.COMMENT)
    if viewer is not None:
        rows = rows.filter(
            visible_to(viewer, "discussion__repo__"),
            discussion__repo__disabled_at__isnull=True,
            discussion__hidden_at__isnull=True,
            hidden_at__isnull=True,
        )
    event = rows.first()
    if event is None:
        return None
    name = f"{event.discussion.repo.repo_id}#{event.discussion.num}"
    href = f"{event.discussion.page}#{event.object_id}"
    excerpt = event.body[:_MAX_EXCERPT]
    return Found(TargetKind.COMMENT, object_id, name, href, excerpt, event.author, None, event)


def _user(object_id: str, viewer: Viewer | None) -> Found | None:
    rows = User.objects.select_related("namespace").filter(object_id=object_id)
    user = (rows if viewer is None else rows.filter(is_active=True)).first()
    if user is None:
        return None
    excerpt = "\n".join(filter(None, [user.full_name, user.bio, user.website]))
    return Found(
        TargetKind.USER, object_id, user.username, user.get_absolute_url(), excerpt, user, user.namespace, user
    )


def _organization(object_id: str, viewer: Viewer | None) -> Found | None:
    rows = Organization.objects.select_related("namespace")
    organization = rows.filter(object_id=object_id, namespace__retired_at__isnull=True).first()
    if organization is None:
        return None
    excerpt = "\n".join(filter(None, [organization.full_name, organization.description, organization.website]))
    return Found(
        TargetKind.ORGANIZATION,
        object_id,
        organization.name,
        organization.get_absolute_url(),
        excerpt,
        None,
        organization.namespace,
        organization,
    )


def _collection(object_id: str, viewer: Viewer | None) -> Found | None:
    rows = Collection.objects.select_related("namespace", "namespace__user", "created_by").filter(object_id=object_id)
    collection = (rows if viewer is None else rows.filter(visible_collections(viewer))).first()
    if collection is None:
        return None
    owner = getattr(collection.namespace, "user", None) or collection.created_by
    excerpt = f"{collection.title}\n\n{collection.description}".strip()
    href = f"/collections/{collection.slug}"
    return Found(
        TargetKind.COLLECTION, object_id, collection.slug[:200], href, excerpt, owner, collection.namespace, collection
    )


def _review(object_id: str, viewer: Viewer | None) -> Found | None:
    rows = Review.objects.select_related("author", "repo", "repo__namespace").filter(object_id=object_id)
    if viewer is not None:
        rows = rows.filter(visible_to(viewer, "repo__"), repo__disabled_at__isnull=True, hidden_at__isnull=True)
    review = rows.first()
    if review is None:
        return None
    facts = " · ".join(str(value) for value in review.facts.values() if value)
    excerpt = "\n\n".join(filter(None, ["★" * review.stars, review.text, facts]))[:_MAX_EXCERPT]
    return Found(TargetKind.REVIEW, object_id, review.repo.repo_id, review.page, excerpt, review.author, None, review)


_FINDERS: Final[dict[TargetKind, Callable[[str, Viewer | None], Found | None]]] = {
    TargetKind.REPO: _repo,
    TargetKind.DISCUSSION: _discussion,
    TargetKind.COMMENT: _comment,
    TargetKind.USER: _user,
    TargetKind.ORGANIZATION: _organization,
    TargetKind.COLLECTION: _collection,
    TargetKind.REVIEW: _review,
}
