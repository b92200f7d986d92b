"""Pictures, films and sounds for comments: kept by their hash under ``media/uploads``, as they were sent.

body → size → kind from its first bytes, never from what the sender says → pictures: format and dimensions → file → row

Whoever knows the address may see the file: it is as secret as its content. It is served as data (``hub.api``).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from django.conf import settings
from django.db.models import Sum
from PIL import Image

from community.models import Attachment
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import User
from hub.accounts.permissions import require_user
from hub.core.errors import BadRequest, NotFound, PayloadTooLarge
from hub.core.ratelimit import Bucket, hit

MAX_IMAGE_BYTES: Final = 10 * 1024 * 1024
MAX_VIDEO_BYTES: Final = 50 * 1024 * 1024
MAX_PIXELS: Final = 40_000_000
#: What one person may keep here.
MAX_TOTAL_BYTES: Final = 2 * 1024**3
MAX_UPLOADS_PER_HOUR: Final = 200
FILE_NAME: Final = re.compile(r"[0-9a-f]{64}\.(?:png|jpg|gif|webp|mp4|mov|webm|mp3|wav)")

_CHUNK_BYTES: Final = 256 * 1024
_HEAD_BYTES: Final = 64


class Body(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """One format that is accepted; ``pillow`` names it for pictures."""

    extension: str
    content_type: str
    max_bytes: int
    pillow: str = ""


_PNG = Kind("png", "image/png", MAX_IMAGE_BYTES, "PNG")
_JPEG = Kind("jpg", "image/jpeg", MAX_IMAGE_BYTES, "JPEG")
_GIF = Kind("gif", "image/gif", MAX_IMAGE_BYTES, "GIF")
_WEBP = Kind("webp", "image/webp", MAX_IMAGE_BYTES, "WEBP")
_MP4 = Kind("mp4", "video/mp4", MAX_VIDEO_BYTES)
_MOV = Kind("mov", "video/quicktime", MAX_VIDEO_BYTES)
_WEBM = Kind("webm", "video/webm", MAX_VIDEO_BYTES)
_MP3 = Kind("mp3", "audio/mpeg", MAX_IMAGE_BYTES)
_WAV = Kind("wav", "audio/wav", MAX_IMAGE_BYTES)

CONTENT_TYPES: Final = {
    kind.extension: kind.content_type for kind in (_PNG, _JPEG, _GIF, _WEBP, _MP4, _MOV, _WEBM, _MP3, _WAV)
}
_ACCEPTED: Final = "PNG, JPEG, GIF and WebP pictures, MP4, MOV and WebM films, MP3 and WAV sounds"


def attachment_path(name: str) -> Path:
    """Where a file lies. Raises: NotFound for what cannot be the name of one."""
    if not FILE_NAME.fullmatch(name):
        raise NotFound
    return Path(settings.MEDIA_ROOT) / "uploads" / name[:2] / name


def store_attachment(viewer: Viewer, body: Body) -> Attachment:
    """Keep a file for the viewer's comments; the same file again is the same attachment.

    Raises: AuthenticationRequired, InsufficientScope, RateLimited, BadRequest (kind), PayloadTooLarge
    """
    require_user(viewer, Action.DISCUSSION_WRITE)
    assert viewer.user is not None  # require_user
    hit(Bucket("attachments", MAX_UPLOADS_PER_HOUR, 3600), f"user:{viewer.user.pk}")
    head = body.read(_HEAD_BYTES)
    kind = _kind_of(head)
    if kind is None:
        raise BadRequest(f"Only {_ACCEPTED} can be attached.")
    folder = Path(settings.MEDIA_ROOT) / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as file:
        path = Path(file.name)
    try:
        sha256, size_bytes = _receive(path, head, body, kind)
        if kind.pillow:
            _check_picture(path, kind)
        return _keep(viewer.user, path, kind, sha256, size_bytes)
    finally:
        path.unlink(missing_ok=True)


def _kind_of(head: bytes) -> Kind | None:
    """The format by its first bytes."""
    if head.startswith(b"RIFF"):
        return {b"WEBP": _WEBP, b"WAVE": _WAV}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _MOV if head[8:12] == b"qt  " else _MP4
    for magic, kind in (
        (b"\x89PNG\r\n\x1a\n", _PNG),
        (b"\xff\xd8\xff", _JPEG),
        (b"GIF87a", _GIF),
        (b"GIF89a", _GIF),
        (b"\x1a\x45\xdf\xa3", _WEBM),
        (b"ID3", _MP3),
    ):
        if head.startswith(magic):
            return kind
    # A frame of MPEG audio without a tag in front.
    return _MP3 if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 else None


def _receive(path: Path, head: bytes, body: Body, kind: Kind) -> tuple[str, int]:
    """Write the file; return its SHA-256 and size in bytes. Raises: PayloadTooLarge."""
    digest, size_bytes, chunk = hashlib.sha256(), 0, head
    with path.open("wb") as file:
        while chunk:
            size_bytes += len(chunk)
            if size_bytes > kind.max_bytes:
                raise PayloadTooLarge(f"Attachments of this kind have at most {kind.max_bytes >> 20} MiB.")
            digest.update(chunk)
            file.write(chunk)
            chunk = body.read(_CHUNK_BYTES)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size_bytes


def _check_picture(path: Path, kind: Kind) -> None:
    """Raises: BadRequest unless the file is a picture of this format, PayloadTooLarge for too many pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with Image.open(path, formats=(kind.pillow,)) as image:  # reads the header only
                pixels = image.width * image.height
        except Image.DecompressionBombError as error:
            raise PayloadTooLarge("Pictures can have at most 40 megapixels.") from error
        except Image.DecompressionBombWarning:
            pixels = MAX_PIXELS + 1
        except (OSError, ValueError, SyntaxError, Warning) as error:
            raise BadRequest(f"Only {_ACCEPTED} can be attached.") from error
    if pixels > MAX_PIXELS:
        raise PayloadTooLarge("Pictures can have at most 40 megapixels.")


def _keep(owner: User, path: Path, kind: Kind, sha256: str, size_bytes: int) -> Attachment:
    facts = {"owner": owner, "sha256": sha256, "extension": kind.extension}
    known = Attachment.objects.filter(**facts).first()
    used = Attachment.objects.filter(owner=owner).aggregate(total=Sum("size_bytes"))["total"] or 0
    if known is None and used + size_bytes > MAX_TOTAL_BYTES:
        raise PayloadTooLarge(f"Your attachments take {used >> 20} MiB: there is room for {MAX_TOTAL_BYTES >> 20} MiB.")
    target = attachment_path(f"{sha256}.{kind.extension}")
    target.parent.mkdir(parents=True, exist_ok=True)
    path.chmod(0o640)
    path.replace(target)  # the same bytes, if it was there
    attachment, _ = Attachment.objects.get_or_create(**facts, defaults={"size_bytes": size_bytes})
    return attachment
