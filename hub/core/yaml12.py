"""YAML 1.2 core, as the Hub's own parser reads it: ``language: no`` is Norwegian, dates stay text.

Built on libyaml's event stream, which is lazy: size, depth and node limits stop a hostile document before anything
is built from it.  Aliases count as the nodes they expand to (T104).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 5_000

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_OCTAL: Final = re.compile(r"0o[0-7]{1,18}")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_CONSTANTS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CORE_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map", "int", "float", "bool", "null")}
# What a database or a JSON reader refuses: NUL and half characters.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class YamlError(ValueError):
    """``problem`` in words for the author; ``line`` counts from 1 within the document."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(f"line {line}: {problem}")
        self.problem = problem
        self.line = line


@dataclass(slots=True)
class _Frame:
    """A collection that is being filled; ``key`` is set while a mapping waits for a value."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    nodes: int = 1
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    frames: list[_Frame] = field(default_factory=list)
    # anchor → (value, nodes it expands to); absent while the anchored collection is still open.
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    nodes: int = 0
    root: Any = None
    documents: int = 0


def loads(text: str) -> Any:
    """Return the one document in ``text``: dicts with text keys, lists, and JSON scalars.

    Raises:
        YamlError: not YAML, a limit passed, duplicate keys, custom tags, several documents.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise YamlError(f"The metadata is larger than {MAX_BYTES // 1024} KiB.", 1)
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            _take(builder, event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(_sentence(error.problem or "This is not valid YAML"), mark.line + 1 if mark else 1) from error
    except yaml.reader.ReaderError as error:
        raise YamlError("Special characters are not allowed.", 1) from error
    except (UnicodeEncodeError, yaml.YAMLError) as error:
        raise YamlError("This is not valid YAML.", 1) from error
    return builder.root


def _sentence(problem: str) -> str:
    return f"{problem[:1].upper()}{problem[1:].rstrip('.')}."


def _take(builder: _Builder, event: yaml.Event) -> None:
    if isinstance(event, yaml.ScalarEvent):
        _check_tag(event)
        _add(builder, event, _scalar(event), 1, event.anchor)
    elif isinstance(event, yaml.AliasEvent):
        _add_alias(builder, event)
    elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        _open(builder, event)
    elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
        frame = builder.frames.pop()
        # Counted while they came; only the collection itself is new.
        builder.nodes -= frame.nodes - 1
        _add(builder, event, frame.value, frame.nodes, frame.anchor)
    elif isinstance(event, yaml.DocumentStartEvent):
        builder.documents += 1
        if builder.documents > 1:
            raise YamlError("Only one document is allowed.", _line(event))


def _line(event: yaml.Event) -> int:
    return (event.start_mark.line if event.start_mark else 0) + 1


def _check_tag(event: Any) -> None:
    if event.tag is not None and event.tag != "!" and event.tag not in _CORE_TAGS:
        raise YamlError(f"The tag {str(event.tag)[:60]!r} is not allowed.", _line(event))


def _open(builder: _Builder, event: Any) -> None:
    _check_tag(event)
    if len(builder.frames) >= MAX_DEPTH:
        raise YamlError(f"Nested deeper than {MAX_DEPTH} levels.", _line(event))
    frame = builder.frames[-1] if builder.frames else None
    if frame and isinstance(frame.value, dict) and frame.key is None:
        raise YamlError("Keys must be plain text.", _line(event))
    value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
    builder.frames.append(_Frame(value, event.anchor))


def _add_alias(builder: _Builder, event: Any) -> None:
    known = builder.anchors.get(event.anchor)
    if known is None:
        raise YamlError(f"The alias *{event.anchor[:60]} names nothing above it.", _line(event))
    value, nodes = known
    _add(builder, event, value, nodes, None)


def _add(builder: _Builder, event: Any, value: Any, nodes: int, anchor: str | None) -> None:
    builder.nodes += nodes
    if builder.nodes > MAX_NODES:
        raise YamlError(f"More than {MAX_NODES} values.", _line(event))
    if anchor:
        builder.anchors[anchor] = (value, nodes)
    if not builder.frames:
        builder.root = value
        return
    frame = builder.frames[-1]
    frame.nodes += nodes
    if isinstance(frame.value, list):
        frame.value.append(value)
    elif frame.key is None:
        frame.key = _key(frame, event, value)
    else:
        frame.value[frame.key] = value
        frame.key = None


def _key(frame: _Frame, event: Any, value: Any) -> str:
    if isinstance(value, dict | list):
        raise YamlError("Keys must be plain text.", _line(event))
    key = event.value if isinstance(event, yaml.ScalarEvent) else str(value)
    if key in frame.value:
        raise YamlError(f"The key {key[:60]!r} stands here twice.", _line(event))
    return key


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if _UNSTORABLE.search(text):
        raise YamlError("Control characters are not allowed.", _line(event))
    # implicit[0]: plain and untagged, so the text itself decides the type.
    if not event.implicit[0]:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and any(mark in text for mark in ".eE"):
        return _finite(text)
    return text


def _finite(text: str) -> float | str:
    """Numbers beyond a double stay text: JSON has no infinity."""
    number = float(text)
    return number if abs(number) != float("inf") else text


def dumps(value: Any) -> str:
    """Write block YAML that 1.1 and 1.2 readers understand alike (``"no"`` is quoted)."""
    return yaml.dump(
        value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10_000
    )


@dataclass(frozen=True, slots=True)
class KeySpan:
    """Lines of a top-level entry, from 0: [start, stop)."""

    start: int
    stop: int


def top_level_spans(text: str) -> dict[str, KeySpan] | None:
    """Where each top-level key stands in a block mapping, so that one can be replaced and the rest kept as written.

    None when the document is no block mapping.  Call it on text that ``loads`` accepted.
    """
    keys: list[tuple[str, int]] = []
    depth, expects_key = 0, True
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if depth == 0 and (not isinstance(event, yaml.MappingStartEvent) or event.flow_style):
                return None
            depth += 1
            continue
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
            expects_key = expects_key if depth != 1 else True
            continue
        if depth == 1 and isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            if expects_key:
                if isinstance(event, yaml.AliasEvent):
                    return None
                keys.append((event.value, _line(event) - 1))
            expects_key = not expects_key
    return _spans(keys, text.splitlines())


def _spans(keys: list[tuple[str, int]], lines: list[str]) -> dict[str, KeySpan]:
    spans = {}
    for index, (key, start) in enumerate(keys):
        stop = keys[index + 1][1] if index + 1 < len(keys) else len(lines)
        # Comments and blank lines before the next key belong to that key.
        while stop > start + 1 and (not lines[stop - 1].strip() or lines[stop - 1].lstrip().startswith("#")):
            stop -= 1
        spans[key] = KeySpan(start, stop)
    return spans
