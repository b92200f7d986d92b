"""T105: archives are judged by what they say of themselves, and never unpacked; each lie has a case here."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inference.archives import MAX_ENTRIES, MAX_RATIO, ArchiveBomb, SuspiciousArchive, check_zip, is_zip
from inference.inspection import inspect_repo

DICE = random.Random(105)


def make_zip(*files: tuple[str, bytes], packed: bool = False, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, data in files:
            archive.writestr(name, data)
        archive.comment = comment
    return buffer.getvalue()


class Bytes:
    """A file that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.read_bytes = data, 0

    def __call__(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        self.read_bytes += length
        return self.data[offset : offset + length]


def check(data: bytes) -> Bytes:
    file = Bytes(data)
    assert is_zip(len(data), file)
    check_zip(len(data), file)
    return file


SOUND = make_zip(("a/weights", DICE.randbytes(3_000)), ("a/version", b"3\n"))


def _torch() -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(5_000.0), "b": torch.zeros(3)}, buffer)
    return buffer.getvalue()


def _npz(*, packed: bool = False) -> bytes:
    buffer = io.BytesIO()
    save = np.savez_compressed if packed else np.savez
    save(buffer, w=np.arange(5_000), b=np.zeros(3))
    return buffer.getvalue()


def _streamed() -> bytes:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", DICE.randbytes(1_000))
        archive.writestr("b", b"x")
    return pipe.getvalue()


def _wide() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("a", "w", force_zip64=True) as entry:
        entry.write(DICE.randbytes(1_000))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda: SOUND,
        make_zip,
        lambda: make_zip(("a", b"x"), comment=b"made by hand"),
        lambda: make_zip(("a", DICE.randbytes(9_000)), ("b", b"text" * 99), packed=True),
        _torch,
        _npz,
        lambda: _npz(packed=True),
        _streamed,
        _wide,
        lambda: make_zip(*((str(number), b"") for number in range(MAX_ENTRIES))),
    ],
    ids=["plain", "empty", "comment", "packed", "torch", "npz", "npz-packed", "streamed", "zip64", "many"],
)
def test_what_programs_write_is_sound(make: Callable[[], bytes]) -> None:
    check(make())


def _patched(data: bytes, mark: bytes, at: int, new: bytes, nth: int = 0) -> bytes:
    """``data`` with bytes replaced ``at`` bytes behind the n-th occurrence of a record's mark."""
    place = -1
    for _ in range(nth + 1):
        place = data.index(mark, place + 1)
    place += at
    return data[:place] + new + data[place + len(new) :]


LIST, HEAD, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


def _bomb() -> bytes:
    """Deflate at its limit: 1,028 to one."""
    return make_zip(("zeros", b"\0" * 8_000_000), packed=True)


def _overlapping() -> bytes:
    """Two names for one piece of data: the way of the bombs that need no nesting."""
    return _patched(make_zip(("a", b"x" * 500), ("b", b"x" * 500)), LIST, 42, struct.pack("<L", 0), nth=1)


LIES: dict[str, bytes] = {
    "cut": SOUND[:-10],
    "cut in the list": SOUND[:-60],
    "trailing data": SOUND + b"MZ" + bytes(50),
    "data before": b"#!/bin/sh\n" + SOUND,
    "pickle before": b"\x80\x04." + SOUND,
    "two ends": make_zip(("a", b"x"), comment=SOUND[-22:]),
    "an archive in the comment": make_zip(("a", b"x"), comment=make_zip(("b", b"y"))),
    "joined": SOUND + make_zip(("other", b"y")),
    "twins": make_zip(("A.bin", b"x"), ("a.BIN", b"y")),
    "twins by slash": make_zip(("a/b", b"x"), ("a\\b", b"y")),
    "other name inside": _patched(SOUND, HEAD, 30, b"b"),
    "other method inside": _patched(SOUND, HEAD, 8, b"\x08\0"),
    "other size inside": _patched(SOUND, HEAD, 22, struct.pack("<L", 77)),
    "other packed size inside": _patched(SOUND, HEAD, 18, struct.pack("<L", 77)),
    "other checksum inside": _patched(SOUND, HEAD, 14, b"\1\2\3\4"),
    "encrypted in one place": _patched(SOUND, LIST, 8, b"\1\0"),
    "no header there": _patched(SOUND, HEAD, 0, b"XX"),
    "overlap": _overlapping(),
    "entry beyond the end": _patched(SOUND, LIST, 42, struct.pack("<L", 2**31)),
    "counts more": _patched(SOUND, END, 8, b"\3\0\3\0"),
    "counts less": _patched(SOUND, END, 8, b"\1\0\1\0"),
    "spans disks": _patched(SOUND, END, 4, b"\1\0"),
    "list elsewhere": _patched(SOUND, END, 16, struct.pack("<L", 1)),
    "wide without record": _patched(SOUND, END, 16, b"\xff\xff\xff\xff"),
    "wide entry without sizes": _patched(SOUND, LIST, 24, b"\xff\xff\xff\xff"),
    "leads out": make_zip(("../../etc/cron.d/x", b"x")),
    "absolute": make_zip(("/etc/passwd", b"x")),
    "drive": make_zip(("C:\\x", b"x")),
    "nested": make_zip(("inner.zip", SOUND)),
    "nested gzip": make_zip(("inner.tar.gz", gzip.compress(b"x"))),
}  # fmt: skip
LIES["hidden between"] = LIES["counts less"]


