"""Judge what a push brought while it is still in quarantine, before any reference moves.

    receive-pack → pre-receive hook (hooks/pre-receive) → pipe → `check_push` here → verdict → pipe → hook

git keeps pushed objects in a quarantine folder until the hook ends well, so a refusal leaves nothing. Objects are
read by git processes with the quarantine as object store; only tree objects and tiny blobs enter our memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from hub.storage.git.paths import MAX_PATH_BYTES, find_twins, raw_part_problem
from hub.storage.git.pktline import ZERO_OID, RefCommand, UpdateKind
from hub.storage.git.repository import git_environment, git_executable, limit_memory
from hub.storage.git.trees import RawEntry, parse_tree
from hub.storage.lfs.pointer import MAX_POINTER_BYTES, parse_pointer

T = TypeVar("T")

MAX_PROBLEMS = 20
_LARGE_TREE_BYTES = 16 * 1024
_SIZE_FORMAT = "%(objectname) %(objecttype) %(objectsize)"

MissingLfs = Callable[[Sequence[str]], Awaitable[set[str]]]
# Paths that the pusher may not change, each with the sentence that says why.
LockedPaths = Callable[[], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class PushLimits:
    """Bounds on the new objects of one push (bytes are inflated)."""

    max_blob_bytes: int = 10 * 1024 * 1024
    max_objects: int = 500_000
    max_inflated_bytes: int = 8 * 1024**3
    max_tree_bytes: int = 256 * 1024**2
    # How many paths one new commit may unfold into: stops trees that name each other many times (T65).
    max_paths: int = 1_000_000


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
    protected_refs: Container[str] = frozenset(),
    missing_lfs: MissingLfs | None = None,
    locked_paths: LockedPaths | None = None,
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
        _too_large(oid, size, limits) for oid, kind, size in headers if kind == "blob" and size > limits.max_blob_bytes
    ]
    if problems:
        return problems[:MAX_PROBLEMS]
    problems = await _tree_problems(quarantine, headers, limits)
    if not problems and locked_paths is not None:
        problems = await _lock_problems(quarantine, moved, await locked_paths())
    if problems or missing_lfs is None:
        return problems[:MAX_PROBLEMS]
    small = [oid for oid, kind, size in headers if kind == "blob" and size <= MAX_POINTER_BYTES]
    return await _lfs_problems(quarantine, small, missing_lfs)


async def _size_problems(quarantine: Quarantine, limits: PushLimits) -> list[str]:
    """Look at the size of everything that was stored, reachable or not (T64)."""
    if quarantine.objects_path is None:
        return []
    environment = quarantine.environment()
    # Without the alternate, "all objects" are those of the quarantine alone.
    del environment["GIT_ALTERNATE_OBJECT_DIRECTORIES"]
    count = total = 0
    arguments = ("cat-file", "--batch-all-objects", "--unordered", "--buffer", f"--batch-check={_SIZE_FORMAT}")
    async with _git(environment, *arguments) as process:
        assert process.stdout is not None  # piped
        async for line in process.stdout:
            oid, kind, size_text = line.decode().split()
            count, total = count + 1, total + int(size_text)
            if kind == "blob" and int(size_text) > limits.max_blob_bytes:
                return [_too_large(oid, int(size_text), limits)]
            if count > limits.max_objects or total > limits.max_inflated_bytes:
                bounds = f"{limits.max_objects} objects or {limits.max_inflated_bytes} bytes"
                return [f"the push is too large: more than {bounds}"]
    return []


def _too_large(oid: str, size_bytes: int, limits: PushLimits) -> str:
    limit = limits.max_blob_bytes
    return f"a file of {size_bytes} bytes is above the limit of {limit} bytes for plain files: use LFS ({oid})"


async def _ref_problems(
    quarantine: Quarantine, moved: Sequence[RefCommand], protected_refs: Container[str]
) -> list[str]:
    """Branches and pull requests lead to commits; protected branches only go forward, protected tags stay (T60)."""
    problems = []
    for command in moved:
        kind = (await _output(quarantine, b"", "cat-file", "-t", command.new_oid)).strip()
        if not command.ref.startswith("refs/tags/") and kind != b"commit":
            problems.append(f"{command.ref} must point to a commit")
        elif command.ref in protected_refs and command.kind is UpdateKind.UPDATE:
            base = await _merge_base(quarantine, command.old_oid, command.new_oid)
            if base != command.old_oid or command.ref.startswith("refs/tags/"):
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


async def _merge_base(quarantine: Quarantine, one: str, other: str) -> str:
    """Return the oid of the best common ancestor, empty when there is none."""
    return (await _output(quarantine, b"", "merge-base", one, other)).strip().decode()


async def _lock_problems(quarantine: Quarantine, moved: Sequence[RefCommand], locked: Mapping[str, str]) -> list[str]:
    """Compare what each locked path holds before and after; a new branch is compared with where it left HEAD's."""
    problems: list[str] = []
    for command in moved:
        if not locked or not command.ref.startswith("refs/heads/"):
            continue
        before = command.old_oid
        if command.kind is UpdateKind.CREATE:
            before = await _merge_base(quarantine, "HEAD", command.new_oid) or ZERO_OID
        paths = list(locked)
        old, new = [await _held(quarantine, oid, paths) for oid in (before, command.new_oid)]
        problems += [locked[path] for path, one, other in zip(paths, old, new, strict=True) if one != other]
    return problems


