from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.lfs.pointer import MAX_POINTER_BYTES, LfsPointer, format_pointer, parse_pointer

SHA = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
# The example of the specification.
EXAMPLE = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 12345\n"
)


def test_pointer_matches_the_specification():
    assert format_pointer(SHA, 12345) == EXAMPLE
    assert parse_pointer(EXAMPLE) == LfsPointer(SHA, 12345, len(EXAMPLE))


def test_pointer_with_extension_is_read():
    extended = EXAMPLE.replace(b"oid ", b"ext-0-foo sha256:%s\noid " % (b"a" * 64), 1)
    assert parse_pointer(extended).sha256 == SHA


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        EXAMPLE.replace(b"sha256:4d", b"sha256:4D"),
        EXAMPLE.replace(b"12345", b"-1"),
        EXAMPLE.replace(b"12345", b"9" * 20),
        EXAMPLE.replace(b"v1", b"v9"),
        EXAMPLE + b"size 1\n",
        EXAMPLE + b"x " + b"y" * MAX_POINTER_BYTES,
        EXAMPLE.replace(b"size 12345\n", b""),
    ],
)
def test_ordinary_files_are_not_pointers(data):
    assert parse_pointer(data) is None


@pytest.mark.parametrize(("sha256", "size"), [("A" * 64, 1), ("a" * 63, 1), ("a" * 64, -1)])
def test_bad_facts_are_refused(sha256, size):
    with pytest.raises(ValueError):
        format_pointer(sha256, size)


@given(st.binary(max_size=200))
def test_parser_never_fails(data):
    parse_pointer(b"version " + data)
