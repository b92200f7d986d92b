from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub.env import OPTIONS, Option

_HEAD = """# Settings

Written by `manage.py settings_doc` from `hub/settings.py`; edit that, not this file.
Everything is read from the environment once, at start. `manage.py check --deploy` names what production lacks.

| variable | kind | default | what it does |
|---|---|---|---|
"""


class Command(BaseCommand):
    help = "Write docs/settings.md from the options that the settings declare."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether the file is up to date")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / "docs" / "settings.md"
        text = render()
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise CommandError("docs/settings.md is out of date: run `manage.py settings_doc`.")


def render() -> str:
    """The whole page; independent of the values that this process was started with."""
    return _HEAD + "".join(_row(OPTIONS[name]) for name in sorted(OPTIONS))


def _row(option: Option) -> str:
    kind = f"{option.kind}, {option.unit}" if option.unit else option.kind
    default = f"`{_portable(option.default)}`" if option.default else "–"
    return f"| `{option.name}` | {kind} | {default} | {option.help.replace('|', '¦')} |\n"


def _portable(default: str) -> str:
    """Defaults that hold a path or a port are shown as they follow from other settings."""
    data_dir, port = str(settings.HUB_DATA_DIR), str(settings.PORT)
    if default == str(Path(settings.BASE_DIR) / "var"):
        return "./var"
    default = default.replace(data_dir, "$HUB_DATA_DIR").replace(str(Path(settings.BASE_DIR) / "var"), "./var")
    if default.endswith(f":{port}"):
        default = default.removesuffix(port) + "$PORT"
    return default
