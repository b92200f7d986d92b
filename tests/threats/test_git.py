"""T52-T66 through the door that people use: real git, a real server, real repos (protocol: tests/hub/storage/git)."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import random
import socket
import struct
import threading
import time
import zlib
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from hub.accounts.auth import Viewer
from hub.repos.content import at_revision, list_refs
from hub.repos.models import LastCommit, Ref, Repo
from hub.repos.services.repos import duplicate
from hub.storage.git.maintenance import check_integrity, collect_garbage
from hub.storage.git.repository import HOOKS_PATH, open_repository
from tests.factories.repos import commit_files, make_repo
from tests.threats import packs
from tests.threats.packs import BLOB, COMMIT, OFS_DELTA, REF_DELTA, TREE, ZERO

pytestmark = pytest.mark.usefixtures("no_errors")

MIB = 1024 * 1024


class Scene:
    def __init__(self, web, person, git_of) -> None:
        self.web = web
        self.owner, self.secret = person()
        self.repo = make_repo(self.owner, files={"a.txt": b"a\n", "dir/b.txt": b"b\n"})
        self.git = git_of(self.secret)

    @property
    def page(self) -> str:
        return self.repo.urls.page

    @property
    def tip(self) -> str:
        return at_revision(Repo.objects.get(pk=self.repo.pk)).oid

    def clone(self, name: str = "work", *options: str) -> Path:
        return self.git.clone(self.page, name, *options)

    def get(self, path: str, **query: str):
        with self.web.client(self.secret) as client:
            return client.get(path, params=query, follow_redirects=True)

    def blob(self, work: Path, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", cwd=work, input=data).stdout.decode().strip()

    def tree(self, work: Path, *entries: tuple[str, str, bytes]) -> str:
        raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, oid, name in entries)
        made = self.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", cwd=work, input=raw)
        return made.stdout.decode().strip()

    def push_tree(self, work: Path, tree: str, ref: str = "refs/heads/raw"):
        commit = self.git("commit-tree", tree, "-p", "HEAD", "-m", "raw", cwd=work).stdout.decode().strip()
        return self.git("push", "-f", "origin", f"{commit}:{ref}", cwd=work, check=False)

    def post_pack(self, data: bytes, *commands: tuple[str, str, str]):
        body = packs.push_body(data, *commands)
        with self.web.client(self.secret) as client:
            headers = {"Content-Type": packs.CONTENT_TYPE}
            return client.post(f"{self.page}.git/git-receive-pack", content=body, headers=headers)

    def on_disk(self) -> list[str]:
        root = self.repo.git_path
        return sorted(str(path.relative_to(root)) for path in (root / "objects").rglob("*") if path.is_file())

    def refs(self) -> set[str]:
        found = list_refs(Repo.objects.get(pk=self.repo.pk))
        return {ref.ref for ref in (*found.branches, *found.tags, *found.pull_requests)}


@pytest.fixture
def scene(web, person, git_of) -> Scene:
    return Scene(web, person, git_of)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        b"a\nb", b"a\rb", b"\xff\xfe", b"a\x1b[31m", b"a\x7f", b"x" * 5000, b"\xc0\xae\xc0\xae", b"\xed\xa0\x80",
        b".GIT", b".git", b"git~1", b"GIT~1", b".g\xe2\x80\x8cit", b".git ", b".git.", b".git::$INDEX_ALLOCATION",
        b"a\\.git", b"a\\..\\.GIT", b".git\xe2\x80\x8f", b"..", b".",
    ],
)  # fmt: skip
def test_t52_t53_names_that_no_disk_should_see_are_refused_and_leave_nothing(scene, name):
    work = scene.clone()
    before = scene.on_disk()
    refused = scene.push_tree(work, scene.tree(work, ("100644", scene.blob(work, b"evil"), name)))
    assert refused.returncode != 0
    assert "rejected" in refused.text
    assert (scene.on_disk(), scene.refs()) == (before, {"refs/heads/main"})


@pytest.mark.parametrize("twins", [(b"A.txt", b"a.txt"), ("é".encode(), "e\u0301".encode()), (b"S", "\u017f".encode())])
def test_t52_names_that_clash_on_other_disks_are_refused(scene, twins):
    work = scene.clone()
    oid = scene.blob(work, b"x")
    tree = scene.tree(work, *(("100644", oid, name) for name in sorted(twins)))
    assert "differ only by case" in scene.push_tree(work, tree).text
    with scene.web.client(scene.secret) as client:
        lines = ['{"key":"header","value":{"summary":"x"}}']
        lines += [f'{{"key":"file","value":{{"path":"{name.decode()}","content":"x"}}}}' for name in twins]
        answer = client.post(f"/api/models/{scene.repo.repo_id}/commit/main", content="\n".join(lines).encode())
    assert answer.status_code == 400
    assert scene.refs() == {"refs/heads/main"}


ODD = [
    "CON", "aux.txt", "-rf", "--output=x", '<img src=x onerror=alert(1)>.txt', "a b", "%2e%2e", "%00", "..x", "x..",
    "a\\b", " lead", "trail ", "\u202egnp.txt", "\u2028x", "💥.bin", "'\";--", "a?b#c&d=e", "$(id)",
    "${jndi:x}", "{{7*7}}",
]  # fmt: skip


def test_t52_odd_but_lawful_names_are_served_safely_everywhere(scene):
    work = scene.clone()
    content = {name: f"content of {number}".encode() for number, name in enumerate(ODD)}
    tree = scene.tree(
        work,
        *sorted(
            (("100644", scene.blob(work, data), name.encode()) for name, data in content.items()), key=lambda e: e[2]
        ),
    )
    pushed = scene.push_tree(work, tree, "refs/heads/odd")
    assert pushed.returncode == 0, pushed.text
    listed = scene.get(f"/api/models/{scene.repo.repo_id}/tree/odd", expand="true").json()
    assert sorted(entry["path"] for entry in listed) == sorted(ODD)
    page = scene.get(f"{scene.page}/tree/odd")
    assert page.status_code == 200
    assert "<img src=x" not in page.text
    for name, data in content.items():
        quoted = quote(name, safe="")
        for door in ("resolve", "raw"):
            answer = scene.get(f"{scene.page}/{door}/odd/{quoted}")
            assert (answer.status_code, answer.content) == (200, data), (door, name)
            assert "\n" not in answer.headers["content-disposition"]
        shown = scene.get(f"{scene.page}/blob/odd/{quoted}")
        assert shown.status_code == 200, name
        assert "<img src=x" not in shown.text
        assert scene.get(f"{scene.page}/commits/odd/{quoted}").status_code == 200, name


@pytest.mark.parametrize(
    "text",
    [
        b'[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch /tmp/x\n',
        b'[submodule "../../x"]\n\tpath = x\n\turl = https://e.example/x\n',
        b'[submodule "x"]\n\tpath = -x\n\turl = https://e.example/x\n',
        b'[submodule "x"]\n\tpath = x\n\turl = "-x"\n\tupdate = !id\n',
    ],
)
def test_t53_hostile_gitmodules_are_refused_by_push(scene, text):
    work = scene.clone()
    before = scene.on_disk()
    tree = scene.tree(work, ("100644", scene.blob(work, text), b".gitmodules"))
    assert scene.push_tree(work, tree).returncode != 0
    link = scene.tree(work, ("120000", scene.blob(work, b"../x"), b".gitmodules"))
    assert scene.push_tree(work, link).returncode != 0
    assert (scene.on_disk(), scene.refs()) == (before, {"refs/heads/main"})


# --- links and submodules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd", "a.txt", "dir", "/proc/self/environ"])
def test_t54_links_are_text_on_every_door(scene, target):
    work = scene.clone()
    tree = scene.tree(
        work,
        ("100644", scene.blob(work, b"plain"), b"a.txt"),
        ("120000", scene.blob(work, target.encode()), b"link"),
    )
    assert scene.push_tree(work, tree).returncode == 0
    for door in ("resolve", "raw"):
        answer = scene.get(f"{scene.page}/{door}/raw/link")
        assert (answer.status_code, answer.content) == (200, target.encode())
    page = scene.get(f"{scene.page}/blob/raw/link")
    assert page.status_code == 200
    assert "root:x:0" not in page.text
    for below in ("link/passwd", "link/b.txt"):
        assert scene.get(f"{scene.page}/resolve/raw/{below}").status_code == 404
    (entry,) = [e for e in scene.get(f"/api/models/{scene.repo.repo_id}/tree/raw").json() if e["path"] == "link"]
    assert entry["size"] == len(target)


def test_t54_nothing_is_written_through_a_link(scene):
    work = scene.clone()
    outside = scene.web.data_dir / "outside"
    outside.mkdir(exist_ok=True)
    tree = scene.tree(work, ("120000", scene.blob(work, str(outside).encode()), b"link"))
    assert scene.push_tree(work, tree).returncode == 0
    line = '{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":"link/x","content":"x"}}'
    with scene.web.client(scene.secret) as client:
        answer = client.post(f"/api/models/{scene.repo.repo_id}/commit/raw", content=line)
    assert (answer.status_code, "not a folder" in answer.json()["error"]) == (400, True)
    assert list(outside.iterdir()) == []


def test_t55_submodules_are_entries_and_never_fetched(scene, tmp_path):
    work = scene.clone()
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    modules = f'[submodule "sub"]\n\tpath = sub\n\turl = {url}\n'.encode()
    tree = scene.tree(work, ("100644", scene.blob(work, modules), b".gitmodules"), ("160000", "1" * 40, b"sub"))
    assert scene.push_tree(work, tree).returncode == 0
    for path in (
        f"{scene.page}/tree/raw",
        f"/api/models/{scene.repo.repo_id}/tree/raw",
        f"{scene.page}/raw/raw/.gitmodules",
    ):
        assert scene.get(path).status_code == 200
    for path in (f"{scene.page}/resolve/raw/sub", f"{scene.page}/raw/raw/sub", f"{scene.page}/resolve/raw/sub/x"):
        assert scene.get(path).status_code == 404
    assert scene.get(f"{scene.page}/tree/raw/sub").status_code in (200, 404)
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()


# --- hidden objects --------------------------------------------------------------------------------------------------


def test_t56_a_purged_commit_is_not_our_ref(scene):
    work = scene.clone()
    secret = scene.git.commit(work, {"secret.txt": b"password"})
    scene.git("push", "-q", "origin", "HEAD:refs/heads/gone", cwd=work)
    scene.git("push", "-q", "origin", ":gone", cwd=work)
    collect_garbage(scene.repo.git_path, prune_age_s=0)
    fresh = scene.clone("fresh")
    for version in ("0", "2"):
        asked = scene.git("-c", f"protocol.version={version}", "fetch", "origin", secret, cwd=fresh, check=False)
        assert asked.returncode != 0
        assert "not our ref" in asked.text or "unadvertised object" in asked.text
    assert scene.get(f"{scene.page}/resolve/{secret}/secret.txt").status_code == 404
    assert scene.get(f"/api/models/{scene.repo.repo_id}/revision/{secret}").status_code == 404


def test_t56_deleted_branches_are_pruned_by_the_scheduled_task(scene):
    from hub.repos.services.care import prune_recent

    work = scene.clone()
    secret = scene.git.commit(work, {"secret.txt": b"password"})
    scene.git("push", "-q", "origin", "HEAD:refs/heads/gone", cwd=work)
    scene.git("push", "-q", "origin", ":gone", cwd=work)
    half_a_day_ago = time.time() - 13 * 3600
    for path in (scene.repo.git_path / "objects").rglob("*"):
        os.utime(path, (half_a_day_ago, half_a_day_ago))
    assert prune_recent() >= 1
    asked = scene.git("fetch", "origin", secret, cwd=scene.clone("fresh"), check=False)
    assert "not our ref" in asked.text
    assert check_integrity(scene.repo.git_path).is_sound


def test_t56_repos_share_no_objects(scene, git_of, person):
    """A copy made for another audience holds none of the source's history."""
    commit_files(scene.repo, scene.owner, {"a.txt": b"second\n"})
    first = scene.git("rev-list", "--max-parents=0", "HEAD", cwd=scene.clone()).stdout.decode().strip()
    copy = duplicate(Viewer(user=scene.owner), scene.repo, namespace=scene.owner.username, name="copy")
    assert not (copy.git_path / "objects" / "info" / "alternates").exists()
    work = scene.git.clone(copy.urls.page, "copied")
    assert "not our ref" in scene.git("fetch", "origin", first, cwd=work, check=False).text
    assert scene.get(f"{copy.urls.page}/resolve/{first}/a.txt").status_code == 404


