"""What counts as a download (T50): a weight file that reached somebody whole, once per account or network and day.

    a door that is asked for a file > tally_of (who asks, does it count, as what) > words in the signed URL
    bytes have left > content_sent > hear > enough of them for the file > counters.count_download

The doors are resolve (small files from git, large ones by signed URL), the batch of git-lfs and the store of Xet. What
was decided when the URL was made stands in it, signed: those who send bytes know nothing of people and repos.
Ranges are parts: they make a download when all of them together are the file. HEAD, 304 and readers of headers do not.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.permissions import role_in
from hub.core.ids import RepoType
from hub.core.ranges import ByteRange
from hub.repos.models import LastDownload, Repo, RepoObject
from hub.repos.services import counters
from hub.repos.services.counters import DownloadKind
from hub.storage.git.refs import PULL_PREFIX
from hub.storage.models import LfsObject

#: Files in git that are weights, or the rows of a dataset. What is stored as a large file counts whatever its name.
_WEIGHTS: Final = frozenset(
    ".arrow .bin .ckpt .gguf .ggml .h5 .hdf5 .joblib .keras .mlmodel .model .msgpack .npy .npz .onnx .parquet .pb .pkl "
    ".pickle .pt .pth .safetensors .skops .tar .tflite .zip".split()
)
_ROWS: Final = frozenset(".csv .gz .json .jsonl .tsv .txt .zst".split())
_ROBOT: Final = re.compile(
    r"bot\b|crawl|spider|slurp|preview|monitor|headless|scrap(?:er|y)|archiver|uptime|facebookexternalhit",
    re.IGNORECASE,
)
_PREFIXES: Final = {4: 24, 6: 48}
_PARTS_KEPT_S: Final = 24 * 3600
#: Parts of one file that are put together for one reader: clients that cut finer than this are not counted.
_MAX_PARTS: Final = 8192


@dataclass(frozen=True, slots=True)
class _Tally:
    """The words of a signed URL: whose download of which file, and for Xet which piece of it."""

    repo_pk: int
    kind: DownloadKind
    who: str
    content: str
    size_bytes: int
    piece: ByteRange | None = None
    piece_stored_bytes: int = 0

    @property
    def text(self) -> str:
        return f"{self.repo_pk}:{self.kind.value}:{self.who}:{self.content}:{self.size_bytes}"

    @classmethod
    def parse(cls, text: str) -> _Tally:
        """Raises: ValueError."""
        repo_pk, kind, who, content, size, *more = text.split(":")
        tally = cls(int(repo_pk), DownloadKind(kind), who, content, int(size))
        if not more:
            return tally
        first, stop = more[0].split("-")
        piece = ByteRange(int(first), int(stop))
        return cls(tally.repo_pk, tally.kind, who, content, tally.size_bytes, piece, int(more[1]))


def is_weight(repo: Repo, path: str, *, is_large: bool) -> bool:
    """Whether fetching the file is a download of the repo: cards, configuration and pictures in git are not."""
    suffix = PurePosixPath(path).suffix.lower()
    return is_large or suffix in _WEIGHTS or (repo.type is RepoType.DATASET and suffix in _ROWS)


def tally_of(repo: Repo, *, viewer: Viewer, address: str, client: str, content: str, size_bytes: int) -> str:
    """The words to put into a URL of a weight file; "" where its transfer would add nothing.

    Workers of this hub do not count. Members and robots (by user agent) are counted apart.
    """
    if viewer.service is not None or size_bytes <= 0:
        return ""
    is_member = role_in(viewer, repo.namespace_id) is not None
    kind = _kind(client, is_member=is_member, is_account=viewer.user is not None)
    who = _who(kind, viewer.user_pk, address)
    if counters.is_counted_today(repo.pk, kind, who):
        return ""
    return _Tally(repo.pk, kind, who, content, size_bytes).text


def own_objects(repo: Repo, sha256s: Iterable[str]) -> frozenset[str]:
    """Large files of many that are the repo's own, not only a stranger's pull request's (T196); one query."""
    own = RepoObject.objects.filter(repo=repo, sha256__in=list(sha256s), payer__isnull=True)
    return frozenset(own.values_list("sha256", flat=True))


