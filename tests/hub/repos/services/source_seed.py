"""Content of the hub that imports read from; run in a process with that hub's settings, prints JSON."""

from __future__ import annotations

import hashlib
import json
import sys

import django

LARGE_BYTES = 12 * 1024 * 1024 + 345
HUGE_BYTES = 70 * 1024 * 1024


def pattern(seed: str, size: int) -> bytes:
    """Bytes that no two places share and that are the same every time."""
    block = b"".join(hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(2048))
    return (block * (size // len(block) + 1))[:size]


SMALL = {
    "README.md": b"---\nlicense: mit\n---\n# A model\n",
    "config.json": b'{"model_type": "bert"}',
    "empty.txt": b"",
    "sub/what? 100%: ä.txt": "grüße\n".encode(),
    **{f"notes/{number:03d}.txt": f"note {number}\n".encode() for number in range(40)},
}


def main() -> None:
    django.setup()
    from tests.factories.accounts import make_token, make_user
    from tests.factories.repos import commit_large_file, make_repo

    ann = make_user("ann", password=None)
    tokens = {"ann": make_token(ann, "read")[1], "bob": make_token(make_user("bob", password=None), "read")[1]}
    repo = make_repo(ann, "secret-model", is_private=True, files=SMALL)
    commit_large_file(repo, ann, "large.bin", pattern("large", LARGE_BYTES))
    commit_large_file(repo, ann, "tiny.bin", b"\0tiny")
    repo.refresh_from_db()
    head = repo.head_oid
    huge = make_repo(ann, "huge", files={"README.md": b"# Huge\n"})
    commit_large_file(huge, ann, "huge.bin", pattern("huge", HUGE_BYTES))
    changed = make_repo(ann, "changed", files={"README.md": b"# Changed\n"})
    wrong = commit_large_file(changed, ann, "weights.bin", pattern("right", 100_000))
    make_repo(ann, "plain", files={"a.txt": b"a"})
    json.dump({"tokens": tokens, "head": head, "wrong": wrong.sha256}, sys.stdout)


if __name__ == "__main__":
    main()
