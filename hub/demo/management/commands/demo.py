from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from hub.demo.publish import publish_all


class Command(BaseCommand):
    help = "Publish the demo organisation's models; what is there already is left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", help="only these (default: all)")

    def handle(self, *args: Any, names: list[str], **options: Any) -> None:
        failed = 0
        for name, error in publish_all(names):
            failed += bool(error)
            self.stdout.write(f"{name}: {error or 'published'}")
        if failed:
            raise SystemExit(1)
