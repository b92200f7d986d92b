"""Smart HTTP with a stock git client (threats T31, T52-T66, T70, T161)."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hub.storage.git.commits import AddBytes, write_commit
from hub.storage.git.maintenance import clear_leftovers
from hub.storage.git.objects import list_refs, resolve_revision
from hub.storage.git.receive_check import PushLimits
from hub.storage.git.repository import open_repository
from hub.storage.git.transport import GitLimits, is_git_path
from hub.storage.lfs.pointer import format_pointer


def tip(host, ref="main"):
    return resolve_revision(open_repository(host.repo_path), ref)


def commit_file(host, work: Path, name: str, data: bytes = b"x\n", message: str = "Add") -> None:
    path = work / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    host.git("add", "-A", cwd=work)
    host.git("commit", "-qm", message, cwd=work)


def push_tree(host, work: Path, lines: list[bytes], check: bool = False):
    """Push a commit whose root tree is made of raw `mode type oid\\tname` lines, past any client-side check."""
    raw = b""
    for line in lines:
        mode, oid, name = line.split(b" ", 2)
        raw += mode + b" " + name + b"\0" + bytes.fromhex(oid.decode())
    made = host.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", cwd=work, input=raw)
    tree = made.stdout.decode().strip()
    commit = host.git("commit-tree", tree, "-p", "HEAD", "-m", "raw", cwd=work).stdout.decode().strip()
    return host.git("push", "origin", f"{commit}:refs/heads/raw", cwd=work, check=check)


def blob(host, work: Path, data: bytes) -> bytes:
    return host.git("hash-object", "-w", "--stdin", cwd=work, input=data).stdout.strip()


def objects_on_disk(host) -> list[str]:
    return sorted(str(path) for path in (host.repo_path / "objects").rglob("*") if path.is_file())


def request(host, method: str, path: str, body: bytes = b"", **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", host.server.port, timeout=20)
    connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def test_clone_push_fetch_roundtrip(host):
    work = host.clone()
    commit_file(host, work, "dir/new.txt", b"new\n")
    host.git("push", "origin", "HEAD:main", "HEAD:refs/heads/feature/x", cwd=work)
    host.git("tag", "-am", "release", "v1", cwd=work)
    host.git("push", "origin", "v1", cwd=work)
    assert tip(host) == tip(host, "v1") == tip(host, "feature/x")
    assert host.pushed == [
        ("who", "refs/heads/main", "update"),
        ("who", "refs/heads/feature/x", "create"),
        ("who", "refs/tags/v1", "create"),
    ]
    host.git("push", "origin", ":feature/x", cwd=work)
    assert host.pushed[-1] == ("who", "refs/heads/feature/x", "delete")
    assert (host.clone("again") / "dir/new.txt").read_bytes() == b"new\n"


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_clone_speaks_every_protocol_version(host, version):
    host.git("-c", f"protocol.version={version}", "clone", "-q", host.url, "work")
    assert (host.home / "work/README.md").exists()


def test_shallow_and_partial_clones_can_push(host, author):
    write_commit(host.repo_path, "refs/heads/main", [AddBytes("b.txt", b"b")], message="b", author=author)
    shallow = host.clone("shallow", "--depth=1")
    commit_file(host, shallow, "from-shallow.txt")
    host.git("push", "origin", "HEAD:main", cwd=shallow)
    partial = host.clone("partial", "--filter=blob:none", "--no-checkout")
    host.git("checkout", "main", cwd=partial)
    commit_file(host, partial, "from-partial.txt")
    host.git("push", "origin", "HEAD:main", cwd=partial)
    assert len(host.pushed) == 2


def test_large_chunked_push_is_streamed(host):
    work = host.clone()
    for index in range(4):
        (work / f"r{index}").write_bytes(os.urandom(2 << 20))
    commit_file(host, work, "last")
    host.git("push", "origin", "HEAD:main", cwd=work)
    assert tip(host) == host.git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()


def test_clone_after_many_commits_sends_gzip_request(host, author):
    for index in range(40):
        write_commit(host.repo_path, "refs/heads/main", [AddBytes("n", b"%d" % index)], message="n", author=author)
    work = host.clone()
    write_commit(host.repo_path, "refs/heads/main", [AddBytes("n", b"z")], message="z", author=author)
    host.git("-c", "protocol.version=0", "pull", "-q", cwd=work)
    assert (work / "n").read_bytes() == b"z"


def test_unknown_repo_is_404_and_missing_credentials_401(host):
    assert request(host, "GET", "/ns/other.git/info/refs?service=git-upload-pack")[0] == 404
    host.token = "Basic abc"
    status, _, headers = request(host, "GET", "/ns/name.git/info/refs?service=git-receive-pack")
    assert (status, headers["www-authenticate"]) == (401, 'Basic realm="Agora"')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ns/name.git/info/refs", 404),
        ("GET", "/ns/name.git/config", 404),
        ("GET", "/ns/name.git/HEAD", 404),
        ("GET", "/ns/name.git/objects/info/packs", 404),
        ("GET", "/ns/name.git/git-upload-pack", 404),
        ("POST", "/ns/name.git/info/refs?service=git-upload-pack", 404),
        ("GET", "/ns/name.git/info/refs?service=git-upload-archive", 400),
        ("GET", "/ns/name.git/info/refs?service=git-upload-pack&service=git-receive-pack", 400),
        ("POST", "/ns/name.git/git-receive-pack", 400),
    ],
)
def test_t31_only_smart_routes_with_one_service(host, method, path, status):
    assert request(host, method, path)[0] == status


def test_t31_git_paths_leave_lfs_alone():
    assert is_git_path("/ns/name/info/refs")
    assert is_git_path("/ns/name.git/objects/aa/bb")
    assert not is_git_path("/ns/name.git/info/lfs/objects/batch")
    assert not is_git_path("/ns/name")
    assert is_git_path("/datasets/ns/name/git-receive-pack")
    assert not is_git_path("/ns/name/raw/main/info/refs")


@pytest.mark.parametrize(
    "name",
    [
        b".GIT",
        b".git",
        b"git~1",
        b".g\xe2\x80\x8cit",
        b".git ",
        b".git::$INDEX_ALLOCATION",
        b"a\nb",
        b"a\rb",
        b"\xff\xfe",
        b"a\x01",
        b"x" * 300,
    ],
)
def test_t52_t53_raw_names_are_refused_and_nothing_stays(host, name):
    work = host.clone()
    before = objects_on_disk(host)
    result = push_tree(host, work, [b"100644 %s %s" % (blob(host, work, b"evil"), name)])
    assert result.returncode != 0
    assert list_refs(open_repository(host.repo_path)).branches[-1].name == "main"
    assert objects_on_disk(host) == before
    assert host.pushed == []


def test_t52_twins_are_refused(host):
    work = host.clone()
    oid = blob(host, work, b"x")
    result = push_tree(host, work, [b"100644 %s A.txt" % oid, b"100644 %s a.txt" % oid])
    assert "differ only by case" in result.text


def test_t54_t55_links_and_submodules_are_stored_as_entries(host):
    work = host.clone()
    link = blob(host, work, b"/etc/passwd")
    lines = [b"120000 %s link" % link, b"160000 %s sub" % (b"1" * 40)]
    assert push_tree(host, work, lines).returncode == 0


@pytest.mark.parametrize(
    "ref",
    [
        "refs/replace/" + "a" * 40,
        "refs/notes/commits",
        "refs/convert/parquet",
        "refs/hub/x",
        "refs/pr/0",
        "refs/heads/-x",
        "refs/heads/" + "b" * 40,
        "refs/heads/HEAD",
        "refs/tags/HEAD",
    ],
)
def test_t57_t58_forbidden_refs_are_refused_with_text(host, ref):
    work = host.clone()
    result = host.git("push", "origin", f"HEAD:{ref}", cwd=work, check=False)
    assert result.returncode != 0
    assert "[remote rejected]" in result.text
    assert list(open_repository(host.repo_path).references) == ["refs/heads/main"]


def test_t59_one_forbidden_ref_refuses_the_push_and_each_is_judged(host):
    async def judge(commands):
        return {command.ref: "not yours" for command in commands if command.ref.startswith("refs/pr/")}

    host.access["judge_refs"] = judge
    work = host.clone()
    commit_file(host, work, "a")
    for options in ((), ("--atomic",)):
        result = host.git("push", *options, "origin", "HEAD:main", "HEAD:refs/pr/1", cwd=work, check=False)
        assert "not yours" in result.text
    assert list(open_repository(host.repo_path).references) == ["refs/heads/main"]
    assert tip(host) != host.git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
    host.access["judge_refs"] = None
    host.git("push", "--atomic", "origin", "HEAD:main", "HEAD:refs/pr/1", cwd=work)
    assert tip(host) == tip(host, "refs/pr/1")


def test_t60_protected_branch_refuses_force_and_delete(host):
    host.access["protected_refs"] = frozenset({"refs/heads/main", "refs/heads/p"})
    work = host.clone()
    host.git("push", "origin", "HEAD:p", cwd=work)
    commit_file(host, work, "a")
    host.git("push", "origin", "HEAD:main", cwd=work)
    host.git("commit", "-q", "--amend", "-m", "rewritten", cwd=work)
    forced = host.git("push", "-f", "origin", "HEAD:main", cwd=work, check=False)
    deleted = host.git("push", "origin", ":p", cwd=work, check=False)
    assert "history cannot be rewritten" in forced.text
    assert "protected" in deleted.text
    host.access["protected_refs"] = frozenset()
    host.git("push", "-f", "origin", "HEAD:main", cwd=work)


def test_t61_push_options_are_refused(host):
    work = host.clone()
    commit_file(host, work, "a")
    before = tip(host)
    assert host.git("push", "-o", "a;b=c", "origin", "HEAD:main", cwd=work, check=False).returncode != 0
    head = host.git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
    line = f"{before} {head} refs/heads/main\0report-status push-options".encode()
    body = b"%04x%s0000" % (len(line) + 4, line)
    content_type = "application/x-git-receive-pack-request"
    status, answer, _ = request(host, "POST", "/ns/name.git/git-receive-pack", body, Content_Type=content_type)
    assert (status, b"push options are not supported" in answer) == (200, True)
    assert tip(host) == before


def test_t62_a_hook_in_the_repository_never_runs(host, tmp_path):
    hooks = host.repo_path / "hooks"
    hooks.mkdir()
    for name in ("pre-receive", "update", "post-receive", "post-update"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    work = host.clone()
    commit_file(host, work, "a")
    host.git("push", "origin", "HEAD:main", cwd=work)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["truncated", "checksum", "garbage"])
def test_t63_malformed_packs_leave_nothing(host, damage):
    work = host.clone()
    commit_file(host, work, "a", os.urandom(5000))
    head = host.git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
    pack = host.git("pack-objects", "--revs", "--stdout", cwd=work, input=f"{head}\n^{tip(host)}\n".encode()).stdout
    pack = {"truncated": pack[:-900], "checksum": pack[:-1] + bytes([pack[-1] ^ 1]), "garbage": b"PACK" * 50}[damage]
    line = f"{tip(host)} {head} refs/heads/main\0report-status".encode()
    body = b"%04x%s0000" % (len(line) + 4, line) + pack
    before, old = objects_on_disk(host), tip(host)
    content_type = "application/x-git-receive-pack-request"
    status, answer, _ = request(host, "POST", "/ns/name.git/git-receive-pack", body, Content_Type=content_type)
    assert status == 200
    assert b"ng refs/heads/main unpacker error" in answer
    assert (objects_on_disk(host), tip(host), host.pushed) == (before, old, [])


def test_t64_plain_blob_over_the_limit_is_refused(host):
    work = host.clone()
    commit_file(host, work, "zeros.bin", bytes(11 << 20))
    result = host.git("push", "origin", "HEAD:main", cwd=work, check=False)
    assert "use LFS" in result.text
    assert host.pushed == []


def test_t65_tree_bomb_is_refused(host):
    work = host.clone()
    oid = blob(host, work, b"x").decode()
    kind = "100644 blob"
    for _ in range(8):
        lines = "".join(f"{kind} {oid}\tf{index}\n" for index in range(10))
        oid = host.git("mktree", cwd=work, input=lines.encode()).stdout.decode().strip()
        kind = "040000 tree"
    commit = host.git("commit-tree", oid, "-m", "bomb", cwd=work).stdout.decode().strip()
    result = host.git("push", "origin", f"{commit}:refs/heads/bomb", cwd=work, check=False)
    assert "too many paths" in result.text


def test_t66_gzip_bomb_and_oversized_requests_are_413(host):
    body = gzip.compress(bytes(64 << 20))
    headers = {"Content_Type": "application/x-git-upload-pack-request", "Content_Encoding": "gzip"}
    status, _, _ = request(host, "POST", "/ns/name.git/git-upload-pack", body, **headers)
    assert status == 413
    status, _, _ = request(host, "POST", "/ns/name.git/git-upload-pack", b"\x1f\x8bnope", **headers)
    assert status == 400


def test_gzipped_push_is_read_across_the_command_list(host):
    work = host.clone()
    commit_file(host, work, "a", os.urandom(200_000))
    head = host.git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
    pack = host.git("pack-objects", "--revs", "--stdout", cwd=work, input=f"{head}\n^{tip(host)}\n".encode()).stdout
    line = f"{tip(host)} {head} refs/heads/main\0report-status".encode()
    body = gzip.compress(b"%04x%s0000" % (len(line) + 4, line) + pack)
    headers = {"Content_Type": "application/x-git-receive-pack-request", "Content_Encoding": "gzip"}
    status, answer, _ = request(host, "POST", "/ns/name.git/git-receive-pack", body, **headers)
    assert status == 200
    assert b"ok refs/heads/main" in answer
    assert tip(host) == head


def test_t66_dead_reader_is_cut_off_and_its_git_ends(host, author):
    noise = [AddBytes(f"n{index}", os.urandom(9 << 20)) for index in range(6)]
    write_commit(host.repo_path, "refs/heads/main", noise, message="noise", author=author)
    host.app._limits = GitLimits(wall_time_s=1.5)
    want = f"want {tip(host)} no-progress ofs-delta\n".encode()
    body = b"%04x%s00000009done\n" % (len(want) + 4, want)
    connection = http.client.HTTPConnection("127.0.0.1", host.server.port, timeout=20)
    connection.request(
        "POST", "/ns/name.git/git-upload-pack", body, {"Content-Type": "application/x-git-upload-pack-request"}
    )
    deadline = time.monotonic() + 20
    while not host.app._running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert host.app._running
    while host.app._running and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not host.app._running
    connection.close()


def test_t66_concurrency_is_429(host):
    host.app._limits = GitLimits(per_repo=0)
    status, _, headers = request(host, "GET", "/ns/name.git/info/refs?service=git-upload-pack")
    assert (status, headers["retry-after"]) == (429, "5")


def test_t64_pack_size_is_bounded(host):
    host.app._limits = GitLimits(max_pack_bytes=100_000)
    work = host.clone()
    commit_file(host, work, "random", os.urandom(3 << 20))
    before = objects_on_disk(host)
    assert host.git("push", "origin", "HEAD:main", cwd=work, check=False).returncode != 0
    assert (objects_on_disk(host), host.pushed) == (before, [])


def test_t64_object_count_is_bounded(host):
    host.app._limits = GitLimits(push=PushLimits(max_objects=10))
    work = host.clone()
    for index in range(20):
        (work / f"f{index}").write_text(str(index))
    commit_file(host, work, "z")
    assert "too large" in host.git("push", "origin", "HEAD:main", cwd=work, check=False).text


def test_t70_pointer_to_an_unknown_object_is_refused(host):
    held = hashlib.sha256(b"held").hexdigest()
    asked: list[str] = []

    async def missing(names):
        asked.extend(names)
        return set(names) - {held}

    host.access["missing_lfs"] = missing
    work = host.clone()
    commit_file(host, work, "ok.bin", format_pointer(held, 4))
    host.git("push", "origin", "HEAD:main", cwd=work)
    commit_file(host, work, "stolen.bin", format_pointer("0" * 64, 4))
    result = host.git("push", "origin", "HEAD:main", cwd=work, check=False)
    assert f"LFS object missing: {'0' * 64}" in result.text
    assert "Upload the files first: git lfs push --all origin" in result.text
    assert asked == [held, "0" * 64]
    assert len(host.pushed) == 1


def test_t56_commit_of_no_ref_is_not_served_after_purge(host):
    from hub.storage.git.maintenance import collect_garbage

    work = host.clone()
    commit_file(host, work, "secret")
    head = host.git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
    host.git("push", "origin", "HEAD:refs/heads/gone", cwd=work)
    host.git("push", "origin", ":gone", cwd=work)
    collect_garbage(host.repo_path, prune_age_s=0)
    fresh = host.clone("fresh")
    result = host.git("fetch", "origin", head, cwd=fresh, check=False)
    assert result.returncode != 0
    assert "not our ref" in result.text


def test_failing_check_refuses_the_push(host):
    async def broken(names):
        raise RuntimeError("database gone")

    host.access["missing_lfs"] = broken
    work = host.clone()
    commit_file(host, work, "p.bin", format_pointer("1" * 64, 4))
    assert "could not be checked" in host.git("push", "origin", "HEAD:main", cwd=work, check=False).text
    assert host.pushed == []


def test_t161_killed_pushes_leave_old_or_new_and_the_next_push_works(host):
    work = host.clone()
    for round_ in range(12):
        (work / "big").write_bytes(os.urandom(1 << 20))
        commit_file(host, work, "n", b"%d" % round_)
        old, new = tip(host), host.git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
        pushing = subprocess.Popen(
            ["git", "push", "-q", "origin", "HEAD:main"], cwd=work, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(0.01 * round_)
        os.killpg(pushing.pid, signal.SIGKILL)
        pushing.wait()
        time.sleep(0.15)
        assert tip(host) in (old, new)
    lock = host.repo_path / "refs/heads/main.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    assert host.git("push", "origin", "HEAD:main", cwd=work, check=False).returncode != 0 or tip(host) == new
    assert "refs/heads/main.lock" in clear_leftovers(host.repo_path, quarantine_age_s=0)
    commit_file(host, work, "final")
    host.git("push", "origin", "HEAD:main", cwd=work)
    assert not list((host.repo_path / "objects").glob("tmp_objdir-*"))
