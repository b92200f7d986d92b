"""``manage.py fsck [--repair] [--deep]``: is what people stored still there, and do the rows say so?"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from hub.repos.services.fsck import check_all


class Command(BaseCommand):
    help = "Compare rows, git and stored files; exit status 1 when defects remain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="Repair what can be derived from git and the store.")
        parser.add_argument("--deep", action="store_true", help="Read all bytes and all history; takes long.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = remaining = 0
        for finding in check_all(deep=options["deep"], repair=options["repair"]):
            found += 1
            remaining += not finding.is_repaired
            state = "repaired" if finding.is_repaired else "DEFECT"
            self.stdout.write(f"{state} {finding.code} {finding.subject}: {finding.text}")
        self.stdout.write(f"{found} defects found, {remaining} remain.")
        if remaining:
            sys.exit(1)
