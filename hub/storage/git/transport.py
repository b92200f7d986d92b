"""Git's smart HTTP protocol as a small pure-ASGI app.

    request → parsed service → authorise → (push: commands judged) → git --stateless-rpc → streamed answer → after_push

Source: git, ``Documentation/gitprotocol-http``. git runs with a clean environment and fixed arguments; the path
of the repository comes from `authorise`, never from the URL. Only the smart routes exist (T31).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pygit2

from hub.core.errors import (
    BadRequest,
    HubError,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServiceUnavailable,
    header_text,
)
from hub.storage.git.pktline import (
    FLUSH,
    ZERO_OID,
    ProtocolError,
    PushRequest,
    RefCommand,
    UpdateKind,
    encode_packet,
    format_report,
    parse_push_request,
    parse_report,
    split_packet,
)
from hub.storage.git.receive_check import (
    LockedPaths,
    MissingLfs,
    PushLimits,
    PushRefused,
    Quarantine,
    check_push,
)
from hub.storage.git.refs import pushed_ref_problem, read_ref
from hub.storage.git.repository import HOOKS_PATH, git_environment, git_executable, limit_memory, open_repository

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHUNK_BYTES = 1 << 16
MAX_REPORT_BYTES = 4 << 20
FAREWELL_S = 5.0
REALM = "Agora"

# Two segments name a repo, after a prefix for its type; any other place may end in "info/refs" as a file does.
_ROUTE = re.compile(
    r"/(?P<repo>(?:(?:datasets|spaces|kernels)/)?[^/]+/[^/]+)/(?P<end>info/refs|git-upload-pack|git-receive-pack)\Z"
)
_DUMB_ROUTE = re.compile(
    r"\.git/(?:HEAD|config|description|packed-refs|objects/|refs/|hooks/|logs/|info/(?!lfs(?:/|\Z)))"
)
# What writing to a process that has closed its input raises; RuntimeError is uvloop's way to say it.
_PIPE_CLOSED = (BrokenPipeError, ConnectionResetError, RuntimeError)
_PROTOCOL = re.compile(r"version=[012]\Z")


class GitService(StrEnum):
    """The two services of the protocol; the value is git's name."""

    UPLOAD_PACK = "git-upload-pack"
    RECEIVE_PACK = "git-receive-pack"

    @property
    def command(self) -> str:
        return self.value.removeprefix("git-")


@dataclass(frozen=True, slots=True)
class GitRequest:
    """What `authorise` decides about.

    `repo_name` is the URL path before the route, without slashes at its ends and without one ``.git`` suffix
    (``ns/name``, ``datasets/ns/name``). Header names are lower case. `client_address` may be empty.
    """

    repo_name: str
    service: GitService
    is_advertisement: bool
    headers: Mapping[str, str]
    client_address: str = ""

    @property
    def is_write(self) -> bool:
        return self.service is GitService.RECEIVE_PACK


