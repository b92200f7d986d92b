"""Who may call what: a former name opens nothing that the present one keeps closed (T46, T137), and odd origins."""

from __future__ import annotations

import pytest

from hub.accounts.auth import Viewer
from hub.core.errors import GatedRepo, HubError, PermissionDenied, RepoNotFound
from hub.repos.enums import Gating, Visibility
from hub.repos.services.repos import move_repo, update_repo_settings
from inference.gateway.access import Request, describe_model, find_target, identify
from tests.factories.accounts import make_user, make_viewer
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


def _moved_repo():
    owner = Viewer(user=make_user("owner", password=None))
    return owner, move_repo(owner, make_repo(owner.user, "former"), to_namespace="owner", to_name="present")


def _refusal(viewer: Viewer, name: str) -> type[HubError]:
    with pytest.raises(HubError) as found:
        find_target(viewer, name)
    with pytest.raises(HubError) as described:
        describe_model(viewer, name)
    assert type(found.value) is type(described.value)
    return type(found.value)


def test_former_name_of_a_gated_model_is_gated_too_t137() -> None:
    owner, repo = _moved_repo()
    update_repo_settings(owner, repo, gated=Gating.MANUAL)
    caller = make_viewer(make_user(password=None), "inference")
    assert _refusal(caller, "owner/former") is _refusal(caller, "owner/present") is GatedRepo


def test_former_name_of_a_private_model_is_unknown_t47() -> None:
    owner, repo = _moved_repo()
    update_repo_settings(owner, repo, visibility=Visibility.PRIVATE)
    caller = make_viewer(make_user(password=None), "inference")
    assert _refusal(caller, "owner/former") is RepoNotFound
    narrow = make_viewer(owner.user, "fineGrained", grants={"global": ["inference.serverless.write"], "scoped": []})
    narrow.token.grants = {"global": [], "scoped": []}
    assert issubclass(_refusal(narrow, "owner/former"), HubError)


@pytest.mark.parametrize("origin", ["http://[", "http://localhost:99999999", "null", "", "https://evil.example"])
def test_foreign_and_broken_origins_are_refused_t09(origin: str) -> None:
    cookie = "session=abc; csrf=" + "a" * 32
    with pytest.raises(PermissionDenied):
        identify(Request("", cookie, origin, "a" * 32, "test", "192.0.2.1"))
