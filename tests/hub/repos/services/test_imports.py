"""Imports from a second, live hub: private and large files, cuts, kills, refusals; the wire is a real socket."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.core.destinations import AddressRefused
from hub.core.errors import BadRequest, Conflict, EntryNotFound, InsufficientScope, PermissionDenied
from hub.repos.content import at_revision, get_commit, get_file, iterate_file, walk_files
from hub.repos.enums import ImportState, Visibility
from hub.repos.models import Repo, RepoImport, RepoImportFile, RepoObject
from hub.repos.services import import_run, imports, lfs
from hub.storage.lfs import transfer
from hub.storage.models import UploadSession
from tests.e2e.live_hub import ROOT, LiveHub
from tests.factories.accounts import make_organization, make_token, make_user
from tests.factories.repos import commit_files, commit_large_file, make_repo
from tests.hub.repos.services.faulty_link import Link, cut_once, faulty_link, slow
from tests.hub.repos.services.source_seed import HUGE_BYTES, LARGE_BYTES, SMALL, pattern

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

_SEALED_MTIME_NS = 1_000_000_000 * 1_000_000_000
FILES = {**SMALL, "large.bin": pattern("large", LARGE_BYTES), "tiny.bin": b"\0tiny"}


@dataclass(frozen=True, slots=True)
class Source:
    hub: LiveHub
    tokens: dict[str, str]
    head: str
    wrong: str


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    data_dir = tmp_path_factory.mktemp("source") / "data"
    limits = dict.fromkeys(("HUB_RATE_API", "HUB_RATE_RESOLVE", "HUB_RATE_PAGES"), "1000000")
    hub = LiveHub(data_dir, settings={**limits, "HUB_MIN_FREE_BYTES": "0", "HUB_METRICS_BIND": "off"})
    try:
        hub.start()
        argv = [sys.executable, "-m", "tests.hub.repos.services.source_seed"]
        done = subprocess.run(argv, cwd=ROOT, env=hub.environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        yield Source(hub, **json.loads(done.stdout.splitlines()[-1]))
    finally:
        hub.stop()


@pytest.fixture
def link(source: Source, settings: Any) -> Iterator[Link]:
    settings.HUB_OUTGOING_NETWORKS = ["127.0.0.0/8", "::1/128"]
    settings.HUB_OUTGOING_PORTS = ["any"]
    settings.HUB_IMPORT_HOURS = 24
    with faulty_link(source.hub.url) as wire:
        yield wire


@pytest.fixture
def cid() -> User:
    return make_user("cid", password=None)


def _ask(cid: User, link: Link, source: str = "ann/secret-model", **asked: Any) -> RepoImport:
    asked.setdefault("name", "copy")
    asked.setdefault("endpoint", link.url)
    return imports.create_import(Viewer(user=cid), source=source, namespace=cid.username, **asked)


def _run(job: RepoImport) -> RepoImport:
    import_run.run_import(job.object_id)
    job.refresh_from_db()
    return job


def _content(repo: Repo) -> dict[str, bytes]:
    snapshot = at_revision(repo)
    return {entry.path: b"".join(iterate_file(snapshot, entry)) for entry in walk_files(snapshot)}


def _copy_of(cid: User) -> Repo:
    return Repo.objects.select_related("namespace").get(namespace=cid.namespace, name="copy")


# --- what is copied --------------------------------------------------------------------------------------------------


def test_private_repo_comes_whole_at_the_pinned_commit(cid: User, link: Link, source: Source) -> None:
    job = _run(_ask(cid, link, token=source.tokens["ann"], visibility=Visibility.PRIVATE))
    assert (job.state, job.error) == ("succeeded", "")
    repo = _copy_of(cid)
    found = _content(repo)
    assert found.pop(".gitattributes")
    assert found == FILES
    assert repo.is_private
    assert job.commit_oid == source.head
    assert job.target_oid == repo.head_oid
    assert get_commit(at_revision(repo)).title == (
        f"Import ann/secret-model from {link.url.removeprefix('http://')} at {source.head[:12]}"
    )
    assert source.head in get_commit(at_revision(repo)).message
    assert (job.files_done, job.files_total) == (len(FILES) + 1,) * 2
    assert job.bytes_done == job.bytes_total == sum(map(len, FILES.values())) + len(_content(repo)[".gitattributes"])


def test_small_files_keep_their_git_oid_and_large_ones_their_sha256(cid: User, link: Link, source: Source) -> None:
    job = _ask(cid, link, token=source.tokens["ann"])
    seen: dict[str, tuple[str, str]] = {}
    with import_run.open_remote(_remote(job, source.tokens["ann"])) as remote:
        seen = {file.path: (file.oid, file.sha256) for file in remote.iter_files(source.head)}
    _run(job)
    here = {
        entry.path: (entry.oid, entry.lfs.sha256 if entry.lfs else "")
        for entry in walk_files(at_revision(_copy_of(cid)))
    }
    assert here == seen


def _remote(job: RepoImport, token: str) -> import_run.RemoteRepo:
    return import_run.RemoteRepo(job.endpoint, import_run.RepoType.MODEL, job.source, token)


def test_token_is_sealed_and_gone_at_the_end(cid: User, link: Link, source: Source) -> None:
    """T19: nobody who reads the database reads the other hub's token."""
    secret = source.tokens["ann"]
    job = _ask(cid, link, token=secret)
    assert job.sealed_token
    assert secret not in json.dumps(list(RepoImport.objects.values()), default=str)
    assert _run(job).sealed_token == ""
    failed = _run(_ask(cid, link, token=source.tokens["bob"], name="other"))
    assert (failed.state, failed.sealed_token) == ("failed", "")
    waiting = _ask(cid, link, token=secret, name="third")
    assert imports.cancel_import(Viewer(user=cid), waiting).sealed_token == ""


