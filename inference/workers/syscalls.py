"""The few Linux calls that Python has no name for: unshare, mount, pivot_root, prctl, capset, Landlock, seccomp."""

from __future__ import annotations

import ctypes
import os
import platform
import stat
import struct
import sys

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_THREAD = 0x10000000, 0x20000000, 0x40000000, 0x00010000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE, MNT_DETACH = 16384, 1 << 18, 2
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_DUMPABLE = 1, 22, 24, 4
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 39, 47, 4

_EPERM, _ENOSYS = 1, 38
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_SYS_CLONE = {"x86_64": 56, "aarch64": 220}
_SYS_CLONE3, _SYS_MOUNT_SETATTR = 435, 442
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_MACHINE = platform.machine()

# What a runner never needs once it serves: new sockets and programs, other processes, mounts, namespaces, kernel
# interfaces with a history (bpf, io_uring, userfaultfd, keyrings, perf), handles that bypass paths, the clock.
_DENIED_EVERYWHERE = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 442, 448)
_DENIED = {
    "x86_64": (
        41, 42, 43, 49, 50, 53, 57, 58, 59, 101, 103, 133, 135, 153, 155, 161, 163, 164, 165, 166, 167, 168, 169, 170,
        171, 172, 173, 175, 176, 179, 212, 227, 246, 248, 249, 250, 256, 259, 272, 279, 288, 298, 303, 304, 308, 310,
        311, 312, 313, 320, 321, 322, 323,
    ),
    "aarch64": (
        33, 39, 40, 41, 51, 58, 60, 89, 92, 97, 104, 105, 106, 112, 116, 117, 142, 161, 162, 170, 198, 199, 200, 201,
        202, 203, 217, 218, 219, 221, 224, 225, 238, 239, 241, 242, 264, 265, 268, 270, 271, 272, 273, 280, 281, 282,
        294,
    ),
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _check(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _require_linux() -> ctypes.CDLL:
    if _libc is None:
        raise OSError(_ENOSYS, "only Linux has this call")
    return _libc


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`. Raises: OSError."""
    _check(_require_linux().unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount. Raises: OSError."""
    kind_bytes = kind.encode() if kind else None
    call = _require_linux().mount
    _check(call(source.encode(), target.encode(), kind_bytes, ctypes.c_ulong(flags), data.encode()), "mount")


def protect_tree(target: str) -> None:
    """Make a mount and all below it read-only, without set-uid programs and devices. Raises: OSError."""
    attributes = struct.pack("<QQQQ", 0x1 | 0x2 | 0x4, 0, 0, 0)  # rdonly, nosuid, nodev
    buffer = ctypes.create_string_buffer(attributes)
    result = _require_linux().syscall(_SYS_MOUNT_SETATTR, -100, target.encode(), 0x8000, buffer, len(attributes))
    _check(result, "mount_setattr")


def pivot_root(new_root: str, old_root: str) -> None:
    """Make `new_root` the root, the former one visible at `old_root`. Raises: OSError."""
    libc = _require_linux()
    _check(libc.syscall(_SYS_PIVOT_ROOT[_MACHINE], new_root.encode(), old_root.encode()), "pivot_root")


def detach(target: str) -> None:
    """Unmount lazily. Raises: OSError."""
    _check(_require_linux().umount2(target.encode(), MNT_DETACH), "umount2")


def prctl(option: int, value: int = 0, third: int = 0) -> int:
    """Call prctl. Raises: OSError."""
    zero = ctypes.c_ulong(0)
    return _check(_require_linux().prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(third), zero, zero), "prctl")


def drop_capabilities() -> None:
    """Give up every capability, for good. Raises: OSError."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the last one, or not allowed to: then there is none to lose
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = ctypes.create_string_buffer(struct.pack("<Ii", 0x20080522, 0))
    data = ctypes.create_string_buffer(struct.pack("<6I", *[0] * 6))
    _check(_require_linux().syscall(_SYS_CAPSET[_MACHINE], header, data), "capset")


# ---- Landlock (source: the kernel's userspace-api/landlock documentation)

_READ = (1 << 0) | (1 << 2) | (1 << 3)
_FILE_ONLY = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14) | (1 << 15)


def landlock_version() -> int:
    """Return the kernel's Landlock version, 0 when it has none."""
    if _libc is None:
        return 0
    return max(0, int(_libc.syscall(_SYS_LANDLOCK_CREATE, None, 0, 1)))


def landlock(readable: list[str], writable: list[str]) -> None:
    """Restrict this process to reading and writing beneath these paths, and to no TCP. Raises: OSError."""
    libc, version = _require_linux(), landlock_version()
    if version < 1:
        raise OSError(_ENOSYS, "no landlock")
    filesystem = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    attributes = struct.pack("<Q", filesystem)
    if version >= 4:
        attributes += struct.pack("<Q", 0b11)  # bind and connect TCP
    if version >= 6:
        attributes += struct.pack("<Q", 0b11)  # abstract sockets and signals stay inside
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = _check(libc.syscall(_SYS_LANDLOCK_CREATE, buffer, len(attributes), 0), "landlock_create_ruleset")
    try:
        for path in readable:
            _allow(libc, ruleset, path, _READ & filesystem)
        for path in writable:
            _allow(libc, ruleset, path, filesystem)
        _check(libc.syscall(_SYS_LANDLOCK_RESTRICT, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _FILE_ONLY
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, descriptor), 12)
        _check(libc.syscall(_SYS_LANDLOCK_ADD, ruleset, 1, rule, 0), "landlock_add_rule")
    finally:
        os.close(descriptor)


# ---- seccomp (source: the kernel's userspace-api/seccomp_filter documentation)

_LOAD, _JUMP_EQUAL, _JUMP_SET, _JUMP_ABOVE, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


def seccomp_deny() -> None:
    """Refuse the listed calls, and new processes but not threads. Needs no_new_privs. Raises: OSError."""
    if _MACHINE not in _DENIED:
        raise OSError(_ENOSYS, "no filter for this machine")
    program = b"".join(_filter())
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(head, len(head))
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(pointer))


def _filter() -> list[bytes]:
    def op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("<HBBI", code, if_true, if_false, value)

    deny = op(_RETURN, _ERRNO | _EPERM)
    lines = [op(_LOAD, 4), op(_JUMP_EQUAL, _AUDIT_ARCH[_MACHINE], 1, 0), op(_RETURN, _KILL), op(_LOAD, 0)]
    lines += [op(_JUMP_ABOVE, 0x40000000, 0, 1), deny]  # the x32 table of the same machine
    # clone3 hides its flags behind a pointer; without it the C library falls back to clone.
    lines += [op(_JUMP_EQUAL, _SYS_CLONE3, 0, 1), op(_RETURN, _ERRNO | _ENOSYS)]
    for number in (*_DENIED[_MACHINE], *_DENIED_EVERYWHERE):
        lines += [op(_JUMP_EQUAL, number, 0, 1), deny]
    lines += [op(_JUMP_EQUAL, _SYS_CLONE[_MACHINE], 0, 3), op(_LOAD, 16), op(_JUMP_SET, CLONE_THREAD, 1, 0), deny]
    lines.append(op(_RETURN, _ALLOW))
    return lines
