"""Front matter: YAML 1.2, refusals with a line, checks in the Hub's words, gentle changes."""

from __future__ import annotations

import time

import pytest

from hub.core import yaml12
from hub.core.ids import RepoType
from hub.repos.cards import (
    InvalidCard,
    card_metadata,
    card_template,
    parse_card,
    read_card,
    set_card_fields,
    split_card,
    validate_card,
    write_card,
)


def front(yaml: str, body: str = "# Hi\n") -> str:
    return f"---\n{yaml}\n---\n{body}"


def test_yaml_is_1_2_core():
    metadata = parse_card(
        front("language: no\na: on\nb: 2020-01-01\nc: 12:30:45\nd: 0o17\ne: ~\nf: .inf\ng: 1e3\nh: '1'\ni: true\n1: x")
    ).metadata
    assert metadata == {
        "language": "no", "a": "on", "b": "2020-01-01", "c": "12:30:45", "d": 15, "e": None, "f": ".inf", "g": 1000.0,
        "h": "1", "i": True, "1": "x",
    }  # fmt: skip


def _bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for old, new in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        ("a: 1\nb: 2\na: 3", 4),
        ("x: !!python/object/apply:os.system [id]", 2),
        ("x: !custom y", 2),
        ("a: [1\n b: c: d", 3),
        ("- a\n- b", 2),
        ("just words", 2),
        ("a: " + "[" * 40, 2),
        ("a: *nowhere", 2),
        ("a: &a [*a]", 2),
        ("? [1, 2]\n: x", 2),
        ('a: "\\0"', 2),
        ("a: \x07", 2),
        (_bomb(), None),
        ("a: " + "x" * 70_000, 2),
        ("\n".join(f"k{n}: v" for n in range(3_000)), None),
    ],
)
def test_unreadable_metadata_is_refused_with_its_line(yaml, line):
    """T104: custom tags, duplicate keys, bombs, depth, nodes, bytes; 50 ms."""
    start = time.process_time()
    with pytest.raises(InvalidCard) as caught:
        parse_card(front(yaml))
    assert time.process_time() - start < 0.05
    assert line is None or caught.value.data["line"] == line
    assert f"line {caught.value.data['line']}" in caught.value.message
    card = read_card(front(yaml))
    assert (card.metadata, card.body) == ({}, "# Hi\n")
    assert card.error == caught.value.message


def test_aliases_within_the_limit_are_read():
    assert parse_card(front("a: &x [1, 2]\nb: *x")).metadata == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# only", (None, "# only")),
        ("---\na: 1\n---\nx", ("a: 1\n", "x")),
        ("\ufeff---\r\na: 1\r\n---\r\nx", ("a: 1\r\n", "x")),
        ("---\n---\nx", ("", "x")),
        ("---\na: 1\n", (None, "---\na: 1\n")),
        ("a\n---\nb: 1\n---\n", (None, "a\n---\nb: 1\n---\n")),
    ],
)
def test_front_matter_is_found_only_at_the_top(text, expected):
    assert split_card(text) == expected


def test_metadata_leaves_out_what_does_not_fit():
    metadata = card_metadata(
        {
            "license": ["MIT", 3],
            "language": False,
            "tags": ["a", None, "a"],
            "base_model": ["x/y", {"a": 1}],
            "widget": "no",
        },
        body="see https://arxiv.org/abs/1706.03762",
    )
    assert (metadata.licenses, metadata.languages, metadata.tags) == (("mit", "3"), (), ("a",))
    assert [base.id for base in metadata.base_models] == ["x/y"]
    assert (metadata.arxiv, metadata.widget) == (("1706.03762",), ())


@pytest.mark.parametrize(
    ("yaml", "start"),
    [
        ("license: free", '"license" must be one of [apache-2.0, mit,'),
        ("language: false", '"language" must be ISO 639 codes'),
        ("base_model: a b", '"base_model" must hold repository ids'),
        ("base_model_relation: cousin", '"base_model_relation" must be one of [finetune'),
        ("tags: [[a]]", '"tags" must be a list of texts'),
        ("model-index: x", '"model-index" must be an array'),
        ("model-index: [{name: m, results: [{metrics: []}]}]", '"model-index[0].results[0].task.type" is required'),
        ("license: other\nlicense_link: ftp://x", '"license_link" must be'),
        ("pipeline_tag: [a]", '"pipeline_tag" must be a text'),
    ],
)
def test_validation_names_what_is_wrong(yaml, start):
    result = validate_card(front(yaml))
    assert [error[: len(start)] for error in result.errors] == [start]


def test_validation_lets_good_and_bare_cards_pass():
    assert validate_card("# none").errors == []
    assert validate_card("# none").warnings != []
    good = front("license: mit\nlanguage: [no, zh]\npipeline_tag: fill-mask\nsomething: else\nbase_model: a/b")
    assert (validate_card(good).errors, validate_card(good).warnings) == ([], [])
    assert validate_card(front("pipeline_tag: x-y")).warnings != []


def test_setting_a_field_keeps_comments_other_lines_and_body():
    text = front("# mine\nlicense: mit # why\ntags:\n- a\n- b\n\n# base\nbase_model: x/y", "body\n---\nmore\n")
    changed = set_card_fields(text, {"tags": ["no"], "base_model": None, "pipeline_tag": "fill-mask"})
    assert changed == front(
        "# mine\nlicense: mit # why\ntags:\n- 'no'\n\n# base\npipeline_tag: fill-mask", "body\n---\nmore\n"
    )
    assert set_card_fields("# bare\n", {"license": "mit"}) == "---\nlicense: mit\n---\n\n# bare\n"
    assert parse_card(set_card_fields(front("{license: mit, a: 1}"), {"a": 2})).metadata == {"license": "mit", "a": 2}
    with pytest.raises(InvalidCard):
        set_card_fields(front("a: 1\na: 2"), {"license": "mit"})


@pytest.mark.parametrize(
    "value", ["no", "1.10", "2020-01-01", "a: b", "# x", "", "语言", "null", ["on", "x"], {"a": [1]}]
)
def test_written_values_read_back(value):
    assert yaml12.loads(yaml12.dumps({"k": value})) == {"k": value}


def test_template_is_valid_and_holds_the_form():
    text = card_template(
        name="tiny",
        license="mit",
        pipeline_tag="fill-mask",
        base_model="a/b",
        base_model_relation="finetune",
        languages=("no",),
    )
    assert validate_card(text).errors == []
    card = parse_card(text)
    assert card.metadata == {
        "license": "mit", "language": ["no"], "pipeline_tag": "fill-mask", "base_model": "a/b",
        "base_model_relation": "finetune",
    }  # fmt: skip
    assert card.body.startswith("\n# tiny\n")
    data = parse_card(card_template(name="d", repo_type=RepoType.DATASET, pipeline_tag="translation"))
    assert data.metadata == {"task_categories": ["translation"]}
    assert write_card({"a": "", "b": []}, "x") == "---\n---\n\nx"
