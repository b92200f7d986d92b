"""Django middlewares that every page and API answer passes: identity of the request, security headers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from hub.core.edge import REQUEST_ID_KEY

GetResponse = Callable[[HttpRequest], HttpResponse]

THEMES: Final = frozenset({"light", "dark"})
# A worker lives under the policy of its own answer: this one script may compile WebAssembly (SHA-256), no page may.
WASM_WORKER: Final = "js/upload/hash_worker.js"


class RequestIdMiddleware:
    """Say who asks: ``request.id``, ``request.client_address`` and ``request.theme`` ("light", "dark" or "auto").

    Id and address were settled by ``hub.core.edge``; forwarded headers never reach this point.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = request.META.get(REQUEST_ID_KEY) or uuid.uuid4().hex
        theme = request.COOKIES.get("theme", "")
        request.id = request_id
        request.client_address = request.META.get("REMOTE_ADDR", "")
        request.theme = theme if theme in THEMES else "auto"
        response = self._get_response(request)
        response.setdefault("X-Request-Id", request_id)
        return response


def storage_origins(storage_url: str) -> list[str]:
    """Return the origins that browsers fetch bytes from: none for disks, endpoint and bucket host for S3.

    Signed URLs lead to ``public_endpoint`` where there is one, and with ``presign=0`` nowhere.
    """
    parts = urlsplit(storage_url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme != "s3" or options.get("presign") in ("0", "false", "no"):
        return []
    endpoint = options.get("public_endpoint") or options.get("endpoint", "")
    if not endpoint:
        return [f"https://{parts.netloc}.s3.amazonaws.com", "https://*.amazonaws.com"]
    site = urlsplit(endpoint)
    return [f"{site.scheme}://{site.netloc}", f"{site.scheme}://{parts.netloc}.{site.netloc}"]


def content_security_policy(storage_url: str, *, allows_wasm: bool = False) -> str:
    """Return the policy of all pages: own scripts and styles only, nothing inline, no foreign frame or form."""
    bytes_from = " ".join(["'self'", *storage_origins(storage_url)])
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'" if allows_wasm else "script-src 'self'",
            "style-src 'self'",
            f"img-src {bytes_from} data: blob:",
            f"media-src {bytes_from} blob:",
            "font-src 'self'",
            f"connect-src {bytes_from}",
            "worker-src 'self'",
            "manifest-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        )
    )


class SecurityHeadersMiddleware:
    """Set the headers that keep a page to itself; a view may set its own, stricter ones first."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        self._headers = {
            "Content-Security-Policy": content_security_policy(settings.HUB_STORAGE_URL),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": settings.X_FRAME_OPTIONS,
            "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), payment=(), usb=(), microphone=(self)",
        }
        self._wasm_path = f"{settings.STATIC_URL}{WASM_WORKER}"
        self._wasm_policy = content_security_policy(settings.HUB_STORAGE_URL, allows_wasm=True)
        if settings.IS_HTTPS:
            self._headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if request.path == self._wasm_path:
            response.setdefault("Content-Security-Policy", self._wasm_policy)
        if not response.has_header("Cache-Control"):
            # What a page shows depends on who asks: no shared cache may keep it (T41).
            response["Cache-Control"] = "private, no-cache"
            patch_vary_headers(response, ["Cookie", "Authorization"])
        for name, value in self._headers.items():
            response.setdefault(name, value)
        return response
