#!/usr/bin/env python
"""Command line of the hub: ``manage.py up`` starts everything, ``manage.py help`` lists the rest."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 -- slow import

    import hub.checks  # noqa: F401, PLC0415 -- registers the checks of the whole

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
