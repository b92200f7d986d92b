"""The gate of a repo in the browser: who asks, who decides, and what each sees meanwhile (T37, T39)."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.repos.enums import AccessState, Gating
from hub.repos.models import AccessRequest, Repo
from hub.repos.services.access import ask_access
from tests.factories.accounts import make_user
from tests.factories.repos import commit_files, make_repo

pytestmark = pytest.mark.django_db(transaction=True)

CARD = b"""---
extra_gated_heading: Who are you?
extra_gated_prompt: "You agree **not** to <script>alert(1)</script> sell it."
extra_gated_fields:
  Company <b>: text
  Country: country
  Birthday: date_picker
  Use:
    type: select
    options: [Research, {label: Other, value: other}]
  I agree: checkbox
---
# Model
"""
ANSWERS = {"Company <b>": "ACME", "Country": "Norway", "Birthday": "2001-02-03", "Use": "other", "I agree": "on"}
REPO = "/owner/gate"
PAGE = f"{REPO}/settings/access"
AS_PAGE = {"accept": "text/html"}


@pytest.fixture
def owner() -> User:
    return make_user("owner", password=None)


@pytest.fixture
def repo(owner: User) -> Repo:
    repo = make_repo(owner, "gate", files={"README.md": CARD, "a.txt": b"a\n"})
    Repo.objects.filter(pk=repo.pk).update(gated=Gating.MANUAL)
    return Repo.objects.select_related("namespace").get(pk=repo.pk)


def _browser(user: User | None) -> Client:
    client = Client(headers=AS_PAGE)
    if user is not None:
        client.force_login(user)
    return client


def _ask(client: Client) -> HttpResponse:
    return client.post(f"{REPO}/ask-access", urlencode(ANSWERS), content_type="application/x-www-form-urlencoded")


def _text(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, path
    return answer.content.decode()


def _state_at_gate(client: Client, path: str = REPO, status: int = 200) -> list[str]:
    return re.findall(r'id="gate"[^>]* data-state="(\w+)"', _text(client, path, status))


def test_a_visitor_finds_the_form_and_the_state_of_the_request(repo: Repo, owner: User) -> None:
    stranger, asker, admin = _browser(None), _browser(make_user("asker", password=None)), _browser(owner)
    assert _state_at_gate(stranger) == ["stranger"]
    assert "/accounts/login/?next=%2Fowner%2Fgate" in _text(stranger, REPO)
    assert (_state_at_gate(asker), _state_at_gate(admin)) == (["open"], [])

    sent = _ask(asker)
    assert (sent.status_code, AccessRequest.objects.get().answers["Country"]) == (303, "Norway")
    assert _state_at_gate(asker) == ["pending"]
    assert "ACME" in _text(asker, REPO)

    request = AccessRequest.objects.get()
    for state, reason in (("rejected", "Not you"), ("accepted", "")):
        decision = {"action": "decide", "request_id": request.object_id, "state": state, "rejection_reason": reason}
        assert admin.post(PAGE, decision).status_code == 302
        assert _state_at_gate(asker) == [state]
        assert ("Not you" in _text(asker, REPO)) == (state == "rejected")
    _text(asker, f"{REPO}/blob/main/a.txt")


def test_a_waiting_request_is_taken_back_from_the_page(repo: Repo) -> None:
    asker = _browser(make_user("asker", password=None))
    _ask(asker)
    back = asker.post("/api/models/owner/gate/user-access-request/cancel")
    assert (back.status_code, _state_at_gate(asker)) == (303, ["open"])
    again = asker.post("/api/models/owner/gate/user-access-request/cancel")
    assert again.status_code == 303
    assert "no request that waits" in _text(asker, REPO)


@pytest.mark.parametrize(("path", "tab"), [("/blob/main/a.txt", "Files"), ("/commit/{oid}", "History")])
def test_closed_files_lead_to_the_gate(repo: Repo, path: str, tab: str) -> None:
    path = path.format(oid=repo.head_oid)
    asker = _browser(make_user("asker", password=None))
    for client, state, status in ((_browser(None), "stranger", 401), (asker, "open", 403)):
        assert _state_at_gate(client, f"{REPO}{path}", status) == [state]
        assert re.search(rf'aria-current="page"[^>]*>(?:<[^>]*>|\s)*{tab}', _text(client, f"{REPO}{path}", status))


def test_folders_show_names_and_no_file_at_the_gate_t39(repo: Repo, owner: User) -> None:
    """Names, commits and branches are for everybody as by the API; a folder's README is a file like any other."""
    commit_files(repo, owner, {"docs/README.md": b"# Inner secret\n"})
    stranger, asker = _browser(None), _browser(make_user("asker", password=None))
    for client in (stranger, asker):
        for page in ("/tree/main", "/commits/main", "/refs"):
            _text(client, f"{REPO}{page}")
        assert "Inner secret" not in _text(client, f"{REPO}/tree/main/docs")
    assert "Inner secret" in _text(_browser(owner), f"{REPO}/tree/main/docs")


