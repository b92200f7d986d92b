"""The data plane under a real server: memory stays flat, and a kill loses nothing that was acknowledged."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from hub.storage.blobs import get_blob_store
from hub.storage.lfs import transfer

MEBIBYTE = 1024**2
BLOCK = os.urandom(MEBIBYTE)
SECRET = "live-server-secret"

SERVER = """
import sys
from django.conf import settings
settings.configure(
    SECRET_KEY={secret!r}, HUB_STORAGE_URL={url!r}, HUB_DATA_DIR={data!r}, HUB_URL="",
    INSTALLED_APPS=["hub.storage"], DATABASES={{}},
)
import django
django.setup()
from hub.storage.dataplane import application
"""

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LiveServer:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        root = Path(__file__).resolve().parents[4]
        command = [sys.executable, "-m", "granian", "--interface", "asginl", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "agora_live:application"]
        environment = {**os.environ, "PYTHONPATH": f"{self.folder}:{root}"}
        self.process = subprocess.Popen(command, cwd=self.folder, env=environment, start_new_session=True)
        self._wait()

    def _wait(self) -> None:
        for _ in range(150):
            try:
                httpx.get(f"{self.base_url}/_d/x")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise TimeoutError

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def peak_mib(self) -> float:
        """Return the highest resident size that any process of the server reached."""
        peaks = []
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                if os.getpgid(int(status.parent.name)) == self.process.pid:
                    line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
                    peaks.append(int(line.split()[1]) / 1024)
            except (OSError, StopIteration):
                continue
        return max(peaks)


@pytest.fixture
def server(settings, tmp_path):
    settings.SECRET_KEY = SECRET
    settings.HUB_STORAGE_URL = f"file://{tmp_path / 'blobs'}?min_free_bytes=0"
    source = SERVER.format(secret=SECRET, url=settings.HUB_STORAGE_URL, data=str(tmp_path))
    (tmp_path / "agora_live.py").write_text(source)
    live = LiveServer(tmp_path)
    live.start()
    yield live
    live.kill()


def begin(mebibytes: int):
    digest = hashlib.sha256()
    for _ in range(mebibytes):
        digest.update(BLOCK)
    size_bytes = mebibytes * MEBIBYTE
    return transfer.begin_upload(sha256=digest.hexdigest(), size_bytes=size_bytes, repo_key="r", owner_key="o")


def send_part(server: LiveServer, session, number: int) -> httpx.Response:
    url = transfer.part_urls(session, numbers=[number], base_url=server.base_url)[number]
    count = session.part_size(number) // MEBIBYTE
    return httpx.put(
        url, content=(BLOCK for _ in range(count)), headers={"content-length": str(count * MEBIBYTE)}, timeout=60
    )


def test_uploading_300_mb_costs_the_server_less_than_64_mb(server):
    session = begin(300)
    before = server.peak_mib()
    statuses = {send_part(server, session, number).status_code for number in range(1, session.part_count + 1)}
    assert statuses == {200}
    assert server.peak_mib() - before < 64
    assert transfer.complete_upload(session.pk, sha256=session.sha256).size_bytes == 300 * MEBIBYTE


def test_t74_t159_a_killed_server_keeps_acknowledged_parts_and_no_half_ones(server):
    session = begin(100)
    assert send_part(server, session, 1).status_code == 200
    url = transfer.part_urls(session, numbers=[2], base_url=server.base_url)[2]

    def half():
        for _ in range(10):
            yield BLOCK
        server.kill()
        yield BLOCK

    with pytest.raises(httpx.TransportError):
        httpx.put(url, content=half(), headers={"content-length": str(session.part_size(2))}, timeout=20)
    server.start()
    assert [part.number for part in transfer.stored_parts(session)] == [1]
    assert send_part(server, session, 2).status_code == 200
    transfer.complete_upload(session.pk, sha256=session.sha256)
    assert get_blob_store().verify(session.sha256).size_bytes == 100 * MEBIBYTE
