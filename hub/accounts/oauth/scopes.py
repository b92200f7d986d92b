"""The scopes of hub-api §5.3: what each lets an application do, and the words in which people are asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from hub.accounts.enums import Action

_WRITE: Final = frozenset({Action.REPO_READ, Action.REPO_WRITE, Action.REPO_CREATE})

#: In the order in which a consent page lists them. Without words: accepted, for clients ask for it, but this hub has
#: nothing that it would open.
SCOPES: Final[dict[str, tuple[frozenset[Action], Any]]] = {
    "openid": (frozenset(), _("Know who you are on this hub")),
    "profile": (frozenset(), _("See your public profile")),
    "email": (frozenset(), _("See your e-mail address")),
    "read-memberships": (frozenset({Action.ORG_READ}), _("See the organizations you belong to")),
    "read-repos": (frozenset({Action.REPO_READ}), _("Read all repositories you can read, private ones included")),
    "gated-repos": (frozenset(), _("Read the files of gated repositories that you have access to")),
    "contribute-repos": (frozenset({Action.REPO_CREATE}), _("Create repositories")),
    "write-repos": (frozenset({Action.REPO_READ, Action.REPO_WRITE}), _("Read and change your repositories")),
    "manage-repos": (_WRITE | {Action.REPO_ADMIN}, _("Create, change, move and delete your repositories")),
    "read-collections": (frozenset(), ""),
    "write-collections": (frozenset(), ""),
    "write-discussions": (frozenset({Action.DISCUSSION_WRITE}), _("Take part in discussions and pull requests")),
    "inference-api": (frozenset({Action.INFERENCE}), _("Call models in your name")),
    "read-endpoints": (frozenset(), ""),
    "write-endpoints": (frozenset(), ""),
    "jobs": (frozenset(), ""),
    # The right that webhooks ask for; nothing else asks for it so far (tests/hub/accounts/oauth/test_scopes.py).
    "webhooks": (frozenset({Action.ACCOUNT_WRITE}), _("Manage your webhooks")),
    "read-billing": (frozenset(), ""),
}
#: What shows a person and changes nothing: consent to these alone needs no fresh sign-in (T13).
HARMLESS: Final = frozenset({"openid", "profile", "email", "read-memberships"})


def actions_of(scopes: Iterable[str]) -> frozenset[Action]:
    """What a token of these scopes may do; that it may ask whose it is goes without saying."""
    allowed = frozenset({Action.ACCOUNT_READ})
    return allowed.union(*(SCOPES[scope][0] for scope in scopes if scope in SCOPES))


def in_order(scopes: Iterable[str]) -> list[str]:
    """Known scopes, once each, in the order of the table."""
    given = set(scopes)
    return [scope for scope in SCOPES if scope in given]


def words_of(scopes: Iterable[str]) -> list[str]:
    """One sentence per scope for the consent page. ``write`` implies its ``read``, which is then left out."""
    given = set(scopes)
    if "manage-repos" in given:
        given -= {"write-repos", "read-repos", "contribute-repos"}
    elif "write-repos" in given:
        given -= {"read-repos"}
    return [str(SCOPES[scope][1]) for scope in in_order(given) if SCOPES[scope][1]]
