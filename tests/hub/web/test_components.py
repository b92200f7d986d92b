"""Components, drawings and error pages, rendered through the real template engine."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django import forms
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory, override_settings
from django.urls import include, path

from hub.core.errors import PermissionDenied
from hub.web import errors
from hub.web.templatetags import hub_ui

ROOT = Path(__file__).resolve().parents[3]
COMPONENTS = ROOT / "templates" / "components"
CHROME = {"site_header", "site_footer"}


def _page(_request):  # the routes below are only named, never visited
    raise NotImplementedError


_web = [
    path(name, _page, name=name)
    for name in (
        "home", "model_list", "dataset_list", "import_new", "repo_new", "search",
        "settings_profile", "settings_tokens", "org_new", "set_theme", "collections", "collection_new", "conduct",
    )
] + [path("u/<name>", _page, name="profile")]  # fmt: skip
urlpatterns = [
    path("", include((_web, "web"))),
    path("login", _page, name="account_login"),
    path("signup", _page, name="account_signup"),
    path("logout", _page, name="account_logout"),
    path("language", _page, name="set_language"),
]


def render(source: str, **context: object) -> str:
    return Template("{% load hub_ui %}" + source).render(Context(context))


def component_names() -> list[str]:
    return sorted(file.stem for file in COMPONENTS.glob("*.html") if file.stem not in CHROME)


@pytest.mark.parametrize("name", component_names())
def test_component_declares_its_parameters_and_has_a_stylesheet_or_none_of_its_classes(name):
    source = (COMPONENTS / f"{name}.html").read_text()
    assert hub_ui.parse_signature(name, source).defaults
    assert (ROOT / "static" / "css" / "components" / f"{name}.css").is_file()
    assert not re.search(r"\sstyle=|\son\w+=|<script", source), "strict CSP"


def test_component_refuses_an_unknown_parameter():
    with pytest.raises(TemplateSyntaxError, match="takes no parameter colour"):
        render('{% component "badge" label="x" colour="red" %}')


def test_component_refuses_a_missing_parameter():
    with pytest.raises(TemplateSyntaxError, match="needs label"):
        render('{% component "badge" %}')


def test_component_sees_nothing_of_the_page():
    assert "leak" not in render('{% component "badge" label="x" %}', tone="leak", icon="leak")


def test_component_escapes_values_and_keeps_slot_markup():
    html = render('{% slotted "empty_state" title=title %}<b>{{ title }}</b>{% endslotted %}', title="<i>")
    assert html.count("&lt;i&gt;") == 2
    assert "<b>" in html
    assert "<i>" not in html


def test_every_icon_named_in_a_template_is_in_the_sprite():
    sprite = (ROOT / "static" / "icons" / "sprite.svg").read_text()
    known = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    used: set[str] = set()
    for file in (ROOT / "templates").rglob("*.html"):
        used.update(re.findall(r'{% icon "([^"]+)"', file.read_text()))
        used.update(re.findall(r'\bicon="([a-z][^"{]*)"', file.read_text()))
    used |= set(hub_ui._TASK_ICONS.values()) | set(hub_ui._FILE_ICONS)
    assert used - known == set()


class _Form(forms.Form):
    name = forms.CharField(help_text="Lower case")
    agree = forms.BooleanField()
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)


def test_field_ties_help_and_errors_to_the_input():
    html = render('{% component "field" field=form.name %}', form=_Form({}))
    described = re.search(r'aria-describedby="([^"]+)"', html)
    assert described is not None
    assert {f'id="{target}"' in html for target in described[1].split()} == {True}
    assert 'for="id_name"' in html
    assert 'aria-invalid="true"' in html


def test_field_groups_radios_under_a_legend():
    html = render('{% component "field" field=form.kind %}', form=_Form())
    assert re.search(r"<fieldset.*<legend.*Kind.*</legend>", html, re.DOTALL)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (999, "999"),
        (1234, "1.2k"),
        (999_600, "1M"),
        (134_515_008, "135M"),
        (7_000_000_000, "7B"),
        (None, "–"),
    ],
)
def test_human_count(value, words):
    assert hub_ui.human_count(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (90_868_376, "90.9 MB"), (2_000_000_000, "2 GB")]
)
def test_human_size(value, words):
    assert hub_ui.human_size(value) == words.replace(" ", "\u00a0")


def test_relative_words_by_age():
    now = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)
    ages = [dt.timedelta(seconds=5), dt.timedelta(minutes=1), dt.timedelta(hours=5), dt.timedelta(days=29)]
    assert [hub_ui.relative_words(now - age, now) for age in ages] == [
        "just now", "1 minute ago", "5 hours ago", "29 days ago",
    ]  # fmt: skip
    assert "2026" in hub_ui.relative_words(now - dt.timedelta(days=31), now)


def test_sparkline_points_stay_in_the_box():
    assert hub_ui.sparkline_points([0, 10], 96, 24) == [(1, 23), (95, 1)]


def test_identicon_is_the_same_for_a_name_and_differs_between_names():
    assert hub_ui.identicon_path("ada") == hub_ui.identicon_path("ada")
    assert len({hub_ui.identicon_path(f"user{n}") for n in range(50)}) > 45


def test_toggle_query_adds_removes_and_returns_to_the_first_page():
    request = RequestFactory().get("/models?license=mit&cursor=abc")
    context = Context({"request": request})
    assert hub_ui.toggle_query(context, "license", "mit") == "?"
    assert hub_ui.toggle_query(context, "license", "apache-2.0") == "?license=mit&license=apache-2.0"


def test_joined_stylesheet_is_current():
    done = subprocess.run([sys.executable, "tools/css.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run: python tools/css.py"


def test_vendored_files_match_their_sums():
    done = subprocess.run(
        [sys.executable, "tools/vendor.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_server_error_needs_no_request():
    response = errors.server_error()
    assert response.status_code == 500
    assert b"500" in response.content


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("status", [400, 403, 404, 413, 429, 503])
def test_status_page(status, rf):
    response = errors.render_status(rf.get("/nowhere"), status)
    assert response.status_code == status
    assert f">{status}<".encode() in response.content


@override_settings(ROOT_URLCONF=__name__)
def test_hub_error_is_told_in_its_own_words_and_escaped(rf):
    response = errors.error_page(rf.get("/x"), PermissionDenied("Ask <Ada>.", retry_after_s=1.2))
    assert response.status_code == 403
    assert b"Ask &lt;Ada&gt;." in response.content
    assert response["Retry-After"] == "2"
