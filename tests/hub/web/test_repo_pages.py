"""The pages of a repo as a browser uses them: reading, editing, history, settings, and what strangers see."""

from __future__ import annotations

import html
import json
import re
import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.catalog.services import index_repo
from hub.core.ids import RepoType
from hub.repos.content import at_revision, get_file, list_commits, read_text
from hub.repos.models import DownloadDay, Repo
from hub.repos.services import refs
from hub.repos.services.commits import signature_of
from hub.repos.services.mirror import follow_refs
from hub.repos.services.repos import move_repo
from hub.storage.git import commits as git_commits
from hub.web.contexts.repos import download_trend
from hub.web.snippets import snippets_for, upload_commands
from tests.factories.accounts import PASSWORD, bearer, make_organization, make_token, make_user
from tests.factories.repos import commit_files, commit_large_file, make_repo

pytestmark = pytest.mark.django_db

CARD = b"""---
license: apache-2.0  # as the authors chose
language:
- en
pipeline_tag: text-classification
x-own: kept
---

# A model

## Use

Text.

## Limits

More text.

## Data

End.
"""


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def model(ada) -> Repo:
    repo = make_repo(ada, "tiny", files={"README.md": CARD, "notes/use.py": b'print("hi")\n'})
    index_repo(repo.pk)
    return repo


@pytest.fixture
def browser(ada, client) -> Client:
    client.force_login(ada)
    return client


def text_of(repo: Repo, path: str) -> str | None:
    repo.refresh_from_db()
    return read_text(at_revision(repo), path, 100_000)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_model_page_shows_card_facts_and_snippets(client, model):
    page = client.get(model.urls.page)
    text = words_of(page)
    assert page.status_code == 200
    assert "Limits" in text
    assert "Apache License 2.0" in text
    assert f"git clone {model.urls.git}" in text
    assert [item["label"] for item in page.context["toc"]] == ["Use", "Limits", "Data"]
    assert "Edit the card" not in text
    assert model.urls.settings not in page.content.decode()


def test_upload_commands_need_nothing_but_endpoint_and_token(model):
    commands = {snippet.id: snippet.code for snippet in upload_commands(model)}
    assert "HF_HUB_DISABLE_XET" not in "".join(commands.values())
    compile(commands["push-python"], "push-python", "exec")


def test_every_python_snippet_compiles(ada, model):
    dataset = make_repo(ada, repo_type=RepoType.DATASET, is_private=True)
    tasks = ("text-generation", "sentence-similarity", "image-classification", "fill-mask", "")
    for repo in (model, dataset):
        for task in tasks:
            for library in ("transformers", "sentence-transformers", "peft", "diffusers", ""):
                index = repo.index if hasattr(repo, "index") else None
                if index:
                    index.pipeline_tag, index.library_name = task, library
                    index.inspection = {"has_chat_template": task == "text-generation"}
                for snippet in snippets_for(repo, index, is_servable=True):
                    if snippet.language == "python":
                        compile(snippet.code, snippet.id, "exec")
                    assert snippet.html


def test_broken_front_matter_is_told_with_its_line(browser, ada, model):
    broken = [git_commits.AddBytes("README.md", b"---\nlicense: mit\ntags: [a\n---\n# Still readable\n")]
    git_commits.write_commit(
        model.git_path, "refs/heads/main", broken, message="Break", author=signature_of(Viewer(user=ada))
    )
    follow_refs(model.pk)
    page_html = browser.get(model.urls.page).content.decode()
    assert "cannot be read" in page_html
    assert re.search(r"README\.md, line \d", page_html)
    assert "Still readable" in page_html
    assert browser.get(reverse_of(model, "card_edit")).status_code == 302


def words_of(answer) -> str:
    """The page without its markup: code is full of spans."""
    return html.unescape(re.sub(r"<[^>]+>", "", answer.content.decode()))


