"""What happened to bytes, for the packages above, which know whose they are."""

from django.dispatch import Signal

# Content behind a signed URL has left whole or in part. Sent with tally (the words that its maker put into the URL),
# content (the hash in the URL) and spans (hub.core.ranges.ByteRange of the content), in a thread that may use the
# database. A bucket sends bytes by itself: there it says that their address was given out.
content_sent = Signal()
