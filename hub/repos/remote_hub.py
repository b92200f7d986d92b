"""Another hub that speaks the same protocol, as a place to read from: imports and pull-through use it.

    RemoteRepo (where) > open_remote > commit_of (revision → commit) > iter_files > open_range

All requests go through ``hub.core.outgoing``; nothing that the other side says is believed unchecked (T96–T98).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin

from django.conf import settings

from hub.core.destinations import OutgoingFailed, parse_url
from hub.core.errors import BadRequest, HubError
from hub.core.ids import RepoType, is_oid, is_sha256
from hub.core.outgoing import IMPORT, Answer, Purpose, Session, Streamed, open_session

MAX_ENDPOINT_LENGTH: Final = 300
MAX_FILE_BYTES: Final = 2**53
_PAGE: Final = 1000
_ERROR_BYTES: Final = 64 * 1024
_SOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_NEXT: Final = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')
# What is worth asking again: the other side is busy, restarting or cut off.
_TEMPORARY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_TEMPORARY_REASONS: Final = frozenset({"time", "connection", "cut", "name"})


class SourceFailed(HubError):
    """The other hub did not give what was asked; the sentence is for the person who asked for it."""

    status = 502
    default_message = "The other hub did not answer as expected."

    @property
    def is_temporary(self) -> bool:
        return bool(self.data.get("is_temporary"))


class SourceMissing(SourceFailed):
    """There is no such repo, revision or file, or the token may not see it."""

    status = 404


@dataclass(frozen=True, slots=True)
class RemoteRepo:
    """A repo there; ``endpoint`` as ``normalise_endpoint`` returns it."""

    endpoint: str
    repo_type: RepoType
    repo_id: str
    token: str = field(default="", repr=False)

    @property
    def api(self) -> str:
        return f"{self.endpoint}/api/{self.repo_type.plural}/{self.repo_id}"

    @property
    def page(self) -> str:
        return f"{self.endpoint}/{self.repo_type.web_prefix}{self.repo_id}"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the source lists it: ``oid`` of its git blob; ``sha256`` where it is a large one."""

    path: str
    size_bytes: int
    oid: str
    sha256: str = ""


def normalise_endpoint(text: str) -> str:
    """``https://host[:port][/path]`` without a slash at the end. Raises: AddressRefused, BadRequest."""
    url = text.strip().rstrip("/")
    target = parse_url(url)
    # Over plain http only inside networks that the operator opened, which is judged by the address once it is known.
    if target.scheme != "https" and not settings.HUB_OUTGOING_NETWORKS:
        raise BadRequest("Copies come over https:// only.", param="endpoint")
    if "?" in url or "#" in url or len(url) > MAX_ENDPOINT_LENGTH:
        raise BadRequest("Give the address of the other hub alone, such as https://huggingface.co.", param="endpoint")
    return target.url


def validate_source(repo_id: str) -> str:
    """Raises: BadRequest unless it is ``ns/name`` (or a bare ``name``, as some old repos have)."""
    if not _SOURCE.fullmatch(repo_id) or ".." in repo_id:
        raise BadRequest("Name the repository to copy as namespace/name.", param="source")
    return repo_id


@contextlib.contextmanager
def open_remote(repo: RemoteRepo, *, purpose: Purpose = IMPORT) -> Iterator[RemoteHub]:
    with open_session(purpose) as session:
        yield RemoteHub(session, repo)


