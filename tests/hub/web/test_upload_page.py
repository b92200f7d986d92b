"""The upload page and its draft routes without a browser: who may, what is refused, what a draft remembers."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import closing
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from hub.accounts.auth import Viewer
from hub.catalog.models import RepoIndex
from hub.catalog.services import index_repo
from hub.core.errors import Unprocessable
from hub.core.ids import RepoType
from hub.core.middleware import WASM_WORKER
from hub.repos import content
from hub.repos.models import Repo, UploadDraft
from hub.repos.services import uploads
from hub.repos.services.refs import create_tag
from hub.repos.services.repos import create_repo
from hub.storage import blobs
from hub.storage.lfs import transfer
from hub.storage.models import UploadSession
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024


@pytest.fixture
def viewer() -> Viewer:
    return Viewer(user=make_user("ada", password=None))


@pytest.fixture
def repo(viewer: Viewer) -> Repo:
    return create_repo(viewer, namespace="ada", name="box", repo_type=RepoType.MODEL)


@pytest.fixture
def browser(viewer: Viewer, client: Client) -> Client:
    client.force_login(viewer.user)
    return client


class Drafts:
    """The draft routes as the page's script calls them."""

    def __init__(self, client: Client, root: str = "/api/models/ada/box/upload-drafts") -> None:
        self.client, self.root = client, root

    def __call__(self, method: str, path: str = "", body: Any = None, status: int = 200) -> Any:
        answer = self.client.generic(
            method, f"{self.root}{path}", json.dumps(body) if body is not None else "", content_type="application/json"
        )
        assert answer.status_code == status, answer.content
        return answer.json()