# --- options, references, configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["--output=pwned", "-x", "--upload-pack=touch pwned", "--exec=touch pwned", "--help", "-c core.pager=id"]
)
def test_t57_words_that_look_like_options_are_names(scene, word, tmp_path):
    before = set(scene.web.data_dir.rglob("*pwned*"))
    repo, quoted = scene.repo, quote(word, safe="")
    api = f"/api/models/{repo.repo_id}"
    for path in (
        f"{api}/tree/{quoted}", f"{api}/revision/{quoted}", f"{api}/commits/{quoted}", f"{api}/compare/{quoted}..main",
        f"{api}/compare/main..{quoted}", f"{scene.page}/resolve/{quoted}/a.txt", f"{scene.page}/resolve/main/{quoted}",
        f"{scene.page}/commits/{quoted}", f"{scene.page}/tree/{quoted}", f"{api}/tree/main/{quoted}",
    ):  # fmt: skip
        assert scene.get(path).status_code == 404, path
    with scene.web.client(scene.secret) as client:
        assert client.post(f"{api}/branch/{quoted}", json={}).status_code == 400
        assert client.post(f"{api}/branch/ok", json={"startingPoint": word}).status_code == 404
        assert client.post(f"{api}/tag/main", json={"tag": word}).status_code == 400
        assert client.post(f"{api}/super-squash/{quoted}", json={}).status_code == 404
    work = scene.clone()
    refused = scene.git("push", "origin", f"HEAD:refs/heads/{word}", cwd=work, check=False)
    assert refused.returncode != 0
    assert set(scene.web.data_dir.rglob("*pwned*")) == before
    assert scene.refs() == {"refs/heads/main"}


