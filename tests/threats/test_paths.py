"""T51: no path, key or id of any door leads out of its place: decoded once, judged by one rule, never a 5xx."""

from __future__ import annotations

import base64
import http.client
import json
from urllib.parse import quote

import pytest

from hub.repos.content import at_revision, read_text
from hub.repos.models import Repo
from tests.factories.repos import commit_files, commit_large_file, make_repo

pytestmark = pytest.mark.usefixtures("no_errors")

#: As they stand in a request line.
RAW = [
    "../../../../etc/passwd", "%2e%2e/%2e%2e/%2e%2e/etc/passwd", "%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd",
    "..%2f..%2fetc", "%252e%252e/%252e%252e/etc/passwd", "%25252e%25252e/etc/passwd", "..%5c..%5cetc%5cpasswd",
    "..\\..\\etc\\passwd", "%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd", "%e0%80%ae%e0%80%ae/etc/passwd", "%f0%80%80%ae/x",
    "%c0%afetc%c0%afpasswd", "%uff0e%uff0e/etc/passwd", "%ef%bc%8e%ef%bc%8e/etc/passwd", "a%00b", "%00", "a%00/../b",
    "..%00/x", "a%0d%0ab", "a%0ab", "//etc/passwd", "%2fetc%2fpasswd", "C:%5cWindows%5cwin.ini", "C:/x",
    "%5c%5cserver%5cshare", "....//....//etc/passwd", ".../...//", "./x", "x/./y", "x/../y", "x//y",
    "%7e/.ssh/id_rsa", "~/x", "%ff%fe", "%ed%a0%80", "%", "%2", "%zz", ".", "..", "%2e", "%2e%2e", ".git/config",
    "%2egit/config", ".GIT/HEAD", "x" * 3000, "a%7fb", "a%1bb", "%e2%80%aex",
]  # fmt: skip
LEAKS = (b"root:x:", b"[core]", b"SECRET", b"BEGIN OPENSSH", b"Traceback", b"sqlite3", b"psycopg")


