"""``manage.py backup DIR``: copy everything that cannot be derived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub.core.errors import HubError
from hub.repos.services.backup import create_backup


class Command(BaseCommand):
    help = "Write a verified backup into DIR; the hub may run meanwhile. Keep the secret key apart."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dir", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            manifest = create_backup(options["dir"])
        except HubError as error:
            raise CommandError(error.message) from error
        self.stdout.write(
            f"{manifest['repositories']} repositories and {manifest['objects']} large files "
            f"({manifest['objects_bytes']} bytes) saved in {options['dir']}."
        )
