"""The upload page in a real browser: what is left out, refused, paused, resumed; a server that dies; memory."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import Person
from tests.e2e.live_hub import LiveHub
from tests.e2e.upload_page import UploadPage

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MIB = 1024 * 1024


def random_file(path: Path, size_bytes: int) -> str:
    """Write random bytes and return their sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size_bytes, MIB):
            piece = os.urandom(min(MIB, size_bytes - start))
            file.write(piece)
            found.update(piece)
    return found.hexdigest()


def tree(person: Person, repo_id: str) -> dict[str, int]:
    answer = person.api("GET", f"/api/models/{repo_id}/tree/main?recursive=true")
    assert answer.status_code == 200, answer.text
    return {entry["path"]: entry["size"] for entry in answer.json() if entry["type"] == "file"}


def downloaded_sha256(person: Person, repo_id: str, path: str) -> str:
    found = hashlib.sha256()
    url = f"{person.hub.url}/{repo_id}/resolve/main/{path}"
    with httpx.stream("GET", url, headers=person.headers, follow_redirects=True, timeout=120) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            found.update(piece)
    return found.hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "my-data"
    (root / "nested" / "深い").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("[core]")
    (root / ".DS_Store").write_bytes(b"\0\0")
    (root / "notes.txt").write_text("hello")
    (root / "empty.txt").touch()
    (root / "nested" / "深い" / "weights.safetensors").write_bytes(os.urandom(300_000))
    return root


def test_a_dropped_folder_keeps_its_paths_and_leaves_out_what_no_repo_holds(
    page: Page, person: Person, folder: Path
) -> None:
    repo_id = person.create_repo("dropped")
    person.sign_in(page)
    upload = UploadPage(page).open(f"{person.hub.url}/{repo_id}/upload/main")

    upload.drop(folder)
    upload.wait_phase("ready")

    expect(page.locator("#upload-notes")).to_contain_text("my-data/.git")
    expect(page.locator("#upload-notes")).to_contain_text("my-data/.DS_Store")
    upload.commit()
    upload.wait_committed()
    found = tree(person, repo_id)
    assert {path: size for path, size in found.items() if path != ".gitattributes"} == {
        "notes.txt": 5,
        "empty.txt": 0,
        "nested/深い/weights.safetensors": 300_000,
    }


def test_a_name_that_no_repo_takes_is_refused_before_a_byte_is_sent(page: Page, person: Person, tmp_path: Path) -> None:
    repo_id = person.create_repo("refused")
    person.sign_in(page)
    (tmp_path / "git~1").write_text("x")
    (tmp_path / "fine.txt").write_text("fine")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    upload = UploadPage(page).open(f"{person.hub.url}/{repo_id}/upload/main")

    upload.choose_files(tmp_path / "git~1", tmp_path / "fine.txt")
    upload.wait_phase("ready")

    expect(upload.row("git~1")).to_contain_text("'.git' is reserved")
    assert len([url for url in sent if "/_d/" in url]) == 1
    upload.row("git~1").get_by_role("button", name="Remove").click()
    expect(upload.row("git~1")).to_have_count(0)


def test_the_commit_can_be_asked_for_before_the_files_are_here(page: Page, person: Person, tmp_path: Path) -> None:
    repo_id = person.create_repo("early")
    person.sign_in(page)
    sha256 = random_file(tmp_path / "data.bin", 40 * MIB)
    upload = UploadPage(page).open(f"{person.hub.url}/{repo_id}/upload/main")

    upload.choose_files(tmp_path / "data.bin")
    upload.commit()
    upload.wait_committed()

    assert downloaded_sha256(person, repo_id, "data.bin") == sha256
    expect(page.locator("#upload-inspection")).to_contain_text("cannot be hosted", timeout=60_000)