def test_existing_repo_gets_the_files_and_keeps_its_others(cid: User, link: Link, source: Source) -> None:
    repo = make_repo(cid, "copy", files={"mine.txt": b"mine", "config.json": b"old"})
    job = _run(_ask(cid, link, token=source.tokens["ann"]))
    assert job.state == "succeeded"
    found = _content(repo)
    assert (found["mine.txt"], found["config.json"]) == (b"mine", SMALL["config.json"])
    assert found["large.bin"] == FILES["large.bin"]


def test_second_import_changes_nothing_and_fetches_no_large_file(cid: User, link: Link, source: Source) -> None:
    first = _run(_ask(cid, link, token=source.tokens["ann"]))
    link.requests.clear()
    second = _run(_ask(cid, link, token=source.tokens["ann"]))
    assert (second.state, second.target_oid) == ("succeeded", first.target_oid)
    assert link.asked("large.bin") == []


def test_files_are_counted_by_the_quota_that_uploads_meet(cid: User, link: Link, source: Source, settings: Any) -> None:
    """T75: exactly enough room is enough, a byte less is refused before a byte is fetched."""
    attributes_bytes = 2_000
    wanted = sum(map(len, FILES.values()))
    settings.HUB_QUOTA_BYTES = wanted - 1
    job = _run(_ask(cid, link, token=source.tokens["ann"]))
    assert job.state == "failed"
    assert "storage quota" in job.error
    assert not [path for _, path, _ in link.requests if "/resolve/" in path]
    settings.HUB_QUOTA_BYTES = wanted + 2 * attributes_bytes
    imports.retry_import(Viewer(user=cid), job, token=source.tokens["ann"])
    assert _run(job).state == "succeeded"
    assert lfs.stored_bytes(cid.namespace_id) <= settings.HUB_QUOTA_BYTES


