"""``manage.py fsck [--repair] [--deep] [--resume]``: is what people stored still there, and do the rows say so?"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub.repos.services.fsck import Bookmark, check_all

_SAVE_EVERY_S: Final = 5.0


class Command(BaseCommand):
    help = "Compare rows, git and stored files; exit status 1 when defects remain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--repair", action="store_true", help="Repair what can be derived from git and the store.")
        parser.add_argument("--deep", action="store_true", help="Read all bytes and all history; takes long.")
        parser.add_argument("--resume", action="store_true", help="Go on where an earlier check was cut.")

    def handle(self, *args: Any, **options: Any) -> None:
        progress = _Progress(deep=options["deep"], repair=options["repair"])
        if options["resume"]:
            progress.load()
        for finding in check_all(
            deep=options["deep"], repair=options["repair"], after=progress.bookmark, on_step=progress.step
        ):
            progress.found += 1
            progress.remaining += not finding.is_repaired
            state = "repaired" if finding.is_repaired else "DEFECT"
            self.stdout.write(f"{state} {finding.code} {finding.subject}: {finding.text}")
        progress.forget()
        self.stdout.write(f"{progress.found} defects found, {progress.remaining} remain.")
        if progress.remaining:
            sys.exit(1)


class _Progress:
    """What is known so far, kept beside the data so that a check of many days survives a restart."""

    def __init__(self, *, deep: bool, repair: bool) -> None:
        self._kind = {"deep": deep, "repair": repair}
        self._path = Path(settings.HUB_DATA_DIR) / "run" / "fsck.json"
        self._saved_at = 0.0
        self.bookmark: Bookmark | None = None
        self.found = self.remaining = 0

    def load(self) -> None:
        """Raises: CommandError when the earlier check was another one; starts anew when there was none."""
        try:
            kept = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return
        if kept["kind"] != self._kind:
            raise CommandError(f"The check that was cut was another one: {kept['kind']}. Start without --resume.")
        self.bookmark = Bookmark(kept["phase"], kept["key"])
        self.found, self.remaining = kept["found"], kept["remaining"]

    def step(self, bookmark: Bookmark) -> None:
        if time.monotonic() - self._saved_at < _SAVE_EVERY_S:
            return
        self._saved_at = time.monotonic()
        facts = {"phase": bookmark.phase, "key": bookmark.key, "found": self.found, "remaining": self.remaining}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f"fsck.{os.getpid()}.json")
        temporary.write_text(json.dumps({"kind": self._kind, **facts}))
        temporary.replace(self._path)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)