@pytest.mark.parametrize(
    "ref",
    [
        "refs/replace/" + "a" * 40, "refs/notes/commits", "refs/convert/parquet", "refs/hub/x", "refs/pr/0",
        "refs/pr/77", "refs/heads/-x", "refs/heads/" + "b" * 40, "refs/heads/HEAD", "refs/tags/HEAD",
        "refs/heads/refs/heads/x",
        "refs/remotes/origin/x", "refs/stash", "refs/heads/x.lock", "refs/heads/.x", "refs/bisect/x", "refs/worktree/x",
    ],
)  # fmt: skip
def test_t58_only_branches_and_tags_are_pushed(scene, ref):
    refused = scene.git("push", "origin", f"HEAD:{ref}", cwd=scene.clone(), check=False)
    assert refused.returncode != 0
    assert list(open_repository(scene.repo.git_path).references) == ["refs/heads/main"]
    assert set(Ref.objects.filter(repo=scene.repo).values_list("name", flat=True)) == {"refs/heads/main"}


@pytest.mark.parametrize("ref", ["HEAD", "config", "hooks/pre-receive", "refs/heads/../../config", "refs/heads/x\x01"])
def test_t58_t62_raw_commands_name_nothing_outside_of_refs(scene, ref):
    before = (scene.repo.git_path / "HEAD").read_text(), (scene.repo.git_path / "config").read_text()
    answer = scene.post_pack(b"", (ZERO, scene.tip, ref))
    assert answer.status_code in (200, 400)
    assert b"\nok " not in answer.content
    assert f"ok {ref}".encode() not in answer.content
    assert ((scene.repo.git_path / "HEAD").read_text(), (scene.repo.git_path / "config").read_text()) == before
    assert list(open_repository(scene.repo.git_path).references) == ["refs/heads/main"]