@pytest.mark.parametrize(("spare", "state"), [(-1, "failed"), (0, "succeeded")])
def test_import_has_a_largest_size(
    cid: User, link: Link, source: Source, settings: Any, spare: int, state: str
) -> None:
    listed = _ask(cid, link, "ann/plain", name="copy")
    with import_run.open_remote(_remote(listed, "")) as remote:
        total = sum(file.size_bytes for file in remote.iter_files("main"))
    settings.HUB_IMPORT_MAX_BYTES = total + spare
    assert _run(listed).state == state
    assert Repo.objects.filter(name="copy").exists() is (state == "succeeded")


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "bob", "hf_wrong"])
def test_wrong_token_fails_in_words_and_leaves_no_repo(cid: User, link: Link, source: Source, token: str) -> None:
    job = _run(_ask(cid, link, token=source.tokens.get(token, token)))
    expected = {
        "": "The other hub has no such repository, or the access token may not read it.",
        "bob": "The other hub has no such repository, or the access token may not read it.",
        "hf_wrong": "The other hub does not accept the access token.",
    }
    assert (job.state, job.error, job.repo_id) == ("failed", expected[token], None)
    assert not Repo.objects.filter(name="copy").exists()


def test_revision_that_is_gone_fails_in_words(cid: User, link: Link, source: Source) -> None:
    job = _run(_ask(cid, link, token=source.tokens["ann"], revision="v9"))
    assert (job.state, job.error) == ("failed", "The other hub has no such revision.")


def test_changed_bytes_are_refused_and_nothing_is_committed(cid: User, link: Link, source: Source) -> None:
    path = source.hub.data_dir / "blobs" / "objects" / source.wrong[:2] / source.wrong[2:4] / source.wrong
    _overwrite(path, pattern("wrong", 100_000))
    job = _run(_ask(cid, link, "ann/changed"))
    assert (job.state, job.error) == (
        "failed",
        "weights.bin: the source sent other bytes than its list says.",
    )
    assert "weights.bin" not in _content(_copy_of(cid))
    assert not RepoObject.objects.exists()
    _overwrite(path, pattern("right", 100_000))
    imports.retry_import(Viewer(user=cid), job)
    assert _run(job).state == "succeeded"
    assert _content(_copy_of(cid))["weights.bin"] == pattern("right", 100_000)


def _overwrite(path: Path, data: bytes) -> None:
    """As a source that lies would: its own checks see nothing."""
    import os

    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(0o444)
    os.utime(path, ns=(_SEALED_MTIME_NS, _SEALED_MTIME_NS))


def test_cut_answer_is_taken_up_where_it_broke(cid: User, link: Link, source: Source) -> None:
    """T185: a body that ends early is never a file; the rest is asked for by Range."""
    link.on_bytes = cut_once("/_d/blob", 3 * 1024 * 1024)
    job = _run(_ask(cid, link, token=source.tokens["ann"]))
    assert job.state == "succeeded"
    assert _content(_copy_of(cid))["large.bin"] == FILES["large.bin"]
    starts = [int(wanted.removeprefix("bytes=").partition("-")[0]) for wanted in link.asked("resolve/") if wanted]
    assert any(0 < start < LARGE_BYTES for start in starts)


def test_source_that_is_away_is_asked_again_later(cid: User, link: Link, settings: Any) -> None:
    job = _ask(cid, link, "ann/plain", endpoint="http://localhost:9")
    for attempt in (1, 2):
        _run(job)
        assert (job.state, job.attempts, bool(job.error)) == ("queued", attempt, True)
        assert job.wake_at > timezone.now()
        RepoImport.objects.update(wake_at=timezone.now())
    assert _run(job).state == "failed"


def test_person_without_rights_writes_nothing_t37(cid: User, link: Link, source: Source) -> None:
    """T37: rights are judged again when the work begins and before the commit."""
    organization = make_organization("guild", members={cid: "write"})
    repo = make_repo(organization.memberships.exclude(user=cid).get().user, "copy", namespace="guild")
    job = imports.create_import(Viewer(user=cid), endpoint=link.url, source="ann/plain", namespace="guild", name="copy")
    head = repo.head_oid
    organization.memberships.filter(user=cid).delete()
    assert (_run(job).state, job.error) == ("failed", "You may not write to this repository any more.")
    repo.refresh_from_db()
    assert repo.head_oid == head


# --- going on --------------------------------------------------------------------------------------------------------


