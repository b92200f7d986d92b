"""MB/s of the upload page and of downloads, over a plain copy of the same file on the same disk.

    python bench/transfer_web.py [--megabytes 1024]

Starts a hub of its own in a temporary directory and drives it with Chromium (``HUB_TEST_CHROMIUM`` or on PATH).
The upload counts from the choice of the file to "all files are here": hashing in the browser, sending, and the
server's comparison of the hash; the copy counts until its bytes are on disk.  Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.e2e.browser import launched
from tests.e2e.conftest import Person
from tests.e2e.live_hub import LiveHub
from tests.e2e.upload_page import UploadPage

MB = 1_000_000
MIB = 1024 * 1024
READ_BYTES = 1 * MIB


def timed(act: Callable[[], object]) -> float:
    """Seconds that ``act`` takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def write_random(path: Path, size_bytes: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size_bytes, MIB):
            file.write(os.urandom(min(MIB, size_bytes - start)))
        file.flush()
        os.fsync(file.fileno())


def copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as write:
        shutil.copyfileobj(read, write, MIB)
        write.flush()
        os.fsync(write.fileno())


def upload(hub: LiveHub, person: Person, repo_id: str, file: Path) -> tuple[float, int]:
    """Seconds, and how many bytes the web process grew by."""
    with launched() as browser:
        page = browser.new_page()
        person.sign_in(page)
        form = UploadPage(page).open(f"{hub.url}/{repo_id}/upload/main")
        before = most = hub.web_rss_bytes()
        begun = time.perf_counter()
        form.choose_files(file)
        while form.phase() != "ready":
            most = max(most, hub.web_rss_bytes())
            if form.phase() == "failed":
                raise SystemExit(page.locator("#upload-files").inner_text())
            page.wait_for_timeout(50)
        seconds = time.perf_counter() - begun
        form.commit()
        form.wait_committed()
        return seconds, most - before


def download(hub: LiveHub, person: Person, repo_id: str, name: str) -> int:
    url = f"{hub.url}/{repo_id}/resolve/main/{name}"
    total = 0
    with httpx.stream("GET", url, headers=person.headers, follow_redirects=True, timeout=600) as answer:
        answer.raise_for_status()
        for piece in answer.iter_raw(READ_BYTES):
            total += len(piece)
    return total


def measure(work: Path, size_bytes: int) -> dict[str, float]:
    source = work / "random.dat"
    write_random(source, size_bytes)
    copy_s = min(timed(lambda: copy(source, work / "copy.dat")) for _ in range(2))
    hub = LiveHub(work / "data").start()
    try:
        person = Person(hub, "bench")
        repo_id = person.create_repo("transfer")
        upload_s, grown_bytes = upload(hub, person, repo_id, source)
        download_s = min(timed(lambda: download(hub, person, repo_id, source.name)) for _ in range(3))
    finally:
        hub.stop()
    rates = {"copy": size_bytes / copy_s, "upload": size_bytes / upload_s, "download": size_bytes / download_s}
    return {
        "megabytes": round(size_bytes / MB),
        **{f"{name}_mb_per_s": round(rate / MB, 1) for name, rate in rates.items()},
        "upload_over_copy": round(rates["upload"] / rates["copy"], 3),
        "download_over_copy": round(rates["download"] / rates["copy"], 3),
        "web_process_grew_mb": round(grown_bytes / MB, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agora-bench-") as directory:
        print(json.dumps({"transfer_web": measure(Path(directory), arguments.megabytes * MB)}, indent=2))


if __name__ == "__main__":
    main()
