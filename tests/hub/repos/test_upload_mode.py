"""Which files are large ones: attributes, ignore rules, samples, sizes (hub-api §12, T110)."""

from __future__ import annotations

import time

import pytest

from hub.core.ids import RepoType
from hub.repos.upload_mode import (
    Attributes,
    IgnoreRules,
    choose_upload_mode,
    default_attributes,
    is_binary,
    with_lfs_paths,
)

DEFAULT = Attributes.parse(default_attributes(RepoType.MODEL))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.safetensors", True),
        ("deep/er/model.bin", True),
        ("saved_model/a/b", True),
        ("other/saved_model/a", False),
        ("run/events.out.tfevents.1", True),
        ("a.lfs.b", True),
        ("README.md", False),
        ("safetensors", False),
    ],
)
def test_default_attributes(path: str, expected: bool) -> None:
    assert DEFAULT.is_lfs(path) is expected


def test_last_matching_rule_decides() -> None:
    attributes = Attributes.parse("*.bin filter=lfs\nsmall/*.bin -filter\n*.bin text\n")
    assert (attributes.is_lfs("a.bin"), attributes.is_lfs("small/a.bin")) == (True, False)


@pytest.mark.parametrize(
    "path",
    ["plain", "dir/with space.txt", "br[a]ckets*?.txt", 'quo"te.txt', "back\\slash", "#hash", "!bang", "中文.txt"],
)
def test_appended_line_covers_exactly_its_path(path: str) -> None:
    attributes = Attributes.parse(with_lfs_paths("", [path]))
    assert attributes.is_lfs(path)
    assert not attributes.is_lfs(f"elsewhere/{path}")
    assert not attributes.is_lfs(f"{path}x")


def test_covered_paths_leave_the_text_alone() -> None:
    text = "*.bin filter=lfs"
    assert with_lfs_paths(text, ["a.bin"]) is text
    assert with_lfs_paths(text, ["a.bin", "b.txt"]).startswith("*.bin filter=lfs\n/b.txt ")


def test_hostile_patterns_cost_little() -> None:
    hostile = "*a*a*a*a*a*a*a*a*a*b filter=lfs\n" + "**/" * 150 + "x filter=lfs\n"
    attributes = Attributes.parse(hostile)
    began = time.perf_counter()
    assert not attributes.is_lfs("a" * 255)
    assert not attributes.is_lfs("a/" * 500 + "b")
    assert time.perf_counter() - began < 1


def test_ignore_rules() -> None:
    rules = IgnoreRules.parse("*.pyc\nbuild/\n!keep.pyc\n/top\n# note\n")
    paths = ["a.pyc", "x/keep.pyc", "build/x", "build", "top", "x/top", "x/build/y"]
    assert [rules.is_ignored(path) for path in paths] == [True, False, True, False, True, False, True]


def test_sample_cut_inside_a_character_is_text() -> None:
    assert not is_binary("é".encode()[:1])
    assert is_binary(b"\xff\xfe")
    assert is_binary(b"a\0b")


@pytest.mark.parametrize(
    ("path", "size", "sample", "expected"),
    [
        ("lfs.bin", 4, b"data", "lfs"),
        ("empty.pkl", 0, b"", "regular"),
        ("image", 10, b"\x89PNG\0", "lfs"),
        ("a.text", 9_400_000, b"text", "regular"),
        ("a.text", 10 * 1024 * 1024, b"text", "regular"),
        ("a.text", 10 * 1024 * 1024 + 1, b"text", "lfs"),
    ],
)
def test_choose_upload_mode(path: str, size: int, sample: bytes, expected: str) -> None:
    assert choose_upload_mode(DEFAULT, path, size, sample) == expected
