"""Gated repos over HTTP: ask, decide, and what opens when (T37, T39)."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from hub.accounts.enums import Role
from hub.repos.enums import Gating
from hub.repos.models import AccessRequest, Repo
from tests.factories.accounts import bearer, make_organization, make_token, make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)

CARD = b"""---
extra_gated_heading: Tell us who you are
extra_gated_fields:
  Company: text
  Birthday: date_picker
  Use:
    type: select
    options: [Research, {label: Other, value: other}]
  I agree: checkbox
---
# Model
"""
ANSWERS = {"Company": "ACME", "Birthday": "2001-02-03", "Use": "other", "I agree": True}


class World:
    def __init__(self, gated: str = Gating.MANUAL, files: dict[str, bytes] | None = None) -> None:
        self.owner, self.user = make_user("owner", password=None), make_user("asker", password=None)
        self.repo = make_repo(self.owner, "gate", files={"README.md": b"# Model\n", **(files or {})})
        Repo.objects.filter(pk=self.repo.pk).update(gated=gated)
        self.client = Client()
        self.tokens = {name: make_token(user)[1] for name, user in (("owner", self.owner), ("asker", self.user))}
        self.api = "/api/models/owner/gate/user-access-request"

    def send(self, method: str, path: str, who: str, body: dict | None = None, **headers: str):
        given = bearer(self.tokens[who]) if who in self.tokens else bearer(who) if who else {}
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return self.client.generic(method, path, **data, **given, **headers)

    def ask(self, who: str = "asker", body: dict | None = None):
        return self.send("POST", "/owner/gate/ask-access", who, body or {})

    def decide(self, status: str, **body: str):
        return self.send("POST", f"{self.api}/handle", "owner", {"user": "asker", "status": status, **body})

    def names(self, state: str) -> list[str]:
        return [item["user"]["user"] for item in self.send("GET", f"{self.api}/{state}", "owner").json()]

    def may_read(self) -> bool:
        answer = self.send("GET", "/owner/gate/resolve/main/README.md", "asker")
        assert answer.status_code in (200, 302, 403)
        return answer.status_code != 403


def test_manual_approval_opens_and_closes_at_once_t37():
    world = World()
    assert not world.may_read()
    assert world.ask().status_code == 303
    assert world.ask().headers["Location"] == "http://testserver/owner/gate"
    assert (world.names("pending"), world.may_read()) == (["asker"], False)

    assert world.decide("accepted").status_code == 200
    assert (world.names("accepted"), world.names("pending"), world.may_read()) == (["asker"], [], True)

    assert world.decide("rejected", rejectionReason="Not now").status_code == 200
    assert (world.names("rejected"), world.may_read()) == (["asker"], False)

    assert world.decide("pending").status_code == 200
    assert (world.names("pending"), world.may_read()) == (["asker"], False)


def test_automatic_approval_opens_when_asked():
    world = World(Gating.AUTO)
    assert not world.may_read()
    assert world.ask().status_code == 303
    assert world.may_read()


def test_who_was_rejected_cannot_ask_past_it_t39():
    world = World()
    world.ask()
    world.decide("rejected")
    Repo.objects.update(gated=Gating.AUTO)

    assert world.ask().status_code == 403
    assert world.send("POST", f"{world.api}/cancel", "asker").status_code == 404
    assert (world.names("rejected"), world.may_read()) == (["asker"], False)


def test_a_waiting_request_is_taken_back():
    world = World()
    world.ask()
    assert world.send("POST", f"{world.api}/cancel", "asker").status_code == 200
    assert world.names("pending") == []
    assert world.send("POST", f"{world.api}/cancel", "asker").status_code == 404


def test_the_card_asks_and_only_its_questions_are_kept_t34():
    world = World(files={"README.md": CARD})
    for missing in ANSWERS:
        wrong = {key: value for key, value in ANSWERS.items() if key != missing}
        assert world.ask(body=wrong).status_code == 400, missing
    for wrong in ({"Use": "War"}, {"Birthday": "soon"}, {"I agree": False}, {"Company": "x" * 3000}):
        assert world.ask(body={**ANSWERS, **wrong}).status_code == 400, wrong
    assert AccessRequest.objects.count() == 0

    assert world.ask(body={**ANSWERS, "state": "accepted", "user": "owner"}).status_code == 303
    item = world.send("GET", f"{world.api}/pending", "owner").json()[0]
    assert item["fields"] == ANSWERS
    assert (item["status"], item["user"]["email"]) == ("pending", "asker@example.org")


def test_a_form_asks_as_json_does():
    world = World(files={"README.md": CARD})
    answer = world.client.post("/owner/gate/ask-access", {**ANSWERS, "I agree": "on"}, **bearer(world.tokens["asker"]))
    assert answer.status_code == 400  # multipart: a gate takes no files
    form = "Company=ACME&Birthday=2001-02-03&Use=Research&I%20agree=on"
    answer = world.client.post(
        "/owner/gate/ask-access",
        form,
        content_type="application/x-www-form-urlencoded",
        **bearer(world.tokens["asker"]),
    )
    assert answer.status_code == 303
    assert AccessRequest.objects.get().answers == {**ANSWERS, "Use": "Research"}


def test_a_session_needs_the_pages_token_t09():
    world = World()
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.user)
    assert client.post("/owner/gate/ask-access", {}, content_type="application/json").status_code == 403
    assert AccessRequest.objects.count() == 0


def test_granted_people_share_no_address():
    world = World()
    granted = world.send("POST", f"{world.api}/grant", "owner", {"user": "Asker"})
    assert (granted.status_code, granted.json()) == (200, {})
    item = world.send("GET", f"{world.api}/accepted", "owner").json()[0]
    assert "email" not in item["user"]
    assert item["grantedBy"]["user"] == "owner"
    assert world.may_read()
    assert world.send("POST", f"{world.api}/grant", "owner", {"user": "asker"}).status_code == 409


def test_refusals():
    world = World()
    assert world.send("POST", f"{world.api}/grant", "owner", {"user": "nobody"}).status_code == 404
    assert world.decide("accepted").status_code == 404
    world.ask()
    assert world.decide("pending").status_code == 404
    assert world.decide("maybe").status_code == 400
    assert world.decide("accepted", rejectionReason="x").status_code == 400
    assert world.send("GET", f"{world.api}/maybe", "owner").status_code == 400
    assert world.names("pending") == ["asker"]
    Repo.objects.update(gated=Gating.OFF)
    assert world.ask().status_code == 400
    assert world.decide("accepted").status_code == 400
    assert world.send("GET", f"{world.api}/pending", "owner").status_code == 400


def test_only_admins_see_and_decide_t39():
    world = World()
    world.ask()
    writer = make_user("writer", password=None)
    make_organization("acme", admin=world.owner, members={writer: Role.WRITE})
    Repo.objects.update(namespace=world.owner.organizations.get().namespace)
    world.api = "/api/models/acme/gate/user-access-request"
    for who, status in (("", 401), ("asker", 403), (make_token(writer)[1], 403), ("owner", 200)):
        assert world.send("GET", f"{world.api}/pending", who).status_code == status
        assert world.send("GET", "/acme/gate/user-access-report", who).status_code == status
        body = {"user": "asker", "status": "accepted"}
        assert world.send("POST", f"{world.api}/handle", who, body).status_code == status


def test_requests_are_found_through_their_repo_t33():
    world = World()
    world.ask()
    other = make_repo(world.user, "mine")
    Repo.objects.filter(pk=other.pk).update(gated=Gating.MANUAL)
    request = AccessRequest.objects.get()
    body = {"requestId": request.object_id, "status": "accepted"}

    foreign = "/api/models/asker/mine/user-access-request/handle"
    assert world.send("POST", foreign, "asker", body).status_code == 404
    assert not world.may_read()
    assert world.send("POST", f"{world.api}/handle", "owner", body).status_code == 200
    assert world.may_read()


def test_a_grant_opens_no_more_than_the_token_t24():
    world = World()
    world.send("POST", f"{world.api}/grant", "owner", {"user": "asker"})
    world.tokens["asker"] = make_token(world.user, "inference")[1]
    assert not world.may_read()
    scoped = {"scoped": [{"entity": {"type": "model", "name": "asker/x"}, "permissions": ["repo.content.read"]}]}
    world.tokens["asker"] = make_token(world.user, "fineGrained", grants=scoped)[1]
    assert not world.may_read()


def test_a_batch_says_what_became_of_each():
    world = World()
    world.ask()
    body = {"status": "accepted", "requests": [{"user": "asker"}, {"user": "nobody"}, {"userId": "0" * 24}]}
    outcomes = world.send("POST", f"{world.api}/batch", "owner", body).json()
    assert [outcome["success"] for outcome in outcomes] == [True, False, False]
    assert world.names("accepted") == ["asker"]
    assert world.send("POST", f"{world.api}/batch", "owner", {**body, "requests": [{}] * 101}).status_code == 413


def test_the_report_holds_all_and_no_formulas():
    world = World(files={"README.md": CARD})
    world.ask(body={**ANSWERS, "Company": "=1+1"})
    report = world.send("GET", "/owner/gate/user-access-report", "owner")
    assert report["Content-Type"] == "text/csv; charset=utf-8"
    head, row = report.content.decode().strip().split("\r\n")
    facts = "user,fullname,email,status,asked,decided,decidedBy,rejectionReason,expires"
    assert head == f"{facts},Company,Birthday,Use,I agree"
    assert row.startswith("asker,asker,asker@example.org,pending,")
    assert row.endswith(",,,,,'=1+1,2001-02-03,other,yes")
    as_json = world.send("GET", "/owner/gate/user-access-report?format=json", "owner").json()
    assert [item["user"]["user"] for item in as_json] == ["asker"]


def test_lists_are_paged_with_constant_queries(django_assert_num_queries):
    world = World()
    for number in range(3):
        user = make_user(f"asker-{number}", password=None)
        world.send("POST", f"{world.api}/grant", "owner", {"user": user.username})
        if number in (0, 2):
            with django_assert_num_queries(4):
                found = world.names("accepted")
            assert found == [f"asker-{n}" for n in range(number, -1, -1)]

    first = world.send("GET", f"{world.api}/accepted?limit=2", "owner")
    link = first.headers["Link"].split(">")[0].strip("<").removeprefix("http://testserver")
    rest = world.send("GET", link, "owner")
    shown = [item["user"]["user"] for answer in (first, rest) for item in answer.json()]
    assert shown == ["asker-2", "asker-1", "asker-0"]
    assert "Link" not in rest.headers
