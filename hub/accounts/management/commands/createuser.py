"""``createuser NAME --email E --password P``: an account from the command line (design §5)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from hub.accounts.models import User
from hub.accounts.services.users import create_user, ensure_user
from hub.core.errors import HubError
from hub.core.ids import fold


class Command(BaseCommand):
    help = "Make an account; when it exists, set its password, address, name and staff flag as given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--email", required=True)
        parser.add_argument("--password", required=True)
        parser.add_argument("--full-name", default="")
        parser.add_argument("--staff", action="store_true", help="may use the admin pages")

    def handle(self, *args: Any, **options: Any) -> None:
        existing = User.objects.filter(namespace__name_folded=fold(options["name"])).first()
        try:
            if existing is None:
                user = create_user(
                    options["name"],
                    email=options["email"],
                    password=options["password"],
                    full_name=options["full_name"],
                    is_staff=options["staff"],
                )
            else:
                user = ensure_user(
                    existing,
                    email=options["email"],
                    password=options["password"],
                    full_name=options["full_name"],
                    is_staff=options["staff"],
                )
        except HubError as error:
            raise CommandError(error.message) from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(f"user {user.username} {'updated' if existing else 'created'}")