def reverse_of(repo: Repo, route: str, **kwargs: str) -> str:
    return reverse(
        f"web:{route}", kwargs={"repo_type": repo.type, "namespace": repo.namespace.name, "name": repo.name, **kwargs}
    )


def test_empty_repo_says_how_to_fill_it_to_writers_only(browser, ada):
    repo = make_repo(ada, "blank")
    assert "hf upload ada/blank" in words_of(browser.get(repo.urls.page))
    stranger = words_of(Client().get(repo.urls.page))
    assert "hf upload" not in stranger
    assert "No files yet" in stranger


def test_disabled_repo_says_so(client, model):
    Repo.objects.filter(pk=model.pk).update(disabled_at=model.created_at, disabled_reason="Legal hold")
    page = client.get(model.urls.page)
    assert page.status_code == 403
    assert b"Legal hold" in page.content


def test_download_trend_has_thirty_days_oldest_first(model):
    from django.utils import timezone

    DownloadDay.objects.create(repo=model, day=timezone.now().date(), count=7)
    trend = download_trend(model)
    assert len(trend) == 30
    assert trend[-1] == 7
    assert sum(trend) == 7


def test_tree_costs_the_same_for_one_and_for_many_entries(client, ada):
    one = make_repo(ada, "one", files={"a.txt": b"1"})
    many = make_repo(ada, "many", files={f"f{number}.txt": b"1" for number in range(30)})
    counts = []
    for repo in (one, many):
        index_repo(repo.pk)
        client.get(repo.urls.tree("main"))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(repo.urls.tree("main")).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] < 20


def test_tree_names_last_commit_size_and_large_files(client, ada, model):
    commit_large_file(model, ada, "weights.bin", b"\0" * 5000)
    page_html = client.get(model.urls.tree("main")).content.decode()
    assert "LFS" in page_html
    assert "5\xa0kB" in page_html
    assert "Add weights.bin" in page_html
    assert client.get(f"{model.urls.page}/tree/nowhere").status_code == 404
    assert client.get(model.urls.tree("main", "notes/use.py")).status_code == 302


def test_tree_pages_a_large_folder(client, ada):
    repo = make_repo(ada, "wide", files={f"f{number:04}.txt": b"1" for number in range(1005)})
    page = client.get(repo.urls.tree("main"))
    assert len(page.context["rows"]) == 1000
    rest = client.get(page.context["next_href"])
    assert [row.name for row in rest.context["rows"]][-1] == "f1004.txt"
    assert len(rest.context["rows"]) == 6  # .gitattributes was on the first page


def test_t54_symlink_and_t87_hostile_names_are_shown_as_text(client, ada, model):
    hostile = 'a"><img src=x onerror=alert(1)>.txt'
    commit_files(model, ada, {hostile: b"x", "left\u202egnp.txt": b"x"})
    page_html = client.get(model.urls.tree("main")).content.decode()
    assert "<img src=x" not in page_html
    assert "U+202E" in page_html
    assert client.get(model.urls.blob("main", hostile)).status_code == 200


def test_page_in_revision_with_slashes(client, ada, model):
    refs.create_branch(model, actor=Viewer(user=ada), name="try/this")
    page = client.get(model.urls.blob("try/this", "notes/use.py"))
    assert page.status_code == 200
    assert page.context["snapshot"].revision == "try/this"


# --- strangers -------------------------------------------------------------------------------------------------------

_ROUTES = [
    ("repo", {}), ("tree_default", {}), ("tree", {"rest": "main"}), ("blob", {"rest": "main/README.md"}),
    ("edit", {"rest": "main/README.md"}), ("new_file", {"rest": "main"}), ("delete_file", {"rest": "main/README.md"}),
    ("card_edit", {}), ("commits_default", {}), ("commits", {"rest": "main"}), ("commit", {"oid": "0" * 40}),
    ("refs", {}),
]  # fmt: skip


