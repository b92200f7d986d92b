"""``createorg NAME --admin USER [--member USER[:ROLE]]…``: an organization from the command line (design §5)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from hub.accounts.enums import Role
from hub.accounts.models import Organization, User
from hub.accounts.queries import get_user
from hub.accounts.services.organizations import create_organization, set_member, update_organization
from hub.core.errors import HubError
from hub.core.ids import fold


class Command(BaseCommand):
    help = "Make an organization; when it exists, add the given admin and members and set what is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--admin", required=True)
        parser.add_argument("--full-name", default="")
        parser.add_argument(
            "--member",
            action="append",
            default=[],
            metavar="USER[:ROLE]",
            help="repeatable; roles are read, contributor, write (default) and admin",
        )
        parser.add_argument("--private-by-default", action="store_true")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            organization = self._ensure(options)
            for member in options["member"]:
                name, _, role = member.partition(":")
                set_member(organization, user=_person(name), role=role or Role.WRITE)
        except HubError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"organization {organization.name} ready")

    def _ensure(self, options: dict[str, Any]) -> Organization:
        admin = _person(options["admin"])
        organization = Organization.objects.filter(
            namespace__name_folded=fold(options["name"]), namespace__retired_at__isnull=True
        ).first()
        if organization is None:
            return create_organization(
                options["name"],
                creator=admin,
                full_name=options["full_name"],
                is_private_by_default=options["private_by_default"],
                # Names of other hubs hold them; people who choose one themselves cannot (T45).
                allows_underscores=True,
            )
        set_member(organization, user=admin, role=Role.ADMIN)
        given: dict[str, Any] = {}
        if options["full_name"]:
            given["full_name"] = options["full_name"]
        if options["private_by_default"]:
            given["is_private_by_default"] = True
        return update_organization(organization, actor=admin, **given) if given else organization


def _person(name: str) -> User:
    try:
        return get_user(name)
    except HubError as error:
        raise CommandError(f"There is no user {name}.") from error