def test_t59_two_answers_for_one_reference_are_none(scene):
    """A push that names a reference twice cannot have the second pass unjudged."""
    answer = scene.post_pack(b"", (ZERO, scene.tip, "refs/heads/x"), (ZERO, scene.tip, "refs/heads/x"))
    assert answer.status_code in (200, 400)
    assert scene.refs() - {"refs/heads/x"} == {"refs/heads/main"}
    lying = scene.post_pack(b"", ("1" * 40, scene.tip, "refs/heads/main"), ("2" * 40, ZERO, "refs/heads/main"))
    assert b"ok refs/heads/main" not in lying.content
    assert "refs/heads/main" in scene.refs()


def test_t61_push_options_are_refused(scene):
    work = scene.clone()
    scene.git.commit(work, {"n": b"n"})
    before = scene.tip
    assert scene.git("push", "-o", "a;b=c", "origin", "HEAD:main", cwd=work, check=False).returncode != 0
    body = packs.push_body(b"", (ZERO, before, "refs/heads/x"), capabilities="report-status push-options")
    with scene.web.client(scene.secret) as client:
        answer = client.post(
            f"{scene.page}.git/git-receive-pack", content=body, headers={"Content-Type": packs.CONTENT_TYPE}
        )
    assert b"push options are not supported" in answer.content
    assert (scene.tip, scene.refs()) == (before, {"refs/heads/main"})