def test_large_file_goes_on_with_the_parts_that_are_here(
    cid: User, link: Link, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T159: a part that is durable is not asked for again."""
    monkeypatch.setattr(import_run, "PART_BYTES", 5 * 1024 * 1024)
    monkeypatch.setattr(import_run, "_TRIES", 1)

    def cut_in_third_part(path: str, count: int) -> None:
        if len(link.asked("/large.bin")) >= 3 and "/_d/blob" in path and count > 1024 * 1024:
            raise ConnectionError

    link.on_bytes = cut_in_third_part
    job = _run(_ask(cid, link, token=source.tokens["ann"]))
    assert job.state == "queued"
    link.on_bytes = lambda _path, _count: None
    link.requests.clear()
    RepoImport.objects.update(wake_at=timezone.now())
    assert _run(job).state == "succeeded"
    assert link.asked("/large.bin") == [f"bytes={10 * 1024 * 1024}-{LARGE_BYTES - 1}"]
    assert link.asked("/notes/") == []
    assert _content(_copy_of(cid))["large.bin"] == FILES["large.bin"]


def test_cancel_stops_a_running_import_and_frees_its_reservation(cid: User, link: Link, source: Source) -> None:
    link.on_bytes = slow(0.1)
    job = _ask(cid, link, "ann/huge")
    worker = threading.Thread(target=_in_thread, args=(job.object_id,))
    worker.start()
    try:
        _until(lambda: RepoImport.objects.get().bytes_done > 1024 * 1024)
        imports.cancel_import(Viewer(user=cid), RepoImport.objects.get())
        worker.join(timeout=20)
        assert not worker.is_alive()
    finally:
        link.on_bytes = lambda _path, _count: None
        worker.join()
    job.refresh_from_db()
    assert (job.state, job.target_oid) == ("cancelled", "")
    assert transfer.reserved_bytes(lfs.owner_key(_copy_of(cid))) == 0
    assert "huge.bin" not in _content(_copy_of(cid))


def _in_thread(object_id: str) -> None:
    from django.db import connections

    try:
        import_run.run_import(object_id)
    finally:
        connections.close_all()


def _until(happened: Any, within_s: float = 30) -> None:
    import time

    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_message_that_comes_twice_has_one_effect_t167(cid: User, link: Link, source: Source) -> None:
    """T167: who holds no lease does nothing."""
    link.on_bytes = slow(0.02)
    job = _ask(cid, link, token=source.tokens["ann"])
    worker = threading.Thread(target=_in_thread, args=(job.object_id,))
    worker.start()
    _until(lambda: RepoImport.objects.get().state == "running")
    before = len(link.requests)
    import_run.run_import(job.object_id)
    assert RepoImport.objects.get().attempts <= 1
    worker.join(timeout=60)
    assert before
    assert RepoImport.objects.get().state == "succeeded"
    import_run.run_import(job.object_id)
    assert [path for _, path, _ in link.requests].count(f"/ann/secret-model/resolve/{source.head}/config.json") == 1


def test_lost_worker_is_noticed_and_three_losses_are_enough_t168(cid: User, link: Link) -> None:
    """T168, T170: a lease that ran out is taken back; attempts are counted before they run."""
    job = _ask(cid, link, "ann/plain")
    past = timezone.now() - timedelta(seconds=1)
    for attempts in (1, 2):
        RepoImport.objects.update(state="running", lease="dead", leased_until=past, attempts=attempts)
        assert imports.wake_imports() == 1
        job.refresh_from_db()
        assert (job.state, job.lease) == ("queued", "")
    RepoImport.objects.update(state="running", lease="dead", leased_until=past, attempts=3)
    assert imports.wake_imports() == 0
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "The import stopped unexpectedly several times.")


def test_import_that_takes_too_long_is_given_up(cid: User, link: Link, settings: Any) -> None:
    job = _ask(cid, link, "ann/plain")
    RepoImport.objects.update(queued_at=timezone.now() - timedelta(hours=24, seconds=1))
    imports.wake_imports()
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "The import took longer than 24 hours.")


def test_finished_imports_are_forgotten(cid: User, link: Link) -> None:
    job = _run(_ask(cid, link, "ann/plain"))
    assert not RepoImportFile.objects.exists()
    RepoImport.objects.update(finished_at=timezone.now() - timedelta(days=29))
    assert imports.forget_imports() == 0
    RepoImport.objects.update(finished_at=timezone.now() - timedelta(days=31))
    assert imports.forget_imports() == 1
    assert job.state == ImportState.SUCCEEDED


@pytest.mark.timeout(240)
def test_killed_worker_goes_on_without_fetching_what_is_stored_t159(
    cid: User, link: Link, source: Source, settings: Any
) -> None:
    """T159: SIGKILL in the second part of a large file; files and parts that are here are not asked for again."""
    job = _ask(cid, link, "ann/huge")
    in_second_part = threading.Event()

    def stall(path: str, count: int) -> None:
        if len(link.asked("/huge.bin")) == 2 and "/_d/blob" in path and count >= 1024 * 1024:
            in_second_part.set()
            threading.Event().wait(0.5)

    link.on_bytes = stall
    worker = _worker_process(settings, job.object_id)
    try:
        assert in_second_part.wait(90)
    finally:
        worker.kill()
        worker.wait()
    job.refresh_from_db()
    assert job.state == "running"
    sessions = UploadSession.objects.get()
    assert [part.number for part in transfer.stored_parts(sessions)] == [1]
    link.on_bytes = lambda _path, _count: None
    link.requests.clear()
    RepoImport.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert imports.wake_imports() == 1
    assert _run(job).state == "succeeded"
    assert [path for _, path, _ in link.requests if "/resolve/" in path and "README" in path] == []
    assert link.asked("/resolve/") == [f"bytes={64 * 1024 * 1024}-{HUGE_BYTES - 1}"]
    assert _content(_copy_of(cid))["huge.bin"] == pattern("huge", HUGE_BYTES)


def _worker_process(settings: Any, object_id: str) -> subprocess.Popen[bytes]:
    """The work in a process of its own, on this test's database and data, so that it can be killed."""
    from django.db import connection

    script = (
        "import django\n"
        "from django.conf import settings\n"
        "django.setup()\n"
        f"settings.DATABASES['default']['NAME'] = {str(connection.settings_dict['NAME'])!r}\n"
        "from django.db import connections\n"
        "connections['default'].settings_dict['NAME'] = settings.DATABASES['default']['NAME']\n"
        f"from pathlib import Path\nsettings.HUB_DATA_DIR = Path({str(settings.HUB_DATA_DIR)!r})\n"
        f"settings.HUB_STORAGE_URL = {settings.HUB_STORAGE_URL!r}\n"
        f"settings.HUB_OUTGOING_NETWORKS = {settings.HUB_OUTGOING_NETWORKS!r}\n"
        f"settings.HUB_OUTGOING_PORTS = {settings.HUB_OUTGOING_PORTS!r}\n"
        "from hub.repos.services.import_run import run_import\n"
        f"run_import({object_id!r})\n"
    )
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)


