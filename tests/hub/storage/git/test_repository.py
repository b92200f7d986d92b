from __future__ import annotations

import os
import subprocess
import threading

import pytest

from hub.core.errors import BadRequest, Conflict, RepoNotFound
from hub.storage.git.commits import AddBytes, write_commit
from hub.storage.git.maintenance import check_integrity, clear_leftovers, collect_garbage
from hub.storage.git.objects import get_entry, read_blob, resolve_revision
from hub.storage.git.repository import (
    create_repository,
    delete_repository,
    disk_size_bytes,
    git_environment,
    git_executable,
    open_repository,
    writer_lock,
)


def test_t163_creation_is_whole_or_nothing(tmp_path):
    create_repository(tmp_path / "a/r", "trunk")
    assert (tmp_path / "a/r/HEAD").read_text() == "ref: refs/heads/trunk\n"
    with pytest.raises(Conflict):
        create_repository(tmp_path / "a/r")
    with pytest.raises(BadRequest):
        create_repository(tmp_path / "a/s", "-x")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["r"]


def test_t62_repository_holds_no_hooks_and_strict_settings(tmp_path):
    create_repository(tmp_path / "r")
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["HEAD", "config", "objects", "refs"]
    config = open_repository(tmp_path / "r").config
    for key in ("receive.fsckObjects", "transfer.fsckObjects", "uploadpack.allowFilter", "http.receivepack"):
        assert config.get_bool(key)
    assert not config.get_bool("core.useReplaceRefs")
    assert config["core.fsync"] == "committed"


def test_delete_makes_it_unknown_at_once(repo_path):
    open_repository(repo_path)
    delete_repository(repo_path)
    delete_repository(repo_path)
    with pytest.raises(RepoNotFound):
        open_repository(repo_path)
    assert not any(path.name.startswith(".deleted") for path in repo_path.parent.iterdir())


def test_a_new_repository_at_an_old_path_is_not_the_cached_one(repo_path):
    open_repository(repo_path)
    delete_repository(repo_path)
    create_repository(repo_path)
    assert list(open_repository(repo_path).references) == []


def test_handles_are_not_shared_between_threads(repo_path):
    seen = [open_repository(repo_path)]
    thread = threading.Thread(target=lambda: seen.append(open_repository(repo_path)))
    thread.start()
    thread.join()
    assert seen[0] is open_repository(repo_path)
    assert seen[0] is not seen[1]


def test_t57_environment_holds_nothing_of_ours(monkeypatch, repo_path, tmp_path):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = leaked\n")
    environment = git_environment({"x.y": "z"})
    assert "SECRET" not in environment
    assert "GIT_DIR" not in environment
    listed = subprocess.run(
        [git_executable(), "config", "--list"], cwd=repo_path, env=environment, capture_output=True, check=True
    ).stdout.decode()
    assert "leaked" not in listed
    assert "x.y=z" in listed
    assert "protocol.allow=never" in listed


def test_t57_replace_refs_are_ignored(repo_path):
    repo = open_repository(repo_path)
    oid = resolve_revision(repo, "main")
    other = str(repo.create_blob(b"replaced"))
    blob = get_entry(repo, oid, "README.md").oid
    repo.create_reference_direct(f"refs/replace/{blob}", other, False)
    shown = subprocess.run(
        [git_executable(), "cat-file", "-p", blob],
        cwd=repo_path,
        env=git_environment(),
        capture_output=True,
        check=True,
    )
    assert shown.stdout == b"# Hi\n"


def test_lock_excludes_threads_and_times_out(repo_path):
    with writer_lock(repo_path), pytest.raises(Conflict), writer_lock(repo_path, timeout_s=0.05):
        pass
    with writer_lock(repo_path, timeout_s=0.05):
        pass
    with pytest.raises(RepoNotFound), writer_lock(repo_path / "none"):
        pass


def test_repack_is_seen_by_open_handles(repo_path, author):
    repo = open_repository(repo_path)
    for index in range(5):
        write_commit(repo_path, "refs/heads/main", [AddBytes("a", b"%d" % index)], message="m", author=author)
    collect_garbage(repo_path)
    assert disk_size_bytes(repo_path) > 0
    assert check_integrity(repo_path).is_sound
    for handle in (repo, open_repository(repo_path)):
        assert read_blob(handle, get_entry(handle, resolve_revision(handle, "main"), "a").oid, 10) == b"4"
    write_commit(repo_path, "refs/heads/main", [AddBytes("b", b"b")], message="m", author=author)


def test_fsck_finds_damage(repo_path):
    victim = next(path for path in (repo_path / "objects").rglob("*") if path.is_file())
    victim.chmod(0o600)
    victim.write_bytes(b"damage")
    report = check_integrity(repo_path)
    assert not report.is_sound
    assert report.problems


def test_t161_janitor_clears_only_what_is_old(repo_path):
    lock, young = repo_path / "refs/heads/main.lock", repo_path / "packed-refs.lock"
    quarantine = repo_path / "objects/tmp_objdir-incoming-x"
    quarantine.mkdir()
    (quarantine / "f").touch()
    for path in (lock, young):
        path.touch()
    for path in (lock, quarantine):
        os.utime(path, (1, 1))
    with writer_lock(repo_path):
        assert sorted(clear_leftovers(repo_path)) == ["objects/tmp_objdir-incoming-x", "refs/heads/main.lock"]
    assert young.exists()
    assert not quarantine.exists()
    assert (repo_path / "hub.lock").exists()
