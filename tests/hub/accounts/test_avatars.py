"""Pictures: T43, T108."""

from __future__ import annotations

import struct
import time
import zlib
from io import BytesIO

import pytest
from PIL import Image

from hub.accounts.avatars import MAX_BYTES, SIDE, avatar_path, delete_avatar_file, store_avatar
from hub.core.errors import BadRequest, PayloadTooLarge


def picture(size=(60, 40), image_format="PNG", mode="RGB", **options) -> BytesIO:
    out = BytesIO()
    Image.new(mode, size, "red").save(out, image_format, **options)
    out.seek(0)
    return out


def png_header_only(width: int, height: int) -> BytesIO:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return BytesIO(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("image_format", "mode"), [("PNG", "RGBA"), ("JPEG", "L"), ("WEBP", "RGB"), ("GIF", "P")])
def test_picture_becomes_a_square_webp(image_format, mode):
    with Image.open(avatar_path(store_avatar(picture((90, 40), image_format, mode)))) as stored:
        assert (stored.format, stored.size) == ("WEBP", (SIDE, SIDE))


def test_metadata_is_dropped_and_rotation_applied_t43():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "canary: home address"
    source = Image.new("RGB", (40, 40), "red")
    source.paste("blue", (0, 0, 40, 20))
    out = BytesIO()
    source.save(out, "JPEG", exif=exif, comment=b"canary", quality=95)
    out.seek(0)
    path = avatar_path(store_avatar(out))
    assert b"canary" not in path.read_bytes()
    with Image.open(path) as stored:
        assert not stored.getexif()
        red, _green, blue = stored.convert("RGB").getpixel((SIDE - 40, SIDE // 2))
    assert blue > red  # the blue half has moved to the right


def test_bomb_is_refused_by_its_header_t108():
    started = time.perf_counter()
    with pytest.raises(PayloadTooLarge):
        store_avatar(png_header_only(9000, 9000))
    assert time.perf_counter() - started < 0.5
    with pytest.raises(PayloadTooLarge):
        store_avatar(png_header_only(60_000, 60_000))
    with pytest.raises(PayloadTooLarge):
        store_avatar(png_header_only(4001, 4000))


@pytest.mark.parametrize(
    "data",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 60],
)
def test_what_is_no_picture_is_refused_t43(data):
    with pytest.raises(BadRequest):
        store_avatar(BytesIO(data))


def test_other_formats_are_refused_t108():
    for image_format in ("TIFF", "BMP", "ICO"):
        with pytest.raises(BadRequest):
            store_avatar(picture(image_format=image_format))
    with pytest.raises(BadRequest):
        store_avatar(png_header_only(0, 10))


def test_size_limit_is_exact():
    data = picture().getvalue()
    store_avatar(BytesIO(data + b"\0" * (MAX_BYTES - len(data))))
    with pytest.raises(PayloadTooLarge):
        store_avatar(BytesIO(data + b"\0" * (MAX_BYTES - len(data) + 1)))


def test_delete_takes_only_names_of_ours(settings):
    name = store_avatar(picture())
    outside = settings.MEDIA_ROOT / "keep"
    outside.write_text("x")
    delete_avatar_file("../keep")
    delete_avatar_file("")
    delete_avatar_file(name)
    delete_avatar_file(name)
    assert outside.exists()
    assert not avatar_path(name).exists()