@pytest.mark.parametrize("is_signed_in", [False, True])
@pytest.mark.parametrize(("route", "kwargs"), _ROUTES)
def test_t28_hidden_and_missing_give_the_same_page(ada, client, route, kwargs, is_signed_in):
    if is_signed_in:
        client.force_login(make_user("stranger"))
    hidden = make_repo(ada, "secret", is_private=True, files={"README.md": CARD})
    missing = Repo(namespace=hidden.namespace, repo_type="model", name="absent")
    answers = []
    for repo in (hidden, missing):
        answer = client.get(reverse_of(repo, route, **kwargs))
        assert answer.status_code == 404
        # Alike but for what no two answers share: the CSRF token and the request's id.
        body = re.sub(rb'name="csrf[^>]*>|content="[A-Za-z0-9]{64}"|<code>[0-9a-f]{32}</code>', b"", answer.content)
        answers.append(body.replace(repo.name.encode(), b"NAME"))
    assert answers[0] == answers[1]


def test_members_of_the_organization_see_what_strangers_do_not(client):
    member = make_user()
    lab = make_organization("lab", admin=member)
    repo = make_repo(member, "inner", namespace=lab.name, is_private=True)
    assert client.get(repo.urls.page).status_code == 404
    client.force_login(member)
    assert client.get(repo.urls.page).status_code == 200


def test_readers_open_no_settings_and_editors_only_to_propose(client, model):
    client.force_login(make_user())
    for url in (model.urls.edit("main", "README.md"), reverse_of(model, "card_edit")):
        assert "Your change becomes a pull request" in client.get(url).content.decode()
    assert client.get(model.urls.settings).status_code == 403
    assert client.post(reverse_of(model, "refs"), {"action": "delete_branch", "name": "main"}).status_code == 403


def test_moved_repo_answers_307_with_the_rest_of_the_address(client, ada, model):
    old = model.urls.tree("main", "notes")
    move_repo(Viewer(user=ada), model, to_namespace="ada", to_name="renamed")
    answer = client.get(f"{old}?cursor=")
    assert answer.status_code == 307
    assert answer["Location"] == "/ada/renamed/tree/main/notes?cursor="


def test_gated_files_are_closed_and_the_card_is_open(client, model):
    Repo.objects.filter(pk=model.pk).update(gated="manual")
    assert client.get(model.urls.page).status_code == 200
    assert client.get(model.urls.blob("main", "notes/use.py")).status_code == 401


# --- likes -----------------------------------------------------------------------------------------------------------


def test_like_works_without_script_and_by_htmx(browser, model):
    url = reverse_of(model, "like")
    assert browser.post(url)["Location"] == model.urls.page
    model.refresh_from_db()
    assert model.likes == 1
    answer = browser.post(url, headers={"HX-Request": "true"})
    assert b'aria-pressed="false"' in answer.content
    assert Client().post(url)["Location"].startswith("/accounts/login")


# --- editing ---------------------------------------------------------------------------------------------------------


def test_edit_commits_with_the_message(browser, model):
    url = model.urls.edit("main", "notes/use.py")
    opened = browser.get(url).context["form"]
    sent = {
        "path": "notes/use.py",
        "content": "a\r\nb",
        "message": "Say more",
        "base_oid": opened["base_oid"].value(),
    }
    assert browser.post(url, sent)["Location"] == model.urls.blob("main", "notes/use.py")
    assert text_of(model, "notes/use.py") == "a\nb"
    assert list_commits(at_revision(model))[0].title == "Say more"


def test_edit_of_a_file_with_crlf_keeps_it(browser, ada, model):
    commit_files(model, ada, {"dos.txt": b"a\r\nb\r\n"})
    url = model.urls.edit("main", "dos.txt")
    form = browser.get(url).context["form"]
    sent = {"path": "dos.txt", "content": "a\r\nc\r\n", "crlf": "1", "base_oid": form["base_oid"].value()}
    browser.post(url, sent)
    model.refresh_from_db()
    snapshot = at_revision(model)
    assert get_file(snapshot, "dos.txt").size == 6


