"""Lists of repos that people keep."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify

from community.enums import CollectionTheme, ItemKind
from hub.accounts.models import Namespace, User
from hub.core.ids import new_object_id
from hub.repos.models import Repo


class Collection(models.Model):
    """A list of repos, papers and other collections, in an order that its owners choose."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="collections")
    title = models.CharField(max_length=60)
    title_folded = models.CharField(max_length=60, editable=False)
    description = models.CharField(max_length=150, blank=True)
    theme = models.CharField(max_length=8, choices=CollectionTheme.choices, default=CollectionTheme.ORANGE)
    is_private = models.BooleanField(default=False)
    position = models.PositiveIntegerField(default=0)  # among those of its namespace
    upvotes = models.PositiveIntegerField(default=0)  # counted anew with each vote
    # Taken out of sight by the hub's moderators.
    hidden_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "title_folded"], name="collection_title_once")]
        indexes = [
            models.Index(fields=["-updated_at", "-id"], name="collections_by_date"),
            models.Index(fields=["-upvotes", "-id"], name="collections_by_upvotes"),
        ]

    def __str__(self) -> str:
        return self.slug

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.title_folded = self.title.casefold()[:60]
        super().save(*args, **kwargs)

    @property
    def slug(self) -> str:
        """``ns/title-id``: the words follow the title, the id stays; select_related("namespace") first in lists."""
        words = slugify(self.title)[:80].strip("-")
        return f"{self.namespace.name}/{words}-{self.object_id}" if words else f"{self.namespace.name}/{self.object_id}"


class CollectionItem(models.Model):
    """One entry: a repo, another collection, or something this hub only knows by name."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="items")
    kind = models.CharField(max_length=10, choices=ItemKind.choices)
    repo = models.ForeignKey(Repo, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    nested = models.ForeignKey(Collection, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    reference = models.CharField(max_length=40, blank=True)  # of a paper
    position = models.PositiveIntegerField(default=0)  # 0, 1, 2 … without gaps
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "repo"], name="collection_repo_once"),
            models.UniqueConstraint(fields=["collection", "nested"], name="collection_nested_once"),
            models.UniqueConstraint(
                fields=["collection", "reference"], condition=~Q(reference=""), name="collection_reference_once"
            ),
        ]
        indexes = [models.Index(fields=["collection", "position"], name="collection_order")]

    def __str__(self) -> str:
        return f"{self.kind} in {self.collection_id}"


class CollectionUpvote(models.Model):
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="upvote_rows")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="collection_upvotes")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "user"], name="collection_upvote_once")]

    def __str__(self) -> str:
        return f"{self.user_id} likes collection {self.collection_id}"