def _gap() -> bytes:
    """Bytes between two entries, which one reader skips and another runs."""
    name, data = b"a", b"x" * 10
    head = struct.pack("<4s5H3L2H", HEAD, 20, 0, 0, 0, 0, zlib.crc32(data), 10, 10, 1, 0) + name + data
    hidden = b"hidden payload"
    entry = struct.pack("<4s6H3L5H2L", LIST, 20, 20, 0, 0, 0, 0, zlib.crc32(data), 10, 10, 1, 0, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", END, 0, 0, 1, 1, len(entry), len(head) + len(hidden), 0)
    return head + hidden + entry + end


LIES["hidden between"] = _gap()


@pytest.mark.parametrize("name", LIES)
def test_what_could_be_read_in_two_ways_is_suspicious_t105(name: str) -> None:
    with pytest.raises(SuspiciousArchive) as caught:
        check(LIES[name])
    assert not isinstance(caught.value, ArchiveBomb)
    assert _kinds({"weights.pt": LIES[name]}) == {"archive_suspicious", "pickle"}


def _listed(count: int, size: int) -> bytes:
    """An archive whose list promises ``count`` entries of ``size`` bytes."""
    data = make_zip(*((str(number), b"") for number in range(count)))
    for number in range(count):
        data = _patched(data, LIST, 24, struct.pack("<L", size), nth=number)
    return data


BOMBS = {
    "ratio": _bomb(),
    "ratio by the list": _listed(1, 10**6),
    "total": _listed(40, 2**32 - 2),
    "entries": make_zip(*((str(number), b"") for number in range(MAX_ENTRIES + 1))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_told_without_being_opened_t105(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_arguments: object, **_named: object) -> None:
        raise AssertionError("an archive was opened")

    for opener in ("zipfile.ZipFile", "zlib.decompressobj", "zlib.decompress", "gzip.open", "tarfile.open"):
        monkeypatch.setattr(opener, never)
    file = Bytes(BOMBS[name])
    with pytest.raises(ArchiveBomb):
        check_zip(len(file.data), file)
    assert file.read_bytes <= 2 * len(file.data) + 70_000
    found = _inspect({"config.json": b"{}", "data.zip": BOMBS[name]})
    assert (found.servable, found.reason) == (False, "zip_bomb")


def test_the_ratio_is_bounded_where_the_limits_say_t105() -> None:
    assert len(_bomb()) * 1_000 < 8_000_000
    for factor, is_bomb in ((MAX_RATIO - 1, False), (MAX_RATIO + 1, True)):
        data = make_zip(("a", b"x" * 1_000))
        data = _patched(data, LIST, 24, struct.pack("<L", factor * len(data)))
        with pytest.raises(SuspiciousArchive) as caught:  # the entry's own header says otherwise, in any case
            check(data)
        assert isinstance(caught.value, ArchiveBomb) is is_bomb


def test_a_zip_of_a_hundred_to_one_is_refused_t105() -> None:
    data = make_zip(("zeros", bytes(8_000_000)), ("noise", DICE.randbytes(70_000)), packed=True)
    assert 90 < 8_070_000 / len(data) < 110
    found = _inspect({"config.json": b"{}", "data.zip": data})
    assert (found.servable, found.reason) == (False, "zip_bomb")


@given(st.binary(max_size=200), st.integers(0), st.binary(max_size=8))
def test_damaged_archives_end_in_a_verdict_t105(data: bytes, at: int, piece: bytes) -> None:
    at %= len(SOUND)
    for file in (data, SOUND[:at] + piece + SOUND[at + len(piece) :], SOUND[:at] + data + SOUND[at:]):
        try:
            if is_zip(len(file), Bytes(file)):
                check_zip(len(file), Bytes(file))
        except SuspiciousArchive:
            pass


def _tar_bomb() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
        zeros = tarfile.TarInfo("../zeros")
        zeros.size = 5_000_000
        archive.addfile(zeros, io.BytesIO(bytes(5_000_000)))
    return buffer.getvalue()


def test_nothing_is_unpacked_to_disk_t105(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither zip nor tar nor gzip leaves a file anywhere that this process writes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    corpus = {f"{number}.{end}": data for number, data in enumerate([*LIES.values(), _bomb(), SOUND])
              for end in ("zip", "npz", "pt", "keras")}  # fmt: skip
    corpus |= {"a.tar.gz": _tar_bomb(), "a.tgz": _tar_bomb(), "a.gz": gzip.compress(bytes(5_000_000))}
    _inspect(corpus)
    assert list(tmp_path.iterdir()) == []


def _inspect(files: dict[str, bytes]):  # type: ignore[no-untyped-def]
    return inspect_repo(
        {path: len(data) for path, data in files.items()}, lambda path, at, size: files[path][at : at + size]
    )


def _kinds(files: dict[str, bytes]) -> set[str]:
    return {finding.kind for finding in _inspect(files).findings}