def test_t62_no_file_of_a_repo_reaches_gits_own(scene):
    """What people commit under git's own names are files like any other; the repository around them stays as made."""
    root = scene.repo.git_path
    own = {path: path.read_bytes() for path in (root / "config", root / "HEAD")}
    files = dict.fromkeys(_GITS_OWN, b"[core]\n\thooksPath = /tmp\n")
    commit_files(scene.repo, scene.owner, files)
    work = scene.clone()
    scene.git.commit(work, {f"again/{name}": data for name, data in files.items()})
    scene.git("push", "-q", "origin", "HEAD:main", cwd=work)
    assert {path: path.read_bytes() for path in own} == own
    assert not (root / "hooks").exists()
    assert not (root / "objects" / "info" / "alternates").exists()
    assert not (root / "info").exists()
    assert scene.get(f"{scene.page}/raw/main/hooks/pre-receive").content == files["hooks/pre-receive"]
    assert not HOOKS_PATH.is_relative_to(scene.web.data_dir)
    for path in ("config", "HEAD", "hooks/pre-receive", "objects/info/packs", "info/refs", "packed-refs", "logs/HEAD"):
        assert scene.get(f"{scene.page}.git/{path}").status_code == 404, path


_GITS_OWN = (
    "config",
    "HEAD",
    "hooks/pre-receive",
    "objects/info/alternates",
    "info/attributes",
    "info/grafts",
    "shallow",
)


# --- packs -----------------------------------------------------------------------------------------------------------


def _commit_bytes(tree: str) -> bytes:
    return f"tree {tree}\nauthor A <a@e.example> 1 +0000\ncommitter A <a@e.example> 1 +0000\n\nx\n".encode()


def _good() -> tuple[list[bytes], str]:
    """(entries, tip) of a lawful push: a blob, a tree, a commit."""
    data = b"hello pack\n" * 40
    blob_oid = packs.oid_of("blob", data)
    tree = b"100644 f\0" + bytes.fromhex(blob_oid)
    commit = _commit_bytes(packs.oid_of("tree", tree))
    entries = [packs.entry(BLOB, data), packs.entry(TREE, tree), packs.entry(COMMIT, commit)]
    return entries, packs.oid_of("commit", commit)


def _offset(distance: int) -> bytes:
    """The base's distance, as an OFS_DELTA writes it."""
    out = [distance & 0x7F]
    distance >>= 7
    while distance:
        distance -= 1
        out.append(0x80 | (distance & 0x7F))
        distance >>= 7
    return bytes(reversed(out))


def _ofs_delta(delta: bytes, distance: bytes) -> bytes:
    return packs.object_header(OFS_DELTA, len(delta)) + distance + zlib.compress(delta)


def _malformed() -> dict[str, bytes]:
    entries, _tip = _good()
    whole = packs.pack(entries)
    deep = [packs.entry(BLOB, b"base" * 100)]
    for _ in range(5_000):
        deep.append(_ofs_delta(packs.copy_delta(400, 1), _offset(len(deep[-1]))))
    self_based = packs.entry(REF_DELTA, packs.copy_delta(400, 1), base=bytes.fromhex("ab" * 20))
    return {
        "truncated": whole[:-40],
        "empty": b"",
        "header only": whole[:12],
        "wrong sum": whole[:-1] + bytes([whole[-1] ^ 1]),
        "no pack": b"PUCK" + whole[4:],
        "version": packs.pack(entries, version=9),
        "too many claimed": packs.pack(entries, count=2**32 - 1),
        "too few claimed": packs.pack(entries, count=1),
        "missing base": packs.pack([*entries, self_based]),
        "cycle": packs.pack([packs.entry(REF_DELTA, packs.copy_delta(400, 1), base=bytes.fromhex("cd" * 20))] * 2),
        "offset before the pack": packs.pack([_ofs_delta(b"12345", b"\xff\x7f")]),
        "offset to itself": packs.pack([_ofs_delta(b"12345", b"\x00")]),
        "size too large": packs.pack([packs.entry(BLOB, b"x" * 100, claimed=2**40), *entries]),
        "size too small": packs.pack([packs.entry(BLOB, b"x" * 100, claimed=5), *entries]),
        "commit of terabytes": packs.pack([packs.entry(COMMIT, b"x" * 100, claimed=2**42), *entries]),
        "bad zlib": packs.pack([packs.object_header(BLOB, 10) + b"\x78\x9c" + b"\xff" * 30, *entries]),
        "type zero": packs.pack([packs.entry(0, b"x")]),
        "type five": packs.pack([packs.entry(5, b"x")]),
        "malformed tree": packs.pack([packs.entry(TREE, b"100644 f\0short"), *entries]),
        "malformed commit": packs.pack([packs.entry(COMMIT, b"tree nothing\n"), *entries]),
        "deltas on nothing, deep": packs.pack(deep[1:]),
    }