async def _held(quarantine: Quarantine, commit: str, paths: Sequence[str]) -> list[str]:
    """Return what a commit has at each path (mode aside), empty where it has nothing."""
    questions = "".join(f"{commit}:{path}\n" for path in paths).encode()
    answers = await _output(quarantine, questions, "cat-file", "--batch-check", "--buffer", must_succeed=True)
    lines = answers.decode(errors="replace").splitlines()
    if len(lines) != len(paths):
        raise PushRefused("the pushed objects could not be read")
    return ["" if line.endswith(" missing") else line for line in lines]


class PushRefused(Exception):
    """The push cannot be judged within its bounds; the text is for the pusher."""


class _Folder(NamedTuple):
    """What judging needs to keep of a tree object: names are looked at and let go."""

    entries: int
    longest_name: int
    folders: tuple[tuple[str, int], ...]  # oid and length of the name


async def _tree_problems(
    quarantine: Quarantine, headers: Sequence[tuple[str, str, int]], limits: PushLimits
) -> list[str]:
    """Judge the names in all new folders, then what they unfold into together with folders that are there already."""
    new = [(oid, size) for oid, kind, size in headers if kind == "tree"]
    too_many = ["the push is too large: its folders hold too many entries"]
    left = limits.max_tree_bytes - sum(size for _, size in new)
    if left < 0:
        return too_many
    folders: dict[str, _Folder] = {}
    problems: list[str] = []
    async for oid, data in _contents(quarantine, [oid for oid, _ in new]):
        folders[oid], found = await _off_loop(_judge_folder, data)
        problems += found
        if len(problems) >= MAX_PROBLEMS:
            return problems
    # A few kilobytes of folders, pushed one after the other, can spell out any number of paths: old ones count too.
    while not problems and (old := _unread(folders)):
        async for oid, data in _contents(quarantine, old):
            left -= len(data)
            if left < 0:
                return too_many
            folders[oid] = await _off_loop(_folder, data)
    return problems or await asyncio.to_thread(_shape_problems, folders, limits)


async def _off_loop(work: Callable[[bytes], T], data: bytes) -> T:
    """Keep the event loop free while a large folder is looked at; a small one costs less than a thread."""
    return work(data) if len(data) < _LARGE_TREE_BYTES else await asyncio.to_thread(work, data)


def _judge_folder(data: bytes) -> tuple[_Folder, list[str]]:
    entries = parse_tree(data)
    return _folder_of(entries), _name_problems(entries)


def _folder(data: bytes) -> _Folder:
    return _folder_of(parse_tree(data))


def _folder_of(entries: Sequence[RawEntry]) -> _Folder:
    return _Folder(
        len(entries),
        max((len(entry.name) for entry in entries), default=0),
        tuple((entry.oid, len(entry.name)) for entry in entries if entry.is_tree),
    )


def _unread(folders: dict[str, _Folder]) -> list[str]:
    return list({oid for folder in folders.values() for oid, _ in folder.folders if oid not in folders})


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


def _shape_problems(folders: dict[str, _Folder], limits: PushLimits) -> list[str]:
    """Bound path length and number of paths by one pass over the folders, each looked at once."""
    longest: dict[str, int] = {}
    count: dict[str, int] = {}
    for root in folders:
        stack = [root]
        while stack:
            oid = stack[-1]
            folder = folders[oid]
            waiting = [child for child, _ in folder.folders if child not in count]
            if oid not in count and waiting:
                stack += waiting
                continue
            stack.pop()
            count[oid] = folder.entries + sum(count[child] for child, _ in folder.folders)
            below = max((size + 1 + longest[child] for child, size in folder.folders), default=0)
            longest[oid] = max(folder.longest_name, below)
            if longest[oid] > MAX_PATH_BYTES:
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
    problems = [f"LFS object missing: {sha256}" for sha256 in sorted(missing)[: MAX_PROBLEMS - 1]]
    return [*problems, "Upload the files first: git lfs push --all origin"] if problems else []


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
    limit_memory(process.pid)
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