def wanted(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def send(transfer_json: dict[str, Any], data: bytes) -> None:
    """Do what the data plane does with a PUT."""
    from hub.storage.signing import read_path

    store = blobs.get_blob_store()
    for part in transfer_json["parts"]:
        grant = read_path(part["url"])
        writer = store.open_part_writer(
            grant.store_upload_id,
            number=grant.part_number,
            offset_bytes=grant.offset_bytes,
            size_bytes=grant.size_bytes,
        )
        writer.write(data[grant.offset_bytes : grant.offset_bytes + grant.size_bytes])
        writer.commit()
    if transfer_json["url"]:
        grant = read_path(transfer_json["url"])
        transfer.finish_basic_upload(grant.session_id, blobs.put(store, [data], sha256=grant.sha256))


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_carries_no_inline_script_and_names_the_draft_routes(browser: Client, repo: Repo) -> None:
    answer = browser.get("/ada/box/upload/main")

    assert answer.status_code == 200
    text = answer.content.decode()
    assert '"draftsUrl": "/api/models/ada/box/upload-drafts"' in text
    assert "style=" not in text
    scripts = [part.split(">", 1)[0] for part in text.split("<script")[1:]]
    assert all("src=" in script or 'type="application/json"' in script for script in scripts)
    assert "wasm-unsafe-eval" not in answer["Content-Security-Policy"]


def test_only_the_worker_may_compile_wasm(client: Client) -> None:
    def policy(path: str) -> str:
        with closing(client.get(f"/static/{path}")) as answer:
            assert answer.status_code == 200
            return str(answer["Content-Security-Policy"])

    assert "script-src 'self' 'wasm-unsafe-eval';" in policy(WASM_WORKER)
    assert "script-src 'self';" in policy("js/upload/page.js")


def test_a_stranger_signs_in_first_whether_or_not_there_is_a_repo(client: Client, repo: Repo) -> None:
    answers = [client.get(f"/ada/{name}/upload/main") for name in ("box", "nothing")]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert all("/login" in answer["Location"] for answer in answers)


def test_a_reader_is_told_whom_to_ask_and_a_hidden_repo_is_missing(client: Client, viewer: Viewer, repo: Repo) -> None:
    from hub.repos.enums import Visibility

    create_repo(viewer, namespace="ada", name="secret", repo_type=RepoType.MODEL, visibility=Visibility.PRIVATE)
    client.force_login(make_user("bob", password=None))

    refused = client.get("/ada/box/upload/main")

    assert refused.status_code == 403
    assert "You cannot upload to ada/box" in refused.content.decode()
    assert client.get("/ada/secret/upload/main").status_code == 404
    assert client.get("/ada/missing/upload/main").status_code == 404


def test_a_tag_is_no_branch(browser: Client, viewer: Viewer, repo: Repo) -> None:
    create_tag(repo, actor=viewer, name="v1", revision="main")

    answer = browser.get("/ada/box/upload/v1")

    assert answer.status_code == 404
    assert 'href="/ada/box/upload/main"' in answer.content.decode()


# --- drafts -----------------------------------------------------------------------------------------------------------


def test_check_names_what_is_wrong_before_a_byte(browser: Client, repo: Repo, settings: Any) -> None:
    settings.HUB_MAX_FILE_BYTES = 1000
    drafts = Drafts(browser)
    files = [
        {"path": "a/.git/config", "size": 1},
        {"path": "../x", "size": 1},
        {"path": "large.bin", "size": 1001},
        {"path": "fine.txt", "size": 5},
        {"path": ".gitattributes", "size": 5},
    ]

    found = drafts("POST", "/check", {"revision": "main", "files": files})

    assert [bool(file["problem"]) for file in found["files"]] == [True, True, True, False, False]
    assert [file["isReplacing"] for file in found["files"]] == [False, False, False, False, True]
    assert found["problem"] == ""
    assert found["headOid"] == repo.head_oid


def test_check_tells_when_the_quota_is_too_small(browser: Client, repo: Repo, settings: Any) -> None:
    settings.HUB_QUOTA_BYTES = 10_000

    found = Drafts(browser)("POST", "/check", {"totalBytes": 10_001, "files": [{"path": "a", "size": 1}]})

    assert "storage quota" in found["problem"]


def test_a_draft_goes_from_names_to_a_commit(browser: Client, repo: Repo) -> None:
    small, large = b"hello\n", os.urandom(17 * MIB)
    drafts = Drafts(browser)
    draft = drafts("POST", "", {"revision": "main"}, status=201)["id"]
    drafts("PUT", f"/{draft}/files", {"files": [{"path": "a.txt", "size": 6}, {"path": "w.bin", "size": len(large)}]})

    files = drafts("PUT", f"/{draft}/files", {"files": [wanted("a.txt", small), wanted("w.bin", large)]})["files"]
    transfers = drafts("POST", f"/{draft}/begin", {"files": [file["id"] for file in files]})["files"]
    assert [len(found["parts"]) for found in transfers] == [0, 2]
    for found, data in zip(transfers, (small, large), strict=True):
        send(found, data)
    done = drafts("POST", f"/{draft}/complete", {"files": [file["id"] for file in files]})["files"]
    assert [file["isStored"] for file in done] == [True, True]
    result = drafts("POST", f"/{draft}/commit", {"message": "Add", "parentCommit": repo.head_oid})

    snapshot = content.at_revision(repo, result["commitOid"])
    assert content.read_head(snapshot, content.get_file(snapshot, "a.txt"), 100) == small
    assert content.get_file(snapshot, "w.bin").lfs is not None
    assert drafts("GET", f"/{draft}")["state"] == "committed"


def test_a_draft_left_midway_says_what_is_here(browser: Client, repo: Repo) -> None:
    data = os.urandom(40 * MIB)
    drafts = Drafts(browser)
    draft = drafts("POST", "", {}, status=201)["id"]
    file = drafts("PUT", f"/{draft}/files", {"files": [wanted("w.bin", data)]})["files"][0]
    begun = drafts("POST", f"/{draft}/begin", {"files": [file["id"]]})["files"][0]
    send({"parts": begun["parts"][1:2], "url": None}, data)

    shown = drafts("GET", f"/{draft}")["files"][0]
    again = drafts("POST", f"/{draft}/begin", {"files": [file["id"]]})["files"][0]

    assert shown["arrivedBytes"] == 16 * MIB
    assert again["storedParts"] == [2]
    assert [part["number"] for part in again["parts"]] == [1, 3]
    assert f'"draftId": "{draft}"' in browser.get("/ada/box/upload/main").content.decode()


def test_a_part_that_is_wrong_is_sent_anew(viewer: Viewer, repo: Repo) -> None:
    data = os.urandom(17 * MIB)
    draft = uploads.create_draft(repo, author=viewer)
    wish = uploads.WantedFile("w.bin", len(data), sha256=hashlib.sha256(data).hexdigest())
    file = uploads.register_files(draft, [wish])[0]
    begun = uploads.begin_file(draft, file_id=file.pk)
    send({"parts": [{"url": url} for _, url in begun.parts], "url": None}, b"\0" * len(data))

    with pytest.raises(Unprocessable):
        uploads.finish_file(draft, file_id=file.pk)

    assert uploads.begin_file(draft, file_id=file.pk).stored_parts == ()


def test_a_removed_file_frees_its_reservation(browser: Client, repo: Repo) -> None:
    data = os.urandom(20 * MIB)
    drafts = Drafts(browser)
    draft = drafts("POST", "", {}, status=201)["id"]
    file = drafts("PUT", f"/{draft}/files", {"files": [wanted("w.bin", data)]})["files"][0]
    drafts("POST", f"/{draft}/begin", {"files": [file["id"]]})
    assert UploadSession.objects.filter(state="open").count() == 1

    drafts("POST", f"/{draft}/remove", {"files": [file["id"]]})

    assert UploadSession.objects.filter(state="open").count() == 0
    assert drafts("GET", f"/{draft}")["files"] == []


def test_one_refused_file_does_not_hold_up_the_others(browser: Client, repo: Repo) -> None:
    drafts = Drafts(browser)
    draft = drafts("POST", "", {}, status=201)["id"]
    file = drafts("PUT", f"/{draft}/files", {"files": [wanted("a.txt", b"abc")]})["files"][0]

    found = drafts("POST", f"/{draft}/begin", {"files": [file["id"] + 999, file["id"]]})["files"]

    assert found[0]["status"] == 404
    assert found[1]["url"].startswith("/_d/put/")


def test_drafts_belong_to_their_author(browser: Client, viewer: Viewer, repo: Repo) -> None:
    """T33: another person's draft, and one of another repo, do not exist."""
    create_repo(viewer, namespace="ada", name="other", repo_type=RepoType.MODEL)
    draft = uploads.create_draft(repo, author=viewer)
    stranger = Client()
    stranger.force_login(make_user("eve", password=None))

    Drafts(stranger)("GET", f"/{draft.pk}", status=403)
    Drafts(browser, "/api/models/ada/other/upload-drafts")("GET", f"/{draft.pk}", status=404)


def test_a_session_needs_the_page_s_token(viewer: Viewer, repo: Repo) -> None:
    """T09."""
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(viewer.user)

    Drafts(strict)("POST", "", {}, status=403)

    assert not UploadDraft.objects.exists()


def test_a_branch_that_moved_is_told(browser: Client, viewer: Viewer, repo: Repo) -> None:
    before = repo.head_oid
    uploads.commit_uploaded_files(repo, [uploads.SmallFile("b.txt", b"b")], actor=viewer, revision="main", message="b")
    drafts = Drafts(browser)
    draft = drafts("POST", "", {}, status=201)["id"]
    file = drafts("PUT", f"/{draft}/files", {"files": [wanted("empty", b"")]})["files"][0]
    assert file["isStored"]

    drafts("POST", f"/{draft}/commit", {"message": "x", "parentCommit": before}, status=412)

    assert drafts("GET", f"/{draft}")["state"] == "open"


# --- without script ---------------------------------------------------------------------------------------------------


def test_a_plain_form_commits_small_files(browser: Client, repo: Repo) -> None:
    weights = os.urandom(2000)
    form = {
        "chosen_files": [SimpleUploadedFile("a.txt", b"text"), SimpleUploadedFile("w.safetensors", weights)],
        "folder": "/some//place/",
        "message": "",
    }

    answer = browser.post("/ada/box/upload/main", form)

    assert answer.status_code == 302
    assert answer["Location"] == "/ada/box/tree/main"
    snapshot = content.at_revision(repo, "main")
    stored = content.get_file(snapshot, "some/place/w.safetensors")
    assert stored.lfs is not None
    assert stored.lfs.sha256 == hashlib.sha256(weights).hexdigest()
    assert content.get_file(snapshot, "some/place/a.txt").lfs is None


def test_a_plain_form_is_refused_with_its_reason(browser: Client, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FORM_BYTES", 10)
    head = repo.head_oid

    empty = browser.post("/ada/box/upload/main", {"message": "x"})
    large = browser.post("/ada/box/upload/main", {"chosen_files": SimpleUploadedFile("a.txt", b"12345678901")})
    named = browser.post("/ada/box/upload/main", {"chosen_files": SimpleUploadedFile("a.txt", b"1"), "folder": ".git"})

    assert [empty.status_code, large.status_code, named.status_code] == [422, 413, 400]
    repo.refresh_from_db()
    assert repo.head_oid == head


# --- afterwards -------------------------------------------------------------------------------------------------------


def test_the_result_waits_for_the_inspection_and_then_says_why_not(browser: Client, repo: Repo) -> None:
    url = "/ada/box/upload-result"
    RepoIndex.objects.filter(repo=repo).delete()
    assert browser.get(url, {"commit": repo.head_oid}).json()["state"] == "pending"
    pickled = uploads.SmallFile("model.pkl", b"\x80\x04N.")
    commit = uploads.commit_uploaded_files(
        repo, [pickled], actor=Viewer(user=repo.created_by), revision="main", message="Add a pickle"
    )
    index_repo(repo.pk)

    found = browser.get(url, {"commit": commit.oid}).json()

    assert found["state"] == "refused"
    assert found["text"].startswith("The model will be listed, but cannot be hosted: ")
    assert [line.split(":")[0] for line in found["findings"]] == ["model.pkl"]
