"""Arbitrary commits: the reader of NDJSON ends in a payload or in a refusal, never in anything else."""

from __future__ import annotations

import io
import json
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from hub.api.ndjson import read_legacy_payload, read_payload
from hub.core.errors import BadRequest, PayloadTooLarge, Unprocessable

HEADER = {"key": "header", "value": {"summary": "s", "description": ""}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
KEYS = ["header", "file", "lfsFile", "deletedFile", "deletedFolder", "deletedEntry", "copyFile", "other"]
FIELDS = ["path", "content", "encoding", "algo", "oid", "size", "oldPath", "srcPath", "summary", "parentCommit"]
WORDS = st.sampled_from(
    ["a/b", "../x", "aGk=", "base64", "utf-8", "sha256", "f" * 64, "", "\0", "\ud800", -1, 2**70, None]
)
LINE = st.fixed_dictionaries(
    {"key": st.sampled_from(KEYS) | JSON, "value": st.dictionaries(st.sampled_from(FIELDS), WORDS | JSON) | JSON}
)


def ends_well(read):
    """Return the operations of a payload, or None when it was refused with an explanation (4xx)."""
    try:
        with read() as payload:
            return payload.operations
    except (BadRequest, Unprocessable, PayloadTooLarge):
        return None


@given(st.binary(max_size=300))
def test_arbitrary_bytes(data):
    ends_well(lambda: read_payload(io.BytesIO(data)))
    ends_well(lambda: read_legacy_payload(data))


@given(st.lists(LINE, max_size=6))
def test_arbitrary_lines(lines):
    data = "\n".join(json.dumps(line) for line in [HEADER, *lines]).encode()
    operations = ends_well(lambda: read_payload(io.BytesIO(data)))
    assert operations is None or len(operations) <= 2 * len(lines)


@given(
    st.dictionaries(
        st.sampled_from(["summary", "files", "lfsFiles", "deletedEntries", "x"]), st.lists(JSON, max_size=3) | JSON
    )
)
def test_arbitrary_legacy_objects(fields):
    ends_well(lambda: read_legacy_payload(json.dumps(fields).encode()))


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(0, 300), st.binary(max_size=6))
def test_damaged_commits(contents, at, piece):
    lines = [HEADER] + [
        {"key": "file", "value": {"path": f"f{number}", "content": b64encode(data).decode(), "encoding": "base64"}}
        for number, data in enumerate(contents)
    ]
    whole = "\n".join(json.dumps(line) for line in lines).encode()
    assert [operation.data for operation in ends_well(lambda: read_payload(io.BytesIO(whole)))] == contents
    ends_well(lambda: read_payload(io.BytesIO(whole[:at] + piece + whole[at + len(piece) :])))
