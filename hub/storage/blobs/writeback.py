"""Ask the kernel to begin writing while more arrives, so that the fsync at the end finds little left to do."""

from __future__ import annotations

import ctypes
from typing import Final

#: Small enough that the disk is never idle for long, large enough that asking costs nothing.
STEP_BYTES: Final = 8 * 1024 * 1024
_SYNC_FILE_RANGE_WRITE: Final = 2

_libc = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


class Writeback:
    """The bytes of one open file that were written and not yet handed to the disk.

    It promises nothing: durability is fsync's, and an error of the disk is reported there.
    """

    def __init__(self, fd: int, start: int = 0) -> None:
        self._fd = fd
        self._start = start

    def reached(self, end: int) -> None:
        """Everything before ``end`` is written to the file."""
        if end - self._start < STEP_BYTES:
            return
        if _sync_file_range is not None:
            _sync_file_range(self._fd, self._start, end - self._start, _SYNC_FILE_RANGE_WRITE)
        self._start = end
