"""The content-addressed store as this hub mounts it: with the rules of its repos."""

from __future__ import annotations

from hub.repos.services.xet import RepoRules
from hub.storage.xet.cas import CasApp

application = CasApp(RepoRules())