# --- asking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    ["https://169.254.169.254", "https://10.0.0.1", "https://localhost", "https://[::1]", "https://2130706433"],
)
def test_closed_addresses_are_not_called_t96(cid: User, settings: Any, endpoint: str) -> None:
    """T96: refused when asked for or when run, with nothing said of what stands there."""
    settings.HUB_OUTGOING_NETWORKS = []
    try:
        job = imports.create_import(Viewer(user=cid), endpoint=endpoint, source="a/b", namespace="cid", name="copy")
    except AddressRefused:
        return
    assert (_run(job).state, job.error) == ("failed", AddressRefused.default_message)


@pytest.mark.parametrize(
    "endpoint", ["ftp://hub.example", "file:///etc/passwd", "https://u:p@hub.example", "https://hub.example/?x=1", "x"]
)
def test_what_is_no_address_is_refused_at_once_t96(cid: User, endpoint: str) -> None:
    """T96."""
    with pytest.raises(BadRequest):
        imports.create_import(Viewer(user=cid), endpoint=endpoint, source="a/b", namespace="cid", name="copy")
    assert not RepoImport.objects.exists()


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://hub.example",
        "ext::sh -c 'touch /tmp/pwned'",
        "ext::sh%20-c%20id",
        "file:///srv/repos",
        "/srv/repos",
        "ssh://git@hub.example/a/b",
        "git@hub.example:a/b",
        "git://hub.example/a/b",
        "git+ssh://hub.example",
        "fd::17/foo",
        "ftps://hub.example",
        "data:text/plain,x",
        "javascript:alert(1)",
        "gopher://hub.example",
        "--upload-pack=id",
        "https+unix://x",
        "HTTPS:hub.example",
    ],
)
def test_copies_come_by_https_and_nothing_else_t100(cid: User, settings: Any, endpoint: str) -> None:
    settings.HUB_OUTGOING_NETWORKS = []
    with pytest.raises(BadRequest):
        imports.create_import(Viewer(user=cid), endpoint=endpoint, source="a/b", namespace="cid", name="copy")
    assert not RepoImport.objects.exists()
    settings.HUB_OUTGOING_NETWORKS = ["10.0.0.0/8"]
    if not endpoint.startswith("http:"):
        with pytest.raises(BadRequest):
            imports.create_import(Viewer(user=cid), endpoint=endpoint, source="a/b", namespace="cid", name="copy")


