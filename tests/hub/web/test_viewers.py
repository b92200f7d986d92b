"""Previews: each shows what it should, and a hostile file is refused within its bounds (T88, T93)."""

from __future__ import annotations

import io
import json
import struct
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.core.ids import RepoType
from hub.repos.content import at_revision, get_entry
from hub.repos.models import Repo
from hub.storage.git.objects import EntryType, TreeEntry
from hub.storage.lfs.pointer import LfsPointer
from hub.web.viewers import Preview, preview
from hub.web.viewers.code import code_lines, split_lines
from hub.web.viewers.gguf import parse_gguf
from tests.factories.accounts import make_user
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db


def shown(files: dict[str, bytes], path: str, *, plain: bool = False) -> Preview:
    repo = make_repo(repo_type=RepoType.DATASET, files=files)
    snapshot = at_revision(repo)
    return preview(snapshot, get_entry(snapshot, path), plain=plain)


def of(name: str, data: bytes) -> Preview:
    return shown({name: data}, name)


def safetensors(header: dict, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_code_keeps_lines_and_escapes():
    found = of("a.py", b'x = """a\n</code><script>\nb"""\n')
    assert found.kind == "code"
    assert len(found.data["lines"]) == 3
    assert not any("<script" in line for line in found.data["lines"])


def test_code_with_fences_and_without_a_language():
    text = "```python\nprint(1)\n````\nafter\n"
    assert len(code_lines(text, "a.md")) == 4
    assert code_lines("a & b\n", "unknown.zzz") == ["a &amp; b"]
    assert code_lines("", "a.py") == [""]


def test_spans_across_lines_are_closed_and_reopened():
    lines = split_lines('<span class="s">a\nb</span>c')
    assert lines == ['<span class="s">a</span>', '<span class="s">b</span>c']


def test_long_text_is_cut_and_says_so():
    found = of("long.txt", b"line\n" * 200_000)
    assert found.kind == "code"
    assert found.is_cut


def test_html_and_svg_are_shown_as_text_t88():
    for name in ("page.html", "drawing.svg"):
        found = of(name, b"<svg onload=alert(1)><script>x</script></svg>")
        assert found.kind == "code"
        assert "<script" not in "".join(found.data["lines"])


def test_markdown_is_rendered_or_plain():
    files = {"doc.md": b"---\nlicense: mit\n---\n# Title\n"}
    assert shown(files, "doc.md").kind == "markdown"
    assert shown(files, "doc.md", plain=True).kind == "code"


def test_csv_head_is_bounded():
    rows = b"a,b\n" + b"".join(b'"x, %d",2\n' % number for number in range(500))
    table = of("data.csv", rows).data["table"]
    assert table.columns == ["a", "b"]
    assert table.rows[0] == ["x, 0", "2"]
    assert len(table.rows) == 100
    assert table.is_cut
    assert of("wide.tsv", b"\t".join([b"c"] * 500)).data["table"].columns == ["c"] * 60
    assert of("huge_cell.csv", b'a\n"' + b"x" * 200_000 + b'"\n').kind == "code"


def test_json_lines_and_json():
    table = of("a.jsonl", b'{"a": 1}\n{"b": [2]}\n').data["table"]
    assert table.columns == ["a", "b"]
    assert table.rows == [["1", ""], ["", "[2]"]]
    assert len(of("a.json", b'{"a": {"b": 1}}').data["lines"]) == 5
    assert of("broken.json", b"{oops").kind == "code"
    assert of("deep.json", b"[" * 100_000).kind == "code"


def test_notebook_is_text_and_its_html_is_left_out():
    cell = {
        "cell_type": "code",
        "source": ["print(1)"],
        "outputs": [{"data": {"text/html": "<script>x</script>", "text/plain": "1"}}],
    }
    found = of("n.ipynb", json.dumps({"cells": [cell]}).encode())
    assert found.data["cells"][0].outputs == ("1",)
    assert of("bad.ipynb", b'{"cells": 3}').kind == "code"


def test_parquet_shows_schema_and_first_rows():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": [f"row {n}" for n in range(300)], "raw": [b"\0"] * 300}), buffer)
    head = of("d.parquet", buffer.getvalue()).data["parquet"]
    assert head.columns == [("text", "string"), ("raw", "binary")]
    assert head.row_count == 300
    assert len(head.table.rows) == 100
    assert head.table.rows[0] == ["row 0", "(1 bytes)"]


@pytest.mark.parametrize(
    "data",
    [b"PAR1" + b"\xff" * 100 + b"PAR1", b"PAR1\x00\x00\x00\x7fPAR1", b"PAR1", b"\0" * 5000],
    ids=["noise", "footer too long", "magic only", "zeros"],
)
def test_t93_hostile_parquet_is_refused_soon(data):
    started = time.monotonic()
    found = of("bad.parquet", data)
    assert (found.kind, found.reason) == ("none", "failed")
    assert time.monotonic() - started < 12


def test_safetensors_header_is_shown_and_checked():
    header = {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"format": "pt"}}
    table = of("m.safetensors", safetensors(header, b"\0" * 24)).data["header"]
    assert (table.parameters, table.tensor_count, table.problem) == (6, 1, "")
    assert table.tensors[0].shape == "2 × 3"
    assert table.metadata == [("format", "pt")]
    header["w"]["data_offsets"] = [0, 4000]
    assert of("m.safetensors", safetensors(header, b"\0" * 24)).data["header"].problem


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 16,
        struct.pack("<Q", 2**60) + b"{}",
        safetensors({"w": {"dtype": "F32"}}),
        safetensors({"w": {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}}),
        struct.pack("<Q", 20_000) + b"[" * 20_000,
    ],
)
def test_t93_hostile_safetensors_has_no_preview(data):
    assert of("m.safetensors", data).kind == "none"


