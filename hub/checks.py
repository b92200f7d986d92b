"""Deployment checks: ``manage.py check --deploy`` names what this installation lacks for the open internet (T154).

Those tagged ``exposure`` also run before ``manage.py up`` and stop it: they are never right.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 -- the name that Django gave it

from hub.core.proxies import parse_networks

EXPOSURE: Final = "exposure"
MIN_SECRET_CHARACTERS: Final = 32


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_exposed() -> bool:
    """Return whether others than this machine's users are meant to reach the hub."""
    return not _is_loopback(settings.HUB_BIND) or not _is_loopback(urlsplit(settings.HUB_URL).hostname or "")


@register(EXPOSURE)
def check_debug(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.DEBUG and is_exposed():
        return [Error("HUB_DEBUG shows tracebacks and settings to visitors.", hint="Unset HUB_DEBUG.", id="hub.E001")]
    return []


@register(EXPOSURE)
def check_hosts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS and is_exposed():
        hint = "Name the hosts in HUB_ALLOWED_HOSTS."
        return [Error("HUB_ALLOWED_HOSTS accepts any host name.", hint=hint, id="hub.E002")]
    return []


@register(EXPOSURE)
def check_secret(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < MIN_SECRET_CHARACTERS:
        text = f"HUB_SECRET_KEY is shorter than {MIN_SECRET_CHARACTERS} characters."
        found.append(Error(text, hint="Unset it to have one made, or set a random one.", id="hub.E003"))
    path = Path(settings.HUB_DATA_DIR) / "secret_key"
    if path.exists() and path.stat().st_mode & 0o077:
        found.append(Error(f"{path} can be read by other accounts.", hint=f"chmod 600 {path}", id="hub.E004"))
    return found


@register(EXPOSURE)
def check_proxies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        networks = parse_networks(settings.HUB_TRUSTED_PROXIES)
    except ValueError as error:
        return [Error(f"HUB_TRUSTED_PROXIES: {error}.", id="hub.E005")]
    if any(network.prefixlen == 0 for network in networks):
        hint = "List the addresses of your proxies only."
        return [Error("HUB_TRUSTED_PROXIES trusts the whole internet.", hint=hint, id="hub.E006")]
    return []


@register(deploy=True)
def check_transport(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not settings.IS_HTTPS:
        hint = "Put a TLS proxy in front (deploy/nginx.conf) and set HUB_URL=https://…"
        found.append(Error("HUB_URL is not https: passwords and tokens travel readable.", hint=hint, id="hub.E010"))
    host = settings.HUB_METRICS_BIND.rpartition(":")[0]
    if host and not _is_loopback(host):
        hint = "Let only your monitoring reach this address."
        found.append(Warning("HUB_METRICS_BIND is not a loopback address.", hint=hint, id="hub.W011"))
    return found


@register(deploy=True)
def check_services(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        hint = "Set DATABASE_URL=postgresql://… for more than one machine or many writers."
        found.append(Warning("The database is SQLite.", hint=hint, id="hub.W020"))
    if settings.IS_BROKER_EMBEDDED:
        hint = "Set REDIS_URL to a Redis or Valkey with appendonly yes and maxmemory-policy noeviction."
        found.append(Warning("The broker is the embedded one.", hint=hint, id="hub.W021"))
    if not settings.IS_MAIL_CONFIGURED:
        hint = "Set HUB_EMAIL_URL."
        found.append(
            Warning("No mail is sent: addresses stay unverified, resets do not work.", hint=hint, id="hub.W022")
        )
    return found


@register(deploy=True)
def check_machine(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if os.geteuid() == 0:
        found.append(Warning("This runs as root.", hint="Run it as an account of its own.", id="hub.W030"))
    if shutil.which("git") is None:
        found.append(Error("git is not on PATH.", hint="Install git.", id="hub.E031"))
    if settings.HUB_SANDBOX_ALLOW_DEGRADED:
        hint = "Unset HUB_SANDBOX_ALLOW_DEGRADED once the machine offers every layer."
        found.append(Warning("Models may run in a weakened sandbox.", hint=hint, id="hub.W032"))
    return found
