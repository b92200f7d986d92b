"""The word lists hold together: icons exist, ids are the protocol's, labels are there."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from hub.core.taxonomy import (
    LICENSES,
    PIPELINE_TAGS,
    LicenseClass,
    Modality,
    language_label,
    license_class,
    license_ids_of,
    pipeline_tags_by_modality,
)


def test_icons_are_in_the_sprite():
    sprite = (Path(settings.BASE_DIR) / "static/icons/sprite.svg").read_text()
    known = set(re.findall(r'id="([a-z0-9-]+)"', sprite))
    assert {tag.icon for tag in PIPELINE_TAGS.values()} <= known


def test_every_task_stands_in_one_group():
    groups = pipeline_tags_by_modality()
    assert sum(len(tags) for tags in groups.values()) == len(PIPELINE_TAGS)
    assert list(groups) == list(Modality)


def test_licences_are_complete():
    assert len(LICENSES) == 82  # hub-api §26.4
    assert license_class("mit") is LicenseClass.COMMERCIAL
    assert license_class("cc-by-nc-4.0") is LicenseClass.NON_COMMERCIAL
    assert license_class("llama3.1") is LicenseClass.CONDITIONAL
    assert license_class("homemade") is LicenseClass.UNKNOWN
    assert sum(len(license_ids_of(name)) for name in LicenseClass) == len(LICENSES)
    for item in LICENSES.values():
        assert item.permissions.can or item.license_class is LicenseClass.UNKNOWN


def test_language_labels():
    assert [language_label(code) for code in ("no", "zh", "zh-tw", "qqq")] == [
        "Norwegian", "Chinese", "Chinese (zh-tw)", "qqq"
    ]  # fmt: skip
