"""Every address of a repo, for pages, clients and git, built in one place.

Plain string work: no reverse(), because lists build thousands of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings

from hub.core.ids import RepoType


@dataclass(frozen=True, slots=True)
class RepoUrls:
    repo_type: RepoType
    namespace: str
    name: str

    @property
    def page(self) -> str:
        return f"/{self.repo_type.web_prefix}{self.namespace}/{self.name}"

    @property
    def absolute(self) -> str:
        return f"{settings.HUB_URL}{self.page}"

    @property
    def git(self) -> str:
        return self.absolute

    @property
    def api(self) -> str:
        return f"/api/{self.repo_type.plural}/{self.namespace}/{self.name}"

    @property
    def settings(self) -> str:
        return f"{self.page}/settings"

    @property
    def upload(self) -> str:
        return self.upload_to("main")

    def upload_to(self, revision: str) -> str:
        return f"{self.page}/upload/{_quote(revision)}"

    def tree(self, revision: str, path: str = "") -> str:
        return self._at("tree", revision, path)

    def blob(self, revision: str, path: str) -> str:
        return self._at("blob", revision, path)

    def raw(self, revision: str, path: str) -> str:
        return self._at("raw", revision, path)

    def resolve(self, revision: str, path: str) -> str:
        return self._at("resolve", revision, path)

    def edit(self, revision: str, path: str) -> str:
        return self._at("edit", revision, path)

    def commits(self, revision: str, path: str = "") -> str:
        return self._at("commits", revision, path)

    def commit(self, oid: str) -> str:
        return f"{self.page}/commit/{oid}"

    def _at(self, verb: str, revision: str, path: str) -> str:
        base = f"{self.page}/{verb}/{_quote(revision)}"
        return f"{base}/{_quote(path)}" if path else base


def _quote(text: str) -> str:
    return quote(text, safe="/")