def ask(web, method: str, target: str, secret: str = "", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """Send a request line exactly as it is written here."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    connection._validate_path = lambda path: None  # type: ignore[attr-defined, method-assign]
    connection._encode_request = lambda request: request.encode("latin-1")  # type: ignore[attr-defined, method-assign]
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    connection.request(method, target, body or None, {key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@pytest.fixture
def scene(web, person):
    owner, secret = person()
    repo = make_repo(owner, files={"README.md": b"# public\n", "dir/x": b"x"})
    commit_large_file(repo, owner, "w.bin", b"\1" * 100)
    (web.data_dir / "SECRET.txt").write_text("SECRET")
    return repo, secret


def _reading_doors(repo: Repo) -> list[str]:
    page, api = repo.urls.page, f"/api/models/{repo.repo_id}"
    return [
        f"{page}/resolve/main/{{}}", f"{page}/raw/main/{{}}", f"{page}/tree/main/{{}}", f"{page}/blob/main/{{}}",
        f"{page}/commits/main/{{}}", f"{page}/edit/main/{{}}", f"{page}/new/main/{{}}", f"{page}/delete/main/{{}}",
        f"{page}/resolve/{{}}/README.md", f"{page}/tree/{{}}", f"{page}/commit/{{}}", f"{page}/{{}}",
        f"{api}/tree/main/{{}}", f"{api}/tree/{{}}", f"{api}/revision/{{}}", f"{api}/commits/{{}}",
        f"{api}/compare/{{}}", f"{api}/compare/main..{{}}", f"{api}/{{}}", f"{api}/upload-drafts/{{}}",
        f"{api}/refs/{{}}", f"{page}.git/{{}}", f"{page}.git/objects/{{}}", f"{page}.git/info/lfs/locks/{{}}/unlock",
        f"{page}.git/info/lfs/locks?path={{}}", f"{page}.git/info/lfs/locks?cursor={{}}",
        f"{page}.git/info/lfs/locks?id={{}}", f"{api}/tree/main?cursor={{}}", f"{api}/lfs-files?cursor={{}}",
        "/api/models?cursor={}", "/static/{}", "/avatars/{}", "/api/avatars/{}", "/_d/{}", "/_d/blob/{}",
        "/_d/part/{}", "/{}", "/{}/name", "/api/models/{}/name", "/datasets/{}", "/datasets/{}/x/resolve/main/y",
        "/api/users/{}/overview", "/join/{}", "/accounts/{}", "/v1/models/{}", "/settings/tokens/{}", "/health/{}",
        "/admin/{}",
    ]  # fmt: skip


def test_t51_no_reading_door_leaves_its_place(web, scene):
    repo, secret = scene
    wrong = []
    for door in _reading_doors(repo):
        for raw in RAW:
            target = door.format(raw)
            status, body = ask(web, "GET", target, secret)
            is_public = status == 200 and not any(leak in body for leak in LEAKS)
            if status >= 500 or any(leak in body for leak in LEAKS) or (status == 200 and not is_public):
                wrong.append((target[:150], status, body[:80]))
    assert wrong == []


@pytest.mark.parametrize("raw", [raw for raw in RAW if "x/" not in raw[:2]])
def test_t51_file_doors_say_4xx(web, scene, raw):
    repo, secret = scene
    for door in (f"{repo.urls.page}/resolve/main/dir/{{}}", f"{repo.urls.page}/raw/main/dir/{{}}"):
        status, _ = ask(web, "GET", door.format(f"{raw}/../../q"), secret)
        assert 400 <= status < 500, (door, raw, status)


#: As JSON carries them: what a path may not be, on any door that writes.
BAD = [
    "../x", "a/../../x", "..", ".", "./x", "a/./b", "", "/", "/etc/passwd", "//x", "a//b", "a/", "..\\x", "..\\..\\x",
    "a\x00b", "a\nb", "a\rb", "a\x1bb", "a\x7fb", ".git", ".git/config", "a/.git/hooks/x", ".GIT/x", "git~1/x",
    ".git\u200c/x", "a\\.git\\x", "\ud800", "x" * 256, "/".join(["y" * 200] * 6),
]  # fmt: skip


def _lines(*operations: dict) -> bytes:
    return "\n".join(json.dumps(line) for line in ({"key": "header", "value": {"summary": "x"}}, *operations)).encode()


@pytest.mark.parametrize("path", BAD)
def test_t51_no_writing_door_takes_a_bad_path(web, scene, path):
    repo, secret = scene
    api, before = f"/api/models/{repo.repo_id}", at_revision(repo).oid
    content = base64.b64encode(b"x").decode()
    sha256 = "ab" * 32
    tries = [
        (
            f"{api}/commit/main",
            _lines({"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}),
        ),
        (f"{api}/commit/main", _lines({"key": "lfsFile", "value": {"path": path, "oid": sha256, "algo": "sha256"}})),
        (f"{api}/commit/main", _lines({"key": "copyFile", "value": {"srcPath": "README.md", "path": path}})),
        (f"{api}/commit/main", _lines({"key": "file", "value": {"path": path, "oldPath": "README.md"}})),
        (f"{api}/commit/main", _lines({"key": "deletedEntry", "value": {"path": path}})),
        (f"{api}/commit/main", _lines({"key": "copyFile", "value": {"srcPath": path, "path": "ok"}})),
        (
            "/api/repos/create",
            json.dumps({"name": f"n{abs(hash(path))}", "files": [{"path": path, "content": "x"}]}).encode(),
        ),
    ]
    for target, body in tries:
        status, answer = ask(web, "POST", target, secret, body, Content_Type="application/x-ndjson")
        assert status in (400, 404, 413, 422), (target, body, status, answer)
    assert at_revision(Repo.objects.get(pk=repo.pk)).oid == before
    assert Repo.objects.count() == 1


@pytest.mark.parametrize("path", BAD)
def test_t51_drafts_and_plans_refuse_bad_paths_or_say_so(web, scene, path):
    repo, secret = scene
    api = f"/api/models/{repo.repo_id}"
    draft = json.loads(ask(web, "POST", f"{api}/upload-drafts", secret, b'{"revision":"main"}')[1])["id"]
    files = json.dumps({"files": [{"path": path, "size": 1, "sha256": "ab" * 32}]}).encode()
    assert ask(web, "PUT", f"{api}/upload-drafts/{draft}/files", secret, files)[0] in (400, 422)
    status, answer = ask(web, "POST", f"{api}/upload-drafts/check", secret, files)
    assert status in (400, 422) or json.loads(answer)["files"][0]["problem"]
    plan = json.dumps({"files": [{"path": path, "size": 1, "sample": ""}]}).encode()
    assert ask(web, "POST", f"{api}/preupload/main", secret, plan)[0] in (200, 400, 422)
    info = json.dumps({"paths": [path]}).encode()
    status, answer = ask(web, "POST", f"{api}/paths-info/main", secret, info, Content_Type="application/json")
    assert status in (400, 422) or json.loads(answer) == []


@pytest.mark.parametrize(
    "oid",
    ["../../etc/passwd", "..%2f", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "", "g" * 64, "a" * 63 + "\u0430"],
)
def test_t51_t72_object_ids_are_hashes_and_nothing_else(web, scene, oid):
    repo, secret = scene
    root = f"{repo.urls.page}.git/info/lfs/objects"
    body = json.dumps({"operation": "upload", "objects": [{"oid": oid, "size": 1}]}).encode()
    assert ask(web, "POST", f"{root}/batch", secret, body)[0] == 422
    assert ask(web, "POST", f"{root}/verify", secret, json.dumps({"oid": oid, "size": 1}).encode())[0] == 422
    line = _lines({"key": "lfsFile", "value": {"path": "x.bin", "oid": oid, "algo": "sha256"}})
    assert ask(web, "POST", f"/api/models/{repo.repo_id}/commit/main", secret, line)[0] in (400, 422)
    for door in ("blob", "put", "part", "complete"):
        assert 400 <= ask(web, "GET", f"/_d/{door}/{quote(oid)}", secret)[0] < 500


def test_t51_paths_are_decoded_once(web, scene):
    """A name that holds a percent sign is that name, and not what it would decode to."""
    repo, secret = scene
    commit_files(repo, repo.created_by, {"%2e%2e/%41.txt": b"literal", "A.txt": b"decoded"})
    page = repo.urls.page
    assert ask(web, "GET", f"{page}/resolve/main/%252e%252e/%2541.txt", secret) == (200, b"literal")
    assert ask(web, "GET", f"{page}/resolve/main/%41.txt", secret) == (200, b"decoded")
    status, _ = ask(web, "GET", f"{page}/resolve/main/%2e%2e/%41.txt", secret)
    assert 400 <= status < 500
    assert read_text(at_revision(Repo.objects.get(pk=repo.pk)), "%2e%2e/%41.txt", 100) == "literal"


@pytest.mark.parametrize(
    "name", ["..", ".", "a/b", "..%2fx", "a\\b", "a\0b", "-x", ".git", "x.git", "a..b", "ü", "x" * 97, ""]
)
def test_t51_names_of_repos_are_no_paths(web, scene, name):
    repo, secret = scene
    status, _ = ask(web, "POST", "/api/repos/create", secret, json.dumps({"name": name}).encode())
    assert status == 400
    move = {"fromRepo": repo.repo_id, "toRepo": f"{repo.namespace.name}/{name}"}
    assert ask(web, "POST", "/api/repos/move", secret, json.dumps(move).encode())[0] in (400, 403)
    assert list(Repo.objects.values_list("pk", flat=True)) == [repo.pk]
