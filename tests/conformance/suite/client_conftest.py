"""Fixtures that huggingface_hub's own tests expect from their conftest, which its source package leaves out.

`run.py` lays this file beside the client's tests. It decides nothing about a result: it isolates the client's
caches, hands out API clients for the hub under test, and honours the suite's markers.
"""

import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from huggingface_hub import HfApi, RepoUrl, constants
from huggingface_hub.utils import SoftTemporaryDirectory, _detect_agent
from huggingface_hub.utils._runtime import is_package_available

from .testing_constants import ENDPOINT_PRODUCTION, ENDPOINT_PRODUCTION_URL_SCHEME, ENDPOINT_STAGING, TOKEN, USER
from .testing_utils import repo_name

RepoFactory = Callable[..., RepoUrl]  # the tests import this name to annotate the `repo_factory` fixture


@pytest.fixture(autouse=True)
def patch_constants(mocker):
    """Give every test an empty client cache and token store of its own."""
    with SoftTemporaryDirectory() as home:
        places = {
            "HF_HOME": "",
            "HF_HUB_CACHE": "hub",
            "HUGGINGFACE_HUB_CACHE": "hub",
            "HF_XET_CACHE": "xet",
            "HF_ASSETS_CACHE": "assets",
            "HF_TOKEN_PATH": "token",
            "HF_STORED_TOKENS_PATH": "stored_tokens",
        }
        for name, folder in places.items():
            if hasattr(constants, name):
                mocker.patch.object(constants, name, os.path.join(home, folder) if folder else str(home))
        yield


@pytest.fixture(autouse=True)
def fresh_auth_state():
    """Forget what the client remembers of a sign-in between tests."""
    from huggingface_hub.utils import _auth

    for name, value in (("_OAUTH_REFRESH_CACHE", None), ("_OAUTH_REFRESH_WARNED", False)):
        if hasattr(_auth, name):
            setattr(_auth, name, value)
    yield


@pytest.fixture(autouse=True)
def xet_mode(request, monkeypatch):
    """`xet` tests need hf_xet and force it on; `no_xet` tests run only where it is absent; the rest take what is there."""
    wants, refuses = (request.node.get_closest_marker(name) is not None for name in ("xet", "no_xet"))
    installed = is_package_available("hf_xet")
    if wants and not installed:
        pytest.skip("needs hf_xet")
    if refuses and installed:
        pytest.skip("must run without hf_xet")
    if wants:
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
        monkeypatch.delenv("HF_HUB_DISABLE_XET", raising=False)


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    """No colours, a fixed width, and no look-up of who is calling."""
    if hasattr(_detect_agent, "_registry"):
        monkeypatch.setattr(_detect_agent, "_registry", _detect_agent._EMPTY_REGISTRY)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    from huggingface_hub.cli._output import out

    out.set_mode()
    out.set_no_truncate(False)


@pytest.fixture(autouse=True)
def quiet_experimental(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_EXPERIMENTAL_WARNING", True)


@pytest.fixture(autouse=True)
def production_marker(request, monkeypatch):
    """A `production` test asks the public Hub; the runner leaves these out, and this keeps them honest if named."""
    if request.node.get_closest_marker("production") is not None:
        monkeypatch.setattr(constants, "ENDPOINT", ENDPOINT_PRODUCTION)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", ENDPOINT_PRODUCTION_URL_SCHEME)


@pytest.fixture(autouse=True)
def deprecated_marker(request):
    """`@pytest.mark.deprecated(name, ...)`: the test must warn of each name."""
    names = [name for marker in request.node.iter_markers("deprecated") for name in marker.args]
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(pytest.warns(FutureWarning, match=rf".*'{name}'.*"))
        yield


@pytest.fixture(autouse=True)
def git_lfs_marker(request):
    if request.node.get_closest_marker("git_lfs") is not None and os.environ.get("RUN_GIT_LFS_TESTS") != "1":
        pytest.skip("needs git-lfs: set RUN_GIT_LFS_TESTS=1")


@pytest.fixture(autouse=True)
def clear_task_cache():
    from huggingface_hub.inference._providers import hf_inference

    check = getattr(hf_inference, "_check_supported_task", None)
    if check is not None and hasattr(check, "cache_clear"):
        check.cache_clear()
    yield


@pytest.fixture(scope="module")
def vcr_config():
    return {
        "filter_headers": ["authorization", "user-agent", "cookie"],
        "ignore_localhost": True,
        "path_transformer": lambda path: path + ".yaml",
    }


@pytest.fixture(scope="session")
def api():
    """A client of the hub under test, signed in as the first test user."""
    return HfApi(endpoint=ENDPOINT_STAGING, token=TOKEN)


@pytest.fixture(scope="session")
def api_prod():
    return HfApi(endpoint=ENDPOINT_PRODUCTION)


def deleted(api, repo_id, **which):
    try:
        api.delete_repo(repo_id=repo_id, missing_ok=True, **which)
    except Exception as error:  # the test's verdict stands; a left-over repo is only told
        warnings.warn(f"left behind {repo_id}: {error}", stacklevel=1)


@pytest.fixture
def repo_factory(api):
    """Make repos on the hub under test, and delete them when the test ends."""
    made = []

    def make(repo_type="model", *, repo_id=None, token=None, **options):
        if repo_type == "space":
            options.setdefault("space_sdk", "gradio")
        url = api.create_repo(
            repo_id=repo_id or repo_name(prefix=repo_type), repo_type=repo_type, token=token, **options
        )
        made.append((url.repo_id, {"repo_type": repo_type, "token": token}))
        return url

    yield make
    for repo_id, which in made:
        deleted(api, repo_id, **which)


@pytest.fixture
def new_repo_id(api):
    """The id of a model repo that the test makes itself; it is deleted when the test ends."""
    repo_id = f"{USER}/{repo_name()}"
    yield repo_id
    deleted(api, repo_id)
