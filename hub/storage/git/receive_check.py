"""Judge what a push brought while it is still in quarantine, before any reference moves.

    receive-pack → pre-receive hook (hooks/pre-receive) → pipe → `check_push` here → verdict → pipe → hook

git keeps pushed objects in a quarantine folder until the hook ends well, so a refusal leaves nothing. Objects are
read by git processes with the quarantine as object store; only tree objects and tiny blobs enter our memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hub.storage.git.paths import MAX_PATH_BYTES, find_twins, raw_part_problem
from hub.storage.git.pktline import RefCommand, UpdateKind
from hub.storage.git.repository import git_environment, git_executable
from hub.storage.git.trees import RawEntry, parse_tree
from hub.storage.lfs.pointer import MAX_POINTER_BYTES, parse_pointer

MAX_PROBLEMS = 20

MissingLfs = Callable[[Sequence[str]], Awaitable[set[str]]]


@dataclass(frozen=True, slots=True)
class PushLimits:
    """Bounds on the new objects of one push (bytes are inflated)."""

    max_blob_bytes: int = 10 * 1024 * 1024
    max_objects: int = 500_000
    max_inflated_bytes: int = 8 * 1024**3
    max_tree_bytes: int = 256 * 1024**2
    # How many paths one new commit may unfold into: stops trees that name each other many times (T65).
    max_paths: int = 5_000_000


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Where the new objects lie (None: the push brought none) and the repository they are meant for."""

    repo_path: Path
    objects_path: Path | None

    def environment(self) -> dict[str, str]:
        environment = git_environment() | {"GIT_DIR": str(self.repo_path)}
        if self.objects_path is not None:
            environment["GIT_OBJECT_DIRECTORY"] = str(self.objects_path)
            environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.repo_path / "objects")
            environment["GIT_QUARANTINE_PATH"] = str(self.objects_path)
        return environment


async def check_push(
    quarantine: Quarantine,
    commands: Sequence[RefCommand],
    *,
    limits: PushLimits,
    protected_refs: frozenset[str] = frozenset(),
    missing_lfs: MissingLfs | None = None,
) -> list[str]:
    """Return the reasons to refuse a push, in words for the pusher; empty means accept."""
    moved = [command for command in commands if command.kind is not UpdateKind.DELETE]
    problems = await _size_problems(quarantine, limits)
    if problems or not moved:
        return problems
    problems = await _ref_problems(quarantine, moved, protected_refs)
    if problems:
        return problems
    headers = await _new_objects(quarantine, moved, limits)
    problems = [
        f"a file of {size} bytes is above the limit of {limits.max_blob_bytes} bytes for plain files: use LFS ({oid})"
        for oid, kind, size in headers
        if kind == "blob" and size > limits.max_blob_bytes
    ]
    if problems:
        return problems[:MAX_PROBLEMS]
    problems = await _tree_problems(quarantine, [oid for oid, kind, _ in headers if kind == "tree"], limits)
    if problems or missing_lfs is None:
        return problems[:MAX_PROBLEMS]
    small = [oid for oid, kind, size in headers if kind == "blob" and size <= MAX_POINTER_BYTES]
    return await _lfs_problems(quarantine, small, missing_lfs)


async def _size_problems(quarantine: Quarantine, limits: PushLimits) -> list[str]:
    """Add up everything that was stored, reachable or not (T64)."""
    if quarantine.objects_path is None:
        return []
    environment = quarantine.environment()
    # Without the alternate, "all objects" are those of the quarantine alone.
    del environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"]
    count = total = 0
    arguments = ("cat-file", "--batch-all-objects", "--unordered", "--buffer", "--batch-check=%(objectsize)")
    async with _git(environment, *arguments) as process:
        assert process.stdout is not None  # piped
        async for line in process.stdout:
            count, total = count + 1, total + int(line.strip())
            if count > limits.max_objects or total > limits.max_inflated_bytes:
                bounds = f"{limits.max_objects} objects or {limits.max_inflated_bytes} bytes"
                return [f"the push is too large: more than {bounds}"]
    return []


async def _ref_problems(
    quarantine: Quarantine, moved: Sequence[RefCommand], protected_refs: frozenset[str]
) -> list[str]:
    """Branches and pull requests must lead to commits; protected ones may only go forward."""
    problems = []
    for command in moved:
        kind = (await _output(quarantine, b"", "cat-file", "-t", command.new_oid)).strip()
        if not command.ref.startswith("refs/tags/") and kind != b"commit":
            problems.append(f"{command.ref} must point to a commit")
        elif command.ref in protected_refs and command.kind is UpdateKind.UPDATE:
            base = await _output(quarantine, b"", "merge-base", command.old_oid, command.new_oid)
            if base.strip().decode() != command.old_oid:
                problems.append(f"{command.ref} is protected: its history cannot be rewritten")
    return problems