JudgeRefs = Callable[[Sequence[RefCommand]], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class GitAccess:
    """What a caller may do, as `authorise` found it.

    `caller_key` counts requests of one person or address. `judge_refs` returns a reason per refused reference
    (own rights, open pull requests); names that nobody may push are refused before it is asked. `missing_lfs`
    returns those sha256 that this repo does not hold, `locked_paths` the files that the caller may not change.
    `protected_refs` is asked with full names. `context` is handed to `after_push` untouched.
    """

    repo_path: Path
    caller_key: str
    judge_refs: JudgeRefs | None = None
    missing_lfs: MissingLfs | None = None
    locked_paths: LockedPaths | None = None
    protected_refs: Container[str] = frozenset()
    max_pack_bytes: int | None = None
    context: Any = None


@dataclass(frozen=True, slots=True)
class GitLimits:
    """Bounds of the surface (T64, T66); counts hold per server process."""

    max_request_bytes: int = 10 * 1024 * 1024
    max_pack_bytes: int = 4 * 1024**3
    max_command_bytes: int = 1024 * 1024
    wall_time_s: float = 3600
    per_repo: int = 32
    per_caller: int = 8
    push: PushLimits = field(default_factory=PushLimits)


Authorise = Callable[[GitRequest], Awaitable[GitAccess]]
AfterPush = Callable[[GitAccess, Sequence[RefCommand]], Awaitable[None]]


def is_git_path(path: str) -> bool:
    """Tell whether a decoded URL path belongs to this app (smart routes, and dumb ones, which it answers 404)."""
    return _ROUTE.fullmatch(path) is not None or _DUMB_ROUTE.search(path) is not None


class GitHttpApp:
    """ASGI app for ``…/info/refs``, ``…/git-upload-pack`` and ``…/git-receive-pack``.

    `authorise` raises HubError to refuse; a 401 asks the client for credentials. `after_push` is awaited with the
    references that moved, before the client's answer ends; it runs even when the client has left.
    """

    def __init__(self, authorise: Authorise, after_push: AfterPush, limits: GitLimits | None = None) -> None:
        self._authorise = authorise
        self._after_push = after_push
        self._limits = limits or GitLimits()
        self._running: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        answer = _Answer(send)
        try:
            request = _parse_request(scope)
            access = await self._authorise(request)
            with self._slot(access):
                async with asyncio.timeout(self._limits.wall_time_s):
                    await self._serve(request, access, receive, answer)
        except HubError as error:
            await answer.refuse(error)
        except TimeoutError:
            await answer.refuse(ServiceUnavailable("The operation took too long."))
        except _Disconnected:
            log.info("git_client_left")

    async def _serve(self, request: GitRequest, access: GitAccess, receive: Receive, answer: _Answer) -> None:
        body = _Body(receive, request.headers, self._body_limit(request, access))
        if request.is_advertisement:
            await self._advertise(request, access, answer)
        elif request.service is GitService.UPLOAD_PACK:
            await self._upload_pack(request, access, body, answer)
        else:
            await self._receive_pack(request, access, body, answer)

    async def _advertise(self, request: GitRequest, access: GitAccess, answer: _Answer) -> None:
        environment, is_v2 = _protocol_environment(request)
        async with _git(request.service, access, environment, "--http-backend-info-refs") as process:
            _close(process)
            await answer.start(f"application/x-{request.service}-advertisement")
            if not is_v2:
                await answer.write(encode_packet(f"# service={request.service}\n".encode()) + FLUSH)
            await _copy_output(process, answer)
        await answer.end()

    async def _upload_pack(self, request: GitRequest, access: GitAccess, body: _Body, answer: _Answer) -> None:
        data = b"".join([chunk async for chunk in body.chunks()])
        environment, _ = _protocol_environment(request)
        async with _git(request.service, access, environment) as process:
            await answer.start(f"application/x-{request.service}-result")
            feeding = asyncio.create_task(_feed_bytes(process, data))
            try:
                await _or_disconnect(_copy_output(process, answer), body)
            finally:
                await _cancel(feeding)
        await answer.end()

    async def _receive_pack(self, request: GitRequest, access: GitAccess, body: _Body, answer: _Answer) -> None:
        head, rest = await _read_command_list(body, self._limits.max_command_bytes)
        push = _parse_commands(head)
        if not push.commands:
            # An empty list is how a client asks for credentials before it sends a large pack.
            await body.drain()
            await answer.start(f"application/x-{request.service}-result")
            await answer.end()
            return
        reasons = await _judge(push, access)
        if reasons:
            await body.drain()
            await answer.start(f"application/x-{request.service}-result")
            await answer.write(format_report(push, reasons))
            await answer.end()
            return
        await self._run_push(access, push, head + rest, body, answer)

    async def _run_push(self, access: GitAccess, push: PushRequest, head: bytes, body: _Body, answer: _Answer) -> None:
        report = bytearray()
        # The push may end in a moved reference even when the client leaves, so what follows it is always told.
        try:
            with _VerdictPipes() as pipes:
                config = {"core.hooksPath": str(_hooks_path()), "receive.maxInputSize": str(self._pack_limit(access))}
                environment = git_environment(config) | pipes.environment()
                async with _git(GitService.RECEIVE_PACK, access, environment, pass_fds=pipes.inherited) as process:
                    pipes.close_inherited()
                    judging = asyncio.create_task(self._answer_hook(pipes, access, push))
                    feeding = asyncio.create_task(_feed_body(process, head, body))
                    try:
                        await answer.start("application/x-git-receive-pack-result")
                        await _copy_push_output(process, answer, report, feeding, body)
                    finally:
                        await _cancel(feeding)
                        await _cancel(judging)
        finally:
            moved = await asyncio.to_thread(_moved_refs, access.repo_path, push, bytes(report))
            if moved:
                await asyncio.shield(self._tell(access, moved))
        await answer.end()

    async def _answer_hook(self, pipes: _VerdictPipes, access: GitAccess, push: PushRequest) -> None:
        """Wait for the pre-receive hook, judge the quarantine, answer. Any doubt is a refusal."""
        objects_path = await pipes.question()
        if objects_path is None:
            return
        try:
            quarantine = Quarantine(access.repo_path, _inside(access.repo_path, objects_path))
            problems = await check_push(
                quarantine,
                push.commands,
                limits=self._limits.push,
                protected_refs=access.protected_refs,
                missing_lfs=access.missing_lfs,
                locked_paths=access.locked_paths,
            )
        except (PushRefused, HubError) as error:
            problems = [str(error)]
        except Exception:
            log.exception("git_push_check_failed")
            problems = ["the push could not be checked; please try again"]
        pipes.answer(problems)

    async def _tell(self, access: GitAccess, moved: Sequence[RefCommand]) -> None:
        try:
            await self._after_push(access, moved)
        except Exception:
            # The references have moved, so the push stands; the reconciler makes rows follow.
            log.exception("git_after_push_failed")

    def _pack_limit(self, access: GitAccess) -> int:
        return min(self._limits.max_pack_bytes, access.max_pack_bytes or self._limits.max_pack_bytes)

    def _body_limit(self, request: GitRequest, access: GitAccess) -> int:
        if request.is_write:
            return self._pack_limit(access) + self._limits.max_command_bytes
        return self._limits.max_request_bytes

    @contextlib.contextmanager
    def _slot(self, access: GitAccess) -> Iterator[None]:
        repo, caller = ("repo", str(access.repo_path)), ("caller", access.caller_key)
        if self._running[repo] >= self._limits.per_repo or self._running[caller] >= self._limits.per_caller:
            raise RateLimited("Too many git operations at once. Please wait and try again.", retry_after_s=5)
        self._running.update((repo, caller))
        try:
            yield
        finally:
            self._running.subtract((repo, caller))
            for key in (repo, caller):
                if self._running[key] <= 0:
                    del self._running[key]


class _Disconnected(Exception):
    """The client closed the connection."""


class _Answer:
    """The response: started once, then written in pieces; refusals after the start can only cut it short."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_started = False

    async def start(self, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        fields = {"content-type": content_type, "cache-control": "no-cache, max-age=0, must-revalidate"}
        fields |= {"x-content-type-options": "nosniff", **(headers or {})}
        self._is_started = True
        raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        if data:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, error: HubError) -> None:
        if self._is_started:
            log.info("git_answer_cut", extra={"reason": error.message})
            # An error packet is fatal for the client; an ended stream without it could pass for a whole one.
            # A client that has stopped reading must not hold us any longer.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self.write(encode_packet(f"ERR {error.message}".encode()[:1000]))
                    await self.end()
            return
        headers = {"x-error-message": header_text(error.message)}
        if error.code:
            headers["x-error-code"] = error.code
        if error.status == 401:
            headers["www-authenticate"] = f'Basic realm="{REALM}"'
        if "retry_after_s" in error.data:
            headers["retry-after"] = str(error.data["retry_after_s"])
        await self.start("text/plain; charset=utf-8", error.status, headers)
        await self.write(f"{error.message}\n".encode())
        await self.end()


class _Body:
    """The request body, gunzipped where it is gzip, and bounded in both forms (T66)."""

    def __init__(self, receive: Receive, headers: Mapping[str, str], max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._is_gzip = _is_gzip(headers.get("content-encoding", ""))
        self._is_finished = False
        self._chunks = self._bounded()

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the inflated body; a second reader goes on where the first stopped.

        Raises: PayloadTooLarge, BadRequest, _Disconnected.
        """
        return self._chunks

    async def _bounded(self) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in self._inflated() if self._is_gzip else self._raw():
            total += len(chunk)
            if total > self._max_bytes:
                raise PayloadTooLarge(f"The request is larger than {self._max_bytes} bytes")
            if chunk:
                yield chunk

    async def drain(self) -> None:
        """Read and drop what is left, so that the client gets to read the answer."""
        async for _ in self.chunks():
            pass

    async def disconnect(self) -> None:
        """Return when the client goes away; to be awaited only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _raw(self) -> AsyncIterator[bytes]:
        while not self._is_finished:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _Disconnected
            self._is_finished = not message.get("more_body", False)
            yield message.get("body", b"")

    async def _inflated(self) -> AsyncIterator[bytes]:
        inflater = zlib.decompressobj(wbits=31)
        async for data in self._raw():
            while data and not inflater.eof:
                try:
                    yield inflater.decompress(data, CHUNK_BYTES)
                except zlib.error as error:
                    raise BadRequest("The request body is not valid gzip.") from error
                data = inflater.unconsumed_tail
        if not inflater.eof:
            raise BadRequest("The request body is not valid gzip.")


class _VerdictPipes:
    """Two pipes between this process and the pre-receive hook: its question, our answer."""

    def __init__(self) -> None:
        self._ask_read, ask_write = os.pipe()
        answer_read, self._answer_write = os.pipe()
        self.inherited = (ask_write, answer_read)
        self._open = {self._ask_read, self._answer_write, ask_write, answer_read}

    def __enter__(self) -> _VerdictPipes:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in list(self._open):
            self._close(descriptor)

    def environment(self) -> dict[str, str]:
        return {"HUB_ASK_FD": str(self.inherited[0]), "HUB_ANSWER_FD": str(self.inherited[1])}

    def close_inherited(self) -> None:
        """Drop our copies of the hook's ends, so that each side sees the other one die."""
        for descriptor in self.inherited:
            self._close(descriptor)

    async def question(self) -> str | None:
        """Return the quarantine path that the hook names ("" for none), or None when no hook came to run."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=8192)
        self._open.discard(self._ask_read)
        # The transport owns the descriptor from here on.
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._ask_read, "rb", 0)
        )
        try:
            line = await reader.readline()
        finally:
            transport.close()
        return line.decode(errors="surrogateescape").removesuffix("\n") if line.endswith(b"\n") else None

    def answer(self, problems: Sequence[str]) -> None:
        lines = ["reject" if problems else "accept", *(" ".join(problem.split())[:500] for problem in problems)]
        # Far below the capacity of a pipe, so this cannot block.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._answer_write, "".join(f"{line}\n" for line in lines).encode(errors="replace")[:30_000])
        self._close(self._answer_write)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.discard(descriptor)
            os.close(descriptor)


# --- request ---------------------------------------------------------------------------------------------


def _parse_request(scope: Scope) -> GitRequest:
    """Read service and repo from one place each (T31). Raises: NotFound, BadRequest."""
    match = _ROUTE.fullmatch(scope["path"])
    if match is None:
        raise NotFound
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    is_advertisement = match["end"] == "info/refs"
    method = scope["method"]
    if method != ("GET" if is_advertisement else "POST"):
        raise NotFound
    service = _advertised_service(scope) if is_advertisement else GitService(match["end"])
    if not is_advertisement and headers.get("content-type") != f"application/x-{service}-request":
        raise BadRequest("Unexpected Content-Type")
    return GitRequest(
        repo_name=match["repo"].removesuffix(".git").strip("/"),
        service=service,
        is_advertisement=is_advertisement,
        headers=headers,
        client_address=(scope.get("client") or ("",))[0],
    )


def _advertised_service(scope: Scope) -> GitService:
    values = [value for key, value in parse_qsl(scope.get("query_string", b"").decode("latin-1")) if key == "service"]
    if not values:
        # The dumb protocol: not spoken here.
        raise NotFound
    if len(values) != 1 or values[0] not in GitService._value2member_map_:
        raise BadRequest("Unknown git service")
    return GitService(values[0])


def _is_gzip(encoding: str) -> bool:
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise BadRequest("Unknown Content-Encoding")
    return encoding.endswith("gzip")


def _protocol_environment(request: GitRequest) -> tuple[dict[str, str], bool]:
    """Build git's environment; protocol v2 exists for reading only."""
    environment = git_environment()
    wanted = request.headers.get("git-protocol", "")
    if request.is_write or not _PROTOCOL.match(wanted):
        return environment, False
    return environment | {"GIT_PROTOCOL": wanted}, wanted == "version=2"


async def _read_command_list(body: _Body, max_bytes: int) -> tuple[bytes, bytes]:
    """Return (packets up to and with the first flush, what follows). Raises: BadRequest, PayloadTooLarge."""
    buffer, position = bytearray(), 0
    async for chunk in body.chunks():
        buffer += chunk
        try:
            while (found := split_packet(buffer, position)) is not None:
                payload, position = found
                if payload is None:
                    return bytes(buffer[:position]), bytes(buffer[position:])
        except ProtocolError as error:
            raise BadRequest("Malformed push request") from error
        if position > max_bytes:
            raise PayloadTooLarge("The push names too many references")
    raise BadRequest("The push request ends too early")


def _parse_commands(head: bytes) -> PushRequest:
    lines, position = [], 0
    while (found := split_packet(head, position)) is not None:
        payload, position = found
        if payload is not None:
            lines.append(payload)
    try:
        return parse_push_request(lines)
    except ProtocolError as error:
        raise BadRequest("Malformed push request") from error


async def _judge(push: PushRequest, access: GitAccess) -> dict[str, str]:
    """Return a reason for each reference that may not be touched; judged afresh for every one (T58-T61)."""
    if "push-options" in push.capabilities:
        return {command.ref: "push options are not supported" for command in push.commands}
    reasons: dict[str, str] = {}
    for command in push.commands:
        problem = pushed_ref_problem(command.ref)
        if problem:
            reasons[command.ref] = problem
        elif command.ref in access.protected_refs and command.kind is UpdateKind.DELETE:
            reasons[command.ref] = "this reference is protected and cannot be deleted"
    if access.judge_refs is not None:
        reasons = {**await access.judge_refs(push.commands), **reasons}
    return reasons


# --- the git process -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _git(
    service: GitService,
    access: GitAccess,
    environment: dict[str, str],
    *options: str,
    pass_fds: Sequence[int] = (),
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a git service in a session of its own, which is killed whole on every way out."""
    process = await asyncio.create_subprocess_exec(
        git_executable(),
        service.command,
        "--stateless-rpc",
        *options,
        str(access.repo_path),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=pass_fds,
    )
    if service is GitService.RECEIVE_PACK:
        limit_memory(process.pid)
    try:
        yield process
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(_reap(process))


async def _reap(process: asyncio.subprocess.Process) -> None:
    """Wait for a killed process; its unread output must go first, or asyncio never sees the pipe end."""
    while process.stdout is not None and await process.stdout.read(CHUNK_BYTES):
        pass
    await process.wait()


def _close(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()


async def _feed_bytes(process: asyncio.subprocess.Process, data: bytes) -> None:
    stdin = process.stdin
    assert stdin is not None  # piped
    with contextlib.suppress(*_PIPE_CLOSED):
        for start in range(0, len(data), CHUNK_BYTES):
            stdin.write(data[start : start + CHUNK_BYTES])
            await stdin.drain()
    stdin.close()


async def _feed_body(process: asyncio.subprocess.Process, head: bytes, body: _Body) -> None:
    """Hand the request to git as it arrives; what git no longer wants is drained.

    When the body fails, git's input stays open: closing it could let a truncated push pass for a whole one.
    """
    stdin = process.stdin
    assert stdin is not None  # piped
    is_wanted = True
    chunk = head
    chunks = body.chunks()
    while True:
        if is_wanted:
            try:
                stdin.write(chunk)
                await stdin.drain()
            except _PIPE_CLOSED:
                is_wanted = False
        try:
            chunk = await anext(chunks)
        except StopAsyncIteration:
            break
    stdin.close()


async def _copy_output(process: asyncio.subprocess.Process, answer: _Answer) -> None:
    assert process.stdout is not None  # piped
    while chunk := await process.stdout.read(CHUNK_BYTES):
        await answer.write(chunk)


async def _copy_push_output(
    process: asyncio.subprocess.Process,
    answer: _Answer,
    report: bytearray,
    feeding: asyncio.Task[None],
    body: _Body,
) -> None:
    """Stream git's answer and keep a copy; stop when the body fails or the client leaves."""

    async def copy() -> None:
        assert process.stdout is not None  # piped
        while chunk := await process.stdout.read(CHUNK_BYTES):
            if len(report) < MAX_REPORT_BYTES:
                report.extend(chunk)
            await answer.write(chunk)

    copying = asyncio.create_task(copy())
    try:
        await asyncio.wait({copying, feeding}, return_when=asyncio.FIRST_COMPLETED)
        if feeding.done():
            feeding.result()
            await _or_disconnect(copying, body)
        await copying
        # A client that still sends (git refused early) reads the answer only after it has sent everything.
        await feeding
    finally:
        await _cancel(copying)


async def _or_disconnect(work: Awaitable[None], body: _Body) -> None:
    """Finish `work`, or stop it as soon as the client leaves. Raises: _Disconnected."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(body.disconnect())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _Disconnected
        working.result()
    finally:
        await _cancel(leaving)
        await _cancel(working)


async def _cancel(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _hooks_path() -> Path:
    """Return the hub's hook folder. Raises: ServiceUnavailable, since git would skip a hook it cannot run."""
    if not os.access(HOOKS_PATH / "pre-receive", os.X_OK):
        log.error("git_hook_not_executable", extra={"path": str(HOOKS_PATH)})
        raise ServiceUnavailable("Pushing is not available right now.")
    return HOOKS_PATH


def _inside(repo_path: Path, objects_path: str) -> Path | None:
    """Check the folder that the hook named: it must be a quarantine of this very repository."""
    if not objects_path:
        return None
    found = (repo_path / objects_path).resolve()
    if found.parent != (repo_path / "objects").resolve():
        raise PushRefused("the pushed objects could not be read")
    return found


def _moved_refs(repo_path: Path, push: PushRequest, output: bytes) -> list[RefCommand]:
    """Return the commands that took effect: by git's own report, or by looking when there is none."""
    if push.capabilities & {"report-status", "report-status-v2"}:
        reported = parse_report(output, has_sideband="side-band-64k" in push.capabilities)
        if reported is not None:
            return [command for command in push.commands if command.ref in reported]
    try:
        repo: pygit2.Repository = open_repository(repo_path)
    except HubError:
        return []
    return [command for command in push.commands if (read_ref(repo, command.ref) or ZERO_OID) == command.new_oid]
