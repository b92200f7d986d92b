"""How a file travels and is kept: in git, or as a large file (LFS, Xet).  One rule for all doors (hub-api §12)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from hub.core.ids import RepoType
from hub.repos.patterns import MAX_LINES, Pattern, compile_pattern
from hub.storage.git.commits import MAX_PLAIN_BLOB_BYTES

UploadMode = Literal["lfs", "regular"]

ATTRIBUTES_PATH: Final = ".gitattributes"
IGNORE_PATH: Final = ".gitignore"
# A rules file longer than this is no rules file.
MAX_RULES_BYTES: Final = 1024 * 1024

_BINARY: Final = (
    "*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gguf *.gz *.h5 *.joblib *.keras *.lfs.* *.mlmodel *.model *.msgpack *.npy "
    "*.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/* *.tar.* *.tar "
    "*.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*"
).split()
_MEDIA: Final = (
    "*.lz4 *.mds *.pcm *.sam *.raw *.aac *.flac *.mp3 *.ogg *.wav *.bmp *.gif *.png *.tiff *.jpg *.jpeg *.webp *.mp4 "
    "*.webm"
).split()
_LFS_ATTRIBUTES: Final = "filter=lfs diff=lfs merge=lfs -text"


def default_attributes(repo_type: RepoType) -> str:
    """Return the ``.gitattributes`` of a new repo."""
    patterns = [*_BINARY, *_MEDIA] if repo_type is RepoType.DATASET else _BINARY
    return "".join(f"{pattern} {_LFS_ATTRIBUTES}\n" for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Attributes:
    """The ``filter`` rules of one ``.gitattributes``; of those that match a path, the last decides."""

    rules: tuple[tuple[Pattern, bool], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Attributes:
        rules = []
        for line in text.splitlines()[:MAX_LINES]:
            glob, words = _split_line(line)
            pattern = compile_pattern(glob)
            is_lfs = _filter_of(words)
            # Attributes know neither negated nor directory patterns.
            if pattern is not None and is_lfs is not None and not glob.startswith("!") and not glob.endswith("/"):
                rules.append((pattern, is_lfs))
        return cls(tuple(rules))

    def is_lfs(self, path: str) -> bool:
        parts = path.split("/")
        return next((is_lfs for pattern, is_lfs in reversed(self.rules) if pattern.matches(parts)), False)


def _split_line(line: str) -> tuple[str, list[str]]:
    line = line.strip(" \t\r")
    if not line or line.startswith("#"):
        return "", []
    if line.startswith('"'):
        quoted = re.match(r'"((?:[^"\\]|\\.)*)"\s*(.*)', line)
        if quoted:
            return re.sub(r'\\(["\\])', r"\1", quoted[1]), quoted[2].split()
    glob, *words = line.split()
    return glob, words


def _filter_of(words: Iterable[str]) -> bool | None:
    """Return whether the words turn the LFS filter on or off; None when they say nothing about filters."""
    found = None
    for word in words:
        if word.startswith("filter=") or word in ("filter", "-filter", "!filter"):
            found = word == "filter=lfs"
    return found


def attribute_line(path: str) -> str:
    """Return the line that makes exactly ``path`` a large file."""
    glob = re.sub(r"([\\*?\[!#])", r"\\\1", path)
    # A slash pins the pattern to the root: `a.bin` alone would match in every folder.
    glob = glob if "/" in glob else f"/{glob}"
    if re.search(r'[\s"]', glob):
        glob = '"' + glob.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{glob} {_LFS_ATTRIBUTES}\n"


def with_lfs_paths(text: str, paths: Iterable[str]) -> str:
    """Return ``.gitattributes`` text under which all ``paths`` are large files; the same text if they are already."""
    attributes = Attributes.parse(text)
    missing = [path for path in paths if not attributes.is_lfs(path)]
    if not missing:
        return text
    gap = "" if not text or text.endswith("\n") else "\n"
    return text + gap + "".join(attribute_line(path) for path in missing)


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """A ``.gitignore`` at the root of a repo."""

    rules: tuple[tuple[Pattern, bool, bool], ...] = ()  # pattern, is negated, only folders

    @classmethod
    def parse(cls, text: str) -> IgnoreRules:
        rules = []
        for raw in text.splitlines()[:MAX_LINES]:
            line = raw.rstrip(" \t\r") if not raw.endswith("\\ ") else raw
            if not line or line.startswith("#"):
                continue
            is_negated = line.startswith("!")
            glob = line[1:] if is_negated else line
            is_folder = glob.endswith("/")
            # A slash at the end alone does not pin the pattern to the root.
            pattern = compile_pattern(glob.rstrip("/") if is_folder else glob)
            if pattern is not None:
                rules.append((pattern, is_negated, is_folder))
        return cls(tuple(rules))

    def is_ignored(self, path: str) -> bool:
        """True if the file or one of the folders above it is ignored."""
        parts = path.split("/")
        return any(self._decide(parts[:depth], depth < len(parts)) for depth in range(1, len(parts) + 1))

    def _decide(self, parts: list[str], is_folder: bool) -> bool:
        for pattern, is_negated, only_folders in reversed(self.rules):
            if (is_folder or not only_folders) and pattern.matches(parts):
                return not is_negated
        return False


def is_binary(sample: bytes) -> bool:
    """True if the first bytes of a file are no UTF-8 text; a character cut at the end is fine."""
    if b"\0" in sample:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=False)
    except UnicodeDecodeError:
        return True
    return False


def choose_upload_mode(attributes: Attributes, path: str, size_bytes: int, sample: bytes | None) -> UploadMode:
    """Decide how a file is kept: by the repo's rules, then by its first bytes, then by its size.

    ``sample`` is None when the caller does not know the first bytes.
    """
    if size_bytes == 0:
        return "regular"
    if attributes.is_lfs(path) or (sample is not None and is_binary(sample)):
        return "lfs"
    return "lfs" if size_bytes > MAX_PLAIN_BLOB_BYTES else "regular"
