from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import BadRequest, Unprocessable
from hub.storage.git.paths import find_twins, path_problem, raw_part_problem, validate_path_in_repo


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "folder/..\\..\\..\\file",
        "to?/awful?name%you:should,never.give",
        "-rf",
        "CON",
        "..a",
        "a..",
        "模型/权重.bin",
        ".gitattributes",
        ".github/x",
        "git",
        "a b",
        "x" * 255,
        ".gitmodules",
        "git~x",
        "README.md",
    ],
)
def test_legal_paths_are_returned_unchanged(path):
    assert validate_path_in_repo(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "./a",
        "a/.",
        "a\x00b",
        "a\nb",
        "a\rb",
        "\x7f",
        "a\x85",
        "x" * 256,
        "/".join(["a" * 200] * 6),
        chr(0xD800),
        "é" * 128,
    ],
)
def test_t51_t52_traversal_control_and_length_are_refused(path):
    with pytest.raises(BadRequest):
        validate_path_in_repo(path)


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".GIT",
        ".Git",
        ".git ",
        ".git.",
        ".git . .",
        "git~1",
        "GIT~2",
        ".g\u200cit",
        "\ufeff.git",
        ".git::$DATA",
        ".git:x",
        "a\\.git",
        ".git\\config",
        ".git\u200b",
    ],
)
@pytest.mark.parametrize("place", ["{}", "a/{}", "{}/config"])
def test_t53_dot_git_variants_are_refused(name, place):
    with pytest.raises(BadRequest):
        validate_path_in_repo(place.format(name))


def test_leading_backslash_escape_is_422():
    with pytest.raises(Unprocessable):
        validate_path_in_repo("..\\ddd")


def test_raw_names_must_be_utf8():
    assert raw_part_problem(b"\xff") == "the name is not valid UTF-8"
    assert raw_part_problem(b"a/b") is not None
    assert raw_part_problem("模型".encode()) is None


def test_twins_are_found_by_case_and_form():
    assert find_twins(["a", "b", "A"]) == ("a", "A")
    assert find_twins(["e\u0301", "\u00e9"]) == ("e\u0301", "\u00e9")
    assert find_twins(["a", "b"]) is None


@given(st.text(max_size=60))
def test_accepted_paths_stay_inside_any_root(path):
    if path_problem(path) is None:
        parts = path.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert "\0" not in path
        assert all(part.casefold() != ".git" for part in parts)