def test_the_form_is_drawn_from_the_card_and_holds_no_markup_of_it(repo: Repo) -> None:
    page = _text(_browser(make_user("asker", password=None)), REPO)
    assert "Who are you?" in page
    assert "<strong>not</strong>" in page
    assert "<script>alert" not in page
    assert "Company <b>" not in page
    kinds = {"Company &lt;b&gt;": "input", "Country": "select", "Birthday": "input", "Use": "select"}
    for label, tag in kinds.items():
        assert re.search(rf'<{tag} [^>]*name="{re.escape(label)}"', page), label
    assert '<option value="Norway">' in page
    assert re.search(r'type="date" name="Birthday"|name="Birthday"[^>]*type="date"', page)


def test_chinese_readers_choose_a_country_in_chinese_and_owners_read_it_in_english(repo: Repo) -> None:
    asker = _browser(make_user("asker", password=None))
    asker.cookies["language"] = "zh-hans"
    assert '<option value="Norway">挪威</option>' in _text(asker, REPO)


def test_administrators_decide_and_nobody_else_sees_who_asked_t39(repo: Repo, owner: User) -> None:
    """T39: requests, answers and addresses are for the repo's administrators."""
    asker, other = make_user("asker", password=None), make_user("other", password=None)
    ask_access(Viewer(user=asker), repo, ANSWERS)
    page = _text(_browser(owner), PAGE)
    for words in ("asker", "asker@", "ACME", "Norway"):
        assert words in page
    for client in (_browser(other), _browser(asker)):
        assert client.get(PAGE).status_code == 403
        request = AccessRequest.objects.get()
        taken = {"action": "decide", "request_id": request.object_id, "state": "accepted"}
        assert client.post(PAGE, taken).status_code == 403
    assert AccessRequest.objects.get().state == AccessState.PENDING
    assert _browser(None).get(PAGE).status_code == 302


def test_people_are_let_in_by_name(repo: Repo, owner: User) -> None:
    make_user("guest", password=None)
    admin = _browser(owner)
    granted = admin.post(PAGE, {"action": "grant", "user": " guest "})
    assert (granted.status_code, granted["Location"]) == (302, f"{PAGE}?state=accepted")
    assert AccessRequest.objects.get().state == AccessState.ACCEPTED
    for name, words in (
        ("guest", "guest has access already."),
        ("nobody", "This user or organization does not exist."),
    ):
        refused = admin.post(PAGE, {"action": "grant", "user": name})
        assert (refused.status_code, words in refused.content.decode()) == (422, True)


def test_requests_of_another_repo_and_senseless_decisions_change_nothing(repo: Repo, owner: User) -> None:
    asker = make_user("asker", password=None)
    elsewhere = make_repo(make_user("third", password=None), "else", files={"README.md": b"# x\n"})
    Repo.objects.filter(pk=elsewhere.pk).update(gated=Gating.MANUAL)
    elsewhere.refresh_from_db()
    ask_access(Viewer(user=asker), elsewhere, {})
    theirs = AccessRequest.objects.get()
    admin = _browser(owner)
    for state in ("accepted", "nonsense", ""):
        sent = admin.post(PAGE, {"action": "decide", "request_id": theirs.object_id, "state": state})
        assert sent.status_code == 302
    theirs.refresh_from_db()
    assert theirs.state == AccessState.PENDING


def test_without_a_gate_the_page_says_how_to_set_one_up(repo: Repo, owner: User) -> None:
    admin = _browser(owner)
    assert admin.post(f"{REPO}/settings", {"action": "gate", "gated": ""}).status_code == 302
    assert "/owner/gate/settings#gate" in _text(admin, PAGE)
    assert admin.post(PAGE, {"action": "grant", "user": "owner"}).status_code == 400
    assert admin.post(f"{REPO}/settings", {"action": "gate", "gated": "sometimes"}).status_code == 422
    assert admin.post(f"{REPO}/settings", {"action": "gate", "gated": "auto"}).status_code == 302
    repo.refresh_from_db()
    assert repo.gated == Gating.AUTO


def test_the_list_goes_on_and_asks_the_database_as_often(
    repo: Repo, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = _browser(owner)
    _text(admin, PAGE)  # what is asked once, and then remembered
    counts = []
    for number in range(3):
        ask_access(Viewer(user=make_user(f"asker{number}", password=None)), repo, ANSWERS)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            _text(admin, PAGE)
        counts.append(len(queries))
    assert counts[0] == counts[2]
    monkeypatch.setattr("hub.web.views.access._PAGE", 2)
    first = _text(admin, PAGE)
    assert ("asker0" in first, "asker2" in first) == (False, True)
    following = re.search(r"\?state=pending&amp;cursor=[^\"]+", first)
    assert following is not None
    assert "asker0" in _text(admin, PAGE + following[0].replace("&amp;", "&"))