@pytest.mark.parametrize("kind", list(_malformed()))
def test_t63_malformed_packs_are_refused_and_leave_nothing(scene, kind):
    before = scene.on_disk()
    answer = scene.post_pack(_malformed()[kind], (ZERO, _good()[1], "refs/heads/x"))
    assert answer.status_code == 200
    assert b"ng refs/heads/x" in answer.content or b"unpack" in answer.content, answer.content
    assert b"ok refs/heads/x" not in answer.content
    assert (scene.on_disk(), scene.refs()) == (before, {"refs/heads/main"})


def test_t63_the_lawful_pack_of_the_corpus_is_taken(scene):
    """Else the corpus would prove nothing."""
    entries, tip = _good()
    answer = scene.post_pack(packs.pack(entries), (ZERO, tip, "refs/heads/x"))
    assert b"ok refs/heads/x" in answer.content
    assert scene.get(f"{scene.page}/resolve/x/f").content == b"hello pack\n" * 40


def test_t63_flipped_bytes_are_refused_and_leave_nothing(scene):
    chance = random.Random(63)
    entries, tip = _good()
    whole = packs.pack(entries)
    before = scene.on_disk()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.5:  # past the first check: a sum that is right for wrong bytes
            data[-20:] = hashlib.sha1(data[:-20], usedforsecurity=False).digest()
        if bytes(data) == whole:
            continue
        answer = scene.post_pack(bytes(data), (ZERO, tip, "refs/heads/x"))
        assert answer.status_code == 200
        assert b"ok refs/heads/x" not in answer.content
    assert (scene.on_disk(), scene.refs()) == (before, {"refs/heads/main"})


class Watch:
    """The most memory that git processes below the server, and the server's own processes, had: sampled."""

    def __init__(self, pid: int) -> None:
        self._root, self._stop = psutil.Process(pid), threading.Event()
        self.git_bytes = self.web_bytes = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            for process in self._root.children(recursive=True):
                try:
                    rss, name = process.memory_info().rss, process.name()
                except psutil.Error:
                    continue
                if "git" in name:
                    self.git_bytes = max(self.git_bytes, rss)
                else:
                    self.web_bytes = max(self.web_bytes, rss)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["commit", "delta", "delta chain", "tag"])
