"""Typed reader of the environment: every option is declared once, with default, unit and help.

``docs/settings.md`` is generated from the registry (``manage.py settings_doc``) and a test compares the two.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


class InvalidSetting(Exception):
    """An environment value that cannot be used; the message names the option and what it accepts."""


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    kind: str
    default: str
    unit: str
    help: str
    secret: bool


OPTIONS: dict[str, Option] = {}


def _read(name: str, default: T, kind: str, parse: Callable[[str], T], help: str, unit: str, secret: bool) -> T:
    OPTIONS[name] = Option(name, kind, "" if secret or default is None else str(default), unit, help, secret)
    raw = os.environ.get(name)
    if raw is None or raw == "":
        return default
    try:
        return parse(raw)
    except ValueError as error:
        shown = "the given value" if secret else repr(raw)
        raise InvalidSetting(f"{name}: {shown} is not a valid {kind}. {help}") from error


def _parse_bool(raw: str) -> bool:
    value = raw.strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(raw)


def _split(raw: str) -> list[str]:
    return [part.strip() for part in raw.split(",") if part.strip()]


def text(name: str, default: str, *, help: str, unit: str = "", secret: bool = False) -> str:
    return _read(name, default, "text", str, help, unit, secret)


def integer(name: str, default: int, *, help: str, unit: str = "") -> int:
    return _read(name, default, "whole number", int, help, unit, secret=False)


def flag(name: str, default: bool, *, help: str) -> bool:
    return _read(name, default, "yes/no value", _parse_bool, help, "", secret=False)


def path(name: str, default: Path, *, help: str) -> Path:
    return _read(name, default, "path", lambda raw: Path(raw).expanduser().resolve(), help, "", secret=False)


def items(name: str, default: list[str], *, help: str) -> list[str]:
    OPTIONS[name] = Option(name, "comma-separated list", ",".join(default), "", help, secret=False)
    raw = os.environ.get(name)
    return default if raw is None else _split(raw)
