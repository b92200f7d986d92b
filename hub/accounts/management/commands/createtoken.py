"""``createtoken USER --scope read|write|inference``: prints the new token alone on the last line (design §5)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hub.accounts.enums import TokenRole
from hub.accounts.queries import get_user
from hub.accounts.services.tokens import create_token
from hub.core.errors import HubError


class Command(BaseCommand):
    help = "Make an access token that does not expire and print it; each call makes a new one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--scope", required=True, choices=[TokenRole.READ, TokenRole.WRITE, TokenRole.INFERENCE])
        parser.add_argument("--name", default="command line")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = get_user(options["user"])
            _token, secret = create_token(user, name=options["name"], role=options["scope"])
        except HubError as error:
            raise CommandError(error.message) from error
        self.stdout.write(secret)
