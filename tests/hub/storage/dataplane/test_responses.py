"""Names and types of what people upload: T88, T89, T91."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.dataplane.responses import content_disposition, content_type_for, safe_content_type

NAMES = [
    'a";x="b',
    "a\r\nSet-Cookie: x=y",
    "a\nb",
    "a\0b",
    "\u202egnp.exe",
    "naïve 模型.bin",
    "a'b''c",
    "../../etc/passwd",
    "\ud800",
    "\\\\host\\share",
    "%0d%0aX: y",
    ";",
    "",
    "x" * 5_000,
]
_WHOLE = re.compile(r"(attachment|inline); filename\*=UTF-8''[A-Za-z0-9._~%-]+; filename=\"[A-Za-z0-9._-]+\";")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("disposition", ["attachment", "inline", "x\r\ny"])
def test_download_names_carry_no_header_of_their_own_t91(disposition: str, name: str) -> None:
    assert _WHOLE.fullmatch(content_disposition(disposition, name))


@given(st.text(max_size=60))
def test_any_name_makes_one_header_t91(name: str) -> None:
    value = content_disposition("attachment", name)
    assert _WHOLE.fullmatch(value)
    assert value.isascii()


@pytest.mark.parametrize("end", "html htm xhtml svg xml pdf js mjs css swf wasm hta xsl mht".split())
@pytest.mark.parametrize("middle", ["", ".png", ".txt", ".json", ".PNG"])
def test_what_browsers_run_is_bytes_t88_t89(end: str, middle: str) -> None:
    """By the last suffix alone, whatever stands before it; the content is never asked."""
    name = f"page{middle}.{end}"
    assert content_type_for(name) == content_type_for(name.upper()) == "application/octet-stream"


@pytest.mark.parametrize(
    "kind",
    ["text/html", "image/svg+xml", "application/xml", "application/pdf", "text/html; charset=utf-7",
     "image/png\r\nX: y", "application/javascript", "TEXT/HTML", "multipart/x-mixed-replace", ""],
)  # fmt: skip
def test_types_asked_for_pass_by_the_list_t89(kind: str) -> None:
    assert safe_content_type(kind) == "application/octet-stream"


def test_text_says_its_charset_t89() -> None:
    for name in ("a.txt", "README.md", "config.json", "a.csv", "a.py", "a.yaml"):
        kind = content_type_for(name)
        assert kind == "application/octet-stream" or not kind.startswith("text/") or "charset=utf-8" in kind
