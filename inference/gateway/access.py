"""Who calls, and which model at which commit: Django work, run in the gateway's threads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http.cookie import parse_cookie
from django.middleware import csrf
from django.utils.crypto import constant_time_compare

from hub.accounts.auth import ANONYMOUS, Viewer, authenticate_header
from hub.accounts.models import User
from hub.accounts.sessions import is_too_old
from hub.core.errors import AuthenticationRequired, PermissionDenied, RepoNotFound, UnsupportedModel
from hub.core.fresh import FreshCache
from hub.core.ids import split_repo_id
from hub.core.ratelimit import Standing
from hub.repos.models import Repo
from hub.repos.permissions import RepoMoved, get_repo_for_inference
from inference import metering
from inference.health import is_resting
from inference.queries import RESTS, serving_of


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of the HTTP request that access needs."""

    authorization: str
    cookie: str
    origin: str
    csrf_token: str
    client: str
    address: str


@dataclass(frozen=True, slots=True)
class Target:
    repo: Repo
    commit_oid: str
    pipeline_tag: str


# A busy caller asks the same two questions hundreds of times a second. Two seconds old is fresh enough for both:
# a revoked token or a lost right closes this door well within five (T25, T37).
_viewers: Final = FreshCache[Viewer](ttl_s=2)
_targets: Final = FreshCache[Target](ttl_s=2)


def forget() -> None:
    """Ask the database again for every caller and model."""
    _viewers.clear()
    _targets.clear()


def identify(request: Request) -> Viewer:
    """The caller, by token, or by the session of a page of this hub.

    Raises:
        InvalidCredentials, RateLimited: a bad token.
        AuthenticationRequired: nobody.
        PermissionDenied: a cookie without proof that our own page sent it (T09).
    """
    if request.authorization:
        key = hashlib.sha256(request.authorization.encode()).digest()
        viewer = _viewers.get(key, lambda: _viewer_of(request))
    else:
        viewer = _session_viewer(request)
    if viewer.user is None:
        raise AuthenticationRequired
    return viewer


def _viewer_of(request: Request) -> Viewer:
    return authenticate_header(request.authorization, client=request.client, address=request.address)


def _session_viewer(request: Request) -> Viewer:
    cookies = parse_cookie(request.cookie)
    session_key = cookies.get(settings.SESSION_COOKIE_NAME)
    if not session_key:
        return ANONYMOUS
    if not _is_own_page(request, cookies.get(settings.CSRF_COOKIE_NAME, "")):
        raise PermissionDenied("This request did not come from a page of this hub.")
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = _user_of(session)
    return Viewer(user=user) if user else ANONYMOUS


def _is_own_page(request: Request, csrf_cookie: str) -> bool:
    """Same origin, and the double-submitted token that only our pages know."""
    site = urlsplit(settings.HUB_URL)
    try:
        origin = urlsplit(request.origin)
        same = (origin.scheme, origin.netloc) == (site.scheme, site.netloc) or (
            origin.hostname in settings.ALLOWED_HOSTS and origin.port == site.port and origin.scheme == site.scheme
        )
    except ValueError:  # no browser sends that
        return False
    return same and _is_token_of(request.csrf_token, csrf_cookie)


def _is_token_of(token: str, cookie: str) -> bool:
    """Django's own comparison: pages carry the cookie's secret masked anew for each answer, or as it is."""
    own: Any = csrf  # its comparison has no public name, and a second one here would be worse
    try:
        own._check_token_format(token)
        own._check_token_format(cookie)
    except csrf.InvalidTokenFormat:
        return False
    return bool(own._does_token_match(token, cookie))


def _user_of(session: Any) -> User | None:
    """As Django's own middleware: the session names a user, and its hash still fits their password."""
    user_pk = session.get(SESSION_KEY)
    if user_pk is None or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    if is_too_old(session):
        return None
    user = User.objects.select_related("namespace").filter(pk=user_pk, is_active=True).first()
    if user is None or not constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    return user


def find_target(viewer: Viewer, repo_id: str, pipeline_tag: str = "") -> tuple[Target, Standing]:
    """The model a call names, as ``ns/name`` or ``ns/name@commit``; counts the call against the token's rate.

    Raises:
        BadRequest, RepoNotFound, GatedRepo, InsufficientScope, UnsupportedModel, RateLimited
    """
    standing = metering.check_rate(viewer)
    key = (viewer.user_pk, viewer.token and viewer.token.pk, repo_id, pipeline_tag)
    return _targets.get(key, lambda: _look_up(viewer, repo_id, pipeline_tag)), standing


def _look_up(viewer: Viewer, repo_id: str, pipeline_tag: str) -> Target:
    name, _, revision = repo_id.partition("@")
    repo = _find_repo(viewer, name)
    serving = serving_of(repo, revision)
    if not serving.is_servable:
        raise UnsupportedModel(serving.reason)
    if is_resting(repo.pk, serving.commit_oid):
        raise UnsupportedModel(RESTS)
    task = pipeline_tag or serving.pipeline_tag
    if task not in serving.tasks:
        raise UnsupportedModel(
            f"{repo.repo_id} does not serve the task '{task[:60]}'; it serves: {', '.join(serving.tasks)}."
        )
    return Target(repo, serving.commit_oid, task)


def _find_repo(viewer: Viewer, repo_id: str) -> Repo:
    """The model under its present or a former name: the same rule is asked for both."""
    try:
        return get_repo_for_inference(viewer, *split_repo_id(repo_id))
    except RepoMoved as moved:
        return get_repo_for_inference(viewer, moved.repo.namespace.name, moved.repo.name)


def list_models(viewer: Viewer) -> list[dict[str, Any]]:
    """What ``GET /v1/models`` shows: callable models that this caller may see, most used first, at most 1,000."""
    from inference.queries import list_callable  # noqa: PLC0415 -- keeps the import graph of the hot path small

    return [
        {
            "id": row["full_id"],
            "object": "model",
            "created": int(row["created_at"].timestamp()),
            "owned_by": row["owner"],
        }
        for row in list_callable(viewer)
    ]


def describe_model(viewer: Viewer, repo_id: str) -> dict[str, Any]:
    """Raises RepoNotFound and what ``find_target`` raises, without counting."""
    repo = _find_repo(viewer, repo_id)
    if not serving_of(repo).is_servable:
        raise RepoNotFound
    return {
        "id": repo.repo_id,
        "object": "model",
        "created": int(repo.created_at.timestamp()),
        "owned_by": repo.namespace.name,
    }
