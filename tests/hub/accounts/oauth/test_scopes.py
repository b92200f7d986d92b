"""Scopes of OAuth tokens against actions (T21)."""

from __future__ import annotations

import importlib
from pathlib import Path

from hub.accounts.enums import Action
from hub.accounts.oauth.scopes import HARMLESS, SCOPES, actions_of, in_order, words_of

ROOT = Path(__file__).resolve().parents[4]


def test_a_scope_allows_its_actions_and_no_others_t21() -> None:
    assert actions_of([]) == {Action.ACCOUNT_READ}
    assert actions_of(["read-repos", "unheard-of"]) == {Action.ACCOUNT_READ, Action.REPO_READ}
    assert actions_of(["write-repos", "inference-api"]) == {
        Action.ACCOUNT_READ,
        Action.REPO_READ,
        Action.REPO_WRITE,
        Action.INFERENCE,
    }


def test_no_scope_changes_the_account_or_an_organization_t17() -> None:
    assert actions_of(SCOPES) & {Action.ORG_WRITE} == set()
    assert [scope for scope in SCOPES if Action.ACCOUNT_WRITE in actions_of([scope])] == ["webhooks"]
    asking = [
        str(path.relative_to(ROOT))
        for package in ("hub", "community", "inference")
        for path in (ROOT / package).rglob("*.py")
        if "Action.ACCOUNT_WRITE" in path.read_text() and "hub/accounts/" not in str(path)
    ]
    # A new use needs a right of its own: people who allowed "webhooks" did not allow that.
    assert sorted(asking) == ["community/services/webhooks.py", "hub/web/forms/tokens.py"]


def test_harmless_scopes_change_nothing_t13() -> None:
    assert actions_of(HARMLESS) == {Action.ACCOUNT_READ, Action.ORG_READ}


def test_words_leave_out_what_is_implied() -> None:
    assert words_of(["read-repos", "write-repos", "openid"]) == [
        "Know who you are on this hub",
        "Read and change your repositories",
    ]
    assert in_order(["email", "nonsense", "openid", "email"]) == ["openid", "email"]


def test_the_scopes_of_the_command_line_are_known() -> None:
    migration = importlib.import_module("hub.accounts.migrations.0003_cli_application")
    assert in_order(migration.SCOPES) == migration.SCOPES
