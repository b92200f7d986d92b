"""Pull requests in the browser: proposed by an edit, reviewed line by line, merged; marked where they show (T196)."""

from __future__ import annotations

import json
import re
import struct

import pytest
from django.http import HttpResponse
from django.test import Client

from community.models import Discussion, Event, LineAnchor
from community.services.pulls import commit_to_pull_request, get_sides
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.repos.content import at_revision, read_text
from hub.repos.enums import Gating
from hub.repos.models import Repo
from hub.repos.services.commits import AddBytes, create_commit
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import make_user
from tests.factories.community import make_discussion, make_pull_request
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)

REPO = "/ada/atlas"
PULL = f"{REPO}/discussions/1"
LINES = b"".join(b"line %d\n" % number for number in range(1, 31))


def _safetensors(**tensors: tuple[str, list[int]]) -> bytes:
    header: dict[str, object] = {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = {"F32": 4, "F16": 2}[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + bytes(at)


FILES = {
    "README.md": b"# Atlas\n\nA modle of maps.\n",
    "notes.txt": LINES,
    "config.json": b'{"layers": 2, "dims": {"hidden": 8, "old": 1}}\n',
    "model.safetensors": _safetensors(a=("F32", [2, 2]), b=("F32", [4])),
}


@pytest.fixture
def owner() -> User:
    return make_user("ada", password=None)


@pytest.fixture
def guest() -> User:
    return make_user("grace", password=None)


@pytest.fixture
def repo(owner: User) -> Repo:
    return make_repo(owner, "atlas", files=FILES)


def _browser(user: User | None = None) -> Client:
    client = Client(headers={"accept": "text/html"})
    if user is not None:
        client.force_login(user)
    return client


def _page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, (path, answer.status_code)
    return answer.content.decode()


def _pull(repo: Repo, author: User, **files: bytes) -> Discussion:
    named = {name.replace("__", "."): data for name, data in files.items()}
    return make_pull_request(repo, author, files=named, title="A change")


def _text(repo: Repo, revision: str, path: str) -> str:
    return read_text(at_revision(repo, revision), path, 100_000) or ""


def _base_oid(client: Client, path: str) -> str:
    found = re.search(r'name="base_oid" value="([0-9a-f]*)"', _page(client, path))
    assert found is not None
    return found[1]


def _say(client: Client, head: str, line: int, text: str, side: str = "new", path: str = "notes.txt") -> HttpResponse:
    return client.post(
        f"{PULL}/files",
        {"path": path, "side": side, "line": str(line), "head_oid": head, "comment": text, "at": f"0-{side}-{line}"},
    )


# --- proposed in the browser -----------------------------------------------------------------------------------------


def test_a_strangers_edit_becomes_a_pull_request(repo: Repo, guest: User) -> None:
    client = _browser(guest)
    assert f'href="{REPO}/edit/main/notes.txt"' in _page(client, f"{REPO}/blob/main/notes.txt")
    edit = f"{REPO}/edit/main/notes.txt"
    form = _page(client, edit)
    assert "Your change becomes a pull request" in form
    assert "Commit to main" not in form
    made = client.post(
        edit,
        {
            "path": "notes.txt",
            "content": "Better\n",
            "base_oid": _base_oid(client, edit),
            "message": "Better notes",
            "description": "Because.",
        },
    )
    assert (made.status_code, made["Location"]) == (302, PULL)
    found = Discussion.objects.get()
    assert (found.title, found.author, found.status, found.base_ref) == (
        "Better notes",
        guest,
        "open",
        "refs/heads/main",
    )
    assert (_text(repo, "main", "notes.txt"), _text(repo, "refs/pr/1", "notes.txt")) == (LINES.decode(), "Better\n")
    assert "Because." in _page(_browser(), PULL)


def test_a_strangers_card_new_file_and_deletion_are_proposed_too(repo: Repo, guest: User) -> None:
    client = _browser(guest)
    card = _base_oid(client, f"{REPO}/card")
    client.post(f"{REPO}/card", {"body": "A model of maps.\n", "base_oid": card, "message": "Fix a typo"})
    client.post(f"{REPO}/new/main", {"path": "more.txt", "content": "more\n", "base_oid": ""})
    client.post(f"{REPO}/delete/main/notes.txt", {"message": "Drop the notes"})
    titles = list(Discussion.objects.order_by("num").values_list("title", flat=True))
    assert titles == ["Fix a typo", "Add more.txt", "Drop the notes"]
    assert "modle" in _text(repo, "main", "README.md")
    assert "A model of maps." in _text(repo, "refs/pr/1", "README.md")


def test_an_owner_chooses_between_a_commit_and_a_pull_request(repo: Repo, owner: User) -> None:
    client = _browser(owner)
    edit = f"{REPO}/edit/main/notes.txt"
    data = {"path": "notes.txt", "content": "Mine\n", "base_oid": _base_oid(client, edit)}
    assert client.post(edit, {**data, "target": "pull"})["Location"] == PULL
    assert _text(repo, "main", "notes.txt") == LINES.decode()
    assert client.post(edit, data)["Location"] == f"{REPO}/blob/main/notes.txt"
    assert _text(repo, "main", "notes.txt") == "Mine\n"


def test_an_author_edits_their_pull_request_and_others_do_not(repo: Repo, guest: User) -> None:
    _pull(repo, guest, notes__txt=b"First try\n")
    client, path = _browser(guest), f"{REPO}/edit/refs/pr/1/notes.txt"
    data = {"path": "notes.txt", "content": "Second try\n", "base_oid": _base_oid(client, path)}
    assert client.post(path, data).status_code == 302
    assert _text(repo, "refs/pr/1", "notes.txt") == "Second try\n"
    assert Event.objects.filter(kind="commit").count() == 2
    assert _browser(make_user("eve", password=None)).post(path, data).status_code == 403
    client.post(PULL, {"action": "close"})
    assert client.get(path).status_code == 403


@pytest.mark.parametrize("reason", ["off", "gated", "signed out"])
def test_who_may_not_propose_edits_nothing(reason: str, repo: Repo, owner: User, guest: User) -> None:
    if reason == "off":
        update_repo_settings(Viewer(user=owner), repo, are_discussions_disabled=True)
    elif reason == "gated":
        update_repo_settings(Viewer(user=owner), repo, gated=Gating.MANUAL)
    client = _browser(None if reason == "signed out" else guest)
    for path in ("edit/main/notes.txt", "new/main", "delete/main/notes.txt", "card"):
        for answer in (client.get(f"{REPO}/{path}"), client.post(f"{REPO}/{path}", {"content": "x", "body": "x"})):
            assert answer.status_code in (302, 401, 403), path
    assert not Discussion.objects.exists()


# --- what it changes -------------------------------------------------------------------------------------------------


def test_lines_stand_side_by_side_or_one_below_the_other(repo: Repo, guest: User) -> None:
    _pull(repo, guest, notes__txt=LINES.replace(b"line 3\n", b"line <three>\n"))
    page = _page(_browser(), f"{PULL}/files")
    assert "line 3</td>" in page
    assert "line &lt;three&gt;</td>" in page
    assert "diff-two" in page
    assert "diff-one" in _page(_browser(), f"{PULL}/files?view=unified")
    commits = _page(_browser(), f"{PULL}/commits")
    assert "A change" in commits


def test_tensors_and_keys_are_compared(repo: Repo, guest: User) -> None:
    weights = _safetensors(a=("F16", [2, 2]), c=("F32", [1]))
    config = b'{"layers": 3, "dims": {"hidden": 8, "new": 1}}\n'
    _pull(repo, guest, model__safetensors=weights, config__json=config)
    page = re.sub(r"\s+", " ", _page(_browser(), f"{PULL}/files"))
    assert page.count("1 added, 1 removed, 1 changed") == 2
    for row in (
        '<th scope="row" class="mono">a</th><td class="mono">F32 [2 × 2]</td><td class="mono">F16 [2 × 2]</td>',
        '<th scope="row" class="mono">b</th><td class="mono">F32 [4]</td><td class="mono"></td>',
        '<th scope="row" class="mono">dims.new</th><td class="mono"></td><td class="mono">1</td>',
        '<th scope="row" class="mono">layers</th><td class="mono">2</td><td class="mono">3</td>',
    ):
        assert row in page
    assert "Large file" in page or "Binary file" in page


def test_what_cannot_be_compared_says_so(repo: Repo, guest: User) -> None:
    _pull(repo, guest, config__json=b"[" * 5000)
    assert "What is inside this file cannot be compared." in _page(_browser(), f"{PULL}/files")


# --- comments on lines -----------------------------------------------------------------------------------------------


def test_a_line_is_commented_on_and_both_pages_show_it(repo: Repo, guest: User, owner: User) -> None:
    found = _pull(repo, guest, notes__txt=LINES.replace(b"line 3\n", b"line three\n"))
    client = _browser(owner)
    assert 'name="line" value="3"' in _page(client, f"{PULL}/files?at=0-new-3")
    head = (get_sides(found) or ("", ""))[1]
    said = _say(client, head, 3, "Why in **words**?")
    event = Event.objects.latest("pk")
    assert said["Location"] == f"{PULL}/files#{event.object_id}"
    for path in (PULL, f"{PULL}/files"):
        page = _page(_browser(), path)
        assert "Why in <strong>words</strong>?" in page
        assert "line three" in page
        assert "Outdated" not in page
    anchor = LineAnchor.objects.get()
    assert (anchor.path, anchor.side, anchor.line, anchor.head_oid, anchor.text) == (
        "notes.txt",
        "new",
        3,
        head,
        "line three",
    )


def test_comments_follow_their_line_until_it_is_gone(repo: Repo, guest: User, owner: User) -> None:
    found = _pull(repo, guest, notes__txt=LINES.replace(b"line 3\n", b"line three\n"))
    _say(_browser(owner), (get_sides(found) or ("", ""))[1], 3, "Why?")

    def push(text: bytes) -> None:
        commit_to_pull_request(
            Viewer(user=guest), repo, "refs/pr/1", operations=[AddBytes("notes.txt", text)], message="More"
        )

    push(b"zero\n" + LINES.replace(b"line 3\n", b"line three\n"))
    page = _page(_browser(), PULL)
    assert "line 4" in page
    assert "Outdated" not in page
    push(LINES.replace(b"line 3\n", b"line drei\n"))
    for path in (PULL, f"{PULL}/files"):
        assert "Outdated" in _page(_browser(), path)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"head": "0" * 40}, 409),
        ({"line": 29}, 422),
        ({"side": "up"}, 422),
        ({"path": "README.md"}, 422),
        ({"text": " "}, 422),
    ],
)
def test_comments_on_what_is_not_there_are_refused(change: dict, status: int, repo: Repo, guest: User) -> None:
    found = _pull(repo, guest, notes__txt=LINES.replace(b"line 3\n", b"line three\n"))
    given = {"head": (get_sides(found) or ("", ""))[1], "line": 3, "text": "Why?", **change}
    answer = _say(_browser(guest), **given)
    assert answer.status_code == status
    assert not LineAnchor.objects.exists()


