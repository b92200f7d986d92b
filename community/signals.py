"""What people said and did, for the packages beside and above; always sent after the database commit."""

from django.dispatch import Signal

# Sent with discussion_pk, repo_pk, num, action (see Change), comment_pk (int | None), actor_pk (int | None).
discussion_changed = Signal()
