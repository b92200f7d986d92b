"""Simplified Chinese is whole: every text is marked, collected, translated, and seen by those who ask for it."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.translation import trans_real
from django.utils.translation.template import templatize

from hub.catalog.services import index_repo
from hub.core import errors
from hub.core.error_words import in_words_of_reader
from hub.core.management.commands.compile_catalogs import compile_catalog, stale_catalogs
from hub.core.markdown import render_markdown
from hub.core.taxonomy import language_label
from inference.gateway.errors import as_told
from inference.protocol.errors import InferenceError
from tests.factories.accounts import make_organization, make_token, make_user
from tests.factories.repos import make_repo

ROOT: Final = Path(settings.BASE_DIR)
PO: Final = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
#: Not words, or the same in both languages.
SAME: Final = {"API", "Top-p", "{done} of {total}"}

_TEMPLATE_WORDS: Final = {"gettext": None, "_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
_CODE_WORDS: Final = {
    **_TEMPLATE_WORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
}


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    """``up`` compiles at start; a test run may come before it."""
    stale = stale_catalogs([Path(directory) for directory in settings.LOCALE_PATHS])
    for source in stale:
        compile_catalog(source)
    if stale:
        trans_real._translations.clear()


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with PO.open("rb") as stream:
        return read_po(stream)


def _entries(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def _texts(message: Message) -> tuple[list[str], list[str]]:
    """(English forms, Chinese forms)."""
    english = list(message.id) if isinstance(message.id, tuple) else [message.id]
    chinese = list(message.string) if isinstance(message.string, tuple | list) else [message.string]
    return english, chinese


# --- the catalogue ---------------------------------------------------------------------------------------------------


def _templates() -> list[Path]:
    return sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in {".html", ".txt"})


def _code() -> list[Path]:
    return sorted(path for package in ("hub", "community", "inference") for path in (ROOT / package).rglob("*.py"))


def _marked_in(path: Path) -> Iterator[tuple[str | None, str]]:
    """(context, text) of what one file marks for translation."""
    if path.suffix == ".py":
        source, words = path.read_text(), _CODE_WORDS
    else:
        # What is not marked is blotted out; its line breaks would read as Python's indentation.
        source, words = templatize(path.read_text()).replace("\n", " "), _TEMPLATE_WORDS
    for _line, message, _comments, context in extract("python", io.BytesIO(source.encode()), words):
        text = message[0] if isinstance(message, tuple) else message
        if text:
            yield context, text


def test_every_marked_text_is_in_the_catalogue(catalog):
    known = {(message.context, _texts(message)[0][0]) for message in _entries(catalog)}
    missing = {
        (str(path.relative_to(ROOT)), text)
        for path in (*_templates(), *_code())
        for context, text in _marked_in(path)
        if (context or None, text) not in known
    }
    assert not missing, "run `make messages` and translate what is new"


def test_every_text_is_translated(catalog):
    assert not catalog.obsolete
    assert not [message.id for message in _entries(catalog) if message.fuzzy]
    unfinished = [
        message.id
        for message in _entries(catalog)
        for chinese in _texts(message)[1]
        if not chinese or not (CHINESE.search(chinese) or _texts(message)[0][0] in SAME)
    ]
    assert not unfinished
    assert catalog.num_plurals == 1


_PLACE: Final = re.compile(r"%\(\w+\)[sd]|\{\w+\}|</?[a-z]+(?: [^>]*)?>|%%")


def test_places_for_values_and_markup_are_kept(catalog):
    for message in _entries(catalog):
        english, chinese = _texts(message)
        for text in chinese:
            # English may leave the number out of a form; Chinese has one form and needs them all.
            assert sorted(set(_PLACE.findall(text))) == sorted(set(_PLACE.findall(english[-1]))), message.id
            assert text.startswith("\n") == english[0].startswith("\n"), message.id


def test_chinese_is_set_in_chinese_punctuation(catalog):
    """A half-width mark right after a Chinese character is a slip."""
    slips = [
        text
        for message in _entries(catalog)
        for text in _texts(message)[1]
        if re.search(r"[\u4e00-\u9fff][,;:?!()]", text)
    ]
    assert not slips


# --- what is not marked ----------------------------------------------------------------------------------------------

_UNSEEN: Final = re.compile(
    r"\{%\s*(comment|blocktranslate)\b.*?%\}.*?\{%\s*end\1\s*%\}|\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}|<!--.*?-->"
    r"|<(script|style|code|pre|kbd)\b.*?</\2>",
    re.DOTALL,
)
_SAID_BY_ATTRIBUTE: Final = re.compile(
    r'\b(?:aria-label|title|placeholder|alt|data-copied|data-tab|data-tabs-label|value)="([^"]*)"'
)
_SAID_BY_COMPONENT: Final = re.compile(
    r'\{%\s*(?:component|slotted)\b[^%]*?\b(?:label|title|text|help|placeholder|caption|note|summary)="([^"]+)"'
)
#: Names, which are the same in every language.
_NAMES: Final = {
    "Agora", "English", "README.md", "SHA-256", "cURL", "Python", "OpenAI", "JavaScript", "Shell", "hf", "git",
    "page-auth", "settings", "tokens",
}  # fmt: skip
#: For those who build the interface, who read its source.
_FOR_BUILDERS: Final = {"styleguide.html"}


def _bare_words(source: str) -> Iterator[str]:
    yield from _SAID_BY_COMPONENT.findall(re.sub(r"\{%\s*comment.*?endcomment\s*%\}", "", source, flags=re.DOTALL))
    seen = _UNSEEN.sub(" ", source)
    yield from (found for found in _SAID_BY_ATTRIBUTE.findall(seen) if re.fullmatch(r"[A-Z].*|.* .*", found.strip()))
    for text in re.sub(r"<[^>]*>", "\n", seen).splitlines():
        yield re.sub(r"&\w+;|[·/]", " ", text).strip()


def test_bare_english_is_found():
    bare = set(_bare_words('<p title="Look here">Hello <b>you</b>{% component "button" label="Save" %}{{ name }}</p>'))
    assert bare >= {"Look here", "Hello", "you", "Save"}
    marked = (
        '{% translate "Save" as label %}<p title="{% translate "x" %}">{{ label }}</p>{% comment %}A{% endcomment %}'
    )
    assert not {text for text in _bare_words(marked) if text}


@pytest.mark.parametrize("path", _templates(), ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_templates_hold_no_bare_english(path):
    if path.name in _FOR_BUILDERS:
        return
    words = {text for text in _bare_words(path.read_text()) if re.search(r"[A-Za-z]{2}", text)}
    bare = {text for text in words if not set(text.split()) <= _NAMES and not CHINESE.search(text)}
    assert not bare


_SHOWN_BY_SCRIPT: Final = re.compile(
    r"""(?:\.(?:textContent|innerText|title|placeholder|ariaLabel|alt)\s*=\s*"""
    r"""|setAttribute\(["'](?:aria-label|title|placeholder)["'],\s*|\b(?:toast|announce|alert|confirm)\()"""
    r"""(["'`])(?=[^"'`]*[A-Za-z]{2})(?!\$\{)(.*?)\1"""
)


def test_scripts_take_their_words_from_the_page():
    scripts = [path for path in (ROOT / "static" / "js").rglob("*.js") if "vendor" not in path.parts]
    assert scripts
    found = [(path.name, text) for path in scripts for _quote, text in _SHOWN_BY_SCRIPT.findall(path.read_text())]
    assert not found


# --- sentences of refusals -------------------------------------------------------------------------------------------

#: Modules whose refusals reach people through pages; the others answer programs only.
_SPOKEN_IN: Final = (
    "community/services/webhooks.py",
    "hub/accounts/**/*.py",
    "hub/core/ids.py",
    "hub/core/destinations.py",
    "hub/core/outgoing.py",
    "hub/catalog/filters.py",
    "hub/repos/gates.py",
    "hub/repos/permissions.py",
    "hub/repos/remote_hub.py",
    "hub/repos/services/access.py",
    "hub/repos/services/commits.py",
    "hub/repos/services/import_run.py",
    "hub/repos/services/imports.py",
    "hub/repos/services/refs.py",
    "hub/repos/services/repos.py",
    "hub/repos/services/uploads.py",
    "hub/storage/git/commits.py",
    "hub/storage/git/refs.py",
    "community/collections.py",
    "community/services/collections.py",
    "community/services/follows.py",
    "community/services/inbox.py",
    "community/services/notice_mails.py",
    "community/services/pins.py",
    "hub/web/**/*.py",
    "inference/inspection.py",
    "inference/dispatch.py",
)
_REFUSALS: Final = {
    name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.HubError)
} | {"_Refused", "AddressRefused", "Finding", "OutgoingFailed", "SourceFailed", "SourceMissing"}
#: Commands of operators, and what only a client can cause.
_TO_PROGRAMS: Final = (
    "LFS object missing",
    "Invalid LFS pointer",
    "The content of x7",
    "A file does not have its declared size",
    "A file in the commit",
    "The files of one commit exceed",
    "x7: give size and sha256 of the file.",
    "✖ Invalid option",
)


def _as_said(node: ast.expr) -> str:
    """The sentence of a literal or f-string, with ``x7`` where values go."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return ""
    return "".join(
        part.value if isinstance(part, ast.Constant) else "'x7'" if part.conversion == ord("r") else "x7"
        for part in node.values
    )


def _refusals() -> set[str]:
    paths = {path for pattern in _SPOKEN_IN for path in ROOT.glob(pattern) if "management" not in path.parts}
    calls = (node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    said = (
        _as_said(argument)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in _REFUSALS
        for argument in call.args
    )
    own = {getattr(errors, name).default_message for name in _REFUSALS if hasattr(errors, name)}
    return {text for text in said if " " in text and not text.startswith(_TO_PROGRAMS)} | own


def test_every_refusal_that_people_see_has_words():
    refusals = _refusals()
    assert len(refusals) > 100
    with translation.override("zh-hans"):
        english = {text for text in refusals if not CHINESE.search(in_words_of_reader(text))}
    assert not english, "list these in hub/core/error_words.py"


def test_words_of_refusals_keep_values_and_english():
    message = "Cannot add a/b.txt: a is a file, not a folder"
    assert in_words_of_reader(message) == message
    with translation.override("zh-hans"):
        assert in_words_of_reader(message) == "无法添加 a/b.txt：a 是文件，不是文件夹"
        assert in_words_of_reader("This name is taken.") == "此名称已被占用。"
        assert in_words_of_reader("Something that nobody listed") == "Something that nobody listed"
        assert in_words_of_reader("") == ""


@pytest.mark.django_db
def test_pages_are_told_in_chinese_and_programs_in_english():
    _token, secret = make_token(make_user("ada"))
    route = "/api/models/ada/none"
    asked = {"accept-language": "zh-hans", "authorization": f"Bearer {secret}"}
    program = Client().get(route, headers=asked)
    page = Client().get(route, headers={**asked, "x-csrftoken": "x" * 32})
    assert (program.status_code, program.json()["error"]) == (404, "Repository not found")
    assert (page.status_code, page.json()["error"]) == (404, "未找到仓库")
    assert page["X-Error-Message"] == "Repository not found"


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([(b"x-csrftoken", b"t"), (b"accept-language", b"zh-hans")], "调用已取消。"),
        ([(b"x-csrftoken", b"t"), (b"accept-language", b"en")], "The call was cancelled."),
        ([(b"accept-language", b"zh-hans")], "The call was cancelled."),
        ([(b"x-csrftoken", b"t"), (b"accept-language", b"zh-CN,zh;q=0.9")], "The call was cancelled."),
    ],
)
def test_the_playground_is_told_in_the_language_of_its_page(headers, told):
    error = InferenceError("cancelled", "The call was cancelled.", status=499)
    assert as_told(error, {"headers": headers}).message == told
    assert error.message == "The call was cancelled."


# --- pages -----------------------------------------------------------------------------------------------------------

#: Words of our pages that would be seen at once if one were left; names and code hold none of them.
LEFT_OVER: Final = re.compile(
    r"\b(Sign (?:in|up|out)|Settings|Search|Models|Files|History|Save|Cancel|Delete|Create|Upload|Download|"
    r"Licence|Tokens?|Members|Updated|Likes|Password|Language|Theme|Email|Private|ago)\b"
)


def _words_of(page: str) -> str:
    text = re.sub(r"<(script|style|code|pre|svg|time)\b.*?</\1>|<head>.*?</head>", " ", page, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", text)


_OF_STRANGERS: Final = """
/ /models /datasets /search?q=tiny /ada /lab /ada/none /accounts/login/ /accounts/signup/ /accounts/password/reset/
/ada/tiny /ada/tiny/tree/main /ada/tiny/commits
""".split()
_OF_PEOPLE: Final = """
/ /new /organizations/new /organizations/lab/members /organizations/lab/settings
/ada/tiny/settings /ada/tiny/settings/delete /ada/tiny/upload/main /ada/tiny/card /ada/tiny/refs
/ada/tiny/edit/main/a.txt /ada/tiny/delete/main/a.txt /ada/tiny/new/main
/settings/profile /settings/account /settings/account/delete /settings/tokens /settings/tokens/new /settings/usage
/settings/organizations /accounts/2fa/ /accounts/sessions/ /accounts/email/ /accounts/password/change/
""".split()


@pytest.mark.django_db
def test_key_pages_hold_no_left_over_english():
    ada = make_user("ada")
    make_organization("lab", admin=ada)
    repo = make_repo(
        ada, "tiny", files={"README.md": b"---\nlicense: mit\nlanguage: fr\n---\nBonjour.\n", "a.txt": b"a\n"}
    )
    index_repo(repo.pk)
    browser = Client(headers={"accept-language": "zh-CN,zh;q=0.9"})
    _look_at(browser, _OF_STRANGERS)
    browser.force_login(ada)
    _look_at(browser, _OF_PEOPLE)


@pytest.mark.django_db
def test_refused_forms_speak_chinese_to_the_end():
    """The sentences of Django and allauth come from their catalogues, and from ours where theirs leave one out."""
    browser = Client(headers={"accept-language": "zh-CN"})
    fields = {"username": "a--b", "email": "x", "password1": "123", "password2": "124"}
    page = browser.post("/accounts/signup/", fields).content.decode()
    lists = re.findall(r'<ul class="field__errors".*?</ul>', page)
    told = [text for found in lists for text in re.findall("<li>(.*?)</li>", found)]
    assert len(told) >= 3
    assert not [text for text in told if not CHINESE.search(text)]
    assert "密码太短，至少需要 12 个字符。" in page
    assert "too short" not in page


def _look_at(browser: Client, addresses: list[str]) -> None:
    for address in addresses:
        answer = browser.get(address)
        page = answer.content.decode()
        assert answer.status_code in {200, 404}, address
        assert '<html lang="zh-hans"' in page, address
        left = {found.group() for found in LEFT_OVER.finditer(_words_of(page))}
        assert not left, address


def test_languages_are_called_by_the_readers_names():
    assert language_label("fr") == "French"
    with translation.override("zh-hans"):
        assert language_label("fr") == "法语"
        assert language_label("qqq") == "qqq"


def test_words_that_the_renderer_adds_are_translated():
    source = "> [!NOTE]\n> Note well.\n\n- [x] Note\n- [ ] b\n\nc[^1]\n\n[^1]: d\n"
    english = render_markdown(source).html
    with translation.override("zh-hans"):
        chinese = render_markdown(source).html
    for word, translated in (
        ('markdown-alert-title">Note<', 'markdown-alert-title">注意<'),
        ('checked="" aria-label="done"', 'checked="" aria-label="已完成"'),
        ('aria-label="to do"', 'aria-label="待办"'),
        ('aria-label="Back to reference 1"', 'aria-label="回到引用处 1"'),
    ):
        assert (english.count(word), chinese.count(word), chinese.count(translated)) == (1, 0, 1)
    assert "Note well." in chinese


# --- the switch ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_strangers_switch_by_cookie():
    browser = Client()
    answer = browser.post(reverse("set_language"), {"language": "zh-hans", "next": "/models"})
    assert (answer.status_code, answer["Location"]) == (302, "/models")
    assert '<html lang="zh-hans"' in browser.get("/models").content.decode()
    browser.post(reverse("set_language"), {"language": "en", "next": "/models"})
    assert '<html lang="en"' in browser.get("/models").content.decode()


@pytest.mark.django_db
def test_the_choice_of_a_signed_in_person_follows_them():
    ada = make_user("ada")
    here, there = Client(), Client(headers={"accept-language": "en"})
    here.force_login(ada)
    here.post(reverse("set_language"), {"language": "zh-hans", "next": "/models"})
    ada.refresh_from_db()
    assert ada.language == "zh-hans"
    there.force_login(ada)
    assert '<html lang="zh-hans"' in there.get("/models").content.decode()
    assert '<html lang="en"' in Client(headers={"accept-language": "en"}).get("/models").content.decode()


@pytest.mark.django_db
def test_an_unknown_language_is_not_kept():
    ada = make_user("ada")
    browser = Client()
    browser.force_login(ada)
    browser.post(reverse("set_language"), {"language": "xx", "next": "/models"})
    ada.refresh_from_db()
    assert ada.language == ""
