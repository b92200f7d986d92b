"""The confined process of one loaded model: frames in, engine steps, frames out.

host → {load} {submit} {cancel} {ping} {close};  runner → {layers} {ready | failed} {events}* {pong}
One thread reads, the main thread steps the engine; all events of a step leave in one frame.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import Any

from inference.engines.base import Engine, EngineSpec
from inference.engines.registry import load_engine
from inference.protocol.errors import InvalidInput
from inference.protocol.events import ErrorEvent, Event, event_to_wire, is_final
from inference.protocol.frames import FrameConnection, FrameError
from inference.protocol.requests import request_from_wire
from inference.workers.sandbox import missing_layers

_MOST_LINGER_S = 0.01  # together, however many come one by one


def serve(sock: socket.socket, *, layers: dict[str, bool], model_dir: str) -> None:
    """Report the layers, load when told to, and serve until the host closes the connection."""
    connection = FrameConnection(sock, send_timeout_s=60)
    connection.send({"type": "layers", "layers": layers})
    order = connection.receive()
    if not isinstance(order, dict) or order.get("type") != "load":
        return
    missing = missing_layers(layers)
    if missing and not order.get("allow_degraded"):
        connection.send({"type": "failed", "code": "sandbox_unavailable", "message": ", ".join(missing)})
        return
    engine = _load(connection, order, model_dir)
    if engine is not None:
        _Loop(connection, engine).run()


def _load(connection: FrameConnection, order: dict[str, Any], model_dir: str) -> Engine | None:
    spec = EngineSpec(path=model_dir, **{**order["spec"], "sentence_modules": tuple(order["spec"]["sentence_modules"])})
    try:
        if spec.pipeline_tag != "echo":
            import torch  # noqa: PLC0415 -- slow import, and not needed to echo

            torch.set_num_threads(int(order["threads"]))
        engine = load_engine(spec)
    except MemoryError:
        connection.send({"type": "failed", "code": "out_of_memory", "message": ""})
    except Exception as error:  # a loader meets a stranger's files: whatever it raises is this model's failure alone
        code = "out_of_memory" if _is_out_of_memory(error) else "load_failed"
        connection.send({"type": "failed", "code": code, "message": type(error).__name__})
    else:
        connection.send({"type": "ready", "max_batch": getattr(engine, "max_batch", None)})
        return engine
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


class _Loop:
    def __init__(self, connection: FrameConnection, engine: Engine) -> None:
        self._connection = connection
        self._engine = engine
        self._inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._active: set[str] = set()

    def run(self) -> None:
        """Alternate between what the host says and what the engine does; block only when both are quiet."""
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            if not self._take_messages(block=not self._engine.has_work):
                return
            if self._engine.has_work:
                self._send(self._step())

    def _read(self) -> None:
        try:
            while (message := self._connection.receive()) is not None:
                self._inbox.put(message)
        except (FrameError, OSError):
            pass
        self._inbox.put(None)

    def _take_messages(self, *, block: bool) -> bool:
        """Handle what has arrived or is expected in a moment; False when the host is gone or closed us."""
        wait_s = None if block else 0.0
        end = 0.0
        while True:
            try:
                message = self._inbox.get(block=wait_s != 0.0, timeout=wait_s)
            except queue.Empty:
                return True
            if message is None or message.get("type") == "close":
                return False
            self._handle(message)
            end = end or time.monotonic() + _MOST_LINGER_S
            wait_s = max(0.0, min(self._linger_s, end - time.monotonic()))

    @property
    def _linger_s(self) -> float:
        linger_s: float = getattr(self._engine, "linger_s", 0.0)
        return linger_s

    def _handle(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "submit":
                self._submit(message["id"], message["request"])
            case "cancel":
                self._active.discard(message["id"])
                self._engine.cancel(message["id"])
            case "ping":
                self._connection.send({"type": "pong"})

    def _submit(self, request_id: str, wire: Any) -> None:
        try:
            self._engine.submit(request_id, request_from_wire(wire))
            self._active.add(request_id)
        except InvalidInput as error:
            self._send([ErrorEvent(request_id, error.code, error.message, param=error.param)])
        except MemoryError:
            self._send([_out_of_memory(request_id)])
        except Exception as error:  # tokenizers and templates are the model's own
            self._send(
                [ErrorEvent(request_id, "internal", f"The model failed on this input ({type(error).__name__}).")]
            )

    def _step(self) -> list[Event]:
        try:
            events = self._engine.step()
        except Exception as error:  # the batch cannot be trusted any more: all of it fails, the process goes on
            failed, self._active = sorted(self._active), set()
            for request_id in failed:
                self._engine.cancel(request_id)
            if _is_out_of_memory(error):
                return [_out_of_memory(request_id) for request_id in failed]
            name = type(error).__name__
            return [ErrorEvent(item, "internal", f"The model failed ({name}).", retryable=True) for item in failed]
        for event in events:
            if is_final(event):
                self._active.discard(event.request_id)
        return events

    def _send(self, events: list[Event]) -> None:
        if events:
            self._connection.send({"type": "events", "events": [event_to_wire(event) for event in events]})


def _out_of_memory(request_id: str) -> ErrorEvent:
    return ErrorEvent(request_id, "out_of_memory", "The model ran out of memory on this request.", retryable=True)