def test_pause_stops_the_bytes_and_resume_goes_on(page: Page, person: Person, tmp_path: Path) -> None:
    repo_id = person.create_repo("paused")
    person.sign_in(page)
    sha256 = random_file(tmp_path / "data.bin", 200 * MIB)
    slow_down(page)
    upload = UploadPage(page).open(f"{person.hub.url}/{repo_id}/upload/main")
    upload.choose_files(tmp_path / "data.bin")
    upload.wait_sending("data.bin")

    page.get_by_role("button", name="Pause").click()
    upload.wait_phase("paused")
    begun: list[str] = []
    page.on("request", lambda request: begun.append(request.url) if "/_d/" in request.url else None)
    page.wait_for_timeout(1500)

    assert begun == []
    speed_up(page)
    page.get_by_role("button", name="Resume").click()
    upload.wait_phase("ready")
    upload.commit()
    upload.wait_committed()
    assert downloaded_sha256(person, repo_id, "data.bin") == sha256


def slow_down(page: Page, bytes_per_s: int = 30 * MIB) -> None:
    _throttle(page, bytes_per_s)


def speed_up(page: Page) -> None:
    _throttle(page, -1)


def _throttle(page: Page, bytes_per_s: int) -> None:
    session = getattr(page, "throttle_session", None) or page.context.new_cdp_session(page)
    page.throttle_session = session  # type: ignore[attr-defined]
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_s},
    )


def test_a_closed_tab_goes_on_where_it_was_and_sends_only_what_is_missing(
    context: BrowserContext, person: Person, tmp_path: Path
) -> None:
    repo_id = person.create_repo("resumed")
    first = context.new_page()
    person.sign_in(first)
    folder = tmp_path / "files"
    sha256 = random_file(folder / "big.dat", 160 * MIB)
    (folder / "a.txt").parent.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("small")
    slow_down(first)
    upload = UploadPage(first).open(f"{person.hub.url}/{repo_id}/upload/main")
    upload.drop(folder)
    upload.wait_sent("big.dat", 40)
    first.close()

    second = context.new_page()
    sent_bytes: list[int] = []
    second.on("request", lambda request: sent_bytes.append(_length(request)) if "/_d/" in request.url else None)
    upload = UploadPage(second).open(f"{person.hub.url}/{repo_id}/upload/main")

    expect(second.locator("#upload-resume")).to_contain_text("1 of 2 files are here")
    upload.choose_folder(folder)
    upload.wait_phase("ready")
    upload.commit()
    upload.wait_committed()
    assert sum(sent_bytes) < 130 * MIB
    assert downloaded_sha256(person, repo_id, "big.dat") == sha256


def _length(request: object) -> int:
    return int(request.headers.get("content-length", 0)) if request.method == "PUT" else 0  # type: ignore[attr-defined]


def test_one_click_opens_a_dropped_folder_again(context: BrowserContext, person: Person, tmp_path: Path) -> None:
    repo_id = person.create_repo("one-click")
    first = context.new_page()
    person.sign_in(first)
    folder = tmp_path / "files"
    random_file(folder / "big.dat", 120 * MIB)
    slow_down(first)
    upload = UploadPage(first).open(f"{person.hub.url}/{repo_id}/upload/main")
    upload.drop(folder)
    upload.wait_sending("big.dat")
    first.close()

    second = context.new_page()
    UploadPage(second).open(f"{person.hub.url}/{repo_id}/upload/main")

    # Reading the folder takes a leave that only a person can give; that it is offered is what is shown here.
    expect(second.get_by_role("button", name="Continue")).to_be_visible()


def test_start_over_forgets_the_draft(page: Page, person: Person, tmp_path: Path) -> None:
    repo_id = person.create_repo("start-over")
    person.sign_in(page)
    (tmp_path / "a.txt").write_text("a")
    upload = UploadPage(page).open(f"{person.hub.url}/{repo_id}/upload/main")
    upload.choose_files(tmp_path / "a.txt")
    upload.wait_phase("ready")
    page.reload()

    page.get_by_role("button", name="Start over").click()
    upload.wait_phase("empty")

    page.wait_for_timeout(500)
    assert person.api("GET", f"/api/models/{repo_id}/upload-drafts").json() == []