def test_conflict_answers_412_and_keeps_the_text(browser, ada, model):
    url = model.urls.edit("main", "notes/use.py")
    oid = browser.get(url).context["form"]["base_oid"].value()
    commit_files(model, ada, {"notes/use.py": b"theirs\n"})
    sent = {"path": "notes/use.py", "content": "mine", "base_oid": oid}
    answer = browser.post(url, sent)
    page_html = answer.content.decode()
    assert answer.status_code == 412
    assert "mine" in page_html
    assert "ada saved this file" in page_html
    assert text_of(model, "notes/use.py") == "theirs\n"
    again = {**sent, "base_oid": answer.context["form"]["base_oid"].value()}
    assert browser.post(url, again).status_code == 302
    assert text_of(model, "notes/use.py") == "mine"


def test_change_of_another_file_is_no_conflict(browser, ada, model):
    url = model.urls.edit("main", "notes/use.py")
    oid = browser.get(url).context["form"]["base_oid"].value()
    commit_files(model, ada, {"other.txt": b"x"})
    assert browser.post(url, {"path": "notes/use.py", "content": "n", "base_oid": oid}).status_code == 302


def test_new_file_and_rename_and_delete(browser, model):
    new = reverse_of(model, "new_file", rest="main/notes")
    assert browser.get(new).context["form"]["path"].value() == "notes/"
    assert browser.post(new, {"path": "notes/new.md", "content": "# Hi", "base_oid": ""}).status_code == 302
    taken = browser.post(new, {"path": "notes/use.py", "content": "x", "base_oid": ""})
    assert taken.status_code == 412
    bad = browser.post(new, {"path": "../etc/passwd", "content": "x", "base_oid": ""})
    assert bad.status_code == 422
    url = model.urls.edit("main", "notes/new.md")
    oid = browser.get(url).context["form"]["base_oid"].value()
    browser.post(url, {"path": "moved.md", "content": "# Hi", "base_oid": oid})
    assert text_of(model, "moved.md") == "# Hi"
    assert text_of(model, "notes/new.md") is None
    browser.post(reverse_of(model, "delete_file", rest="main/moved.md"), {"message": ""})
    assert text_of(model, "moved.md") is None


def test_what_cannot_be_edited_is_refused(browser, ada, model):
    commit_large_file(model, ada, "weights.bin", b"\0" * 5000)
    assert browser.get(model.urls.edit("main", "weights.bin")).status_code == 422
    assert browser.get(model.urls.edit(model.head_oid, "notes/use.py")).status_code == 403


def test_card_form_changes_fields_and_nothing_else(browser, model):
    url = reverse_of(model, "card_edit")
    form = browser.get(url).context["form"]
    sent = {name: form[name].value() or "" for name in form.fields}
    sent = {name: ", ".join(value) if isinstance(value, list) else value for name, value in sent.items()}
    sent |= {"language": "en, zh", "tags": "small", "body": "# New\n\nBody."}
    assert browser.post(url, sent)["Location"] == model.urls.page
    text = text_of(model, "README.md") or ""
    assert "license: apache-2.0  # as the authors chose" in text
    assert "x-own: kept" in text
    assert "- zh" in text
    assert text.endswith("\n# New\n\nBody.\n")


def test_card_form_saved_unchanged_commits_nothing_new(browser, model):
    url = reverse_of(model, "card_edit")
    form = browser.get(url).context["form"]
    sent = {name: form[name].value() or "" for name in form.fields}
    sent = {name: ", ".join(value) if isinstance(value, list) else value for name, value in sent.items()}
    browser.post(url, sent)
    assert text_of(model, "README.md") == CARD.decode()