class RemoteHub:
    """Reads of one repo on another hub, over one kept connection."""

    def __init__(self, session: Session, repo: RemoteRepo) -> None:
        self._session = session
        self.repo = repo

    def info(self, revision: str) -> dict[str, Any]:
        """The repo at a revision, as its API describes it. Raises: SourceFailed, SourceMissing."""
        return _object(self._get(f"{self.repo.api}/revision/{quote(revision, safe='')}"))

    def commit_of(self, revision: str) -> str:
        """The commit that ``revision`` is now. Raises: SourceFailed, SourceMissing."""
        oid = self.info(revision).get("sha")
        if not isinstance(oid, str) or not is_oid(oid):
            raise SourceFailed("The other hub does not say which commit the revision is.")
        return oid

    def iter_files(self, commit_oid: str) -> Iterator[RemoteFile]:
        """All files at a commit, page by page. Raises: SourceFailed."""
        query = urlencode({"recursive": "true", "expand": "false", "limit": str(_PAGE)})
        url: str | None = f"{self.repo.api}/tree/{commit_oid}?{query}"
        while url is not None:
            answer = self._get(url)
            entries = _json(answer)
            if not isinstance(entries, list):
                raise SourceFailed("The other hub's list of files cannot be read.")
            yield from (_file_of(entry) for entry in entries if _is_file(entry))
            url = self._next_page(url, answer)

    def find_file(self, commit_oid: str, path: str) -> RemoteFile | None:
        """The file at a path of a commit, or None for folders and for what is not there. Raises: SourceFailed."""
        body = json.dumps({"paths": [path], "expand": False}).encode()
        headers = self._headers() | {"Content-Type": "application/json", "Accept": "application/json"}
        with _told():
            answer = self._session.post(f"{self.repo.api}/paths-info/{commit_oid}", body, headers=headers)
        if answer.status != 200:
            raise _failure(answer.status, answer.headers)
        entries = _json(answer)
        if not isinstance(entries, list):
            raise SourceFailed("The other hub's list of files cannot be read.")
        found = [_file_of(entry) for entry in entries if _is_file(entry) and entry.get("path") == path]
        return found[0] if found else None

    def read_api(self, rest: str) -> tuple[Any, str]:
        """What the API says below the repo's address, and where its next page is. Raises: SourceFailed."""
        url = f"{self.repo.api}{rest}"
        answer = self._get(url)
        return _json(answer), self._next_page(url, answer) or ""

    def _next_page(self, url: str, answer: Answer) -> str | None:
        found = _NEXT.search(answer.headers.get("link", ""))
        if found is None:
            return None
        following = urljoin(url, found[1])
        # The token goes where it was given for, and nowhere that an answer names.
        if parse_url(following).origin != parse_url(self.repo.endpoint).origin or following == url:
            raise SourceFailed("The other hub's list of files leads elsewhere.")
        return following

    def open_range(self, commit_oid: str, path: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield bytes ``start`` to ``stop`` of a file at a commit; a source without ranges is read from its start.

        Ends early when the source does. Raises: SourceFailed, SourceMissing.
        """
        url = f"{self.repo.page}/resolve/{commit_oid}/{quote(path, safe='/')}"
        headers = self._headers() | ({"Range": f"bytes={start}-{stop - 1}"} if stop > start else {})
        with _told(), self._session.stream(url, headers=headers, max_bytes=max(stop, _ERROR_BYTES)) as answer:
            if answer.status not in (200, 206):
                raise _failure(answer.status, answer.headers)
            yield from _cut(answer, start, stop)

    def _get(self, url: str) -> Answer:
        with _told():
            answer = self._session.get(url, headers=self._headers() | {"Accept": "application/json"})
        if answer.status != 200:
            raise _failure(answer.status, answer.headers)
        return answer

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.repo.token}"} if self.repo.token else {}


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """A connection that breaks is a failure of the source; refused addresses stay what they are."""
    try:
        yield
    except OutgoingFailed as error:
        is_temporary = error.data.get("reason") in _TEMPORARY_REASONS
        raise SourceFailed(error.message, is_temporary=is_temporary) from error


def _cut(answer: Streamed, start: int, stop: int) -> Iterator[bytes]:
    position = 0
    if answer.status == 206:
        position = start
        if not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
            raise SourceFailed("The other hub sent another part of a file than was asked for.")
    for piece in answer.pieces():
        begin, end = max(start - position, 0), min(stop - position, len(piece))
        if end > begin:
            yield piece[begin:end]
        position += len(piece)
        if position > stop:
            raise SourceFailed("A file at the source is longer than its list says.")


def _failure(status: int, headers: Any) -> SourceFailed:
    """What a refusal means, in words that say what to do."""
    code = headers.get("x-error-code", "")
    message = headers.get("x-error-message", "")
    if code == "RevisionNotFound":
        return SourceMissing("The other hub has no such revision.", code=code)
    if code == "EntryNotFound":
        return SourceMissing("A file is not there any more at the source.", code=code)
    if code == "GatedRepo":
        return SourceFailed("The repository is gated there: its files need a token of somebody who was given access.")
    if status == 401 and "credentials" in message.lower():
        return SourceFailed("The other hub does not accept the access token.")
    if status in (401, 403, 404):
        return SourceMissing("The other hub has no such repository, or the access token may not read it.")
    if status in _TEMPORARY:
        return SourceFailed(f"The other hub is not available (status {status}).", is_temporary=True)
    return SourceFailed(f"The other hub refused a request (status {status}).")


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise SourceFailed("The other hub's answer is not what a hub says.") from error


def _object(answer: Answer) -> dict[str, Any]:
    value = _json(answer)
    if not isinstance(value, dict):
        raise SourceFailed("The other hub's answer is not what a hub says.")
    return value


def _is_file(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "file"


def _file_of(entry: dict[str, Any]) -> RemoteFile:
    """Raises: SourceFailed unless names, sizes and hashes have their form."""
    lfs = entry.get("lfs") or {}
    path, oid, size = entry.get("path"), entry.get("oid"), entry.get("size")
    sha256 = lfs.get("oid", "") if isinstance(lfs, dict) else None
    if isinstance(lfs, dict) and lfs:
        size = lfs.get("size")
    is_valid = (
        isinstance(path, str)
        and isinstance(oid, str)
        and is_oid(oid)
        and isinstance(size, int)
        and not isinstance(size, bool)
        and 0 <= size <= MAX_FILE_BYTES
        and isinstance(sha256, str)
        and (not sha256 or is_sha256(sha256))
        and bool(lfs) == bool(sha256)
    )
    if not is_valid:
        raise SourceFailed("The other hub's list of files cannot be read.")
    assert isinstance(path, str)  # mypy cannot see it
    return RemoteFile(path, int(size or 0), str(oid), str(sha256))
