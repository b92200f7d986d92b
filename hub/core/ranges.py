"""Byte ranges of HTTP (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import NamedTuple

from hub.core.errors import RangeNotSatisfiable

# More ranges than this in one header is an attack on the server, not a reader.
MAX_RANGES = 10

_SPEC = re.compile(r"(?a:(\d*)-(\d*))")
# Longer numbers exceed any file; they are compared as this value and never parsed at full length.
_MAX_DIGITS = 19
_HUGE = 10**_MAX_DIGITS


class ByteRange(NamedTuple):
    """Half-open interval of byte offsets."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def parse_range_header(value: str | None, size_bytes: int) -> tuple[ByteRange, ...] | None:
    """Return the satisfiable ranges in the order asked, or None when the header must be ignored.

    A header is ignored when absent, of another unit or malformed: the reply is then the whole file.

    Raises:
        RangeNotSatisfiable: no range overlaps the file, or there are more than ``MAX_RANGES``.
    """
    specs = _split_specs(value)
    if specs is None:
        return None
    if len(specs) > MAX_RANGES:
        raise RangeNotSatisfiable("Too many ranges were requested at once.", size_bytes=size_bytes)
    pairs = [_parse_spec(spec) for spec in specs]
    if any(pair is None for pair in pairs):
        return None
    resolved = (_resolve(pair, size_bytes) for pair in pairs if pair is not None)
    ranges = tuple(found for found in resolved if found is not None)
    if not ranges:
        raise RangeNotSatisfiable(size_bytes=size_bytes)
    return ranges


def single_range(value: str | None, size_bytes: int) -> ByteRange | None:
    """Return the one range to serve as 206, or None to serve the whole file.

    Two to ten ranges are answered with the whole file, which RFC 9110 allows: no known client of a hub
    reads ``multipart/byteranges``.

    Raises:
        RangeNotSatisfiable: see ``parse_range_header``.
    """
    ranges = parse_range_header(value, size_bytes)
    return ranges[0] if ranges is not None and len(ranges) == 1 else None


def _split_specs(value: str | None) -> list[str] | None:
    if value is None:
        return None
    unit, separator, rest = value.partition("=")
    if not separator or unit.strip(" \t").lower() != "bytes":
        return None
    # Empty list elements are allowed and mean nothing (RFC 9110, 5.6.1.2).
    specs = [spec for spec in (part.strip(" \t") for part in rest.split(",")) if spec]
    return specs or None


def _parse_spec(spec: str) -> tuple[int | None, int | None] | None:
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    first, last = (_parse_position(digits) for digits in match.groups())
    if first is None and last is None:
        return None
    if first is not None and last is not None and last < first:
        return None
    return first, last


def _parse_position(digits: str) -> int | None:
    if not digits:
        return None
    significant = digits.lstrip("0") or "0"
    return _HUGE if len(significant) > _MAX_DIGITS else int(significant)


def _resolve(pair: tuple[int | None, int | None], size_bytes: int) -> ByteRange | None:
    first, last = pair
    if first is None:
        length = min(last or 0, size_bytes)
        return ByteRange(size_bytes - length, size_bytes) if length else None
    if first >= size_bytes:
        return None
    return ByteRange(first, size_bytes if last is None else min(last + 1, size_bytes))