def test_t63_a_small_pack_of_huge_objects_stays_under_512_mib(scene, kind):
    size = 1 << 30
    if kind in ("commit", "tag"):
        entries = [packs.object_header(COMMIT if kind == "commit" else 4, size) + packs.zeros(size)]
    elif kind == "delta":
        entries = [_delta_base(), _delta(BLOB_BASE, size // MIB)]
    else:
        first = _delta(BLOB_BASE, 12)
        second = packs.copy_delta(12 * MIB, 90)
        header = packs.object_header(OFS_DELTA, len(second))
        entries = [_delta_base(), first, header + _offset(len(first)) + zlib.compress(second)]
    before = scene.on_disk()
    with Watch(scene.web.process.pid) as watch:
        answer = scene.post_pack(packs.pack(entries), (ZERO, "1" * 40, "refs/heads/x"))
    assert b"ok refs/heads/x" not in answer.content
    assert watch.git_bytes < 600 * MIB  # its limit of 512 MiB, and the program itself
    assert watch.web_bytes < 400 * MIB
    assert (scene.on_disk(), scene.refs()) == (before, {"refs/heads/main"})


BLOB_BASE = bytes(MIB)


def _delta_base() -> bytes:
    return packs.entry(BLOB, BLOB_BASE)


def _delta(base: bytes, times: int) -> bytes:
    delta = packs.copy_delta(len(base), times)
    oid = bytes.fromhex(packs.oid_of("blob", base))
    return packs.object_header(REF_DELTA, len(delta)) + oid + zlib.compress(delta)


@pytest.mark.slow
@pytest.mark.parametrize("is_named", [True, False])
def test_t64_a_small_push_that_holds_2_gib_is_refused(scene, is_named):
    """git's own bound looks at the pack, which is 2 MB; the blob is refused in quarantine, in a tree or beside one."""
    size = 2 << 30
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    for _ in range(size // (64 * MIB)):
        digest.update(bytes(64 * MIB))
    oid = digest.hexdigest() if is_named else packs.oid_of("blob", b"small")
    tree = b"100644 zeros\0" + bytes.fromhex(oid)
    commit = _commit_bytes(packs.oid_of("tree", tree))
    entries = [
        packs.object_header(BLOB, size) + packs.zeros(size),
        packs.entry(TREE, tree),
        packs.entry(COMMIT, commit),
    ]
    entries += [] if is_named else [packs.entry(BLOB, b"small")]
    before = scene.on_disk()
    with Watch(scene.web.process.pid) as watch:
        answer = scene.post_pack(packs.pack(entries), (ZERO, packs.oid_of("commit", commit), "refs/heads/x"))
    assert b"ng refs/heads/x" in answer.content
    assert watch.git_bytes < 600 * MIB
    assert (scene.on_disk(), scene.refs()) == (before, {"refs/heads/main"})


def test_t64_a_large_plain_file_is_told_to_use_lfs(scene):
    work = scene.clone()
    scene.git.commit(work, {"zeros.bin": bytes(10 * MIB + 1)})
    refused = scene.git("push", "origin", "HEAD:main", cwd=work, check=False)
    assert "use LFS" in refused.text
    scene.git("reset", "-q", "--hard", "HEAD~1", cwd=work)
    scene.git.commit(work, {"zeros.bin": bytes(10 * MIB)})
    scene.git("push", "-q", "origin", "HEAD:main", cwd=work)


def test_t64_pushes_count_against_the_quota(scene):
    """What git brings is measured after each push, and the next one is judged by it."""
    work = scene.clone()
    scene.git.commit(work, {f"r{number}": os.urandom(MIB) for number in range(3)})
    scene.git("push", "-q", "origin", "HEAD:main", cwd=work)
    assert Repo.objects.get(pk=scene.repo.pk).storage_bytes > 3 * MIB


# --- trees -----------------------------------------------------------------------------------------------------------


def _grow(scene: Scene, work: Path, oid: str, kind: str) -> str:
    lines = "".join(f"{kind} {oid}\tf{index}\n" for index in range(10))
    return scene.git("mktree", "--missing", cwd=work, input=lines.encode()).stdout.decode().strip()


def test_t65_tree_bombs_are_refused_whole_and_piece_by_piece(scene):
    """10^10 paths in one push, and the same a level a push: what the repo holds already counts too."""
    work = scene.clone()
    levels = [_grow(scene, work, scene.blob(work, b"x"), "100644 blob")]
    for _ in range(9):
        levels.append(_grow(scene, work, levels[-1], "040000 tree"))
    assert "too many paths" in scene.push_tree(work, levels[-1]).text
    outcomes = []
    for level in levels[:3] + levels[5:8]:
        outcomes.append(scene.push_tree(work, level, "refs/heads/grown"))
        if outcomes[-1].returncode:
            break
    assert [outcome.returncode == 0 for outcome in outcomes[:3]] == [True] * 3
    assert "too many paths" in outcomes[-1].text
    assert LastCommit.objects.filter(repo=scene.repo, ref="refs/heads/grown").count() < 10_000


def test_t65_copies_of_folders_do_not_double_without_end(scene):
    with scene.web.client(scene.secret) as client:

        def copy_ten(level: int):
            lines = ['{"key":"header","value":{"summary":"x"}}']
            copy = '{{"key":"copyFile","value":{{"srcPath":"l{0}","path":"l{1}/c{2}"}}}}'
            lines += [copy.format(level, level + 1, number) for number in range(10)]
            return client.post(f"/api/models/{scene.repo.repo_id}/commit/main", content="\n".join(lines))

        commit_files(scene.repo, scene.owner, {f"l0/f{number}": b"x" for number in range(10)})
        outcomes = [copy_ten(level).status_code for level in range(4)]
    assert outcomes == [200, 200, 200, 413]
    assert LastCommit.objects.filter(repo=scene.repo, ref="refs/heads/main").count() < 40_000


def test_t65_a_bomb_that_is_there_is_listed_in_bounded_pages(scene):
    """An older hub may hold one: 10^10 paths in a few kilobytes answer in pages, quickly and in little memory."""
    work = scene.clone()
    oid = _grow(scene, work, scene.blob(work, b"x"), "100644 blob")
    for _ in range(9):
        oid = _grow(scene, work, oid, "040000 tree")
    commit = scene.git("commit-tree", oid, "-m", "bomb", cwd=work).stdout.decode().strip()
    scene.git("update-ref", "refs/heads/bomb", commit, cwd=work)
    # Past the door, straight into the repository on disk.
    bare = {"GIT_DIR": str(scene.repo.git_path)}
    bundle = scene.git.home / "bomb.pack"
    names = scene.git("rev-list", "--objects", "--no-object-names", commit, cwd=work).stdout
    bundle.write_bytes(scene.git("pack-objects", "--stdout", cwd=work, input=names).stdout)
    scene.git("unpack-objects", "-q", cwd=scene.repo.git_path, env=bare, input=bundle.read_bytes())
    scene.git("update-ref", "refs/heads/bomb", commit, cwd=scene.repo.git_path, env=bare)
    api = f"/api/models/{scene.repo.repo_id}"
    with Watch(scene.web.process.pid) as watch:
        started = time.monotonic()
        page = scene.get(f"{api}/tree/bomb", recursive="true")
        assert (page.status_code, len(page.json())) == (200, 1000)
        assert 'rel="next"' in page.headers["link"]
        for path in (
            f"{api}/tree/bomb",
            f"{scene.page}/tree/bomb",
            f"{scene.page}/tree/bomb/f0/f1",
            f"{api}/commits/bomb",
        ):
            assert scene.get(path).status_code == 200, path
        assert scene.get(f"{api}/compare/main..bomb").status_code in (200, 413)
        took = time.monotonic() - started
    assert watch.web_bytes < 450 * MIB
    assert took < 30  # two seconds each on an idle machine; this one only shows that nothing unfolds it


# --- abuse -----------------------------------------------------------------------------------------------------------


def test_t66_a_gzip_bomb_is_413_in_little_memory(scene):
    body = gzip.compress(bytes(1 << 30), 1)
    with Watch(scene.web.process.pid) as watch, scene.web.client(scene.secret) as client:
        headers = {"Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip"}
        answer = client.post(f"{scene.page}.git/git-upload-pack", content=body, headers=headers)
    assert answer.status_code == 413
    assert watch.web_bytes < 400 * MIB


def test_t66_many_clones_at_once_are_429_for_those_beyond_the_limit(scene):
    """Readers that do not read hold their place; those beyond get 429 with Retry-After, and all is free afterwards."""
    commit_files(scene.repo, scene.owner, {f"r{number}": os.urandom(4 * MIB) for number in range(3)})
    want = f"want {scene.tip} no-progress ofs-delta\n".encode()
    body = b"%04x%s00000009done\n" % (len(want) + 4, want)
    stuck, statuses = [], []
    for _ in range(40):
        connection = http.client.HTTPConnection("127.0.0.1", scene.web.port, timeout=30)
        connection.connect()
        sock = connection.sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.request(
            "POST", f"{scene.page}.git/git-upload-pack", body, {"Content-Type": "application/x-git-upload-pack-request"}
        )
        answer = connection.getresponse()
        statuses.append(answer.status)
        if answer.status == 429:
            assert int(answer.headers["retry-after"]) > 0
        stuck.append((sock, answer))
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 8 * scene.web.workers
    for sock, answer in stuck:
        # A reset: gone without a word, as laptops do.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        answer.close()
    deadline = time.monotonic() + 30
    while scene.git("ls-remote", scene.git.remote(scene.page), check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while _git_children(scene.web.process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert scene.clone("after").exists()


def _git_children(pid: int) -> list[int]:
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if process.name().startswith("git") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
