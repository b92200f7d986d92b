"""Discussions and pull requests on the wire (hub-api §12, §13.4, §14.2, §18), attachments, and how strangers' commits
are marked (T196)."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from itertools import count
from pathlib import Path

import pytest
from django.test import Client
from PIL import Image

from community.models import Attachment, Discussion
from community.services import attachments
from hub.accounts.auth import Viewer
from hub.core.markdown import render_markdown
from hub.repos.enums import Gating
from hub.repos.models import Repo
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.community import make_discussion, make_pull_request
from tests.factories.repos import make_repo
from tests.hub.api.conftest import LiveHub

_numbers = count(1)


class Person:
    """A person with a write token, and their calls."""

    def __init__(self, client: Client, user=None, role: str = "write") -> None:
        self.user = user or make_user(password=None)
        self.secret = make_token(self.user, role)[1]
        self._client = client

    def call(self, method: str, path: str, body=None, **headers):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = headers.pop("content_type", "application/json")
        return self._client.generic(method, path, data, content_type=kind, **bearer(self.secret), **headers)

    def post(self, repo: Repo, rest: str, body=None):
        return self.call("POST", f"{repo.urls.api}{rest}", body)

    def commit(self, repo: Repo, revision: str, files: dict[str, bytes], query: str = "", **header):
        lines = [{"key": "header", "value": {"summary": "Change", **header}}]
        for path, data in files.items():
            content = base64.b64encode(data).decode()
            lines.append({"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}})
        body = "\n".join(json.dumps(line) for line in lines).encode()
        path = f"{repo.urls.api}/commit/{revision}{query}"
        return self.call("POST", path, body, content_type="application/x-ndjson")


@pytest.fixture
def repo() -> Repo:
    return make_repo(files={"a.txt": b"1\n"})


@pytest.fixture
def owner(client, repo) -> Person:
    return Person(client, repo.created_by)


@pytest.fixture
def guest(client) -> Person:
    return Person(client)


pytestmark = pytest.mark.django_db(transaction=True)


# --- discussions -----------------------------------------------------------------------------------------------------


def test_a_discussion_from_opening_to_closing(client, repo, owner, guest) -> None:
    opened = guest.post(repo, "/discussions", {"title": "Why?", "description": "**Tell** <script>x</script>"})
    assert (opened.status_code, opened.json()["num"], opened.json()["pullRequest"]) == (200, 1, False)
    assert opened.json()["url"] == f"http://testserver{repo.urls.page}/discussions/1"
    said = owner.post(repo, "/discussions/1/comment", {"comment": "Because"}).json()["newMessage"]
    edited = owner.post(repo, f"/discussions/1/comment/{said['id'].upper()}/edit", {"content": "Since"}).json()
    renamed = guest.post(repo, "/discussions/1/title", {"title": "Why so?"}).json()["newTitle"]
    closed = guest.post(repo, "/discussions/1/status", {"status": "closed", "comment": "Thanks"}).json()["newStatus"]
    shown = client.get(f"{repo.urls.api}/discussions/1?diff=1").json()
    assert {key: shown[key] for key in ("num", "title", "status", "isPullRequest", "repo", "pinned", "locked")} == {
        "num": 1,
        "title": "Why so?",
        "status": "closed",
        "isPullRequest": False,
        "repo": {"name": repo.repo_id, "type": "model"},
        "pinned": False,
        "locked": False,
    }
    assert not {"changes", "diff", "filesWithConflicts"} & set(shown)
    assert (shown["author"]["name"], shown["createdAt"][-1]) == (guest.user.username, "Z")
    first, *others = shown["events"]
    assert others == [edited["updatedComment"], renamed, others[2], closed]
    assert first["data"]["latest"]["html"] == "<p><strong>Tell</strong> </p>\n"
    comment = others[0]["data"]
    assert (comment["edited"], comment["hidden"], comment["latest"]["raw"], comment["numEdits"]) == (
        True,
        False,
        "Since",
        1,
    )
    assert [old["raw"] for old in comment["history"]] == ["Because"]
    assert (renamed["data"], closed["data"]) == ({"from": "Why?", "to": "Why so?"}, {"status": "closed"})


def test_hidden_comments_say_nothing_to_anybody(client, repo, owner, guest) -> None:
    make_discussion(repo, guest.user, text="secret")
    first = client.get(f"{repo.urls.api}/discussions/1").json()["events"][0]
    guest.post(repo, f"/discussions/1/comment/{first['id']}/edit", {"content": "still secret"})
    hidden = owner.post(repo, f"/discussions/1/comment/{first['id']}/hide", {}).json()["updatedComment"]
    assert (hidden["data"]["hidden"], hidden["data"]["latest"]["raw"], hidden["data"]["history"]) == (True, "", [])
    for viewer in (owner, guest):
        assert b"secret" not in viewer.call("GET", f"{repo.urls.api}/discussions/1").content


def test_lists_page_filter_and_name_what_is_wrong(client, repo, guest) -> None:
    for number in range(52):
        make_discussion(repo, guest.user, title=f"Question {number}")
    api = f"{repo.urls.api}/discussions"
    pages = [client.get(api, {"p": page}).json() for page in (0, 1, 2)]
    assert [(page["start"], page["count"], len(page["discussions"])) for page in pages] == [
        (0, 52, 50),
        (50, 52, 2),
        (100, 52, 0),
    ]
    assert [item["num"] for item in pages[0]["discussions"][:2] + pages[1]["discussions"]] == [52, 51, 2, 1]
    assert client.get(api, {"author": "unknown"}).json()["discussions"] == []
    assert client.get(api, {"type": "pull_request"}).json()["count"] == 0
    for query in ({"p": "-1"}, {"p": "x"}, {"p": "9" * 30}, {"type": "x"}, {"status": "merged"}, {"sort": "x"}):
        assert client.get(api, query).status_code == 400, query


@pytest.mark.parametrize("number", [1, 3])
def test_lists_cost_the_same_for_any_number(client, repo, number, django_assert_num_queries) -> None:
    for _ in range(number):
        make_discussion(repo, make_user(password=None))
    with django_assert_num_queries(3):
        assert len(client.get(f"{repo.urls.api}/discussions").json()["discussions"]) == number


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        ("/discussions", {"title": "x"}),
        ("/discussions", {"title": 5}),
        ("/discussions", {}),
        ("/discussions", []),
        ("/discussions", {"title": "Fine", "pullRequest": "yes"}),
        ("/discussions/1/comment", {"comment": ""}),
        ("/discussions/1/comment", {"comment": "x\0"}),
        ("/discussions/1/status", {"status": "merged"}),
        ("/discussions/1/status", {"status": "draft"}),
        ("/discussions/1/title", {"title": None}),
        ("/discussions/1/pin", {"pinned": "yes"}),
        ("/discussions/1/merge", {}),
    ],
)
def test_bad_bodies_are_named_and_change_nothing(repo, owner, rest, body) -> None:
    make_discussion(repo)
    before = Discussion.objects.values().get()
    assert owner.post(repo, rest, body).status_code == 400
    assert Discussion.objects.values().get() == before


def test_missing_ones_are_missing_under_each_address(repo, owner) -> None:
    make_discussion(repo)
    for rest in ("/2", "/2147483648"):
        assert owner.call("GET", f"{repo.urls.api}/discussions{rest}").status_code == 404
    for rest in ("/comment/000000000000000000000000/edit", "/comment/x/hide"):
        assert owner.post(repo, f"/discussions/1{rest}", {"content": "x"}).status_code == 404


def test_order_is_for_writers(repo, owner, guest) -> None:
    make_discussion(repo, guest.user)
    for rest, body in (("/pin", {"pinned": True}), ("/lock", {"locked": True})):
        assert guest.post(repo, f"/discussions/1{rest}", body).status_code == 403
        assert owner.post(repo, f"/discussions/1{rest}", body).status_code == 200
    shown = guest.call("GET", f"{repo.urls.api}/discussions/1").json()
    assert (shown["pinned"], shown["locked"]) == (True, True)
    assert guest.call("DELETE", f"{repo.urls.api}/discussions/1").status_code == 403
    assert owner.call("DELETE", f"{repo.urls.api}/discussions/1").status_code == 200
    assert guest.call("GET", f"{repo.urls.api}/discussions/1").status_code == 404


def test_discussions_can_be_switched_off(repo, owner, guest) -> None:
    changed = owner.call("PUT", f"{repo.urls.api}/settings", {"discussionsDisabled": True})
    assert (changed.status_code, changed.json()["discussionsDisabled"]) == (200, True)
    assert guest.post(repo, "/discussions", {"title": "Hello"}).status_code == 403
    assert guest.commit(repo, "main", {"b.txt": b"b"}, "?create_pr=1").status_code == 403
    assert owner.call("PUT", f"{repo.urls.api}/settings", {"discussionsDisabled": False}).status_code == 200
    assert guest.post(repo, "/discussions", {"title": "Hello"}).status_code == 200


# --- pull requests ---------------------------------------------------------------------------------------------------


def test_a_stranger_proposes_the_owner_merges(client, repo, owner, guest) -> None:
    refused = guest.commit(repo, "main", {"b.txt": b"b\n"})
    assert (refused.status_code, "create_pr=1" in refused.json()["error"]) == (403, True)
    assert guest.post(repo, "/preupload/main", {"files": []}).status_code == 403
    file = {"path": "b.txt", "size": 2, "sample": "Ygo="}
    plan = guest.post(repo, "/preupload/main?create_pr=1", {"files": [file]}).json()["files"]
    assert [item["uploadMode"] for item in plan] == ["regular"]
    made = guest.commit(repo, "main", {"b.txt": b"b\n"}, "?create_pr=1", description="More of it").json()
    assert made["pullRequestUrl"] == f"http://testserver{repo.urls.page}/discussions/1"
    assert client.get(f"{repo.urls.page}/resolve/main/b.txt").status_code == 404
    assert guest.post(repo, "/preupload/refs%2Fpr%2F1", {"files": [file]}).status_code == 200
    assert guest.commit(repo, "refs%2Fpr%2F1", {"c.txt": b"c\n"}).status_code == 200
    assert Person(client).commit(repo, "refs/pr/1", {"d.txt": b"d"}).status_code == 403
    shown = guest.call("GET", f"{repo.urls.api}/discussions/1?diff=1").json()
    assert (shown["status"], shown["changes"], shown["filesWithConflicts"]) == ("open", {"base": "refs/heads/main"}, [])
    assert [event["type"] for event in shown["events"]] == ["comment", "commit", "commit"]
    assert "+b\n" in shown["diff"]
    assert guest.post(repo, "/discussions/1/merge").status_code == 403
    merged = owner.post(repo, "/discussions/1/merge")
    shown = guest.call("GET", f"{repo.urls.api}/discussions/1?diff=1").json()
    assert (merged.status_code, shown["status"]) == (200, "merged")
    assert shown["changes"]["mergeCommitId"] == merged.json()["mergeCommitId"]
    assert "+b\n" in shown["diff"]
    assert client.get(f"{repo.urls.page}/resolve/main/b.txt").getvalue() == b"b\n"
    assert owner.post(repo, "/discussions/1/merge").status_code == 200
    assert owner.commit(repo, "refs/pr/1", {"d.txt": b"d"}).status_code == 409
    refs = client.get(f"{repo.urls.api}/refs?include_prs=1").json()
    assert [ref["ref"] for ref in refs["pullRequests"]] == ["refs/pr/1"]


def test_drafts_are_marked_ready_before_they_are_merged(repo, owner, guest) -> None:
    assert guest.post(repo, "/discussions", {"title": "A plan", "pullRequest": True}).json()["pullRequest"] is True
    assert guest.commit(repo, "refs/pr/1", {"b.txt": b"b"}).status_code == 200
    assert owner.post(repo, "/discussions/1/merge").status_code == 409
    assert guest.post(repo, "/discussions/1/status", {"status": "open"}).status_code == 200
    assert owner.post(repo, "/discussions/1/merge").status_code == 200


def test_conflicts_are_409_and_named(repo, owner, guest) -> None:
    make_pull_request(repo, guest.user, files={"a.txt": b"theirs\n"})
    owner.commit(repo, "main", {"a.txt": b"ours\n"})
    assert owner.post(repo, "/discussions/1/merge").status_code == 409
    shown = guest.call("GET", f"{repo.urls.api}/discussions/1").json()
    assert (shown["status"], shown["filesWithConflicts"]) == ("open", ["a.txt"])


def test_pull_requests_against_what_is_no_branch_are_404(repo, owner) -> None:
    for revision in ("missing", repo.head_oid, "refs%2Fpr%2F7"):
        for reply in (
            owner.commit(repo, revision, {"b.txt": b"b"}, "?create_pr=1"),
            owner.post(repo, f"/preupload/{revision}?create_pr=1", {"files": []}),
        ):
            assert (reply.status_code, reply["X-Error-Code"]) == (404, "RevisionNotFound")
    assert owner.commit(repo, "refs/pr/7", {"b.txt": b"b"})["X-Error-Code"] == "RevisionNotFound"


def test_gated_files_do_not_leak_through_pull_requests(repo, owner, guest) -> None:
    make_pull_request(repo, owner.user, files={"b.txt": b"secret\n"})
    update_repo_settings(Viewer(user=owner.user), repo, gated=Gating.MANUAL)
    shown = guest.call("GET", f"{repo.urls.api}/discussions/1?diff=1")
    assert (shown.status_code, "diff" in shown.json(), b"secret" in shown.content) == (200, False, False)
    assert guest.commit(repo, "main", {"b.txt": b"b"}, "?create_pr=1").status_code == 403


def test_large_files_of_strangers_go_to_pull_requests_only(client, repo, guest) -> None:
    def batch(person: Person, **fields):
        body = {"operation": "upload", "objects": [{"oid": "a" * 64, "size": 5}], **fields}
        return person.call("POST", f"{repo.urls.page}.git/info/lfs/objects/batch", body)

    for ref in ({}, {"ref": {"name": "refs/pr/1"}}):
        assert "upload" in batch(guest, **ref).json()["objects"][0]["actions"]
    assert batch(guest, ref={"name": "refs/heads/main"}).status_code == 403
    assert batch(guest, ref="main").status_code == 400
    assert batch(Person(client, role="read")).status_code == 403


def test_strangers_commits_are_marked_and_not_counted_t196(client, repo, guest) -> None:
    made = guest.commit(repo, "main", {"evil.txt": b"x"}, "?create_pr=1").json()["commitOid"]
    reader = Person(client)
    for revision, number in (("refs%2Fpr%2F1", "1"), (made, "1"), ("main", None), (repo.head_oid, None)):
        for path in (f"{repo.urls.page}/resolve/{revision}/a.txt", f"{repo.urls.api}/tree/{revision}"):
            assert reader.call("GET", path).get("X-Agora-Pull-Request") == number, path
        info = client.get(f"{repo.urls.api}/revision/{revision}").json()
        assert info.get("pullRequest") == (int(number) if number else None)
    commits = client.get(f"{repo.urls.api}/commits/refs%2Fpr%2F1").json()
    assert [commit.get("pullRequest") for commit in commits] == [1, None, None]
    fresh = make_repo(files={"a.onnx": b"1\n"})
    made = guest.commit(fresh, "main", {"evil.onnx": b"x"}, "?create_pr=1").json()["commitOid"]
    for path, downloads in ((f"{made}/evil.onnx", 0), ("main/a.onnx", 1)):
        b"".join(Person(client).call("GET", f"{fresh.urls.page}/resolve/{path}"))
        assert Repo.objects.get(pk=fresh.pk).downloads == downloads


# --- attachments -----------------------------------------------------------------------------------------------------


def _picture(kind: str = "PNG", size: tuple[int, int] = (4, 3)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size).save(out, kind)
    return out.getvalue()


def test_attachments_are_stored_by_hash_and_served_as_data(client, guest, settings) -> None:
    data = _picture()
    urls = [guest.call("POST", "/uploads", data, content_type="image/png") for _ in range(2)]
    url = urls[0].content.decode()
    assert (urls[0].status_code, urls[0]["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert (urls[1].content.decode(), Attachment.objects.count()) == (url, 1)
    assert url.startswith(f"{settings.HUB_URL}/uploads/")
    path = url.removeprefix(settings.HUB_URL)
    shown = client.get(path)
    assert (shown.getvalue(), shown["Content-Type"]) == (data, "image/png")
    assert shown["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert shown["X-Content-Type-Options"] == "nosniff"
    part = client.get(path, HTTP_RANGE="bytes=1-3")
    assert (part.status_code, part.getvalue(), part["Content-Range"]) == (206, data[1:4], f"bytes 1-3/{len(data)}")
    assert client.get(path, HTTP_IF_NONE_MATCH=shown["ETag"]).status_code == 304
    assert f'src="{path}"' in render_markdown(f"![x]({url})").html


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (_picture("JPEG"), "jpg"),
        (_picture("GIF"), "gif"),
        (_picture("WEBP"), "webp"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 40, "mp4"),
        (b"\0\0\0\x14ftypqt  " + b"\0" * 40, "mov"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 40, "webm"),
        (b"ID3\x04" + b"\0" * 40, "mp3"),
        (b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40, "wav"),
    ],
)
def test_kinds_are_known_by_their_bytes(guest, data, extension) -> None:
    # What the sender says plays no part.
    assert guest.call("POST", "/uploads", data, content_type="image/png").content.decode().endswith(f".{extension}")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg onload=alert(1)>",
        b"<html><script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n" + b"junk" * 20,
        b"\xff\xd8\xff<script>",
        b"RIFF\x24\0\0\0AVI " + b"\0" * 40,
    ],
)
def test_what_is_neither_picture_film_nor_sound_is_refused(guest, settings, data) -> None:
    assert guest.call("POST", "/uploads", data, content_type="image/png").status_code == 400
    assert not Attachment.objects.exists()
    folder = Path(settings.MEDIA_ROOT) / "uploads"
    assert not folder.exists() or not [path for path in folder.rglob("*") if path.is_file()]


def test_attachments_are_bounded_in_bytes_and_pixels(client, guest, settings, monkeypatch) -> None:
    data = _picture()
    monkeypatch.setattr(attachments, "_PNG", attachments.Kind("png", "image/png", len(data), "PNG"))
    assert guest.call("POST", "/uploads", data, content_type="image/png").status_code == 200
    bigger = _picture(size=(200, 200))
    assert len(bigger) > len(data)
    assert guest.call("POST", "/uploads", bigger, content_type="image/png").status_code == 413
    monkeypatch.setattr(attachments, "MAX_PIXELS", 11)
    assert guest.call("POST", "/uploads", data, content_type="image/png").status_code == 413
    monkeypatch.setattr(attachments, "MAX_PIXELS", 12)
    monkeypatch.setattr(attachments, "MAX_TOTAL_BYTES", 2 * len(data) - 1)
    assert guest.call("POST", "/uploads", data, content_type="image/png").status_code == 200
    other = _picture(size=(3, 4))
    assert len(other) == len(data)
    assert guest.call("POST", "/uploads", other, content_type="image/png").status_code == 413


def test_attachments_need_a_person_who_may_discuss(client) -> None:
    assert client.post("/uploads", _picture(), content_type="image/png").status_code == 401
    assert Person(client, role="read").call("POST", "/uploads", _picture()).status_code == 403
    for name in ("x.png", "..%2Fsecret_key", f"{'0' * 64}.svg", f"{'0' * 64}.png"):
        assert client.get(f"/uploads/{name}").status_code == 404, name


# --- git -------------------------------------------------------------------------------------------------------------


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    identity = ("-c", "user.name=Bob", "-c", "user.email=bob@example.org", "-c", "protocol.version=2")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
def test_git_pushes_to_open_pull_requests_of_ones_own_t58_t59(live_hub: LiveHub, tmp_path: Path) -> None:
    from huggingface_hub import CommitOperationAdd, HfApi

    alice, bob = (HfApi(endpoint=live_hub.url, token=token) for token in (live_hub.alice, live_hub.bob))
    repo_id = f"alice/pulls-{next(_numbers)}"
    alice.create_repo(repo_id)
    remote = f"http://bob:{live_hub.bob}@{live_hub.url.removeprefix('http://')}/{repo_id}"
    assert _git(tmp_path, "clone", "-q", remote, "work").returncode == 0
    work = tmp_path / "work"

    def push(*arguments: str) -> str:
        done = _git(work, "push", "origin", *arguments)
        return "" if done.returncode == 0 else done.stderr

    def change(name: str) -> None:
        (work / name).write_text(name)
        _git(work, "add", ".")
        assert _git(work, "commit", "-qm", f"Add {name}").returncode == 0

    change("first.txt")
    assert "create_pr=1" in push("HEAD:refs/heads/main")  # nothing of bob's is open yet
    mine = bob.create_pull_request(repo_id, title="Bob's change").num
    theirs = alice.create_pull_request(repo_id, title="Alice's change").num
    assert push(f"HEAD:refs/pr/{mine}") == ""
    for target in ("refs/heads/main", "refs/heads/new", "refs/tags/v1"):
        assert "your own pull requests only" in push(f"HEAD:{target}"), target
    assert "Only the author" in push(f"HEAD:refs/pr/{theirs}")
    assert "not by a push" in push("HEAD:refs/pr/99")
    assert "not by a push" in push(f":refs/pr/{mine}")
    change("second.txt")
    assert "your own" in push("--atomic", f"HEAD:refs/pr/{mine}", "HEAD:refs/heads/main")
    assert not bob.file_exists(repo_id, "second.txt", revision=f"refs/pr/{mine}")
    assert push(f"HEAD:refs/pr/{mine}") == ""
    events = bob.get_discussion_details(repo_id, mine).events
    assert [event.summary for event in events if event.type == "commit"] == ["Add first.txt", "Add second.txt"]
    assert {event.author for event in events} == {"bob"}
    alice.create_commit(
        repo_id,
        [CommitOperationAdd("own.txt", b"x")],
        commit_message="By the owner",
        revision=f"refs/pr/{mine}",
    )
    bob.change_discussion_status(repo_id, mine, "open")
    alice.merge_pull_request(repo_id, mine)
    assert {"first.txt", "second.txt", "own.txt"} <= set(alice.list_repo_files(repo_id))
    change("third.txt")
    late = push("--force", f"HEAD:refs/pr/{mine}")
    assert "create_pr=1" in late  # merged: nothing of bob's is open any more
