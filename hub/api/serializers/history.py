"""Commits, refs and differences (hub-api §10, §11.3)."""

from __future__ import annotations

import html
from typing import Any

from hub.api.serializers.values import date_text
from hub.repos.content import commit_date
from hub.storage.git.diffs import FileDiff, TreeDiff
from hub.storage.git.objects import CommitInfo, RefInfo, RefList


def commit_json(commit: CommitInfo, *, is_formatted: bool, pull_request: int | None = None) -> dict[str, Any]:
    """``pull_request``: the one that the commit is from, where no branch holds it."""
    shown: dict[str, Any] = {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author.name or "unknown"}],
        "date": date_text(commit_date(commit)),
    }
    if pull_request is not None:
        shown["pullRequest"] = pull_request
    if is_formatted:
        shown["formatted"] = {"title": html.escape(commit.title), "message": html.escape(commit.message)}
    return shown


def ref_json(ref: RefInfo) -> dict[str, str]:
    return {"name": ref.name, "ref": ref.ref, "targetCommit": ref.target_commit}


def refs_json(refs: RefList, *, with_pull_requests: bool) -> dict[str, list[dict[str, str]]]:
    shown = {
        "branches": [ref_json(ref) for ref in refs.branches],
        "tags": [ref_json(ref) for ref in refs.tags],
        "converts": [ref_json(ref) for ref in refs.converts],
    }
    if with_pull_requests:
        shown["pullRequests"] = [ref_json(ref) for ref in refs.pull_requests]
    return shown


def diff_json(diff: TreeDiff) -> dict[str, Any]:
    return {
        "files": [
            {
                "path": file.path,
                "oldPath": file.old_path,
                "status": file.status,
                "additions": file.additions,
                "deletions": file.deletions,
                "isBinary": file.is_binary,
                "isTruncated": file.is_truncated,
            }
            for file in diff.files
        ],
        "totalFiles": diff.total_files,
        "isTruncated": diff.is_truncated,
    }


def diff_text(diff: TreeDiff) -> str:
    """Unified diff."""
    return "".join(_file_text(file) for file in diff.files)


def _file_text(file: FileDiff) -> str:
    old, new = (f"a/{file.old_path}", f"b/{file.path}")
    lines = [f"diff --git {old} {new}"]
    if file.old_lfs or file.new_lfs or file.is_binary or file.is_truncated:
        lines.append(f"Binary or large files {old} and {new} differ")
        return "\n".join(lines) + "\n"
    lines.append(f"--- {old if file.old_oid else '/dev/null'}")
    lines.append(f"+++ {new if file.new_oid else '/dev/null'}")
    for hunk in file.hunks:
        lines.append(hunk.header.rstrip("\n"))
        lines += [f"{line.origin}{line.text.rstrip(chr(10))}" for line in hunk.lines]
    return "\n".join(lines) + "\n"