def test_markdown_preview_is_sanitised_and_for_writers(browser, model):
    url = reverse_of(model, "markdown_preview")
    page_html = browser.post(url, {"body": "**hi** <script>alert(1)</script>"}).content.decode()
    assert "<strong>hi</strong>" in page_html
    assert "<script" not in page_html
    assert Client().post(url, {"body": "x"}).status_code == 401


# --- history ---------------------------------------------------------------------------------------------------------


def test_commits_can_be_filtered_by_path(client, ada, model):
    commit_files(model, ada, {"other.txt": b"x"})
    assert client.get(model.urls.commits("main")).context["total"] == 3
    days = client.get(model.urls.commits("main", "other.txt")).context["days"]
    assert sum(len(entries) for _day, entries in days) == 1


def test_commit_page_shows_signs_and_sizes(client, ada, model):
    commit_files(model, ada, {"notes/use.py": b'print("ho")\n'})
    model.refresh_from_db()
    page_html = client.get(model.urls.commit(model.head_oid)).content.decode()
    assert re.search(r'diff__sign">−</td><td class="diff__text">print\(&quot;hi&quot;\)', page_html)
    assert re.search(r'diff__sign">\+</td><td class="diff__text">print\(&quot;ho&quot;\)', page_html)
    commit_large_file(model, ada, "weights.bin", b"\0" * 5000)
    model.refresh_from_db()
    assert "Large file: 5\xa0kB" in client.get(model.urls.commit(model.head_oid)).content.decode()
    assert client.get(model.urls.commit(model.head_oid[:8]))["Location"] == model.urls.commit(model.head_oid)


def test_branches_and_tags_are_made_and_deleted(browser, model):
    url = reverse_of(model, "refs")
    browser.post(url, {"action": "create_branch", "branch-name": "dev", "branch-start": "main"})
    browser.post(url, {"action": "create_tag", "tag-name": "v1", "tag-start": "dev", "tag-message": ""})
    page = browser.get(url)
    assert [row["name"] for row in page.context["branches"]] == ["dev", "main"]
    assert [row["name"] for row in page.context["tags"]] == ["v1"]
    bad = browser.post(url, {"action": "create_branch", "branch-name": "a..b", "branch-start": ""})
    assert bad.status_code == 422
    browser.post(url, {"action": "delete_branch", "name": "dev"})
    browser.post(url, {"action": "delete_branch", "name": "main"})
    assert [row["name"] for row in browser.get(url).context["branches"]] == ["main"]


# --- new repo and settings -------------------------------------------------------------------------------------------


def test_new_repo_gets_a_card_and_leads_to_the_upload(browser):
    sent = {
        "repo_type": "model",
        "namespace": "ada",
        "name": "fresh",
        "visibility": "private",
        "summary": "Small.",
        "license": "mit",
        "task": "fill-mask",
        "base_model": "",
    }
    answer = browser.post(reverse("web:repo_new"), sent)
    repo = Repo.objects.get(name="fresh")
    assert answer["Location"] == repo.urls.upload_to("main")
    assert repo.is_private
    card = text_of(repo, "README.md") or ""
    assert "license: mit" in card
    assert "pipeline_tag: fill-mask" in card
    assert "Small." in card
    again = browser.post(reverse("web:repo_new"), sent)
    assert again.status_code == 422
    assert "name" in again.context["form"].errors
    assert Client().get(reverse("web:repo_new")).status_code == 302


def test_new_repo_refuses_a_foreign_owner_and_a_bad_name(browser):
    make_organization("other")
    sent = {"repo_type": "dataset", "namespace": "other", "name": "x", "visibility": "public"}
    assert "namespace" in browser.post(reverse("web:repo_new"), sent).context["form"].errors
    sent |= {"namespace": "ada", "name": "a--b"}
    assert "name" in browser.post(reverse("web:repo_new"), sent).context["form"].errors


