"""A process that has imported the libraries once and forks a runner in milliseconds.

host --exec--> zygote (one thread, no model) --fork--> warden (own namespaces) --fork--> runner (confined)

It dies with its host: end of file on the control socket ends it, and its death ends every warden and runner. It
never runs a tensor operation, since threads do not survive a fork.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import os
import select
import signal
import socket
import sys
from typing import Any

import msgpack

from inference.workers import sandbox, syscalls

_PRELOADED = (
    "torch",
    "transformers",
    "safetensors.torch",
    "tokenizers",
    "PIL.Image",
    "inference.engines.transformers_engine",
    "transformers.models.llama.modeling_llama",
    "transformers.models.qwen2.modeling_qwen2",
    "transformers.models.bert.modeling_bert",
    "transformers.models.vit.modeling_vit",
    "transformers.tokenization_utils_tokenizers",
    "inference.workers.runner",
)
_MAX_MESSAGE = 64 * 1024


def main(descriptor: int) -> None:
    """Serve spawn and kill messages on an inherited seqpacket socket until it closes."""
    if sys.platform == "linux":
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    for name in _PRELOADED:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    control = socket.socket(fileno=descriptor)
    control.send(msgpack.packb({"ready": True}))
    while True:
        select.select([control], [], [], 1.0)
        _reap()
        if not select.select([control], [], [], 0)[0]:
            continue
        message, received = _receive(control)
        if message is None:
            os._exit(0)
        if "kill" in message:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(message["kill"]), signal.SIGKILL)
        else:
            control.send(msgpack.packb(_spawn(control, message, received)))


def _receive(control: socket.socket) -> tuple[dict[str, Any] | None, int]:
    fds = array.array("i")
    data, ancillary, _, _ = control.recvmsg(_MAX_MESSAGE, socket.CMSG_SPACE(fds.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: fds.itemsize])
    return (msgpack.unpackb(data) if data else None), (fds[0] if fds else -1)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _spawn(control: socket.socket, message: dict[str, Any], channel: int) -> dict[str, object]:
    """Fork a warden; it tells the runner's process id through a pipe."""
    read_end, write_end = os.pipe()
    warden = os.fork()
    if warden == 0:
        os.close(read_end)
        control.close()
        _watch_over(message, channel, write_end)
    os.close(write_end)
    os.close(channel)
    with os.fdopen(read_end, "rb") as pipe:
        told = pipe.read(16)
    return {"warden": warden, "runner": int(told) if told else 0}


def _watch_over(message: dict[str, Any], channel: int, write_end: int) -> None:
    """Be the warden: leave the namespaces, fork the runner into them, end when it ends. Never returns."""
    status = 1
    try:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        namespaced = sandbox.leave_namespaces()
        runner = os.fork()
        if runner == 0:
            _become_runner(message, channel, namespaced)
        os.close(channel)
        os.write(write_end, str(runner).encode())
        os.close(write_end)
        status = os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1])
    finally:
        os._exit(status & 0x7F)


def _become_runner(message: dict[str, Any], channel: int, namespaced: bool) -> None:
    """Confine this process and serve. Never returns."""
    try:
        confinement = sandbox.Confinement(**message["confinement"])
        layers, model = sandbox.confine(confinement, keep=channel, namespaced=namespaced)
        from inference.workers.runner import serve  # noqa: PLC0415 -- slow import, already loaded here

        serve(socket.socket(fileno=channel), layers=layers, model_dir=model)
    finally:
        os._exit(0)
