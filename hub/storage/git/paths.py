"""The one rule for paths inside a repository, shared by commits, pushes and reads (threats T51-T54)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from hub.core.errors import BadRequest, Unprocessable

MAX_PATH_BYTES = 1024
MAX_PART_BYTES = 255

# Code points that HFS+ drops when it compares names: ".g\u200cit" opens ".git" there.
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u2066-\u2069\u206a-\u206f\ufeff\u200b\u2060]")
_NTFS_SHORT_GIT = re.compile(r"git~\d+\Z")


def validate_path_in_repo(path: str) -> str:
    """Return `path` unchanged when it may name a file or folder of a repository.

    Raises: BadRequest; Unprocessable for a leading ``..\\`` (the status clients expect there).
    """
    if path.startswith("..\\"):
        raise Unprocessable(f"Invalid path in repository: {_shown(path)}")
    problem = path_problem(path)
    if problem:
        raise BadRequest(f"Invalid path in repository: {_shown(path)}: {problem}")
    return path


def path_problem(path: str) -> str | None:
    """Say why `path` is refused, or None when it is fine."""
    if not path:
        return "the path is empty"
    try:
        size_bytes = len(path.encode())
    except UnicodeEncodeError:
        return "the path is not valid Unicode"
    if size_bytes > MAX_PATH_BYTES:
        return f"the path is longer than {MAX_PATH_BYTES} bytes"
    return next((problem for part in path.split("/") if (problem := part_problem(part))), None)


def part_problem(part: str) -> str | None:
    """Say why one path component is refused, or None."""
    if part in ("", ".", ".."):
        return "empty, '.' and '..' components are not allowed"
    if len(part.encode(errors="surrogatepass")) > MAX_PART_BYTES:
        return f"a component is longer than {MAX_PART_BYTES} bytes"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in part):
        return "control characters are not allowed"
    # Windows checks out "a\\.git" as two components, so each side of a backslash is judged.
    if any(_opens_dot_git(piece) for piece in part.split("\\")):
        return "'.git' is reserved"
    return None


def raw_part_problem(raw: bytes) -> str | None:
    """Say why one raw tree entry name, as pushed, is refused, or None."""
    try:
        part = raw.decode()
    except UnicodeDecodeError:
        return "the name is not valid UTF-8"
    if "/" in part:
        return "the name holds a slash"
    return part_problem(part)


def twin_key(name: str) -> str:
    """Fold a name so that two names which clash on case-folding or normalising disks are equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def find_twins(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two names of one folder that differ only by case or Unicode form, if any."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(twin_key(name), name)
        if other != name:
            return other, name
    return None


def _opens_dot_git(piece: str) -> bool:
    """Tell whether some file system would open `piece` as ``.git`` (HFS+, NTFS and their short names)."""
    plain = _HFS_IGNORED.sub("", piece).split(":", 1)[0].rstrip(" .").casefold()
    return plain == ".git" or _NTFS_SHORT_GIT.match(plain) is not None


def _shown(path: str) -> str:
    return ascii(path[:200])
