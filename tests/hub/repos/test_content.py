"""Reading what a hostile publisher wrote into git by hand."""

from __future__ import annotations

import pytest
from django.test import Client
from pygit2.enums import ObjectType

from hub.repos.content import at_revision, commit_date, list_commits
from hub.repos.services.mirror import follow_refs
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("time_s", "year"), [(10**12, 9999), (253_402_300_799, 9999), (0, 1970), (10**9, 2001)])
def test_dates_that_no_calendar_holds_are_clamped_t52(time_s: int, year: int) -> None:
    repo = make_repo(name="odd")
    git = at_revision(repo).git
    tree = git[repo.head_oid].tree_id
    person = f"A <a@example.org> {time_s} +0000"
    raw = f"tree {tree}\nparent {repo.head_oid}\nauthor {person}\ncommitter {person}\n\nodd\n".encode()
    git.references["refs/heads/main"].set_target(git.odb.write(ObjectType.COMMIT, raw))
    follow_refs(repo.pk)
    newest = list_commits(at_revision(repo))[0]
    assert (newest.title, commit_date(newest).year) == ("odd", year)
    page = repo.urls.page
    for path in (page, f"{page}/tree/main", f"{page}/commits/main", f"{page}/refs", f"{page}/commit/{newest.oid}"):
        assert Client().get(path).status_code == 200
    assert Client().get(f"/api/models/{repo.repo_id}/commits/main").status_code == 200
