"""Shut a process in before it touches a stranger's weights (docs/adr/0002-runner-sandbox.md).

leave namespaces → fork → own root of read-only binds → rlimits → own uid → capabilities → no_new_privs → Landlock →
seccomp → look from inside which layers hold. Every layer is tried; what does not hold is reported, not assumed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from inference.workers import syscalls

MODEL_DIR = "/model"
REQUIRED_LAYERS = ("environment", "descriptors", "network", "files", "no_new_privs", "rlimits")
MAX_PIDS, MAX_FILES = 256, 1024
TMP_BYTES = 1024**3
_FIRST_UID = 900_000
_NAMESPACES = (
    syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
)
_PASSED_ENVIRONMENT = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "CUDA_HOME")
_SYSTEM_DIRS = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib", "/usr/local/cuda", "/lib", "/lib64")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Confinement:
    """How to shut one runner in: its snapshot folder, bytes of private memory, its number and whether it has a GPU."""

    snapshot: str
    memory_bytes: int
    index: int = 0
    gpu: bool = False

    def to_wire(self) -> dict[str, object]:
        """Return plain data for the zygote."""
        return asdict(self)


class SandboxUnavailable(Exception):
    """A required layer does not hold here; `missing` names it."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"sandbox unavailable: {', '.join(missing)}")
        self.missing = missing


def child_environment(threads: int) -> dict[str, str]:
    """Return the whole environment of a runner: an allow-list, nothing of the worker's secrets (T129)."""
    environment = {
        "HOME": "/tmp",  # noqa: S108 -- the runner's own tmpfs
        "TMPDIR": "/tmp",  # noqa: S108
        "HF_HOME": "/tmp/hf",  # noqa: S108
        "LANG": "C.UTF-8",
        "USER": "runner",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "OMP_NUM_THREADS": str(threads),
    }
    return environment | {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}


def python_command(call: str) -> list[str]:
    """Return a command that runs `call` in an isolated Python which finds this package and nothing else of ours."""
    root = str(Path(__file__).resolve().parents[2])
    return [sys.executable, "-I", "-B", "-c", f"import sys; sys.path.append({root!r}); {call}"]


# ---- before the fork


def leave_namespaces() -> bool:
    """Move this single-threaded process into own namespaces; its next child is the first process of its own world.

    Root needs no user namespace; anyone else gets one that maps only themselves.
    """
    try:
        syscalls.unshare(_NAMESPACES)
        return True
    except OSError:
        pass
    uid, gid = os.getuid(), os.getgid()
    try:
        syscalls.unshare(_NAMESPACES | syscalls.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
        return True
    except OSError:
        return False


# ---- in the child


def confine(confinement: Confinement, *, keep: int, namespaced: bool) -> tuple[dict[str, bool], str]:
    """Apply every layer to this process; return which hold and where the snapshot is seen from inside.

    `keep` is the one descriptor beyond the standard three that stays open.
    """
    _close_descriptors(keep)
    for name in _foreign_variables():  # set by libraries while they were imported
        del os.environ[name]
    rooted = namespaced and _succeeds(lambda: _own_root(confinement))
    model = MODEL_DIR if rooted else confinement.snapshot
    limited = _succeeds(lambda: _limit(confinement))
    own_user = _succeeds(lambda: _drop_user(confinement, rooted=rooted))
    _succeeds(syscalls.drop_capabilities)
    _succeeds(lambda: syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0))
    # Changing the user clears this, so it comes after: a runner never outlives the process that watches it.
    _succeeds(lambda: syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL))
    _succeeds(lambda: syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1))
    locked = _succeeds(lambda: _landlock(model, rooted=rooted))
    filtered = _succeeds(syscalls.seccomp_deny)
    layers = {
        "environment": not _foreign_variables(),
        "descriptors": _only_open(keep),
        "namespaces": namespaced,
        "network": _has_no_network(),
        "files": rooted or locked,
        "own_root": rooted,
        "landlock": locked,
        "own_user": own_user,
        "seccomp": filtered,
        "no_new_privs": _succeeds(lambda: _assert(syscalls.prctl(syscalls.PR_GET_NO_NEW_PRIVS) == 1)),
        "rlimits": limited,
    }
    return layers, model


def _foreign_variables() -> set[str]:
    return set(os.environ) - set(child_environment(1))


def _succeeds(action: object) -> bool:
    """Run one layer; a kernel that refuses it is an answer, not an error."""
    assert callable(action)
    try:
        action()
        return True
    except (OSError, ValueError):
        return False


def _assert(fact: bool) -> None:
    if not fact:
        raise ValueError


def missing_layers(layers: dict[str, bool]) -> list[str]:
    """Return the required layers that do not hold."""
    return [name for name in REQUIRED_LAYERS if not layers.get(name)]


