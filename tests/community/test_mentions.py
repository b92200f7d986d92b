"""Names in comments: who is called, what is linked, and that a link never tells of what is hidden (T94)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from community.mentions import link_mentions, mentioned_users
from hub.accounts.auth import ANONYMOUS, Viewer
from hub.core.ids import RepoType
from hub.core.markdown import render_markdown
from hub.repos.models import Repo
from tests.factories.accounts import make_organization, make_user
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


@pytest.fixture
def repo() -> Repo:
    return make_repo(make_user("ada"), "atlas")


def _linked(repo: Repo, text: str, viewer: Viewer = ANONYMOUS) -> str:
    return link_mentions(viewer, repo, [render_markdown(text).html])[0].strip()


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("@ada and @GRACE, please", ["ada", "grace"]),
        ("@grace then @ada then @grace", ["grace", "ada"]),
        ("(@ada) **@grace**: hello", ["ada", "grace"]),
        ("请@ada看看", ["ada"]),
        ("ends with @ada.", ["ada"]),
        ("mail ada@ada.example, x@grace", []),
        ("`@ada` and\n\n```\n@grace\n```", []),
        ("[@ada](https://x.example/)", []),
        ("> @ada said so\n\n@grace", ["grace"]),
        ("@adalbert @nobody @ada_ @left @ada--", ["ada"]),
        ("<b>@ada</b> &#64;grace", ["ada", "grace"]),
        ("", []),
    ],
)
def test_people_are_called_where_their_name_is_read_as_text(text: str, called: list[str]) -> None:
    make_user("ada"), make_user("grace")
    left = make_user("left")
    left.is_active = False
    left.save()
    make_organization("orchard", admin=left)
    assert [user.username for user in mentioned_users(text)] == called


def test_the_first_twenty_names_are_called() -> None:
    zoe = make_user("zoe")
    names = [f"@nobody{number}" for number in range(20)]
    assert mentioned_users(" ".join([*names, "@zoe"])) == []
    assert mentioned_users(" ".join([*names[1:], "@zoe"])) == [zoe]


def test_existing_accounts_are_linked_and_others_stay_text_t94(repo: Repo) -> None:
    make_organization("orchard", admin=repo.created_by)
    assert _linked(repo, "@Ada @orchard @nobody") == (
        '<p><a class="mention" href="/ada">@Ada</a> <a class="mention" href="/orchard">@orchard</a> @nobody</p>'
    )
    assert _linked(repo, "`@ada`") == "<p><code>@ada</code></p>"


def test_hidden_repos_and_missing_ones_read_the_same_t94(repo: Repo) -> None:
    make_repo(repo.created_by, "plans", is_private=True)
    make_repo(repo.created_by, "rows", repo_type=RepoType.DATASET)
    text = "ada/atlas, ada/plans and/or ada/missing; datasets/ada/rows. ada/plans#1"
    shown = (
        '<p><a class="reference" href="/ada/atlas">ada/atlas</a>, ada/plans and/or ada/missing; '
        '<a class="reference" href="/datasets/ada/rows">datasets/ada/rows</a>. ada/plans#1</p>'
    )
    assert _linked(repo, text) == shown
    assert _linked(repo, text, Viewer(user=make_user("stranger"))) == shown
    assert '<a class="reference" href="/ada/plans">' in _linked(repo, text, Viewer(user=repo.created_by))


def test_numbers_lead_to_discussions_that_are_there(repo: Repo) -> None:
    make_discussion(repo, title='Why "so" <b>?')
    other = make_repo(repo.created_by, "other")
    make_discussion(other, title="Elsewhere")
    link = '<a class="reference" href="/ada/atlas/discussions/1" title="Why &quot;so&quot; &lt;b&gt;?">#1</a>'
    far = '<a class="reference" href="/ada/other/discussions/1" title="Elsewhere">ada/other#1</a>'
    assert _linked(repo, "#1 #2 x#1 &#35;1") == f"<p>{link} #2 x#1 {link}</p>"
    assert _linked(repo, "ada/other#1 ada/other#2") == f"<p>{far} ada/other#2</p>"


def test_addresses_of_pages_are_not_taken_apart(repo: Repo) -> None:
    html = _linked(repo, "https://x.example/ada/atlas#1 <ada@ada.example> [ada/atlas](/@ada)")
    assert "mention" not in html
    assert "reference" not in html


def test_the_queries_do_not_grow_with_the_texts(repo: Repo) -> None:
    make_discussion(repo)
    html = render_markdown("@ada ada/atlas ada/atlas#1 #1").html
    counts = []
    for number in (1, 3):
        with CaptureQueriesContext(connection) as queries:
            link_mentions(ANONYMOUS, repo, [html] * number)
        counts.append(len(queries))
    assert counts == [4, 4]
