"""whoami, overviews, members, leaked credentials: T09, T24, T26, T27, T32, T34, T36."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from hub.accounts.enums import Role, TokenRole
from hub.repos.models import Repo
from tests.factories.accounts import bearer, make_organization, make_token, make_user

pytestmark = pytest.mark.django_db


def test_whoami_names_person_organizations_and_token(client):
    user = make_user("ann", full_name="Ann B", password=None)
    organization = make_organization("acme", members={user: Role.WRITE}, full_name="Acme Ltd")
    token, secret = make_token(user, TokenRole.WRITE, name="laptop")
    body = client.get("/api/whoami-v2", **bearer(secret)).json()
    assert (body["type"], body["id"], body["name"], body["fullname"]) == ("user", user.object_id, "ann", "Ann B")
    assert (body["email"], body["emailVerified"]) == ("ann@example.org", True)
    [org] = body["orgs"]
    assert (org["name"], org["fullname"], org["roleInOrg"], org["id"]) == (
        "acme",
        "Acme Ltd",
        "write",
        organization.object_id,
    )
    assert body["auth"] == {
        "type": "access_token",
        "accessToken": {"displayName": "laptop", "role": "write", "createdAt": token.created_at.isoformat()},
    }


def test_whoami_of_narrow_tokens_hides_the_address_t24_t34(client):
    user = make_user("ann", password=None)
    for role, grants in [(TokenRole.INFERENCE, None), (TokenRole.FINE_GRAINED, {"global": ["repo.write"]})]:
        _token, secret = make_token(user, role, grants=grants)
        body = client.get("/api/whoami-v2", **bearer(secret)).json()
        assert "email" not in body
        assert body["auth"]["accessToken"]["role"] == "fineGrained"


def test_whoami_without_or_with_a_bad_token_is_401_t27(client):
    assert client.get("/api/whoami-v2").status_code == 401
    response = client.get("/api/whoami-v2", **bearer("hf_wrong"))
    assert response.status_code == 401
    assert response.headers["X-Error-Message"] == "Invalid credentials in Authorization header"


def test_overviews_count_what_the_viewer_sees_t36(client):
    user = make_user("ann", password=None)
    Repo.objects.create(namespace=user.namespace, repo_type="model", name="open")
    Repo.objects.create(namespace=user.namespace, repo_type="model", name="hidden", visibility="private")
    _token, secret = make_token(user)
    assert client.get("/api/users/ANN/overview").json()["numModels"] == 1
    own = client.get("/api/users/ann/overview", **bearer(secret)).json()
    assert own["numModels"] == 2
    assert not {"email", "is_staff", "last_login"} & set(own)
    make_organization("acme")
    assert client.get("/api/organizations/acme/overview").json()["numUsers"] == 1
    assert client.get("/api/organizations/ann/overview").status_code == 404
    assert client.get("/api/users/acme/overview").status_code == 404


def test_members_are_paged_and_show_roles_to_admins_only(client):
    admin, member = make_user("ann", password=None), make_user("bob", password=None)
    make_organization("acme", admin=admin, members={member: Role.READ})
    first = client.get("/api/organizations/acme/members?limit=1")
    assert [row["user"] for row in first.json()] == ["ann"]
    assert "role" not in first.json()[0]
    link = first.headers["Link"]
    assert link.endswith('>; rel="next"')
    path = link[1 : link.index(">")].split("/", 3)[3]
    second = client.get("/" + path)
    assert [row["user"] for row in second.json()] == ["bob"]
    assert "Link" not in second.headers
    _token, secret = make_token(admin)
    rows = client.get("/api/organizations/acme/members", **bearer(secret)).json()
    assert [row["role"] for row in rows] == ["admin", "read"]
    assert client.get("/api/organizations/acme/members?limit=x").status_code == 400


def test_role_route_asks_for_admin_and_scope_t32():
    admin, member = make_user("ann", password=None), make_user("bob", password=None)
    organization = make_organization("acme", admin=admin, members={member: Role.WRITE})
    path = "/api/organizations/acme/members/bob/role"

    def put(secret: str, role: str) -> int:
        body = json.dumps({"role": role})
        return Client().put(path, body, content_type="application/json", **bearer(secret)).status_code

    assert put(make_token(member)[1], "admin") == 403
    assert put(make_token(admin, TokenRole.READ)[1], "read") == 403
    assert organization.memberships.get(user=member).role == Role.WRITE
    secret = make_token(admin)[1]
    assert put(secret, "nonsense") == 400
    assert put(secret, "read") == 200
    assert organization.memberships.get(user=member).role == Role.READ
    assert put(secret, "no_access") == 200
    assert not organization.memberships.filter(user=member).exists()


def test_role_route_by_cookie_needs_the_csrf_token_t09():
    admin = make_user("ann")
    organization = make_organization("acme", admin=admin, members={make_user("bob", password=None): Role.READ})
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    response = browser.put(
        "/api/organizations/acme/members/bob/role", '{"role": "admin"}', content_type="application/json"
    )
    assert response.status_code == 403
    assert organization.memberships.filter(role=Role.ADMIN).count() == 1


def test_leaked_credentials_always_get_the_same_answer_t26(client):
    token, secret = make_token(make_user(password=None))
    bodies = [
        json.dumps({"credentials": [secret, "x", 5]}),
        json.dumps({"credentials": ["hf_unknown"]}),
        json.dumps({"credentials": "x"}),
        "not json",
        "[]",
        "x" * 3_000_000,
    ]
    answers = [client.post("/api/credentials/revoke", body, content_type="application/json") for body in bodies]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"")}
    token.refresh_from_db()
    assert (token.is_live(), token.revoked_reason) == (False, "leaked")


def test_leaked_credentials_are_limited_without_saying_so_t26(client):
    _token, secret = make_token(make_user(password=None))
    for _ in range(60):
        client.post("/api/credentials/revoke", "{}", content_type="application/json")
    body = json.dumps({"credentials": [secret]})
    assert client.post("/api/credentials/revoke", body, content_type="application/json").status_code == 202
    assert client.get("/api/whoami-v2", **bearer(secret)).status_code == 200


def test_followers_and_avatars(client):
    make_user("ann", password=None)
    assert client.get("/api/users/ann/followers").json() == []
    assert client.get("/api/users/nobody-here/followers").status_code == 404
    assert client.get("/api/users/ann/avatar").json()["avatarUrl"].endswith("mark.svg")
    assert client.get("/api/users/ann/avatar?redirect=true").status_code == 302
    assert client.get("/api/avatars/ann").status_code == 302
