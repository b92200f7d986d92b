"""Links for people who cannot sign in: to the page that says why their account is closed.

Given after a right password, or sent by mail to the account's address; they open that page and nothing else.
"""

from __future__ import annotations

from typing import Final

from django.core import signing
from django.urls import reverse

from hub.accounts.models import User
from hub.core.errors import NotFound

_SALT: Final = "agora.closed-account"
_LIFE_S: Final = 60 * 24 * 3600


def closed_account_url(user: User) -> str:
    return reverse("web:closed_account", args=[signing.dumps(user.pk, salt=_SALT)])


def user_of_link(text: str) -> User:
    """The person whom a link was made for. Raises: NotFound (changed, expired, or the account is gone)."""
    try:
        pk = signing.loads(text, salt=_SALT, max_age=_LIFE_S)
    except signing.BadSignature as error:
        raise NotFound from error
    found = User.objects.select_related("namespace").filter(pk=pk).first()
    if found is None:
        raise NotFound
    return found
