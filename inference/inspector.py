"""The catalogue's view of an inspection: plain JSON for ``RepoIndex.inspection``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from inference.inspection import inspect_repo


def inspect_files(files: Mapping[str, int], read: Callable[[str, int, int], bytes]) -> dict[str, Any]:
    """Inspect ``files`` (path → bytes) by ``read(path, offset, length)``; nothing is loaded and no content raises."""
    # Through JSON once: tuples become lists here rather than at some later comparison.
    return json.loads(json.dumps(asdict(inspect_repo(files, read))))
