"""The real clients against a running hub: huggingface_hub without Xet, git, git-lfs (hub-api §30)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub.api.conftest import LiveHub

pytestmark = [pytest.mark.slow]
_numbers = count(1)


@pytest.fixture
def alice(live_hub: LiveHub) -> HfApi:
    return HfApi(endpoint=live_hub.url, token=live_hub.alice)


@pytest.fixture
def bob(live_hub: LiveHub) -> HfApi:
    return HfApi(endpoint=live_hub.url, token=live_hub.bob)


@pytest.fixture
def repo_id(alice: HfApi) -> str:
    name = f"alice/repo-{next(_numbers)}"
    alice.create_repo(name)
    return name


def test_lifecycle(alice: HfApi, bob: HfApi, repo_id: str, tmp_path: Path) -> None:
    assert alice.list_repo_files(repo_id) == [".gitattributes"]
    assert alice.create_repo(repo_id, exist_ok=True).repo_id == repo_id
    with pytest.raises(HfHubHTTPError, match="409"):
        alice.create_repo(repo_id)
    first = alice.upload_file(path_or_fileobj=b"hello", path_in_repo="dir/a.txt", repo_id=repo_id)
    again = alice.upload_file(path_or_fileobj=b"hello", path_in_repo="dir/a.txt", repo_id=repo_id)
    assert first.oid == again.oid
    alice.create_branch(repo_id, branch="dev/x")
    alice.create_tag(repo_id, tag="v1", tag_message="first")
    with pytest.raises(HfHubHTTPError, match="already exists"):
        alice.create_branch(repo_id, branch="main")
    alice.upload_file(path_or_fileobj=b"x", path_in_repo="dev.txt", repo_id=repo_id, revision="dev/x")
    assert alice.file_exists(repo_id, "dev.txt", revision="dev/x")
    assert not alice.file_exists(repo_id, "dev.txt")
    refs = alice.list_repo_refs(repo_id, include_pull_requests=True)
    assert [ref.name for ref in refs.branches] == ["dev/x", "main"]
    alice.move_repo(repo_id, f"{repo_id}-moved")
    assert alice.model_info(repo_id).id == f"{repo_id}-moved"
    alice.upload_file(path_or_fileobj=b"late", path_in_repo="late.txt", repo_id=repo_id)
    alice.delete_repo(f"{repo_id}-moved")
    with pytest.raises(RepositoryNotFoundError):
        alice.model_info(repo_id)


def test_large_files_come_back_byte_identical(alice: HfApi, repo_id: str, tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "big.weird").write_bytes(os.urandom(70_000_000))  # above one part: multipart
    (folder / "small.safetensors").write_bytes(os.urandom(1000))
    (folder / "note.txt").write_text("é" * 300)
    (folder / "empty.pkl").touch()
    alice.upload_folder(folder_path=folder, repo_id=repo_id)
    down = Path(alice.snapshot_download(repo_id, local_dir=tmp_path / "down"))
    for path in folder.iterdir():
        assert (down / path.name).read_bytes() == path.read_bytes(), path.name
    entries = {entry.path: entry for entry in alice.list_repo_tree(repo_id, expand=True)}
    assert entries["big.weird"].lfs.size == 70_000_000
    assert entries["empty.pkl"].lfs is None
    assert all(entry.last_commit for entry in entries.values())


def test_odd_names_survive(alice: HfApi, repo_id: str, tmp_path: Path) -> None:
    for name in ("to?/awful?filename%you:should,never.give", "a b/ü#&+.txt"):
        alice.upload_file(path_or_fileobj=name.encode(), path_in_repo=name, repo_id=repo_id)
        assert Path(alice.hf_hub_download(repo_id, name, cache_dir=tmp_path)).read_text() == name
    # Legal in git; the client stores it but would not write it to a disk.
    alice.upload_file(path_or_fileobj=b"x", path_in_repo="folder/..\\..\\file", repo_id=repo_id)
    assert "folder/..\\..\\file" in alice.list_repo_files(repo_id)
    with pytest.raises(HfHubHTTPError, match="422"):
        alice.upload_file(path_or_fileobj=b"x", path_in_repo="..\\ddd", repo_id=repo_id)


def test_strangers_learn_nothing(alice: HfApi, bob: HfApi, live_hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    alice.update_repo_settings(repo_id, visibility="private")
    for api in (bob, HfApi(endpoint=live_hub.url, token=False)):
        with pytest.raises(RepositoryNotFoundError):
            api.model_info(repo_id)
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download(repo_id, ".gitattributes", cache_dir=tmp_path)
    with pytest.raises(EntryNotFoundError):
        alice.hf_hub_download(repo_id, "none", cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        alice.model_info(repo_id, revision="none")


def test_git_clone_commit_push(alice: HfApi, live_hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    content = os.urandom(50_000)
    alice.upload_file(path_or_fileobj=content, path_in_repo="w.bin", repo_id=repo_id)
    url = f"{live_hub.url.replace('://', f'://any:{live_hub.alice}@')}/{repo_id}"
    _git(tmp_path, "clone", url, "work")
    work = tmp_path / "work"
    _git(work, "lfs", "install", "--local")
    _git(work, "lfs", "pull")
    assert (work / "w.bin").read_bytes() == content
    (work / "new.bin").write_bytes(content[::-1])
    (work / "new.txt").write_text("text")
    _git(work, "add", ".")
    _git(work, "commit", "-m", "From git")
    _git(work, "push")
    assert Path(alice.hf_hub_download(repo_id, "new.bin", cache_dir=tmp_path)).read_bytes() == content[::-1]
    last = {entry.path: entry.last_commit.title for entry in alice.list_repo_tree(repo_id, expand=True)}
    assert last["new.txt"] == "From git"


def test_git_refuses_strangers_as_if_nothing_were_there_t31(
    alice: HfApi, live_hub: LiveHub, repo_id: str, tmp_path: Path
) -> None:
    alice.update_repo_settings(repo_id, visibility="private")
    answers = {}
    for name in (repo_id, "alice/nothing-here"):
        for who, token in (("nobody", ""), ("bob", live_hub.bob)):
            answers[who, name] = _ask_git(f"{live_hub.url}/{name}/info/refs?service=git-upload-pack", token)
    assert answers["nobody", repo_id] == answers["nobody", "alice/nothing-here"]
    assert answers["bob", repo_id] == answers["bob", "alice/nothing-here"]
    assert answers["nobody", repo_id][:2] == (401, 'Basic realm="Agora"')
    assert answers["bob", repo_id][0] == 404


def test_pushing_a_pointer_of_another_repo_is_refused_t70(
    alice: HfApi, bob: HfApi, live_hub: LiveHub, repo_id: str, tmp_path: Path
) -> None:
    secret = os.urandom(5_000)
    alice.upload_file(path_or_fileobj=secret, path_in_repo="s.bin", repo_id=repo_id)
    alice.update_repo_settings(repo_id, visibility="private")
    target = f"bob/thief-{next(_numbers)}"
    bob.create_repo(target)
    _git(tmp_path, "clone", f"{live_hub.url.replace('://', f'://any:{live_hub.bob}@')}/{target}", "work")
    work = tmp_path / "work"
    sha256 = hashlib.sha256(secret).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 5000\n"
    (work / "taken.txt").write_text(pointer)
    _git(work, "add", ".")
    _git(work, "commit", "-m", "Take")
    refused = _git(work, "push", "--no-verify", must_succeed=False)
    assert "LFS object missing" in refused
    assert bob.list_repo_files(target) == [".gitattributes"]


def test_concurrent_commits_are_all_in_the_history_t173(alice: HfApi, repo_id: str) -> None:
    def commit(number: int) -> str:
        operations = [CommitOperationAdd(f"f{number}.txt", str(number).encode())]
        return alice.create_commit(repo_id, operations, commit_message=f"c{number}").oid

    with ThreadPoolExecutor(8) as pool:
        oids = list(pool.map(commit, range(24)))
    history = [row.commit_id for row in alice.list_repo_commits(repo_id)]
    assert set(oids) == set(history[:-1])
    assert len(history) == 25
    assert len(alice.list_repo_files(repo_id)) == 25


def test_concurrent_commits_on_one_parent_have_one_winner_t173(alice: HfApi, repo_id: str) -> None:
    parent = alice.model_info(repo_id).sha

    def commit(number: int) -> int:
        operations = [CommitOperationAdd(f"f{number}.txt", str(number).encode())]
        try:
            alice.create_commit(repo_id, operations, commit_message=f"c{number}", parent_commit=parent)
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(commit, range(6))) == [200, 412, 412, 412, 412, 412]


def test_concurrent_creation_has_one_winner_t174(alice: HfApi, live_hub: LiveHub) -> None:
    name = f"raced-{next(_numbers)}"

    def create(number: int) -> int:
        try:
            alice.create_repo(f"alice/{name.upper() if number % 2 else name}")
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(create, range(10))) == [200] + [409] * 9
    assert "git_orphan" not in live_hub.manage("fsck")


def test_upload_draft_by_its_routes(live_hub: LiveHub, alice: HfApi, repo_id: str, tmp_path: Path) -> None:
    """What the web form does: register, send, lose the tab, go on, commit."""
    large, small = os.urandom(20 * 1024 * 1024 + 5), b"plain text"
    root = f"/api/models/{repo_id}/upload-drafts"
    draft = _call(live_hub, "POST", root, {"revision": "main"})
    wanted = [
        {"path": "big.onnx", "size": len(large), "sha256": hashlib.sha256(large).hexdigest()},
        {"path": "a.txt", "size": len(small), "sha256": hashlib.sha256(small).hexdigest()},
    ]
    files = _call(live_hub, "PUT", f"{root}/{draft['id']}/files", {"files": wanted})["files"]
    assert [file["uploadMode"] for file in files] == ["lfs", "regular"]
    ids = [file["id"] for file in files]

    def begin() -> list[dict]:
        return _call(live_hub, "POST", f"{root}/{draft['id']}/begin", {"files": ids})["files"]

    begun = begin()
    part = begun[0]["partSize"]
    _put(live_hub, begun[0]["parts"][0]["url"], large[:part])
    resumed = begin()[0]
    assert resumed["storedParts"] == [1]
    assert [row["number"] for row in resumed["parts"]] == [2]
    _put(live_hub, resumed["parts"][0]["url"], large[part:])
    _put(live_hub, begun[1]["url"], small)
    stored = _call(live_hub, "POST", f"{root}/{draft['id']}/complete", {"files": ids})["files"]
    assert [file["isStored"] for file in stored] == [True, True]
    card = {"path": "README.md", "content": "---\nlicense: mit\n---\n# Hello\n"}
    done = _call(live_hub, "POST", f"{root}/{draft['id']}/commit", {"message": "By hand", "files": [card]})
    assert alice.model_info(repo_id).sha == done["commitOid"]
    assert Path(alice.hf_hub_download(repo_id, "big.onnx", cache_dir=tmp_path)).read_bytes() == large
    assert Path(alice.hf_hub_download(repo_id, "a.txt", cache_dir=tmp_path)).read_bytes() == small


def test_backup_comes_back_whole_t186(live_hub: LiveHub, alice: HfApi, repo_id: str, tmp_path: Path) -> None:
    alice.upload_file(path_or_fileobj=os.urandom(5000), path_in_repo="w.bin", repo_id=repo_id)
    live_hub.manage("backup", str(tmp_path / "copy"))
    data_dir = tmp_path / "elsewhere"
    environment = {
        **live_hub.environment,
        "HUB_DATA_DIR": str(data_dir),
        "HUB_STORAGE_URL": f"file://{data_dir}/blobs?min_free_bytes=1000000",
    }
    restored = LiveHub("", data_dir, environment, "", "")
    restored.manage("restore", str(tmp_path / "copy"))
    assert "0 remain" in restored.manage("fsck", "--deep")
    blob = next((data_dir / "blobs" / "objects").glob("??/??/*"))
    blob.chmod(0o600)
    blob.write_bytes(b"\0" + blob.read_bytes()[1:])
    with pytest.raises(AssertionError):
        restored.manage("fsck", "--deep")


def _call(hub: LiveHub, method: str, path: str, body: dict | None = None):
    request = Request(
        f"{hub.url}{path}",
        data=json.dumps(body or {}).encode(),
        method=method,
        headers={"Authorization": f"Bearer {hub.alice}", "Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except HTTPError as error:
        pytest.fail(f"{method} {path}: {error.code} {error.read()[:500]!r}")


def _put(hub: LiveHub, url: str, data: bytes) -> None:
    assert url.startswith("/_d/")
    with urlopen(Request(f"{hub.url}{url}", data=data, method="PUT"), timeout=60) as answer:
        assert answer.status == 200


def _git(cwd: Path, *arguments: str, must_succeed: bool = True) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull},
    )
    assert (done.returncode == 0) is must_succeed, done.stderr
    return done.stdout + done.stderr


def _ask_git(url: str, token: str) -> tuple[int, str | None, bytes]:
    headers = {"Authorization": "Basic " + base64.b64encode(f"x:{token}".encode()).decode()} if token else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=30) as answer:
            return answer.status, None, answer.read()
    except HTTPError as error:
        return error.code, error.headers["WWW-Authenticate"], error.read()
