"""Clients other than the Python suite against a live hub: npm, git and git-lfs, curl, transformers, datasets, hf.

Each runs as its user runs it: in a process and a home of its own, told nothing but the hub's address and a token. Files
are not cut into chunks in the background here, so that a file's Xet hash says by which door it came.
"""

from __future__ import annotations

import csv
import filecmp
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from tests.e2e.live_hub import ROOT, LiveHub

pytestmark = [pytest.mark.slow]

MB = 1_000_000
LARGE_FROM_GIT = 300 * MB
NODE_PACKAGES = ROOT / ".conformance" / "node"
JS_CLIENT = Path(__file__).parent / "js" / "hub.mjs"
PROSE = "".join(f"{number}: pack my box with five dozen jugs\n" for number in range(8_000)).encode()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a person works: a home directory, the hub's address, a token."""

    home: Path
    hub: LiveHub
    token: str

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        succeeds: bool = True,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Run a command and return what it printed; of one that is to fail, its errors too."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "GIT_", "PYTEST_"))}
        own = {
            "HOME": str(self.home),
            "HF_ENDPOINT": self.hub.url,
            "HF_HOME": str(self.home / "hf"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "NO_COLOR": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.home,
            env={**kept, **own, **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert (done.returncode == 0) is succeeds, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}"
        return done.stdout if succeeds else done.stdout + done.stderr

    def python(self, code: str, *arguments: str | Path, **environment: str) -> Any:
        """Run ``code`` signed in; return the JSON of its last line."""
        printed = self.run(sys.executable, "-c", code, *arguments, environment={"HF_TOKEN": self.token, **environment})
        return json.loads(printed.splitlines()[-1])

    def git(self, *arguments: str | Path, cwd: Path | None = None, succeeds: bool = True) -> str:
        return self.run("git", *arguments, cwd=cwd, succeeds=succeeds)

    def upload(self, repo_id: str, folder: Path, **environment: str) -> None:
        code = (
            "import json, sys; from huggingface_hub import HfApi\n"
            "print(json.dumps(HfApi().upload_folder(repo_id=sys.argv[1], folder_path=sys.argv[2]).oid))"
        )
        self.python(code, repo_id, folder, **environment)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    hub = LiveHub(tmp_path_factory.mktemp("clients") / "data", settings={"HUB_XET_CONVERT": "0"}).start()
    try:
        hub.create_user("ada")
        hub.manage("createorg", "lab", "--admin", "ada")
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def token(hub: LiveHub) -> str:
    return hub.create_token("ada")


@pytest.fixture(scope="module")
def api(hub: LiveHub, token: str) -> HfApi:
    """What looks at the hub from outside the client under test."""
    return HfApi(endpoint=hub.url, token=token)


@pytest.fixture
def desk(tmp_path: Path, hub: LiveHub, token: str) -> Desk:
    """Git knows the person's name and token there, and large files, as after ``git lfs install``."""
    home = tmp_path / "home"
    home.mkdir()
    desk = Desk(home, hub, token)
    (home / ".git-credentials").write_text(f"{hub.url.replace('://', f'://ada:{token}@')}\n")
    for key, value in {"credential.helper": "store", "user.name": "Ada", "user.email": "ada@example.org"}.items():
        desk.git("config", "--global", key, value)
    desk.git("lfs", "install", "--skip-repo")
    return desk


def _random_file(path: Path, size: int) -> Path:
    """A file of bytes that repeat nowhere, the same in each run."""
    dice = random.Random(path.name)
    with path.open("wb") as out:
        for start in range(0, size, MB):
            out.write(dice.randbytes(min(MB, size - start)))
    return path


def _xet_hashes(api: HfApi, repo_id: str, **options: Any) -> dict[str, str | None]:
    """The Xet hash of each large file: None for those that came by git-lfs."""
    tree = api.list_repo_tree(repo_id, recursive=True, **options)
    return {entry.path: entry.xet_hash for entry in tree if isinstance(entry, RepoFile) and entry.lfs}


# ---- JavaScript


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The packages of package-lock.json, fetched from the package index once per lock."""
    lock = ROOT / "package-lock.json"
    stamp, digest = NODE_PACKAGES / ".lock", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        NODE_PACKAGES.mkdir(parents=True, exist_ok=True)
        for name in (lock, ROOT / "package.json"):
            shutil.copy(name, NODE_PACKAGES)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NODE_PACKAGES, check=True)
        stamp.write_text(digest)
    return NODE_PACKAGES / "node_modules"


def test_the_lock_names_no_registry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"].values()
    assert [package for package in packages if "resolved" in package] == []


@pytest.mark.parametrize(("xet", "size"), [("on", 20 * MB), ("off", 70 * MB)])
def test_javascript_client(desk: Desk, node_modules: Path, tmp_path: Path, xet: str, size: int) -> None:
    """The large file goes up in chunks, or in two parts where Xet is off."""
    repo_id = f"ada/from-js-{xet}"
    shutil.copy(JS_CLIENT, tmp_path)
    (tmp_path / "node_modules").symlink_to(node_modules)
    (tmp_path / "down").mkdir()
    desk.run("node", tmp_path / JS_CLIENT.name, desk.hub.url, desk.token, repo_id, tmp_path / "down", xet, str(size))
    saw = json.loads((tmp_path / "down" / "saw.json").read_text())

    head, snapshot = saw["commitOid"], Path(saw["snapshot"])
    # By Xet: the large file is read three times, once in part, and that of the pull request once. Else parts: 2 and 1.
    assert saw.pop("moved") == (
        {"xorbs": True, "parts": 0, "reads": 4} if xet == "on" else {"xorbs": False, "parts": 3, "reads": 0}
    )
    assert saw == {
        "name": "ada",
        "created": {"repoUrl": f"{desk.hub.url}/{repo_id}", "id": saw["created"]["id"]},
        "exists": [True, False],
        "commitUrl": f"{desk.hub.url}/{repo_id}/commit/{head}",
        "commitOid": head,
        "files": [
            *("dir", "dir/sub dir", "dir/sub dir/ü?#.txt", "weights", "weights/w.bin"),
            *(".gitattributes", "README.md", "a.txt", "empty.bin", "first.txt"),
        ],
        "top": [
            *(["directory", name] for name in ("dir", "weights")),
            *(["file", name] for name in (".gitattributes", "README.md", "a.txt", "empty.bin", "first.txt")),
        ],
        "expanded": [
            *("From JavaScript", "From JavaScript", "initial commit", "initial commit"),
            *("From JavaScript", "From JavaScript", "initial commit"),
        ],
        "paths": [["file", "a.txt"], ["directory", "dir"]],
        "commits": [["From JavaScript", {"username": "ada"}], ["initial commit", {"username": "ada"}]],
        "count": 2,
        "text": "hello",
        "odd": "odd",
        "raw": "version https://git-lfs.github.com/spec/v1",
        "sameByHttp": True,
        "sameByXet": True,
        "sameRange": True,
        "info": {"size": size, "etag": saw["info"]["etag"], "hasXet": xet == "on"},
        "fileExists": [True, False],
        "model": {"name": repo_id, "sha": head, "author": "ada", "license": "mit", "private": False},
        "listed": [repo_id],
        "onBranch": True,
        "bare": [],
        "pullRequest": f"{desk.hub.url}/{repo_id}/discussions/1",
        "onPull": True,
        "pullCommits": "Propose",
        "pullBytes": True,
        "left": ["weights", "weights/w.bin", ".gitattributes", "README.md", "a.txt", "empty.bin"],
        "snapshot": str(snapshot),
        "refused": 422,
        "gone": True,
    }
    with (snapshot / "weights" / "w.bin").open("rb") as large:
        assert f'"{hashlib.file_digest(large, "sha256").hexdigest()}"' == saw["info"]["etag"]
    assert (snapshot / "empty.bin").read_bytes() == b""


# ---- git and git-lfs


def test_git_carries_a_large_file_there_and_back(desk: Desk, api: HfApi, tmp_path: Path) -> None:
    """Two clones: what one pushes the other pulls; a file that came by Xet comes down by git-lfs."""
    url = f"{desk.hub.url}/ada/by-git"
    api.create_repo("ada/by-git")
    given = tmp_path / "given"
    given.mkdir()
    by_xet = _random_file(given / "by-xet.safetensors", 20 * MB)
    desk.upload("ada/by-git", given)
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        desk.git("clone", url, folder)
        assert filecmp.cmp(folder / by_xet.name, by_xet, shallow=False)

    _random_file(one / "large.bin", LARGE_FROM_GIT)
    (one / "notes.txt").write_text("Large files travel by git-lfs.\n")
    desk.git("add", ".", cwd=one)
    desk.git("commit", "-m", "From git", cwd=one)
    desk.git("push", cwd=one)
    assert [name for name, door in _xet_hashes(api, "ada/by-git").items() if door] == [by_xet.name]

    desk.git("pull", cwd=two)
    assert filecmp.cmp(two / "large.bin", one / "large.bin", shallow=False)
    assert (two / "notes.txt").read_text() == "Large files travel by git-lfs.\n"
    assert desk.git("status", "--porcelain", cwd=two) == ""
    assert desk.git("lfs", "ls-files", "--name-only", cwd=two).split() == ["by-xet.safetensors", "large.bin"]
    assert api.list_repo_commits("ada/by-git")[0].title == "From git"


@pytest.fixture(scope="module")
def history(api: HfApi) -> tuple[str, list[str]]:
    """A repo whose ``a.txt`` and ``old.txt`` change with each of four commits; its commits, newest first."""
    repo_id = "ada/history"
    api.create_repo(repo_id)
    for number in range(3):
        api.upload_file(path_or_fileobj=PROSE + b"%d" % number, path_in_repo="a.txt", repo_id=repo_id)
    return repo_id, [commit.commit_id for commit in api.list_repo_commits(repo_id)]


def test_shallow_clone(desk: Desk, api: HfApi, history: tuple[str, list[str]], tmp_path: Path) -> None:
    """It holds one commit, can be pushed from, and can be made whole."""
    (repo_id, commits), clone = history, tmp_path / "clone"
    desk.git("clone", "--depth", "1", f"{desk.hub.url}/{repo_id}", clone)
    assert desk.git("rev-list", "HEAD", cwd=clone).split() == commits[:1]
    assert (clone / "a.txt").read_bytes() == PROSE + b"2"
    (clone / "b.txt").write_text("from a shallow clone")
    desk.git("checkout", "-b", "shallow", cwd=clone)
    desk.git("add", ".", cwd=clone)
    desk.git("commit", "-m", "Shallow", cwd=clone)
    desk.git("push", "origin", "shallow", cwd=clone)
    assert api.list_repo_commits(repo_id, revision="shallow")[0].title == "Shallow"
    desk.git("fetch", "--unshallow", cwd=clone)
    assert desk.git("rev-list", "origin/main", cwd=clone).split() == commits


def test_partial_clone(desk: Desk, history: tuple[str, list[str]], tmp_path: Path) -> None:
    """It holds every commit and no file; files come when they are looked at."""
    (repo_id, commits), clone = history, tmp_path / "clone"
    desk.git("clone", "--filter=blob:none", "--no-checkout", f"{desk.hub.url}/{repo_id}", clone)

    def missing() -> int:
        objects = desk.git("rev-list", "--objects", "--missing=print", "HEAD", cwd=clone)
        return sum(line.startswith("?") for line in objects.splitlines())

    assert desk.git("rev-list", "HEAD", cwd=clone).split() == commits
    assert missing() == 4  # three versions of a.txt, and .gitattributes
    desk.git("checkout", "main", cwd=clone)
    assert ((clone / "a.txt").read_bytes(), missing()) == (PROSE + b"2", 2)
    assert desk.git("show", f"{commits[1]}:a.txt", cwd=clone).encode() == PROSE + b"1"
    assert missing() == 1


def test_push_without_the_object_is_refused(desk: Desk, api: HfApi, tmp_path: Path) -> None:
    api.create_repo("ada/lost")
    before, clone = api.model_info("ada/lost").sha, tmp_path / "clone"
    desk.git("clone", f"{desk.hub.url}/ada/lost", clone)
    sha256 = hashlib.sha256(b"on no machine").hexdigest()
    (clone / "lost.bin").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 13\n")
    desk.git("add", ".", cwd=clone)
    desk.git("commit", "-m", "Without the file", cwd=clone)
    said = desk.git("push", "--no-verify", cwd=clone, succeeds=False)
    assert f"remote: LFS object missing: {sha256}" in said
    assert "remote: Upload the files first: git lfs push --all origin" in said
    assert api.model_info("ada/lost").sha == before


# ---- curl


@pytest.fixture(scope="module")
def weights(hub: LiveHub, token: str, api: HfApi, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, and a private repo with its files, one by each door; the repo had another id before."""
    folder = tmp_path_factory.mktemp("weights")
    home = tmp_path_factory.mktemp("home")
    api.create_repo("ada/before", private=True)
    (folder / "xet").mkdir()
    _random_file(folder / "xet" / "by-xet.bin", 20 * MB)
    (folder / "rest").mkdir()
    _random_file(folder / "rest" / "by-lfs.bin", 6 * MB)
    (folder / "rest" / "plain.txt").write_bytes(PROSE)
    desk = Desk(home, hub, token)
    desk.upload("ada/before", folder / "xet")
    desk.upload("ada/before", folder / "rest", HF_HUB_DISABLE_XET="1")
    doors = {name: bool(door) for name, door in _xet_hashes(api, "ada/before").items()}
    assert doors == {"by-xet.bin": True, "by-lfs.bin": False}
    api.move_repo("ada/before", "ada/weights")
    return folder


@dataclass(frozen=True, slots=True)
class Curl:
    desk: Desk
    url: str
    out: Path

    def __call__(self, *options: str | Path, follows: bool = True) -> tuple[str, bytes]:
        """Fetch into the file; status and redirects in words, and what the file holds then."""
        common: list[str | Path] = ["curl", "-sS", "-H", f"Authorization: Bearer {self.desk.token}", "-o", self.out]
        common += ["-w", "%{http_code} after %{num_redirects}", *(["-L"] if follows else [])]
        said = self.desk.run(*common, *options, self.url)
        return said, self.out.read_bytes() if self.out.exists() else b""

    def part(self, *options: str | Path) -> tuple[str, bytes]:
        self.out.unlink(missing_ok=True)
        return self(*options)


@pytest.mark.parametrize("repo_id", ["ada/weights", "ada/before"])
@pytest.mark.parametrize(("name", "redirects"), [("xet/by-xet.bin", 1), ("rest/by-lfs.bin", 1), ("rest/plain.txt", 0)])
def test_curl(desk: Desk, weights: Path, tmp_path: Path, repo_id: str, name: str, redirects: int) -> None:
    """Whole, by ranges and resumed, from the hub itself or the place it sends to; a former id sends on too."""
    content, file = (weights / name).read_bytes(), Path(name).name
    size, half = len(content), len(content) // 2
    hops = redirects + (repo_id == "ada/before")
    curl = Curl(desk, f"{desk.hub.url}/{repo_id}/resolve/main/{file}", tmp_path / "out")
    assert curl(follows=False)[0] == ("307 after 0" if hops else "200 after 0")

    assert curl.part() == (f"200 after {hops}", content)
    assert curl.part("-r", "0-0") == (f"206 after {hops}", content[:1])
    assert curl.part("-r", f"{half}-{half + 99_999}") == (f"206 after {hops}", content[half : half + 100_000])
    assert curl.part("-r", f"{size - 10}-") == (f"206 after {hops}", content[-10:])
    assert curl.part("-r", "-100000") == (f"206 after {hops}", content[-100_000:])
    assert curl.part("-r", f"{half}-{size * 2}") == (f"206 after {hops}", content[half:])
    assert curl.part("-r", f"{size}-")[0] == f"416 after {hops}"

    curl.out.write_bytes(content[: half + 1])
    assert curl("-C", "-") == (f"206 after {hops}", content)
    assert curl("-C", "-") == (f"416 after {hops}", content)  # nothing left: curl takes that for done

    etag = desk.run(
        "curl", "-sSIL", "-H", f"Authorization: Bearer {desk.token}", "-o", os.devnull, "-w", "%header{etag}", curl.url
    )
    assert curl.part("-H", f"If-None-Match: {etag}") == (f"304 after {hops - redirects}", b"")


def test_curl_without_a_token_gets_nothing(desk: Desk, weights: Path, tmp_path: Path) -> None:
    url = f"{desk.hub.url}/ada/weights/resolve/main/by-xet.bin"
    said = desk.run("curl", "-sSL", "--fail", "-o", tmp_path / "out", url, succeeds=False)
    assert "401" in said
    assert not (tmp_path / "out").exists()


# ---- transformers and datasets

_MAKE_MODEL = """
import json, sys
from pathlib import Path
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline
from tests.inference.tiny_models import build_causal

folder = build_causal(Path(sys.argv[1]), hidden=256)
model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
model.push_to_hub("tiny", max_shard_size="2MB")
tokenizer.push_to_hub("tiny")
model.push_to_hub("lab/tiny", private=True, commit_message="From transformers")
tokenizer.push_to_hub("lab/tiny")
generate = pipeline("text-generation", model=model, tokenizer=tokenizer)
print(json.dumps(generate("the quick brown", max_new_tokens=12, do_sample=False)[0]["generated_text"]))
"""

_USE_MODEL = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

texts = []
for repo_id in ("ada/tiny", "lab/tiny"):
    generate = pipeline("text-generation", model=repo_id)
    texts.append(generate("the quick brown", max_new_tokens=12, do_sample=False)[0]["generated_text"])
model = AutoModelForCausalLM.from_pretrained("ada/tiny", revision=sys.argv[1])
inputs = AutoTokenizer.from_pretrained("ada/tiny", revision=sys.argv[1])("the quick brown", return_tensors="pt")
texts.append(model.config.name_or_path)
print(json.dumps(texts))
"""


def test_transformers(desk: Desk, api: HfApi, tmp_path: Path) -> None:
    """A model pushed in shards and one pushed whole, to a person and to an organisation, generate what they did."""
    text = desk.python(_MAKE_MODEL, tmp_path / "tiny")
    doors = _xet_hashes(api, "ada/tiny")
    assert len([name for name in doors if name.endswith(".safetensors")]) > 1
    assert None not in doors.values()
    assert api.model_info("lab/tiny").private
    shutil.rmtree(desk.home / "hf")
    assert desk.python(_USE_MODEL, api.list_repo_commits("ada/tiny")[0].commit_id) == [text, text, "ada/tiny"]


_PUSH_DATA = """
import json
from datasets import Dataset, DatasetDict

rows = {"text": [f"row {i}" for i in range(1000)], "label": [i % 3 for i in range(1000)]}
splits = {"train": Dataset.from_dict(rows), "test": Dataset.from_dict({key: value[:10] for key, value in rows.items()})}
DatasetDict(splits).push_to_hub("pushed")
Dataset.from_dict({"text": ["only"]}).push_to_hub("pushed", "second", split="train")
print(json.dumps("done"))
"""

_LOAD_DATA = """
import json
import pandas
from datasets import get_dataset_config_names, load_dataset

pushed, second = load_dataset("ada/pushed"), load_dataset("ada/pushed", "second")
streamed = load_dataset("ada/pushed", split="train", streaming=True)
print(json.dumps({
    "configs": sorted(get_dataset_config_names("ada/pushed")),
    "rows": {name: split.num_rows for name, split in pushed.items()},
    "last": pushed["train"][-1],
    "second": second["train"].to_list(),
    "streamed": [row["text"] for row in streamed.take(2)],
    "table": load_dataset("ada/table", split="train").to_list(),
    "parquet": load_dataset("ada/table", data_files="more/*.parquet", split="train").to_list(),
    "pandas": pandas.read_csv("hf://datasets/ada/table/train.csv").to_dict("records"),
}))
"""


def test_datasets(desk: Desk, api: HfApi, tmp_path: Path) -> None:
    """Rows pushed by the library, and tables that somebody uploaded, come back as rows."""
    import pyarrow
    import pyarrow.parquet

    rows = [{"word": word, "length": len(word)} for word in ("quick", "字符", "ü")]
    (tmp_path / "table" / "more").mkdir(parents=True)
    with (tmp_path / "table" / "train.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "table" / "more" / "part.parquet")
    api.create_repo("ada/table", repo_type="dataset", private=True)
    api.upload_folder(repo_id="ada/table", repo_type="dataset", folder_path=tmp_path / "table")

    desk.python(_PUSH_DATA)
    doors = _xet_hashes(api, "ada/pushed", repo_type="dataset")
    assert None not in doors.values()
    assert sorted(doors) == [
        "data/test-00000-of-00001.parquet",
        "data/train-00000-of-00001.parquet",
        "second/train-00000-of-00001.parquet",
    ]
    assert desk.python(_LOAD_DATA) == {
        "configs": ["default", "second"],
        "rows": {"train": 1000, "test": 10},
        "last": {"text": "row 999", "label": 0},
        "second": [{"text": "only"}],
        "streamed": ["row 0", "row 1"],
        "table": rows,
        "parquet": rows,
        "pandas": rows,
    }


# ---- hf


def test_hf_command(desk: Desk, api: HfApi, tmp_path: Path) -> None:
    """Signed in once, then a repo's life: made, filled, proposed to, read, tagged, copied, moved, deleted."""
    program = Path(sys.executable).with_name("hf")

    def hf(*arguments: str | Path) -> Any:
        return json.loads(desk.run(program, *arguments, "--json") or "null")

    desk.run(program, "auth", "login", "--token", desk.token)
    assert hf("auth", "whoami") == {"user": "ada", "orgs": "lab", "endpoint": desk.hub.url}
    assert hf("repos", "create", "by-hf", "--private") == {"repo_id": "ada/by-hf", "url": f"{desk.hub.url}/ada/by-hf"}
    assert hf("repos", "create", "ada/by-hf", "--exist-ok")["repo_id"] == "ada/by-hf"

    up, down = tmp_path / "up", tmp_path / "down"
    (up / "sub").mkdir(parents=True)
    _random_file(up / "w.bin", 20 * MB)
    for number in range(40):
        (up / "sub" / f"{number}.txt").write_text(f"file {number}")
    (up / "README.md").write_text("---\nlicense: mit\n---\n# By hf\n")
    assert hf("upload", "ada/by-hf", up, ".", "--commit-message", "By hand")["url"] == (
        f"{desk.hub.url}/ada/by-hf/commit/{api.model_info('ada/by-hf').sha}"
    )
    assert api.list_repo_commits("ada/by-hf")[0].title == "By hand"
    assert None not in _xet_hashes(api, "ada/by-hf").values()
    hf("download", "ada/by-hf", "--local-dir", down)
    for file in (file for file in up.rglob("*") if file.is_file()):
        assert filecmp.cmp(file, down / file.relative_to(up), shallow=False), file
    assert Path(hf("download", "ada/by-hf", "sub/7.txt")["path"]).read_text() == "file 7"

    hf("upload", "ada/by-hf", up / "w.bin", "proposed.bin", "--create-pr")
    assert [row["num"] for row in hf("discussions", "list", "ada/by-hf")] == [1]
    assert "proposed.bin" in api.list_repo_files("ada/by-hf", revision="refs/pr/1")
    hf("repos", "branch", "create", "ada/by-hf", "dev")
    hf("repos", "tag", "create", "ada/by-hf", "v1")
    refs = api.list_repo_refs("ada/by-hf")
    assert [[ref.name for ref in kind] for kind in (refs.branches, refs.tags)] == [["dev", "main"], ["v1"]]
    hf("repos", "delete-files", "ada/by-hf", "sub/*")
    assert api.list_repo_files("ada/by-hf") == [".gitattributes", "README.md", "w.bin"]
    hf("repos", "settings", "ada/by-hf", "--public")
    hf("repos", "duplicate", "ada/by-hf", "ada/by-hf-too")
    hf("repos", "move", "ada/by-hf-too", "lab/by-hf-too")
    hf("cp", "hf://lab/by-hf-too/README.md", tmp_path / "card.md")
    assert filecmp.cmp(tmp_path / "card.md", up / "README.md", shallow=False)
    listed = {row["id"]: row["visibility"] for row in hf("repos", "list")}
    assert listed["ada/by-hf"] == "public"
    assert hf("models", "info", "lab/by-hf-too")["card_data"] == {"license": "mit"}
    hf("repos", "delete", "lab/by-hf-too", "--yes")
    assert not api.repo_exists("lab/by-hf-too")
    desk.run(program, "auth", "logout")
    assert "Not logged in" in desk.run(program, "auth", "whoami", succeeds=False)
