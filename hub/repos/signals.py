"""What happened to a repo, for the packages above; always sent after the database commit."""

from django.dispatch import Signal

# Sent with repo_pk.
repo_created = Signal()
# Sent with repo_pk, former_repo_id ("ns/name")
repo_moved = Signal()
# Sent with repo_pk.
repo_deleted = Signal()
# Sent with repo_pk: visibility, gating or other settings changed
repo_changed = Signal()
# Sent with repo_pk, ref (full name), old_oid ("" when new), new_oid ("" when deleted), actor_pk (int | None)
commit_created = Signal()
# Sent with repo_pk: likes, downloads or other numbers changed
counters_changed = Signal()
# Sent with request_pk, actor_pk (int | None): somebody asked for access to a gated repo, or was answered
access_changed = Signal()