def _close_descriptors(keep: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, keep)
    os.closerange(keep + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _only_open(keep: int) -> bool:
    for descriptor in range(3, MAX_FILES):
        if descriptor != keep:
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                return False
    return True


def _has_no_network() -> bool:
    """Try what an intruder would: a socket that reaches out. An empty namespace has no route, a filter no socket."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
    except OSError:
        return True
    return False


def runtime_paths() -> list[str]:
    """Return the folders a runner must read: libraries, this Python and its packages, and our own code."""
    paths = {
        *_SYSTEM_DIRS,
        sys.prefix,
        sys.base_prefix,
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platlib"),
        str(Path(__file__).resolve().parents[1]),
        "/etc/ld.so.cache",
        "/sys/devices/system/cpu",
    }
    # A system Python: the library folders of /usr suffice, its base prefix would show all of it.
    paths.discard("/usr")
    return sorted(path for path in paths if Path(path).exists())


def _devices(gpu: bool) -> list[str]:
    cards = [str(path) for path in Path("/dev").glob("nvidia*")] if gpu else []
    return [path for path in (*_DEVICES, *cards) if Path(path).exists()]


def _own_root(confinement: Confinement) -> None:
    """Build a root of read-only binds in a tmpfs and move into it; nothing else of the machine has a path."""
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    root = tempfile.mkdtemp(prefix="runner-")
    syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_NOSUID, "size=1m,mode=755")
    for name in ("/tmp", "/proc", "/.old"):  # noqa: S108 -- of the new root
        Path(root + name).mkdir()
    no_programs = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    # Before the binds: a hub that is installed below /tmp has its libraries there, and they must lie on top.
    syscalls.mount("tmpfs", root + "/tmp", "tmpfs", no_programs, f"size={TMP_BYTES},mode=1777")  # noqa: S108 -- of the new root
    for path in runtime_paths():
        _bind(path, root + path)
    _bind(confinement.snapshot, root + MODEL_DIR)
    for path in _devices(confinement.gpu):
        _bind(path, root + path, protect=False)
    with contextlib.suppress(OSError):  # refused where a container masks its own /proc: then there is none
        syscalls.mount("proc", root + "/proc", "proc", no_programs)
    syscalls.pivot_root(root, root + "/.old")
    os.chdir("/")
    syscalls.detach("/.old")
    Path("/.old").rmdir()
    syscalls.mount("none", "/", None, syscalls.MS_REMOUNT | syscalls.MS_RDONLY | syscalls.MS_NOSUID)


def _bind(source: str, target: str, *, protect: bool = True) -> None:
    if Path(source).is_symlink() and Path(source).parent == Path("/"):  # /lib -> usr/lib
        Path(target).symlink_to(Path(source).readlink())
        return
    place = Path(target)
    if place.exists():
        return  # already visible inside a folder bound before
    if Path(source).is_dir():
        place.mkdir(parents=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    syscalls.mount(source, target, None, syscalls.MS_BIND | syscalls.MS_REC)
    if protect:
        syscalls.protect_tree(target)


def _limit(confinement: Confinement) -> None:
    """Bound memory, processes, files and dumps. Address space is not bounded on a GPU, whose driver maps all of it."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: MAX_FILES,
        resource.RLIMIT_FSIZE: TMP_BYTES,
        resource.RLIMIT_NPROC: MAX_PIDS,
        resource.RLIMIT_MEMLOCK: 64 * 1024 * 1024,
    }
    if not confinement.gpu:
        mapped = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_DATA] = confinement.memory_bytes
        # Shared memory escapes RLIMIT_DATA; the address space holds it, and the mapped weights beside it.
        limits[resource.RLIMIT_AS] = mapped + 2 * confinement.memory_bytes
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def _drop_user(confinement: Confinement, *, rooted: bool) -> None:
    """Become a user that owns nothing. Raises: OSError when this process may not change its user."""
    if os.geteuid() != 0:
        raise OSError(errno.EPERM, "not root")
    uid = _FIRST_UID + confinement.index % 10_000
    if not rooted and not _readable_by(uid, [*runtime_paths(), confinement.snapshot]):
        raise OSError(errno.EACCES, "the other user could not read the libraries")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _readable_by(uid: int, paths: list[str]) -> bool:
    os.setresuid(-1, uid, -1)
    try:
        return all(os.access(path, os.R_OK, effective_ids=True) for path in paths)
    finally:
        os.setresuid(-1, 0, -1)


def _landlock(model: str, *, rooted: bool) -> None:
    readable = [*runtime_paths(), model, "/proc", *_devices(gpu=True)]
    writable = ["/tmp", "/dev/null"] if rooted else ["/dev/null"]  # noqa: S108 -- the runner's own tmpfs
    syscalls.landlock(readable, [*writable, *(path for path in _devices(gpu=True) if "nvidia" in path)])


# ---- looking from outside


@contextlib.contextmanager
def _empty_folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="sandbox-probe-") as folder:
        Path(folder).chmod(0o755)
        yield folder


def probe_layers() -> dict[str, bool]:
    """Shut a throwaway process in and return which layers hold on this machine; all False where it cannot be tried."""
    with _empty_folder() as folder:
        command = python_command(f"from inference.workers.sandbox import report_layers; report_layers({folder!r})")
        try:
            done = subprocess.run(command, env=child_environment(1), capture_output=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return dict.fromkeys(REQUIRED_LAYERS, False)
    try:
        found: dict[str, bool] = json.loads(done.stdout)
    except ValueError:
        return dict.fromkeys(REQUIRED_LAYERS, False)
    return found


def report_layers(folder: str) -> None:
    """Print the layers that hold in a confined child, as JSON. Run in a process of its own."""
    read_end, write_end = os.pipe()
    namespaced = leave_namespaces()
    if os.fork() == 0:
        layers, _ = confine(Confinement(folder, 1024**3), keep=write_end, namespaced=namespaced)
        os.write(write_end, json.dumps(layers).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        sys.stdout.write(pipe.read().decode() or "null")
    os.wait()
