"""What happened to a repo, for the packages above; always sent after the database commit."""

from django.dispatch import Signal

# kwargs: repo_pk
repo_created = Signal()
# kwargs: repo_pk, former_repo_id ("ns/name")
repo_moved = Signal()
# kwargs: repo_pk
repo_deleted = Signal()
# kwargs: repo_pk: visibility, gating or other settings changed
repo_changed = Signal()
# kwargs: repo_pk, ref (full name), old_oid ("" when new), new_oid ("" when deleted), actor_pk (int | None)
commit_created = Signal()
# kwargs: repo_pk: likes, downloads or other numbers changed
counters_changed = Signal()
