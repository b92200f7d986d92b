"""Pictures of people and organizations: checked, re-encoded, kept under random names (T43, T108).

upload → size in bytes → format and dimensions from the header → decode → centre square → WebP without metadata
"""

from __future__ import annotations

import re
import secrets
import warnings
from io import BytesIO
from pathlib import Path
from typing import IO, Final

from django.conf import settings
from PIL import Image, ImageOps

from hub.core.errors import BadRequest, PayloadTooLarge

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_PIXELS: Final = 16_000_000
SIDE: Final = 400
# Short, because each further decoder is a further door.
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
FILE_NAME: Final = re.compile(r"[0-9a-f]{32}\.webp")


def avatar_path(name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / "avatars" / name


def store_avatar(upload: IO[bytes]) -> str:
    """Write a square WebP made from ``upload``; return its file name.

    Raises:
        PayloadTooLarge: more than 2 MiB or 16 megapixels.
        BadRequest: not a PNG, JPEG, WebP or GIF picture.
    """
    data = upload.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PayloadTooLarge("Pictures can have at most 2 MiB.", param="avatar")
    encoded = _encode(_open(data))
    name = f"{secrets.token_hex(16)}.webp"
    path = avatar_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded)
    return name


def delete_avatar_file(name: str) -> None:
    if FILE_NAME.fullmatch(name):
        avatar_path(name).unlink(missing_ok=True)


def _open(data: bytes) -> Image.Image:
    refusal = BadRequest("This is not a PNG, JPEG, WebP or GIF picture.", param="avatar")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            image = Image.open(BytesIO(data), formats=_FORMATS)  # reads the header only
        except Image.DecompressionBombError as error:
            raise PayloadTooLarge("Pictures can have at most 16 megapixels.", param="avatar") from error
        except (OSError, ValueError, SyntaxError, Warning) as error:
            raise refusal from error
        if image.width * image.height > MAX_PIXELS:
            raise PayloadTooLarge("Pictures can have at most 16 megapixels.", param="avatar")
        if image.width < 1 or image.height < 1:
            raise refusal
        try:
            image.load()
        except (OSError, ValueError, SyntaxError, Warning, EOFError, IndexError) as error:
            raise refusal from error
    return image


def _encode(image: Image.Image) -> bytes:
    upright = ImageOps.exif_transpose(image)
    has_alpha = upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info
    square = ImageOps.fit(upright.convert("RGBA" if has_alpha else "RGB"), (SIDE, SIDE))
    # A new image carries neither EXIF nor colour profile nor comments.
    clean = Image.new(square.mode, square.size)
    clean.paste(square)
    out = BytesIO()
    clean.save(out, "WEBP", quality=85, method=4)
    return out.getvalue()
