"""``manage.py gc [--dry-run]``: free what nothing names any more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub.core.errors import Conflict
from hub.repos.models import Repo
from hub.repos.services.backup import maintenance
from hub.repos.services.counters import recount_storage
from hub.repos.services.lfs import referenced_objects
from hub.repos.services.repos import purge_deleted
from hub.repos.services.uploads import expire_drafts
from hub.storage.gc import delete_unreferenced_objects, preview_xet, sweep_expired_uploads
from hub.storage.git.maintenance import collect_garbage
from hub.storage.xet.collect import collect
from hub.storage.xet.registry import start_epoch


class Command(BaseCommand):
    help = "Free expired uploads, files that no repo names (after 48 hours) and unreachable git objects (after 24)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would go; change nothing.")
        parser.add_argument(
            "--new-epoch",
            action="store_true",
            help="Make Xet clients forget which chunks are stored here, so that unused ones can go after 48 hours "
            "instead of 28 days.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        is_dry = options["dry_run"]
        try:
            with maintenance():
                if options["new_epoch"] and not is_dry:
                    self.stdout.write(f"Epoch {start_epoch()} has begun.")
                self._collect(is_dry)
        except Conflict as error:
            raise CommandError(error.message) from error

    def _collect(self, is_dry: bool) -> None:
        if not is_dry:
            self.stdout.write(f"{purge_deleted()} deleted repositories purged.")
            expire_drafts()
        uploads = sweep_expired_uploads(dry_run=is_dry)
        chunks = preview_xet(referenced_objects) if is_dry else None
        objects = delete_unreferenced_objects(referenced_objects, dry_run=is_dry)
        chunks = chunks or collect()
        verb = "would be freed" if is_dry else "freed"
        self.stdout.write(f"{uploads.sessions} uploads and {uploads.unfinished_files} unfinished files {verb}.")
        self.stdout.write(f"{objects.objects} objects with {objects.size_bytes} bytes {verb}.")
        self.stdout.write(
            f"{chunks.files} files made of chunks, and {chunks.xorbs} xorbs with {chunks.size_bytes} bytes {verb}."
        )
        if is_dry:
            return
        for repo in Repo.objects.filter(deleted_at__isnull=True).iterator():
            collect_garbage(repo.git_path)
            recount_storage(repo)