def test_a_branch_that_moved_stops_the_commit_and_loses_nothing(page: Page, person: Person, tmp_path: Path) -> None:
    repo_id = person.create_repo("moved")
    person.sign_in(page)
    (tmp_path / "mine.txt").write_text("mine")
    upload = UploadPage(page).open(f"{person.hub.url}/{repo_id}/upload/main")
    upload.choose_files(tmp_path / "mine.txt")
    upload.wait_phase("ready")
    lines = (
        '{"key":"header","value":{"summary":"theirs","description":""}}\n'
        '{"key":"file","value":{"path":"theirs.txt","content":"aGk=","encoding":"base64"}}\n'
    )
    answer = person.api("POST", f"/api/models/{repo_id}/commit/main", content=lines)
    assert answer.status_code == 200, answer.text

    upload.commit()
    expect(page.locator("#upload-error")).to_contain_text("Somebody changed this branch")
    page.get_by_role("button", name="Commit on top of it").click()
    upload.wait_committed()

    assert {"mine.txt", "theirs.txt"} <= set(tree(person, repo_id))


def test_the_upload_outlives_a_killed_web_process_and_costs_it_little_memory(
    page: Page, person: Person, hub: LiveHub, tmp_path: Path
) -> None:
    """T159; 2 GB of upload may cost the web process 64 MB at most: here 400 MB."""
    repo_id = person.create_repo("killed")
    person.sign_in(page)
    sha256 = random_file(tmp_path / "big.dat", 400 * MIB)
    slow_down(page, 80 * MIB)
    upload = UploadPage(page).open(f"{person.hub.url}/{repo_id}/upload/main")
    upload.choose_files(tmp_path / "big.dat")
    upload.wait_sent("big.dat", 25)

    for pid in hub.web_pids():
        os.kill(pid, signal.SIGKILL)
    hub.wait_ready()
    before = hub.web_rss_bytes()
    most = before
    deadline = time.monotonic() + 180
    while upload.phase() != "ready" and time.monotonic() < deadline:
        most = max(most, hub.web_rss_bytes())
        page.wait_for_timeout(100)

    assert upload.phase() == "ready"
    upload.commit()
    upload.wait_committed()
    most = max(most, hub.web_rss_bytes())
    assert downloaded_sha256(person, repo_id, "big.dat") == sha256
    assert most - before < 64 * MIB, f"{(most - before) / MIB:.0f} MiB more"


def test_without_script_a_form_carries_small_files(
    hub: LiveHub, context: BrowserContext, person: Person, tmp_path: Path
) -> None:
    repo_id = person.create_repo("plain")
    person.sign_in(context.new_page())
    assert context.browser is not None
    plain = context.browser.new_context(java_script_enabled=False, storage_state=context.storage_state())
    page = plain.new_page()
    (tmp_path / "readme.txt").write_text("plain")
    (tmp_path / "model.safetensors").write_bytes(os.urandom(1000))

    page.goto(f"{hub.url}/{repo_id}/upload/main")
    page.locator("#plain_chosen_files").set_input_files([tmp_path / "readme.txt", tmp_path / "model.safetensors"])
    page.get_by_role("button", name="Commit to main").click()

    expect(page.get_by_text("Committed as")).to_be_visible()
    assert {"readme.txt", "model.safetensors"} <= set(tree(person, repo_id))
    plain.close()


def test_who_may_not_write_is_told_so(page: Page, new_person: Callable[..., Person]) -> None:
    owner, stranger = new_person(), new_person()
    repo_id = owner.create_repo("theirs")
    hidden = owner.create_repo("hidden", private=True)

    page.goto(f"{owner.hub.url}/{repo_id}/upload/main")
    assert "/accounts/login" in page.url
    stranger.sign_in(page)
    answer = page.goto(f"{owner.hub.url}/{repo_id}/upload/main")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_text(f"You cannot upload to {repo_id}")).to_be_visible()
    missing = page.goto(f"{owner.hub.url}/{owner.name}/missing/upload/main")
    secret = page.goto(f"{owner.hub.url}/{hidden}/upload/main")
    assert missing is not None
    assert secret is not None
    assert (missing.status, secret.status) == (404, 404)