@pytest.mark.parametrize("asked", [{"source": "../x"}, {"source": "a/b/c"}, {"revision": "a b"}, {"token": "a\nb"}])
def test_malformed_wishes_are_refused(cid: User, asked: dict[str, str]) -> None:
    wish = {"endpoint": "https://hub.example", "source": "a/b", "namespace": "cid", "name": "copy"} | asked
    with pytest.raises(BadRequest):
        imports.create_import(Viewer(user=cid), **wish)


def test_only_into_what_one_may_write(cid: User) -> None:
    other = make_user("dora", password=None)
    make_repo(other, "open")
    make_repo(other, "hidden", is_private=True)
    for name in ("open", "hidden", "missing"):
        with pytest.raises(PermissionDenied):
            imports.create_import(
                Viewer(user=cid), endpoint="https://hub.example", source="a/b", namespace="dora", name=name
            )
    token = make_token(cid, "read")[0]
    with pytest.raises(InsufficientScope):
        imports.create_import(
            Viewer(user=cid, token=token), endpoint="https://hub.example", source="a/b", namespace="cid", name="x"
        )


def test_open_imports_are_bounded_and_one_per_target(cid: User) -> None:
    def ask(name: str) -> RepoImport:
        return imports.create_import(
            Viewer(user=cid), endpoint="https://hub.example", source="a/b", namespace="cid", name=name
        )

    jobs = [ask(f"copy-{number}") for number in range(imports.MAX_OPEN - 1)]
    with pytest.raises(Conflict):
        ask("COPY-1")
    ask("last")
    with pytest.raises(Conflict):
        ask("one-more")
    imports.cancel_import(Viewer(user=cid), jobs[0])
    ask("one-more")


def test_others_do_not_see_an_import_t33(cid: User) -> None:
    """T33."""
    job = imports.create_import(
        Viewer(user=cid), endpoint="https://hub.example", source="a/b", namespace="cid", name="copy"
    )
    stranger = Viewer(user=make_user("dora", password=None))
    with pytest.raises(EntryNotFound):
        imports.get_import(stranger, job.object_id)
    assert imports.list_imports(stranger) == []
    assert imports.list_imports(Viewer(user=cid)) == [job]


def test_link_of_a_stored_file_is_counted_once(cid: User, link: Link, source: Source) -> None:
    """What the repo's number says equals what it links and what its commits carry."""
    repo = make_repo(cid, "copy")
    commit_large_file(repo, cid, "before.bin", FILES["large.bin"])
    commit_files(repo, cid, {"x": b"x"})
    job = _run(_ask(cid, link, token=source.tokens["ann"]))
    assert job.state == "succeeded"
    assert RepoObject.objects.filter(repo=repo).count() == 2
    assert get_file(at_revision(_copy_of(cid)), "large.bin").lfs is not None