def test_lines_of_gated_files_are_for_those_who_were_let_in_t39(repo: Repo, guest: User, owner: User) -> None:
    found = _pull(repo, guest, notes__txt=LINES.replace(b"line 3\n", b"a secret line\n"))
    _say(_browser(owner), (get_sides(found) or ("", ""))[1], 3, "Why?")
    update_repo_settings(Viewer(user=owner), repo, gated=Gating.MANUAL)
    page = _page(_browser(), PULL)
    assert "Why?" in page
    assert "a secret line" not in page
    assert "notes.txt" not in page
    for part in ("files", "commits"):
        assert _browser().get(f"{PULL}/{part}").status_code in (401, 403)


# --- merged ----------------------------------------------------------------------------------------------------------


def test_an_owner_merges_by_a_plain_form(repo: Repo, guest: User, owner: User) -> None:
    _pull(repo, guest, notes__txt=b"Better\n")
    assert "This can be merged" in _page(_browser(owner), PULL)
    assert 'value="merge"' not in _page(_browser(guest), PULL)
    assert _browser(guest).post(PULL, {"action": "merge"}).status_code == 403
    merged = _browser(owner).post(PULL, {"action": "merge"})
    assert (merged.status_code, merged["Location"]) == (302, f"{PULL}#end")
    assert _text(repo, "main", "notes.txt") == "Better\n"
    page = _page(_browser(), PULL)
    assert "Merged into main" in page
    assert "Better" in _page(_browser(), f"{PULL}/files")
    assert "A change" in _page(_browser(), f"{PULL}/commits")


