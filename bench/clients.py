"""The clients of the transfer benchmark, one act per process: ``python -m bench.clients '{"act": …}'`` prints seconds.

A process of its own starts with empty caches, does not share an interpreter with what samples and waits, and is the
same for both sides of a ratio: the hub and nginx meet the same functions of huggingface_hub.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.file_download import http_get
from huggingface_hub.lfs import _upload_single_part
from huggingface_hub.utils import build_hf_headers


def main() -> None:
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    act = _ACTS[wanted.pop("act")]
    json.dump({"seconds": act(**wanted)}, sys.stdout)


def upload(endpoint: str, token: str, repo_id: str, file: str, path: str) -> float:
    """``upload_file``: Xet or LFS, as HF_HUB_DISABLE_XET in the environment says; hashing and the commit included."""
    api = HfApi(endpoint=endpoint, token=token)
    begun = time.perf_counter()
    api.upload_file(path_or_fileobj=file, path_in_repo=path, repo_id=repo_id, commit_message=f"Add {path}")
    return time.perf_counter() - begun


def put(url: str, file: str, is_hashed: bool) -> float:
    """What ``upload_file`` does with a plain server: hash the file where LFS needs it, then PUT it by the same code."""
    begun = time.perf_counter()
    operation = CommitOperationAdd(path_in_repo="x.bin", path_or_fileobj=file)
    if is_hashed:
        _ = operation.upload_info.sha256  # the client hashes on demand
    _upload_single_part(operation, url)
    return time.perf_counter() - begun


def http(url: str, target: str, token: str = "") -> float:
    """``http_get``, which follows the redirect of ``resolve``; the file is written."""
    headers = build_hf_headers(token=token or False)
    begun = time.perf_counter()
    with Path(target).open("wb") as file:
        http_get(url, file, headers=headers)
    return time.perf_counter() - begun


def download(endpoint: str, token: str, repo_id: str, path: str, sha256: str) -> float:
    """``hf_hub_download``: by Xet where the file is there, for HF_HUB_DISABLE_XET is not set."""
    begun = time.perf_counter()
    found = hf_hub_download(repo_id, path, endpoint=endpoint, token=token)
    seconds = time.perf_counter() - begun
    with Path(found).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise SystemExit("what came back is not what was sent")
    return seconds


def folder(endpoint: str, token: str, repo_id: str, folder: str) -> float:
    """``upload_folder`` in one commit."""
    api = HfApi(endpoint=endpoint, token=token)
    begun = time.perf_counter()
    api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Add a folder")
    return time.perf_counter() - begun


def tree(endpoint: str, token: str, repo_id: str, path: str) -> float:
    """``list_repo_tree`` of one folder with last commits, all pages; once to warm up, then timed."""
    api = HfApi(endpoint=endpoint, token=token)
    seconds = 0.0
    for _ in range(2):
        begun = time.perf_counter()
        entries = list(api.list_repo_tree(repo_id, path, expand=True))
        seconds = time.perf_counter() - begun
    if any(entry.last_commit is None for entry in entries):
        raise SystemExit("an entry without its last commit")
    return seconds


_ACTS = {
    "upload": upload,
    "put": put,
    "http": http,
    "download": download,
    "folder": folder,
    "tree": tree,
}

if __name__ == "__main__":
    main()