def is_pull_request(ref: str) -> bool:
    return ref.startswith(PULL_PREFIX)


def is_own_file(repo: Repo, file_hash: str) -> bool:
    """The same for one file by its Xet hash."""
    stored = LfsObject.objects.filter(xet_file__file_hash=file_hash).values("sha256")
    return RepoObject.objects.filter(repo=repo, sha256__in=stored, payer__isnull=True).exists()


def _kind(client: str, *, is_member: bool, is_account: bool) -> DownloadKind:
    if is_member:
        return DownloadKind.MEMBER
    if _ROBOT.search(client):
        return DownloadKind.ROBOT
    return DownloadKind.ACCOUNT if is_account else DownloadKind.PERSON


def last_downloads(repo_pk: int, user_pks: Iterable[int]) -> dict[int, date]:
    """The last UTC day on which each of these people downloaded a repo that is not their own; one query."""
    hashes = {_who(DownloadKind.ACCOUNT, user_pk, ""): user_pk for user_pk in user_pks}
    rows = LastDownload.objects.filter(repo_id=repo_pk, who__in=list(hashes))
    return {hashes[who]: day for who, day in rows.values_list("who", "day")}


def _who(kind: DownloadKind, user_pk: int | None, address: str) -> str:
    """A keyed hash: nobody can tell from the table who downloaded what."""
    subject = f"user:{user_pk}" if user_pk else f"net:{_network(address)}"
    if kind is DownloadKind.ROBOT:
        subject = f"robot:{subject}"
    return hmac.new(settings.SECRET_KEY.encode(), f"download:{subject}".encode(), hashlib.sha256).hexdigest()[:32]


def _network(address: str) -> str:
    """The /24 or /48 of an address: what one customer is given is one reader, for single addresses cost nothing."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(ipaddress.ip_network((found, _PREFIXES[found.version]), strict=False))


# --- hearing ---------------------------------------------------------------------------------------------------------


def hear(text: str, content: str, spans: Sequence[ByteRange]) -> bool:
    """Take note of bytes that were sent; return whether they made a download that counts."""
    tally = _Tally.parse(text)
    if counters.is_counted_today(tally.repo_pk, tally.kind, tally.who):
        return False
    if tally.piece is not None:
        # Of a piece by Xet the stored bytes arrive, in any order and cut as the client likes.
        key = f"{tally.text}:{tally.piece.start}-{tally.piece.stop}"
        names = [(f"{content}:{span.start}-{span.stop}", span.length) for span in spans]
        if not _gather(key, names, tally.piece_stored_bytes):
            return False
        spans = [tally.piece]
    named = [(f"{span.start}-{span.stop}", span.length) for span in spans]
    if not _gather(tally.text, named, tally.size_bytes):
        return False
    return counters.count_download(tally.repo_pk, kind=tally.kind, who=tally.who)


def _gather(key: str, parts: Sequence[tuple[str, int]], whole_bytes: int) -> bool:
    """Add parts that are new to what this reader has of a file; True once that is all of it.

    In the cache alone: parts that were lost with it cost one number, and no download waits for the database.
    """
    if sum(length for _name, length in parts) >= whole_bytes:
        return True
    digest = hashlib.sha256(f"{timezone.now().date()}:{key}".encode()).hexdigest()[:32]
    have = 0
    try:
        for name, length in parts:
            if int(cache.get_or_set(f"parts:{digest}", 0, _PARTS_KEPT_S) or 0) >= _MAX_PARTS:
                return False
            if cache.add(f"part:{digest}:{name}", 1, _PARTS_KEPT_S):
                cache.incr(f"parts:{digest}")
                cache.get_or_set(f"have:{digest}", 0, _PARTS_KEPT_S)
                have = cache.incr(f"have:{digest}", length)
    except Exception:
        return False
    return int(have or 0) >= whole_bytes