def test_conflicts_are_listed_and_nothing_is_merged(repo: Repo, guest: User, owner: User) -> None:
    _pull(repo, guest, notes__txt=b"Theirs\n")
    create_commit(
        repo, actor=Viewer(user=owner), revision="main", operations=[AddBytes("notes.txt", b"Ours\n")], message="Ours"
    )
    page = _page(_browser(owner), PULL)
    assert "This cannot be merged as it is" in page
    assert '<li class="mono">notes.txt</li>' in page
    refused = _browser(owner).post(PULL, {"action": "merge"})
    assert refused.status_code == 409
    assert "This pull request conflicts with its target branch." in refused.content.decode()
    assert _text(repo, "main", "notes.txt") == "Ours\n"


def test_drafts_are_made_ready_and_closed_ones_lose_their_files(repo: Repo, guest: User, owner: User) -> None:
    _pull(repo, guest, notes__txt=b"Better\n")
    client = _browser(guest)
    client.post(PULL, {"action": "draft"})
    assert "A draft: not ready to be merged" in _page(client, PULL)
    assert _browser(owner).post(PULL, {"action": "merge"}).status_code == 409
    client.post(PULL, {"action": "open"})
    assert "This can be merged" in _page(client, PULL)
    client.post(PULL, {"action": "close"})
    _browser(owner).post(PULL, {"action": "remove-files"})
    assert "The files of this pull request were removed." in _page(client, PULL)
    for part in ("files", "commits"):
        assert "The files were removed" in _page(client, f"{PULL}/{part}")