def gguf(*pairs: bytes, count: int | None = None) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, len(pairs) if count is None else count)
    return head + b"".join(pairs)


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def test_gguf_metadata():
    name = gguf_text("general.name") + struct.pack("<I", 8) + gguf_text("Tiny")
    words = gguf_text("tokens") + struct.pack("<IIQ", 9, 8, 7) + gguf_text("ab") * 7
    facts = parse_gguf(gguf(name, words))
    assert facts.tensor_count == 2
    assert facts.pairs[0] == ("general.name", "Tiny")
    assert facts.pairs[1][1].endswith("(7)")


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF",
        b"NOPE" + b"\0" * 40,
        gguf(count=2**40),
        gguf(gguf_text("k") + struct.pack("<IIQ", 9, 8, 2**60)),
        gguf(struct.pack("<Q", 2**62) + b"k"),
        gguf(gguf_text("k") + struct.pack("<I", 77)),
    ],
)
def test_t93_hostile_gguf_has_no_preview(data):
    assert of("m.gguf", data).kind == "none"


def test_binary_empty_and_missing_content():
    assert of("a.dat", b"\0\1\2").reason == "binary"
    assert of("empty.txt", b"").reason == "empty"
    repo = make_repo()
    snapshot = at_revision(repo)
    foreign = TreeEntry(EntryType.FILE, "w.bin", 10, "0" * 40, 0o100644, LfsPointer("a" * 64, 10, 128))
    assert preview(snapshot, foreign).reason == "missing"


def test_large_files_are_read_from_the_store():
    owner = make_user(password=None)
    repo: Repo = make_repo(owner)
    header = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    commit_large_file(repo, owner, "m.safetensors", safetensors(header, b"\0" * 16))
    repo.refresh_from_db()
    snapshot = at_revision(repo)
    assert preview(snapshot, get_entry(snapshot, "m.safetensors")).data["header"].parameters == 4


def test_t54_t55_links_and_submodules_are_text():
    repo = make_repo(files={"a.txt": b"x"})
    snapshot = at_revision(repo)
    submodule = TreeEntry(EntryType.SUBMODULE, "sub", 0, "1" * 40, 0o160000)
    assert preview(snapshot, submodule).kind == "submodule"
    link = TreeEntry(EntryType.SYMLINK, "link", 1, get_entry(snapshot, "a.txt").oid, 0o120000)
    found = preview(snapshot, link)
    assert (found.kind, found.data["target"]) == ("symlink", "x")


def test_picture_is_loaded_through_resolve():
    found = of("p.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    assert found.kind == "image"
    assert "/resolve/main/p.png" in found.data["src"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b'{"a": "\\ud800"}\n'),
        ("a.json", b'{"a": "\\ud800"}'),
        ("a.ipynb", b'{"cells": [{"cell_type": "raw", "source": "\\ud800"}]}'),
        ("a.safetensors", safetensors({"t\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"1234")),
        (
            "b.safetensors",
            safetensors({"t": {"dtype": "F32", "shape": [10**900] * 8, "data_offsets": [0, 4]}}),
        ),
    ],
)
def test_half_characters_and_endless_numbers_reach_no_page_t106(client, name: str, data: bytes):
    repo = make_repo(files={name: data})
    assert client.get(f"{repo.urls.page}/blob/main/{name}").status_code == 200