async def _new_objects(
    quarantine: Quarantine, moved: Sequence[RefCommand], limits: PushLimits
) -> list[tuple[str, str, int]]:
    """List (oid, type, size) of all objects that the push makes reachable."""
    tips = "".join(f"{command.new_oid}\n" for command in moved).encode()
    oids = await _output(
        quarantine, tips, "rev-list", "--objects", "--no-object-names", "--stdin", "--not", "--all", must_succeed=True
    )
    if oids.count(b"\n") > limits.max_objects:
        raise PushRefused(f"the push is too large: more than {limits.max_objects} objects")
    lines = (await _output(quarantine, oids, "cat-file", "--batch-check", "--buffer", must_succeed=True)).decode()
    rows = (line.split(" ") for line in lines.splitlines())
    return [(oid, kind, int(size)) for oid, kind, size in rows]


class PushRefused(Exception):
    """The push cannot be judged within its bounds; the text is for the pusher."""


async def _tree_problems(quarantine: Quarantine, oids: Sequence[str], limits: PushLimits) -> list[str]:
    problems: list[str] = []
    trees: dict[str, list[RawEntry]] = {}
    total = 0
    async for oid, data in _contents(quarantine, oids):
        total += len(data)
        if total > limits.max_tree_bytes:
            return ["the push is too large: its folders hold too many entries"]
        trees[oid] = parse_tree(data)
        problems += _name_problems(trees[oid])
        if len(problems) >= MAX_PROBLEMS:
            return problems
    return problems or _shape_problems(trees, limits)


def _name_problems(entries: Sequence[RawEntry]) -> list[str]:
    problems = [
        f"invalid name {entry.name.decode(errors='replace')[:200]!a}: {problem}"
        for entry in entries
        if (problem := raw_part_problem(entry.name))
    ]
    twins = None if problems else find_twins(entry.text for entry in entries)
    if twins:
        problems.append(f"two names in one folder differ only by case or Unicode form: {twins[0]!a}, {twins[1]!a}")
    return problems


def _shape_problems(trees: dict[str, list[RawEntry]], limits: PushLimits) -> list[str]:
    """Bound path length and number of paths by one pass over the new trees, each looked at once."""
    longest: dict[str, int] = {}
    count: dict[str, int] = {}
    for root in trees:
        stack = [root]
        while stack:
            oid = stack[-1]
            below = [entry.oid for entry in trees[oid] if entry.is_tree and entry.oid in trees]
            waiting = [child for child in below if child not in count]
            if oid not in count and waiting:
                stack += waiting
                continue
            stack.pop()
            count[oid] = len(trees[oid]) + sum(count[child] for child in below)
            longest[oid] = max((len(e.name) + 1 + longest.get(e.oid, 0) for e in trees[oid]), default=0)
            if longest[oid] > MAX_PATH_BYTES + 1:
                return [f"a path is longer than {MAX_PATH_BYTES} bytes"]
            if count[oid] > limits.max_paths:
                return ["the folders of this push unfold into too many paths"]
    return []


async def _lfs_problems(quarantine: Quarantine, oids: Sequence[str], missing_lfs: MissingLfs) -> list[str]:
    named: set[str] = set()
    async for _, data in _contents(quarantine, oids):
        pointer = parse_pointer(data)
        if pointer is not None:
            named.add(pointer.sha256)
    missing = await missing_lfs(sorted(named)) if named else set()
    return [f"LFS object missing: {sha256}" for sha256 in sorted(missing)[:MAX_PROBLEMS]]


async def _contents(quarantine: Quarantine, oids: Sequence[str]) -> AsyncIterator[tuple[str, bytes]]:
    """Yield (oid, content) of objects known to exist and to be small."""
    if not oids:
        return
    async with _git(quarantine.environment(), "cat-file", "--batch", "--buffer", has_input=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        feeding = asyncio.create_task(_feed(process.stdin, "".join(f"{oid}\n" for oid in oids).encode()))
        try:
            for _ in oids:
                oid, _, size = (await process.stdout.readline()).decode().split()
                yield oid, (await process.stdout.readexactly(int(size) + 1))[:-1]
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def _output(quarantine: Quarantine, stdin: bytes, *arguments: str, must_succeed: bool = False) -> bytes:
    async with _git(quarantine.environment(), *arguments, has_input=bool(stdin)) as process:
        output, _ = await process.communicate(stdin or None)
        if must_succeed and process.returncode != 0:
            raise PushRefused("the pushed objects could not be read")
        return output


async def _feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    for start in range(0, len(data), 1 << 16):
        stdin.write(data[start : start + (1 << 16)])
        await stdin.drain()
    stdin.close()


@asynccontextmanager
async def _git(
    environment: dict[str, str], *arguments: str, has_input: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        git_executable(),
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.PIPE if has_input else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        # Unread output must go first, or asyncio never sees the pipe end.
        while process.stdout is not None and await process.stdout.read(1 << 16):
            pass
        await process.wait()
