"""Composition root of the web process: which door answers which path.

granian → ``Edge`` → first door that matches: health · data plane · Xet · git · inference, else Django on the bridge.

Only Django's door touches the ORM or templates. The others stream and live on the event loop.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")

from hub.wsgi import application as wsgi_application  # noqa: I001 -- runs django.setup(), which all others need

from django.conf import settings

from hub.bridge import Limits, WsgiBridge
from hub.core.edge import ASGIApp, Edge, Receive, Scope, Send, header_values
from hub.core.proxies import parse_networks
from hub.health import HealthApp

log = structlog.get_logger("hub.asgi")

_GIT: Final = re.compile(r"/(?:datasets/|spaces/|kernels/)?[^/]+/[^/]+/(?:info/refs|git-upload-pack|git-receive-pack)")
_COMMIT: Final = re.compile(r"/api/(?:models|datasets|spaces|kernels)/.+/commit/.+")

MIB: Final = 1024 * 1024
#: Bodies of the Hub API commit carry files inline, base64 in NDJSON: 1 GiB of content is 4/3 of that on the wire.
COMMIT_BODY_BYTES: Final = 1400 * MIB
#: Forms with an avatar, LFS batches and pre-upload samples fit; files themselves go to the data plane.
BODY_BYTES: Final = 16 * MIB
#: A film for a comment (community.services.attachments).
UPLOAD_BODY_BYTES: Final = 51 * MIB
#: Who has shown no credential has nothing large to say.
ANONYMOUS_BODY_BYTES: Final = 1 * MIB


def max_body_bytes(scope: Scope) -> int:
    """Return the cap in bytes for a body that goes to Django."""
    if not header_values(scope, b"authorization") and not header_values(scope, b"cookie"):
        return ANONYMOUS_BODY_BYTES
    if scope["path"] == "/uploads":
        return UPLOAD_BODY_BYTES
    return COMMIT_BODY_BYTES if _COMMIT.fullmatch(scope["path"]) else BODY_BYTES


def _is_health(scope: Scope) -> bool:
    return scope["path"].startswith("/health/")


def _is_data(scope: Scope) -> bool:
    return scope["path"].startswith("/_d/")


def _is_cas(scope: Scope) -> bool:
    # Clients send telemetry to the root of the site, whatever the address of the store.
    is_telemetry = scope["path"] == "/v1/telemetry" and scope["method"] == "POST"
    return scope["path"].startswith("/cas/") or is_telemetry


def _is_upstream(scope: Scope) -> bool:
    return scope["path"].startswith("/_u/")


def _is_git(scope: Scope) -> bool:
    return _GIT.fullmatch(scope["path"]) is not None


def _is_inference(scope: Scope) -> bool:
    path = scope["path"]
    return path.startswith(("/v1/", "/pipeline/")) or (scope["method"] == "POST" and path.startswith("/models/"))


def _data_app() -> ASGIApp:
    from hub.storage.dataplane import application  # noqa: PLC0415 -- needs django.setup()

    return application


def _cas_app() -> ASGIApp:
    from hub.api.cas import application  # noqa: PLC0415 -- needs django.setup()

    return application


def _upstream_app() -> ASGIApp:
    from hub.api.upstream import application  # noqa: PLC0415 -- needs django.setup()

    return application


def _git_app() -> ASGIApp:
    from hub.api.git_http import application  # noqa: PLC0415 -- needs django.setup()

    return application


def _inference_app() -> ASGIApp:
    from inference.gateway.app import application  # noqa: PLC0415 -- needs django.setup()

    return application


def _django_app() -> ASGIApp:
    spool = Path(settings.HUB_DATA_DIR) / "tmp"
    spool.mkdir(parents=True, exist_ok=True)
    return WsgiBridge(
        wsgi_application,
        threads=settings.HUB_WEB_THREADS,
        limits=Limits(max_body_bytes=max_body_bytes),
        spool_dir=spool,
    )


@dataclass(frozen=True, slots=True)
class Door:
    """Who answers: ``build`` is called once, at start, so that a part that cannot be imported stops the process."""

    name: str
    matches: Callable[[Scope], bool]
    build: Callable[[], ASGIApp]


DOORS: Final = (
    Door("health", _is_health, HealthApp),
    Door("data", _is_data, _data_app),
    Door("cas", _is_cas, _cas_app),
    Door("upstream", _is_upstream, _upstream_app),
    Door("git", _is_git, _git_app),
    Door("inference", _is_inference, _inference_app),
    Door("django", lambda scope: True, _django_app),
)


class Dispatcher:
    """Give each request to the first door that matches; run the lifespan."""

    def __init__(self, doors: tuple[Door, ...]) -> None:
        self._apps = tuple((door.matches, door.build()) for door in doors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        for matches, app in self._apps:
            if matches(scope):
                await app(scope, receive, send)
                return

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        log.info("web_started", pid=os.getpid(), threads=settings.HUB_WEB_THREADS)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for _, app in self._apps:
            close = getattr(app, "close", None)
            if close is not None:
                close()
        await send({"type": "lifespan.shutdown.complete"})


application = Edge(
    Dispatcher(DOORS),
    hsts=settings.IS_HTTPS,
    trusted_proxies=parse_networks(settings.HUB_TRUSTED_PROXIES),
)