def test_settings_change_visibility_and_address(browser, model):
    browser.post(model.urls.settings, {"action": "visibility", "visibility": "private"})
    model.refresh_from_db()
    assert model.is_private
    answer = browser.post(model.urls.settings, {"action": "move", "namespace": "ada", "name": "other-name"})
    assert answer["Location"] == "/ada/other-name/settings"
    taken = make_repo(User.objects.get(username="ada"), "taken")
    clash = browser.post("/ada/other-name/settings", {"action": "move", "namespace": "ada", "name": taken.name})
    assert clash.status_code == 422
    assert "name" in clash.context["move_form"].errors


def test_delete_asks_for_the_name_and_for_the_person(client, ada, model):
    url = reverse_of(model, "repo_delete")
    client.post(reverse("account_login"), {"login": "ada", "password": PASSWORD})
    session = client.session
    session["signed_in_at"] = int(time.time()) - 3600
    session.save()
    assert client.post(url, {"name": model.repo_id})["Location"].startswith("/accounts/reauthenticate")
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert client.post(url, {"name": "tiny"}).status_code == 422
    assert client.post(url, {"name": model.repo_id}).status_code == 302
    model.refresh_from_db()
    assert model.deleted_at is not None
    assert client.get(model.urls.page).status_code == 404


# --- the site --------------------------------------------------------------------------------------------------------


def test_theme_is_remembered_and_goes_back_to_this_site_only(client):
    answer = client.post(reverse("web:set_theme"), {"theme": "dark", "next": "/models?sort=new"})
    assert answer["Location"] == "/models?sort=new"
    assert answer.cookies["theme"].value == "dark"
    for elsewhere in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        assert client.post(reverse("web:set_theme"), {"theme": "x", "next": elsewhere})["Location"] == "/"


def test_robots_icon_and_style_guide(client, settings):
    assert b"Disallow: /api/" in client.get("/robots.txt").content
    assert client.get("/favicon.ico")["Location"].endswith("favicon.svg")
    assert client.get(reverse("web:styleguide")).status_code == 404
    settings.DEBUG = True
    assert client.get(reverse("web:styleguide")).status_code == 200


def test_opening_hiding_moving_and_deleting_ask_for_a_fresh_sign_in_t13(client: Client) -> None:
    """By page and by API; an access token says with its scopes what it may do."""
    ada = make_user("ada")
    repo = make_repo(ada, "vault", is_private=True)
    page, api = repo.urls.settings, f"{repo.urls.api}/settings"
    to = {"fromRepo": "ada/vault", "toRepo": "ada/safe", "type": "model"}
    acts = [("PUT", api, {"private": False}), ("PUT", api, {"visibility": "public"})]
    acts += [("POST", "/api/repos/move", to), ("DELETE", "/api/repos/delete", {"name": "vault"})]
    client.force_login(ada)
    session = client.session
    session["signed_in_at"] = int(time.time()) - 15 * 60 - 1
    session.save()
    for path, data in (
        (page, {"action": "visibility", "visibility": "public"}),
        (page, {"action": "move", "namespace": "ada", "name": "safe"}),
        (f"{page}/delete", {"name": "ada/vault"}),
    ):
        answer = client.post(path, data)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("account_reauthenticate"))
    for method, path, body in acts:
        answer = client.generic(method, path, json.dumps(body), content_type="application/json")
        assert (answer.status_code, answer.headers.get("X-Error-Code")) == (403, "reauth_required"), path
    assert client.put(api, {"discussionsDisabled": True}, content_type="application/json").status_code == 200
    repo.refresh_from_db()
    assert (repo.is_private, repo.name, repo.deleted_at) == (True, "vault", None)

    assert client.post(reverse("account_reauthenticate"), {"password": PASSWORD}).status_code == 302
    for method, path, body in acts[:3]:
        assert client.generic(method, path, json.dumps(body), content_type="application/json").status_code == 200
    gone = Client().delete(
        "/api/repos/delete", {"name": "safe"}, content_type="application/json", **bearer(make_token(ada)[1])
    )
    assert gone.status_code == 200
