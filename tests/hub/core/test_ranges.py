"""hub/core/ranges.py"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import RangeNotSatisfiable
from hub.core.ranges import ByteRange, parse_range_header, single_range


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", (ByteRange(0, 1),)),
        ("bytes=2-", (ByteRange(2, 10),)),
        ("bytes=-3", (ByteRange(7, 10),)),
        ("bytes=-99", (ByteRange(0, 10),)),
        ("bytes=4-99", (ByteRange(4, 10),)),
        ("bytes=4-" + "9" * 5000, (ByteRange(4, 10),)),
        ("Bytes=0-1, ,5-5", (ByteRange(0, 2), ByteRange(5, 6))),
        ("bytes=50-60,1-1", (ByteRange(1, 2),)),
        (None, None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=3-2", None),
        ("bytes=a-b", None),
        ("bytes=0-1,x", None),
        ("bytes=\u0661-2", None),
        ("items=0-1", None),
    ],
)
def test_parse_range_header(value, expected):
    assert parse_range_header(value, 10) == expected


@pytest.mark.parametrize(
    "value", ["bytes=10-", "bytes=-0", "bytes=" + "9" * 5000 + "-", "bytes=" + ",".join(["0-0"] * 11)]
)
def test_unsatisfiable_ranges_are_refused(value):
    with pytest.raises(RangeNotSatisfiable):
        parse_range_header(value, 10)


def test_any_range_of_an_empty_file_is_refused():
    with pytest.raises(RangeNotSatisfiable):
        parse_range_header("bytes=0-", 0)


def test_several_ranges_mean_the_whole_file():
    assert single_range("bytes=0-1,3-4", 10) is None


@given(st.text(max_size=60), st.integers(0, 2**63))
def test_any_text_is_ignored_refused_or_inside_the_file(text, size):
    for value in (text, f"bytes={text}"):
        try:
            ranges = parse_range_header(value, size) or ()
        except RangeNotSatisfiable:
            continue
        assert all(0 <= found.start < found.stop <= size for found in ranges)


@given(st.binary(max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_ranges_agree_with_slices(data, first, length):
    last = first + length
    try:
        span = single_range(f"bytes={first}-{last}", len(data))
    except RangeNotSatisfiable:
        assert first >= len(data)
    else:
        assert span is not None
        assert data[span.start : span.stop] == data[first : last + 1]
