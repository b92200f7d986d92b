"""Create, move, delete, restore, duplicate."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.core.errors import (
    AuthenticationRequired,
    BadRequest,
    Conflict,
    PermissionDenied,
    RateLimited,
    RepoNotFound,
)
from hub.core.ids import RepoType
from hub.repos import content
from hub.repos.enums import Visibility
from hub.repos.models import LastCommit, Ref, Repo, RepoObject, RepoRedirect
from hub.repos.permissions import RepoMoved, find_repo, get_repo_for_read
from hub.repos.services import care, repos
from hub.storage.git.repository import create_repository
from hub.storage.lfs.pointer import format_pointer
from tests.factories.accounts import make_organization, make_user
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db(transaction=True)


def test_new_repo_has_one_commit_with_attributes() -> None:
    repo = make_repo()
    snapshot = content.at_revision(repo)
    assert [commit.title for commit in content.list_commits(snapshot)] == ["initial commit"]
    assert [entry.path for entry in content.walk_files(snapshot)] == [".gitattributes"]
    assert repo.head_oid == snapshot.oid
    assert list(Ref.objects.filter(repo=repo).values_list("name", "oid")) == [("refs/heads/main", snapshot.oid)]
    assert list(LastCommit.objects.filter(repo=repo).values_list("name", "oid")) == [(".gitattributes", snapshot.oid)]


def test_same_name_in_any_case_conflicts_and_names_the_url() -> None:
    repo = make_repo(name="Name")
    with pytest.raises(Conflict) as refusal:
        make_repo(repo.created_by, name="nAME")
    assert refusal.value.data["url"].lower() == repo.urls.absolute.lower()
    make_repo(repo.created_by, name="name", repo_type=RepoType.DATASET)


@pytest.mark.parametrize("name", ["a..b", "a--b", "-a", "a.", "a.git", "é", "a/b", "", "a" * 97])
def test_bad_names_are_refused_t48(name: str) -> None:
    owner = make_user(password=None)
    with pytest.raises(BadRequest):
        repos.create_repo(Viewer(user=owner), namespace=owner.username, name=name, repo_type=RepoType.MODEL)


def test_other_namespaces_are_closed_whatever_exists_there_t35() -> None:
    repo, stranger = make_repo(is_private=True), make_user(password=None)
    answers = []
    for namespace, name in ((repo.namespace.name, repo.name), (repo.namespace.name, "free"), ("nobody-here", "free")):
        with pytest.raises(PermissionDenied) as refusal:
            repos.create_repo(Viewer(user=stranger), namespace=namespace, name=name, repo_type=RepoType.MODEL)
        answers.append(refusal.value.message.replace(namespace, "NS"))
    assert len(set(answers)) == 1
    with pytest.raises(AuthenticationRequired):
        repos.create_repo(Viewer(), namespace="x", name="y", repo_type=RepoType.MODEL)


def test_organization_may_make_repos_private_by_default() -> None:
    admin = make_user(password=None)
    organization = make_organization(admin=admin, is_private_by_default=True)
    repo = repos.create_repo(Viewer(user=admin), namespace=organization.name, name="r", repo_type=RepoType.MODEL)
    assert repo.is_private


def test_crash_before_the_row_leaves_nothing_in_the_way_t163() -> None:
    """A git directory under the next id, and a stage, are what a killed creation leaves."""
    owner = make_user(password=None)
    first = make_repo(owner)
    following = Repo(pk=first.pk + 1)
    create_repository(following.git_path)
    repo = make_repo(owner, "next")
    assert repo.pk == following.pk
    assert [entry.path for entry in content.walk_files(content.at_revision(repo))] == [".gitattributes"]
    stages = first.git_path.parent.parent / "new"
    assert list(stages.iterdir()) == []
    (stages / "left").mkdir()
    assert care.remove_stale_stages(now=timezone.now().timestamp() + 2 * 24 * 3600) == 1


def test_move_redirects_in_one_hop_and_never_to_what_is_hidden_t46_t47() -> None:
    owner = make_user(password=None)
    viewer = Viewer(user=owner)
    repo = make_repo(owner, "a")
    repos.move_repo(viewer, repo, to_namespace=owner.username, to_name="b")
    repos.move_repo(viewer, repo, to_namespace=owner.username, to_name="c")
    for former in ("a", "B"):
        with pytest.raises(RepoMoved) as moved:
            find_repo(Viewer(), RepoType.MODEL, owner.username, former)
        assert moved.value.repo.name == "c"
    repos.move_repo(viewer, repo, to_namespace=owner.username, to_name="a")
    assert find_repo(Viewer(), RepoType.MODEL, owner.username, "a").pk == repo.pk
    assert set(RepoRedirect.objects.values_list("name_folded", flat=True)) == {"b", "c"}
    repos.update_repo_settings(viewer, repo, visibility=Visibility.PRIVATE)
    with pytest.raises(RepoNotFound):
        find_repo(Viewer(), RepoType.MODEL, owner.username, "b")


def test_new_repo_takes_over_a_former_address_t46() -> None:
    owner = make_user(password=None)
    repo = make_repo(owner, "old")
    repos.move_repo(Viewer(user=owner), repo, to_namespace=owner.username, to_name="new")
    fresh = make_repo(owner, "old")
    assert find_repo(Viewer(), RepoType.MODEL, owner.username, "old").pk == fresh.pk


def test_move_onto_another_repo_says_so() -> None:
    owner = make_user(password=None)
    repo = make_repo(owner, "a")
    make_repo(owner, "b")
    with pytest.raises(Conflict, match=f"A model repository called {owner.username}/b already exists"):
        repos.move_repo(Viewer(user=owner), repo, to_namespace=owner.username, to_name="b")
    assert Repo.objects.get(pk=repo.pk).name == "a"


def test_deleted_repo_is_missing_and_can_come_back_for_seven_days_t163() -> None:
    owner = make_user(password=None)
    viewer = Viewer(user=owner)
    repo = make_repo(owner, "r")
    repos.delete_repo(viewer, repo)
    with pytest.raises(RepoNotFound):
        get_repo_for_read(viewer, RepoType.MODEL, owner.username, "r")
    assert repos.purge_deleted() == 0
    repos.restore(viewer, repo)
    assert get_repo_for_read(viewer, RepoType.MODEL, owner.username, "r").pk == repo.pk
    repos.delete_repo(viewer, repo)
    make_repo(owner, "r")
    with pytest.raises(Conflict):
        repos.restore(viewer, repo)
    Repo.objects.filter(pk=repo.pk).update(deleted_at=timezone.now() - timedelta(days=8))
    assert repos.purge_deleted() == 1
    assert not repo.git_path.exists()
    assert not Repo.objects.filter(pk=repo.pk).exists()


def test_duplicate_copies_files_and_leave_to_serve_them() -> None:
    owner, other = make_user(password=None), make_user(password=None)
    source = make_repo(owner, files={"a.txt": b"text", "dir/b.txt": b"more"})
    stored = commit_large_file(source, owner, "m.bin", b"\0" * 1000)
    copy = repos.duplicate(Viewer(user=other), source, namespace=other.username, name="copy")
    of_source = {entry.path: entry.oid for entry in content.walk_files(content.at_revision(source))}
    of_copy = {entry.path: entry.oid for entry in content.walk_files(content.at_revision(copy))}
    assert of_copy == of_source
    assert list(RepoObject.objects.filter(repo=copy).values_list("sha256", flat=True)) == [stored.sha256]


def test_duplicate_that_fails_leaves_nothing_t70() -> None:
    owner, other = make_user(password=None), make_user(password=None)
    pointer = format_pointer("a" * 64, 5)
    source = repos.create_repo(
        Viewer(user=owner),
        namespace=owner.username,
        name="source",
        repo_type=RepoType.MODEL,
        files=[repos.InitialFile("w.bin", pointer)],
    )
    with pytest.raises(BadRequest, match="LFS object missing"):
        repos.duplicate(Viewer(user=other), source, namespace=other.username, name="copy")
    assert not Repo.objects.filter(name="copy", deleted_at__isnull=True).exists()


def test_creation_is_limited(settings) -> None:
    settings.HUB_RATE_REPO_CREATION = 1
    owner = make_user(password=None)
    make_repo(owner, "one")
    with pytest.raises(RateLimited):
        make_repo(owner, "two")
