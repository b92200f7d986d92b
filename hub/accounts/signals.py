"""What other packages may want to know about people."""

from django.dispatch import Signal

# kwargs: namespace_id (int); sent inside the transaction before the rows of a user or organization go, so that its
# repos can go first.
namespace_closing = Signal()
# kwargs: user_id (int), after commit: rights of this person changed (member removed, token revoked, account closed).
rights_changed = Signal()
