"""``manage.py compile_catalogs``: message catalogues from .po to .mo, without the gettext tools on the machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


def stale_catalogs(locale_dirs: list[Path]) -> list[Path]:
    """Return the .po files whose .mo is missing or older."""
    found = (source for directory in locale_dirs for source in sorted(directory.glob("*/LC_MESSAGES/*.po")))
    return [source for source in found if _is_stale(source, source.with_suffix(".mo"))]


def _is_stale(source: Path, compiled: Path) -> bool:
    return not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime


def compile_catalog(source: Path) -> None:
    """Write the .mo beside ``source``; readers see the old or the new one, never half of it."""
    with source.open("rb") as stream:
        catalog = read_po(stream)
    descriptor, temporary = tempfile.mkstemp(dir=source.parent)
    with os.fdopen(descriptor, "wb") as target:
        write_mo(target, catalog, use_fuzzy=False)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(source.with_suffix(".mo"))


class Command(BaseCommand):
    help = "Compile message catalogues that changed."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="also those that are up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        directories = [Path(directory) for directory in settings.LOCALE_PATHS]
        sources = stale_catalogs(directories)
        if options["all"]:
            sources = [source for directory in directories for source in directory.glob("*/LC_MESSAGES/*.po")]
        for source in sources:
            compile_catalog(source)
        self.stdout.write(f"{len(sources)} catalogues compiled")
