"""What a confined process can reach: tried from the inside, with code that a hostile model would run."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from inference.workers import sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

_FRAME = """
import json, os, sys, errno, socket
from inference.workers import sandbox
read_end, write_end = os.pipe()
os.open("/etc/passwd", os.O_RDONLY); os.set_inheritable(write_end, True)
namespaced = sandbox.leave_namespaces()
if os.fork() == 0:
    layers, model = sandbox.confine(sandbox.Confinement({folder!r}, {memory}), keep=write_end, namespaced=namespaced)
    def attempt(action):
        try:
            return repr(action())
        except BaseException as error:
            return type(error).__name__
    found = {{}}
{probe}
    os.write(write_end, json.dumps(found).encode())
    os._exit(0)
os.close(write_end)
data = b""
while piece := os.read(read_end, 65536):
    data += piece
os.wait()
print(data.decode() or "null")
"""


@pytest.fixture
def folder(tmp_path):
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "config.json").write_text("{}")
    (tmp_path / "neighbour.txt").write_text("another model's secret")
    (tmp_path / "neighbour.txt").chmod(0o644)
    snapshot.chmod(0o755)
    return snapshot


def inside(folder, probe, memory=2 * 1024**3):
    """Run `probe` (it fills `found`) in a confined process; None when that process died."""
    if sandbox.missing_layers(sandbox.probe_layers()):
        pytest.skip("this machine offers no sandbox; the worker refuses to start here")
    script = _FRAME.format(folder=str(folder), memory=memory, probe=textwrap.indent(textwrap.dedent(probe), "    "))
    command = sandbox.python_command(f"exec({script!r})")
    done = subprocess.run(
        command, env=sandbox.child_environment(1), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_every_layer_is_reported():
    layers = sandbox.probe_layers()
    assert set(sandbox.REQUIRED_LAYERS) <= set(layers)
    assert all(isinstance(value, bool) for value in layers.values())


def test_no_network_t128(folder):
    found = inside(
        folder,
        """
        for name, family in (("inet", socket.AF_INET), ("inet6", socket.AF_INET6), ("unix", socket.AF_UNIX)):
            found[name] = attempt(lambda: socket.socket(family))
        found["pair"] = attempt(socket.socketpair)
        """,
    )
    assert set(found.values()) == {"PermissionError"}


def test_no_secrets_no_descriptors_t129(folder, monkeypatch):
    monkeypatch.setenv("HUB_SECRET_KEY", "do-not-leak")
    monkeypatch.setenv("DATABASE_URL", "postgres://do-not-leak")
    found = inside(
        folder,
        """
        found["env"] = dict(os.environ)
        opened = [fd for fd in range(3, 1024) if attempt(lambda: os.fstat(fd).st_ino) != "OSError"]
        found["fds"] = [fd for fd in opened if fd != write_end]
        found["pids"] = [name for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []
        """,
    )
    assert "do-not-leak" not in str(found["env"])
    assert found["fds"] == []
    assert len(found["pids"]) <= 1


def test_only_the_snapshot_is_readable_t132(folder):
    secret = folder.parent / "neighbour.txt"
    found = inside(
        folder,
        f"""
        found["own"] = attempt(lambda: open(model + "/config.json").read())
        found["neighbour"] = attempt(lambda: open({str(secret)!r}).read())
        found["passwd"] = attempt(lambda: open("/etc/passwd").read())
        found["write"] = attempt(lambda: open(model + "/config.json", "w"))
        found["code"] = attempt(lambda: open(sandbox.__file__, "a"))
        found["tmp"] = attempt(lambda: open("/tmp/x", "w").write("x"))
        """,
    )
    assert found["own"] == "'{}'"
    assert found["tmp"] == "1"
    for name in ("neighbour", "passwd", "write", "code"):
        assert found[name] in ("FileNotFoundError", "PermissionError", "OSError"), name


def test_no_new_programs_processes_or_kernel_doors_t132(folder):
    found = inside(
        folder,
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        found["fork"] = attempt(os.fork)
        found["exec"] = attempt(lambda: os.execv(sys.executable, [sys.executable, "-c", "0"]))
        import platform
        calls = {"x86_64": {"ptrace": 101, "bpf": 321, "mount": 165, "unshare": 272, "io_uring": 425},
                 "aarch64": {"ptrace": 117, "bpf": 280, "mount": 40, "unshare": 97, "io_uring": 425}}
        calls = calls[platform.machine()]
        for name, number in calls.items():
            libc.syscall(number, 0, 0, 0, 0, 0)
            found[name] = errno.errorcode[ctypes.get_errno()]
        import threading
        thread = threading.Thread(target=lambda: found.update(thread=True)); thread.start(); thread.join()
        """,
    )
    assert found.pop("thread") is True
    assert found.pop("fork") == "PermissionError"
    assert found.pop("exec") == "PermissionError"
    assert set(found.values()) == {"EPERM"}


def test_memory_bomb_kills_only_itself_t133(folder):
    found = inside(folder, "found['bomb'] = attempt(lambda: len(bytearray(3 * 1024**3)))", memory=1024**3)
    assert found == {"bomb": "MemoryError"}


def test_descriptors_threads_and_files_are_bounded_t133(folder):
    found = inside(
        folder,
        """
        import threading, time
        stop = threading.Event()
        def threads():
            count = 0
            try:
                while count < 1000:
                    threading.Thread(target=stop.wait, daemon=True).start(); count += 1
            except RuntimeError:
                pass
            return count
        if os.getuid() != 0:
            found["threads"] = threads()
        stop.set()
        def files():
            opened = []
            try:
                while len(opened) < 5000:
                    opened.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
            for fd in opened: os.close(fd)
            return len(opened)
        found["files"] = files()
        """,
    )
    assert found.get("threads", 0) <= sandbox.MAX_PIDS
    assert found["files"] <= sandbox.MAX_FILES


@pytest.mark.parametrize("layer", sandbox.REQUIRED_LAYERS)
def test_a_missing_layer_is_named_t136(layer):
    layers = dict.fromkeys(sandbox.REQUIRED_LAYERS, True) | {layer: False}
    assert sandbox.missing_layers(layers) == [layer]
