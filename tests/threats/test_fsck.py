"""T191: every defect that is seeded is found and named; without leave nothing is changed; a cut check goes on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from hub.repos.models import LastCommit, Ref, Repo, RepoObject
from hub.repos.services import fsck
from hub.repos.services.counters import measure_storage
from hub.repos.services.fsck import Bookmark, check_all
from hub.storage import blobs
from hub.storage.git.repository import create_repository
from hub.storage.models import LfsObject, XetFile, XetFileXorb, Xorb
from hub.storage.xet.store import get_xorb_store
from tests.factories.repos import commit_files, commit_large_file, make_repo
from tests.threats.test_corruption import flip, make_xet_only

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 1024**3


class Hub:
    """Two repos: one to damage, and one that must stay without findings."""

    def __init__(self) -> None:
        self.repo = make_repo(files={"a.txt": b"a" * 100, "dir/b.txt": b"b"})
        self.sound = make_repo(files={"c.txt": b"c"})
        self.whole = commit_large_file(self.repo, self.repo.created_by, "w.bin", os.urandom(5000))
        self.packed = make_xet_only(self.repo, "x.bin", os.urandom(200_000))
        self.xorb = self.packed.xet_file.xorbs.get()

    def blob(self, path: str) -> Path:
        from hub.repos.content import at_revision, get_file

        oid = get_file(at_revision(Repo.objects.get(pk=self.repo.pk)), path).oid
        return self.repo.git_path / "objects" / oid[:2] / oid[2:]


def _old(path: Path) -> None:
    os.utime(path, (time.time() - 100_000,) * 2)


def _stale_lock(hub: Hub) -> None:
    path = hub.repo.git_path / "refs/heads/main.lock"
    path.touch()
    _old(path)


def _stale_quarantine(hub: Hub) -> None:
    path = hub.repo.git_path / "objects/tmp_objdir-incoming-Ab1"
    path.mkdir()
    (path / "tmp_pack_x").touch()
    _old(path / "tmp_pack_x")
    _old(path)


def _unlink_xorb(hub: Hub) -> None:
    XetFileXorb.objects.all().delete()


def _orphan_xorb(hub: Hub) -> None:
    from hub.storage.xet.packing import pack_file

    xorb = next(iter(pack_file([os.urandom(50_000)])))
    get_xorb_store().put(xorb.xorb_hash, xorb.data)


def _forget_ref(hub: Hub) -> None:
    Ref.objects.filter(repo=hub.repo).delete()


def _invent_ref(hub: Hub) -> None:
    Ref.objects.create(repo=hub.repo, name="refs/heads/ghost", oid="1" * 40)


#: Name: (how, the code that is found, whether repair mends it).
DEFECTS: dict[str, tuple[Callable[[Hub], object], str, bool]] = {
    "git is gone": (lambda hub: shutil.rmtree(hub.repo.git_path), "git_missing", False),
    "a git object is damaged": (lambda hub: flip(hub.blob("a.txt")), "git_damaged", False),
    "a git object is gone": (lambda hub: hub.blob("dir/b.txt").unlink(), "git_damaged", False),
    "a ref without a row": (_forget_ref, "ref_differs", True),
    "a row without a ref": (_invent_ref, "ref_differs", True),
    "a row behind its ref": (lambda hub: Ref.objects.filter(repo=hub.repo).update(oid="0" * 40), "ref_differs", True),
    "a wrong head": (lambda hub: Repo.objects.filter(pk=hub.repo.pk).update(head_oid="0" * 40), "head_differs", True),
    "a last commit is missing": (
        lambda hub: LastCommit.objects.filter(repo=hub.repo, name="a.txt").delete(), "last_commits_differ", True),
    "a last commit is wrong": (
        lambda hub: LastCommit.objects.filter(repo=hub.repo, name="b.txt").update(oid="0" * 40),
        "last_commits_differ", True),
    "a pointer without a link": (
        lambda hub: RepoObject.objects.filter(repo=hub.repo, sha256=hub.whole.sha256).delete(),
        "pointer_unlinked", False),
    "a link without an object": (
        lambda hub: RepoObject.objects.create(repo=hub.repo, sha256="ab" * 32, size_bytes=1), "object_unknown", False),
    "a link of another size": (
        lambda hub: RepoObject.objects.filter(sha256=hub.whole.sha256).update(size_bytes=7), "object_unknown", False),
    "bytes are gone": (lambda hub: blobs.get_blob_store().delete(hub.whole.sha256), "blob_missing", False),
    "bytes have changed": (
        lambda hub: flip(blobs.get_blob_store().path_of(hub.whole.sha256)), "blob_corrupt", False),
    "an index of another size": (
        lambda hub: LfsObject.objects.filter(pk=hub.whole.pk).update(size_bytes=7), "blob_size", False),
    "bytes without an index": (lambda hub: blobs.put(blobs.get_blob_store(), [b"orphan"]), "blob_unindexed", True),
    "a repository without a row": (
        lambda hub: create_repository(Repo(pk=hub.repo.pk + 10_000).git_path), "git_orphan", True),
    "a stale lock": (_stale_lock, "leftover", True),
    "a quarantine of a killed push": (_stale_quarantine, "leftover", True),
    "a quota that counts too little": (
        lambda hub: Repo.objects.filter(pk=hub.repo.pk).update(storage_bytes=0), "size_differs", True),
    "a quota that counts too much": (
        lambda hub: Repo.objects.filter(pk=hub.repo.pk).update(storage_bytes=GIB), "size_differs", True),
    "a xorb is gone": (lambda hub: get_xorb_store().blobs.delete(hub.xorb.xorb_hash), "xorb_missing", False),
    "a xorb has changed": (
        lambda hub: flip(get_xorb_store().blobs.path_of(hub.xorb.xorb_hash)), "xorb_corrupt", False),
    "a xorb without an index": (_orphan_xorb, "xorb_unindexed", True),
    "a xorb's index is another's": (lambda hub: Xorb.objects.update(index=b"\0" * 8), "xorb_index", False),
    "a recipe whose xorbs are not held": (_unlink_xorb, "recipe_xorbs", False),
    "a recipe of another size": (lambda hub: XetFile.objects.update(size_bytes=5), "recipe_size", False),
}  # fmt: skip


@pytest.fixture
def hub() -> Hub:
    return Hub()


def _codes(**options: bool) -> set[str]:
    return {finding.code for finding in check_all(**options)}


@pytest.mark.parametrize("name", list(DEFECTS))
def test_t191_each_seeded_defect_is_found_and_named(hub, name):
    assert _codes(deep=True) == set()
    seed, code, is_mended = DEFECTS[name]
    seed(hub)
    found = list(check_all(deep=True))
    assert code in {finding.code for finding in found}
    assert not any(finding.is_repaired for finding in found)
    assert hub.sound.repo_id not in " ".join(f"{finding.subject} {finding.text}" for finding in found)
    repaired = [finding for finding in check_all(deep=True, repair=True) if finding.code == code]
    assert [finding.is_repaired for finding in repaired] == [is_mended] * len(repaired)
    assert (code in _codes(deep=True)) is not is_mended


def _everything(root: Path) -> str:
    """A digest of all rows, and of all files with their times."""
    digest = hashlib.sha256()
    for model in sorted(apps.get_models(), key=lambda model: model._meta.label):
        if model._meta.managed and not model._meta.proxy:
            digest.update(repr(list(model._default_manager.order_by("pk").values_list())).encode())
    for folder in ("git", "blobs"):
        for path in sorted((root / folder).rglob("*")):
            status = path.lstat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns} {status.st_mode}".encode())
    return digest.hexdigest()


SAFE_TOGETHER = [
    "a ref without a row", "a wrong head", "a last commit is missing", "a link without an object",
    "bytes without an index", "a repository without a row", "a stale lock", "a quarantine of a killed push",
    "a quota that counts too much", "a xorb without an index", "bytes are gone",
]  # fmt: skip


def test_t191_without_leave_nothing_is_changed(hub, settings):
    for name in SAFE_TOGETHER:
        DEFECTS[name][0](hub)
    # Looking at refs makes git write nothing either.
    before = _everything(Path(settings.HUB_DATA_DIR))
    for deep in (False, True):
        assert len(_codes(deep=deep)) > 5
    assert _everything(Path(settings.HUB_DATA_DIR)) == before
    check_all_again = _codes(deep=True, repair=True)
    assert len(check_all_again) > 5
    assert _everything(Path(settings.HUB_DATA_DIR)) != before


def _run(*options: str) -> tuple[int, list[str]]:
    out = io.StringIO()
    try:
        call_command("fsck", *options, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def test_t191_the_command_says_so_by_its_exit_status(hub):
    assert _run("--deep") == (0, ["0 defects found, 0 remain."])
    DEFECTS["a stale lock"][0](hub)
    code, lines = _run()
    assert (code, lines[-1]) == (1, "1 defects found, 1 remain.")
    assert lines[0].startswith(f"DEFECT leftover {hub.repo.repo_id}: refs/heads/main.lock")
    code, lines = _run("--repair")
    assert (code, lines[-1]) == (0, "1 defects found, 0 remain.")


def test_t191_every_bookmark_leads_to_the_rest(hub):
    """A check that was cut anywhere and goes on finds, together, what a check in one go finds."""
    for name in SAFE_TOGETHER:
        DEFECTS[name][0](hub)
    whole: list[str] = []
    marks: list[tuple[int, Bookmark]] = []

    def note(mark: Bookmark) -> None:
        marks.append((len(whole), mark))

    for finding in check_all(deep=True, on_step=note):
        whole.append(str(finding))  # noqa: PERF401 -- `note` looks at it meanwhile
    assert len(marks) > 8
    for count, mark in marks:
        assert whole[:count] + [str(finding) for finding in check_all(deep=True, after=mark)] == whole


def test_t191_a_check_that_was_killed_is_resumed(hub, settings, monkeypatch):
    monkeypatch.setattr("hub.repos.management.commands.fsck._SAVE_EVERY_S", -1)
    for name in ("a wrong head", "bytes are gone", "a quota that counts too much"):
        DEFECTS[name][0](hub)
    everything = _run("--deep")
    looked_at: list[int] = []
    check_repo = fsck.check_repo

    def dying(repo: Repo, **options: bool):
        if repo.pk == hub.sound.pk:
            raise KeyboardInterrupt
        yield from check_repo(repo, **options)

    monkeypatch.setattr(fsck, "check_repo", dying)
    with pytest.raises(KeyboardInterrupt):
        _run("--deep")

    def watching(repo: Repo, **options: bool):
        looked_at.append(repo.pk)
        yield from check_repo(repo, **options)

    monkeypatch.setattr(fsck, "check_repo", watching)
    kept = json.loads((Path(settings.HUB_DATA_DIR) / "run" / "fsck.json").read_text())
    assert (kept["phase"], kept["key"]) == ("repos", str(hub.repo.pk))
    with pytest.raises(CommandError):
        call_command("fsck", "--resume")  # another kind of check
    code, lines = _run("--deep", "--resume")
    assert looked_at == [hub.sound.pk]
    assert (code, lines[-1]) == (everything[0], everything[1][-1])
    assert not (Path(settings.HUB_DATA_DIR) / "run" / "fsck.json").exists()
    _run("--deep", "--resume")  # nothing to resume: from the beginning
    assert looked_at == [hub.sound.pk, hub.repo.pk, hub.sound.pk]


def test_t191_the_quota_is_recounted_from_what_is_held(hub):
    Repo.objects.filter(pk=hub.repo.pk).update(storage_bytes=0)
    assert "size_differs" in _codes(repair=True)
    measured = measure_storage(hub.repo)
    assert measured.large_bytes == 5000 + 200_000
    assert Repo.objects.get(pk=hub.repo.pk).storage_bytes == measured.large_bytes + measured.git_bytes


def test_t191_ordinary_use_is_no_drift():
    """Between two measurements a size is an estimate: text that git packs well, and many small commits."""
    repo = make_repo(files={"big.txt": b"the same line again\n" * 200_000})
    for number in range(40):
        commit_files(repo, repo.created_by, {f"f{number}": b"x"})
    assert _codes(deep=True) == set()


def test_t191_a_removed_xorb_row_is_named_by_its_hash(hub):
    name = hub.xorb.xorb_hash
    get_xorb_store().blobs.delete(name)
    (finding,) = [finding for finding in check_all() if finding.code == "xorb_missing"]
    assert finding.subject == name
    assert "x.bin" in finding.text
    assert hub.repo.repo_id in finding.text
