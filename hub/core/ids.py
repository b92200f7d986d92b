"""Names: what a namespace, a repo and an object id may look like, in one place for every door.

Source: Hub client rules (repo ids) and Hub documentation (namespaces); threats T45, T48.
"""

from __future__ import annotations

import re
import secrets
import time
from enum import StrEnum
from typing import Final

from hub.core.errors import BadRequest

REPO_NAME_MAX_LENGTH: Final = 96
NAMESPACE_MIN_LENGTH: Final = 2
NAMESPACE_MAX_LENGTH: Final = 42

_REPO_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{1,41}")
# What the first Hub gave out before its present rule; here only an operator may (`createorg`).
_FORMER_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,41}")
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OID = re.compile(r"[0-9a-f]{40}")

# First path segments that pages, the API, clients or future features use.
RESERVED_NAMES: Final = frozenset(
    """
    about abuse access account accounts activity admin administrator agora api apps archive assets auth avatars
    billing blog buckets cas chat code-of-conduct collections community conduct contact credentials csp-report d
    dashboard datasets demo device devices docs documentation download endpoints evaluations explore favicon
    favicon-ico feed git gateway health help hf home hub huggingface i18n images inference issues jobs join kernels
    languages leaderboard leaderboards legal license licenses login logout mail media metrics models moderation new
    notifications oauth official org organization organizations orgs pages papers pipeline playground policies posts
    pricing privacy profile pulls raw register report reports repo repos resolve reviews robots root search security
    sessions settings sign-in sign-out sign-up signin signout signup sitemap spaces staff static status storage
    styleguide subscribe support system tags tasks team teams terms token tokens trending upload uploads usage user
    users v1 v2 verify webhook webhooks welcome well-known whoami www none null undefined me self anonymous deleted
    ghost everyone nobody
    """.split()
)


class RepoType(StrEnum):
    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"
    KERNEL = "kernel"

    @property
    def plural(self) -> str:
        """The segment used in API routes (``models``) and, for all but models, in page and git routes."""
        return f"{self.value}s"

    @property
    def web_prefix(self) -> str:
        """What stands before ``ns/name`` in page, resolve and git routes (empty for models)."""
        return "" if self is RepoType.MODEL else f"{self.plural}/"

    @classmethod
    def from_plural(cls, segment: str) -> RepoType:
        for repo_type in cls:
            if repo_type.plural == segment:
                return repo_type
        raise BadRequest(f"Unknown repository type: {segment}")


def validate_repo_name(name: str) -> str:
    """Return ``name`` if a repo may be called so.

    Raises:
        BadRequest: with the rule that is broken.
    """
    if not _REPO_NAME.fullmatch(name):
        raise BadRequest(
            "Repository names use 1 to 96 letters, digits, '-', '_' and '.', and start with a letter or digit.",
            param="name",
        )
    if ".." in name or "--" in name:
        raise BadRequest("Repository names cannot contain '..' or '--'.", param="name")
    if name.endswith(("-", ".")):
        raise BadRequest("Repository names cannot end with '-' or '.'.", param="name")
    if name.lower().endswith((".git", ".lock", ".ipynb")):
        raise BadRequest("Repository names cannot end with '.git', '.lock' or '.ipynb'.", param="name")
    return name


def validate_namespace_name(name: str, *, allows_underscores: bool = False) -> str:
    """Return ``name`` if a user or organization may be called so (reserved words are refused here too).

    Raises:
        BadRequest: with the rule that is broken.
    """
    if not (_FORMER_NAMESPACE if allows_underscores else _NAMESPACE).fullmatch(name):
        raise BadRequest(
            "Names use 2 to 42 letters, digits and single dashes, and start with a letter or digit.", param="name"
        )
    if "--" in name or name.endswith(("-", "_")):
        raise BadRequest("Names cannot contain '--' or end with '-'.", param="name")
    if name.isdigit() or _OBJECT_ID.fullmatch(name.lower()):
        raise BadRequest("Names need at least one letter and cannot look like an identifier.", param="name")
    if name.lower() in RESERVED_NAMES:
        raise BadRequest("This name is reserved.", param="name")
    return name


def fold(name: str) -> str:
    """The form in which names are unique: ASCII names only, so lower case is enough."""
    return name.lower()


def split_repo_id(repo_id: str) -> tuple[str, str]:
    """``ns/name`` → (ns, name). Raises BadRequest."""
    namespace, separator, name = repo_id.partition("/")
    if not separator or not namespace or not name or "/" in name:
        raise BadRequest(f"A repository id has the form namespace/name, not '{repo_id[:200]}'.")
    return namespace, name


def is_sha256(text: str) -> bool:
    return bool(_SHA256.fullmatch(text))


def is_oid(text: str) -> bool:
    return bool(_OID.fullmatch(text))


def new_object_id() -> str:
    """24 hex digits, time-ordered by second: the ``_id`` that clients see."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"
