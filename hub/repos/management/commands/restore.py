"""``manage.py restore DIR``: bring a backup back onto an empty hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub.core.errors import HubError
from hub.repos.services.backup import restore_backup
from hub.repos.services.fsck import check_all


class Command(BaseCommand):
    help = "Restore DIR onto an empty HUB_DATA_DIR and database, then check the result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dir", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            manifest = restore_backup(options["dir"])
        except HubError as error:
            raise CommandError(error.message) from error
        call_command("migrate", verbosity=0)
        remaining = [finding for finding in check_all(repair=True) if not finding.is_repaired]
        for finding in remaining:
            self.stdout.write(f"DEFECT {finding.code} {finding.subject}: {finding.text}")
        self.stdout.write(f"{manifest['repositories']} repositories and {manifest['objects']} large files restored.")
        if not manifest["is_key_the_same"]:
            self.stdout.write("The secret key differs from the backed-up hub's: people must sign in again.")
        if remaining:
            raise CommandError(f"{len(remaining)} defects remain.")