def test_a_discussion_has_no_pages_of_a_pull_request(repo: Repo, guest: User) -> None:
    make_discussion(repo, guest)
    for part in ("files", "commits"):
        assert _browser(guest).get(f"{PULL}/{part}").status_code == 404


# --- marked ----------------------------------------------------------------------------------------------------------


def test_what_comes_from_a_pull_request_says_so_everywhere_t196(repo: Repo, guest: User, owner: User) -> None:
    found = _pull(repo, guest, notes__txt=b"Trust me\n")
    head = (get_sides(found) or ("", ""))[1]
    mark = f'<a href="{PULL}">pull request #1</a>'
    foreign = [f"{part}/{rev}" for part in ("tree", "blob", "commits") for rev in ("refs/pr/1", head)]
    paths = [f"{path}/notes.txt" if path.startswith("blob") else path for path in foreign]
    for path in (*paths, f"commit/{head}"):
        assert mark in _page(_browser(), f"{REPO}/{path}"), path
        answer = _browser().get(f"{REPO}/resolve/{head}/notes.txt")
        assert answer["X-Agora-Pull-Request"] == "1"
    for path in ("tree/main", "blob/main/notes.txt", "commits/main", ""):
        assert mark not in _page(_browser(), f"{REPO}/{path}".rstrip("/")), path
    _browser(owner).post(PULL, {"action": "merge"})
    assert mark not in _page(_browser(), f"{REPO}/blob/main/notes.txt")
