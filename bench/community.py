"""Pages of the community over many rows: p50 and p95 of server time in milliseconds, in one run.

    python -m bench.community --discussions 100000 --likes 1000000 --reviews 100000 --rounds 60

Seeds the database in bulk, then asks for pages through the whole of Django (middleware, view, template) in this
process, as somebody who is signed in and follows, watches and is told a lot. SQLite in a temporary directory; where
DATABASE_URL names PostgreSQL, a database of its own on that server, which goes at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

BATCH = 5_000
TARGET_MS = 100.0
WORDS = (
    "loads fails after the update on two cards with half precision thanks for sharing weights please explain".split()
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is."""

    discussions: int
    likes: int
    reviews: int

    @property
    def people(self) -> int:
        return max(self.likes // 50, 200)

    @property
    def repos(self) -> int:
        return max(self.discussions // 20, 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--discussions", type=int, default=100_000)
    parser.add_argument("--likes", type=int, default=1_000_000)
    parser.add_argument("--reviews", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    data_dir = Path(tempfile.mkdtemp(prefix="agora-bench-"))
    os.environ.update(HUB_DATA_DIR=str(data_dir), DJANGO_SETTINGS_MODULE="hub.settings", HUB_LOG_LEVEL="ERROR")
    size = Size(arguments.discussions, arguments.likes, arguments.reviews)
    try:
        with _database():
            run(size, arguments.rounds)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


@contextlib.contextmanager
def _database() -> Iterator[None]:
    """An own database on the server of DATABASE_URL, or SQLite in the data directory."""
    server = os.environ.pop("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield
        return
    import psycopg  # noqa: PLC0415 -- only with PostgreSQL

    name = f"agora_bench_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    os.environ["DATABASE_URL"] = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    try:
        yield
    finally:
        from django.db import connections  # noqa: PLC0415

        connections.close_all()
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run(size: Size, rounds: int) -> None:
    import django  # noqa: PLC0415 -- the environment above decides the settings
    from django.conf import settings  # noqa: PLC0415

    # No broker in this process: the cache is the process's own.
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 1_000_000},
        }
    }
    settings.CELERY_BROKER_URL = "memory://"
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    call_command("migrate", verbosity=0, skip_checks=True)
    print(f"{'database':28}{connection.vendor:>12}")
    world = _timed("seed", lambda: Seed(size).all())
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    _measure(world, rounds)


def _timed(label: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    made = work()
    print(f"{label:28}{time.perf_counter() - start:>12.1f} s", flush=True)
    return made


# --- rows ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class World:
    """What pages are asked for: the busiest of each kind, and others by chance."""

    reader: Any
    busy_repo: Any
    busy_thread: int
    repos: list[Any]
    people: list[Any]
    organization: str
    threads: list[tuple[Any, int]]


class Seed:
    """Bulk rows. The first repo and the first person have far more than their share, as on every real hub."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._dice = random.Random(1)

    def all(self) -> World:
        people = _timed("  people", self._people)
        organization, repos = _timed("  repos", lambda: self._repos(people))
        threads = _timed("  discussions", lambda: self._discussions(people, repos))
        _timed("  likes", lambda: self._likes(people, repos))
        _timed("  follows", lambda: self._follows(people, organization))
        _timed("  notifications", lambda: self._notices(people, threads))
        _timed("  reviews", lambda: self._reviews(people, repos))
        busy = repos[0]
        sample = self._dice.sample(threads, min(500, len(threads)))
        return World(
            people[0],
            busy,
            1,
            self._dice.sample(repos, 100),
            self._dice.sample(people, 100),
            organization.namespace.name,
            [(thread.repo, thread.num) for thread in sample],
        )

    def _text(self, words: int) -> str:
        return " ".join(self._dice.choices(WORDS, k=words))

    def _skewed(self, items: list[Any]) -> Any:
        return items[min(int(self._dice.paretovariate(0.5)) - 1, 10**9) % len(items)]

    def _people(self) -> list[Any]:
        from hub.accounts.enums import NamespaceKind  # noqa: PLC0415 -- after setup, as all below
        from hub.accounts.models import Namespace, User  # noqa: PLC0415

        names = [f"person-{number}" for number in range(self._size.people)]
        _bulk(Namespace(name=name, name_folded=name, kind=NamespaceKind.USER) for name in names)
        spaces = {space.name: space for space in Namespace.objects.filter(name__startswith="person-")}
        _bulk(
            User(username=name, namespace=spaces[name], email=f"{name}@example.org", full_name=name, password="!")
            for name in names
        )
        return list(User.objects.filter(username__startswith="person-").select_related("namespace").order_by("pk"))

    def _repos(self, people: list[Any]) -> tuple[Any, list[Any]]:
        from hub.accounts.auth import Viewer  # noqa: PLC0415
        from hub.accounts.services.organizations import create_organization  # noqa: PLC0415
        from hub.catalog.models import RepoIndex  # noqa: PLC0415
        from hub.core.ids import RepoType  # noqa: PLC0415
        from hub.repos.models import Repo  # noqa: PLC0415
        from hub.repos.services.repos import create_repo  # noqa: PLC0415

        organization = create_organization("bench-lab", creator=people[0])
        made = create_repo(Viewer(user=people[0]), namespace="bench-lab", name="busy", repo_type=RepoType.MODEL)
        spaces = [organization.namespace, *(person.namespace for person in people[:2000])]
        _bulk(
            Repo(namespace=spaces[number % len(spaces)], name=f"r{number}", name_folded=f"r{number}", repo_type="model")
            for number in range(1, self._size.repos)
        )
        repos = list(Repo.objects.select_related("namespace").order_by("pk"))
        RepoIndex.objects.filter(repo=made).delete()
        _bulk(
            RepoIndex(
                repo=repo, repo_type="model", namespace=repo.namespace, full_id=repo.repo_id,
                full_id_folded=repo.repo_id, visibility="public",
            )
            for repo in repos
        )  # fmt: skip
        return organization, repos

    def _discussions(self, people: list[Any], repos: list[Any]) -> list[Any]:
        """A tenth in the busy repo; two comments each, 500 in its first thread."""
        from community.enums import EventKind  # noqa: PLC0415
        from community.models import Discussion, Event  # noqa: PLC0415
        from hub.repos.models import Repo  # noqa: PLC0415

        now, numbers = _now(), {}
        rows = []
        for number in range(self._size.discussions):
            repo = repos[0] if number % 10 == 0 else self._dice.choice(repos)
            numbers[repo.pk] = num = numbers.get(repo.pk, 0) + 1
            comments = 500 if number == 0 else 2
            rows.append(
                Discussion(
                    repo=repo, num=num, title=self._text(6), author=self._dice.choice(people),
                    status="open" if number % 3 else "closed", num_comments=comments,
                    created_at=now - timedelta(minutes=self._size.discussions - number),
                )
            )  # fmt: skip
        _bulk(rows)
        threads = list(Discussion.objects.select_related("repo__namespace").order_by("pk"))
        _bulk(
            Event(
                discussion=thread, kind=EventKind.COMMENT, author=self._dice.choice(people), body=self._text(30),
                created_at=thread.created_at,
            )
            for thread in threads
            for _ in range(thread.num_comments)
        )  # fmt: skip
        for pk, count in numbers.items():
            Repo.objects.filter(pk=pk).update(last_discussion_num=count, discussions_open=count * 2 // 3)
        return threads

    def _likes(self, people: list[Any], repos: list[Any]) -> None:
        from community.models import Like  # noqa: PLC0415

        each, now = min(self._size.likes // len(people), len(repos)), _now()
        dates = [now - timedelta(minutes=place) for place in range(each)]
        _bulk(
            Like(repo=repos[0 if place == 0 else 1 + (start + place) % (len(repos) - 1)], user=person, created_at=date)
            for start, person in enumerate(people)
            for place, date in enumerate(dates)
        )

    def _follows(self, people: list[Any], organization: Any) -> None:
        """The reader follows 500 people and half of all people follow the reader and the organization."""
        from community.models import Follow  # noqa: PLC0415

        reader = people[0]
        rows = [Follow(follower=reader, user=person) for person in people[1:501]]
        rows += [Follow(follower=reader, organization=organization)]
        for person in people[1 : len(people) // 2]:
            rows.append(Follow(follower=person, user=reader))
            rows.append(Follow(follower=person, organization=organization))
        _bulk(rows)

    def _notices(self, people: list[Any], threads: list[Any]) -> None:
        """20,000 for the reader, five for each of the others."""
        from community.enums import NoticeKind, Reason  # noqa: PLC0415
        from community.models import Notification  # noqa: PLC0415

        now = _now()

        def row(person: Any, place: int) -> Any:
            thread = threads[(place * 7919) % len(threads)]
            return Notification(
                user=person, group=f"thread:{place}", kind=NoticeKind.COMMENT, reason=Reason.WATCHING,
                actor=self._dice.choice(people), repo=thread.repo, discussion=thread,
                read_at=now if place % 4 else None, updated_at=now - timedelta(minutes=place),
            )  # fmt: skip

        busy = min(20_000, len(threads))
        _bulk(itertools.chain(
            (row(people[0], place) for place in range(busy)),
            (row(person, place) for person in people[1:] for place in range(5)),
        ))  # fmt: skip

    def _reviews(self, people: list[Any], repos: list[Any]) -> None:
        """A tenth for the busy repo, over five versions; of a repo each person has one."""
        from community.models import Review  # noqa: PLC0415
        from community.services.ratings import recount  # noqa: PLC0415

        versions = [f"{number:040x}" for number in range(1, 6)]
        now, seen, rows = _now(), set(), []
        while len(rows) < self._size.reviews:
            repo = repos[0] if len(rows) % 10 == 0 else self._dice.choice(repos)
            person = self._dice.choice(people)
            if (repo.pk, person.pk) in seen:
                continue
            seen.add((repo.pk, person.pk))
            rows.append(
                Review(
                    repo=repo, author=person, commit_oid=self._dice.choice(versions), revision="main",
                    stars=self._dice.choice((1, 3, 4, 4, 5, 5)), text=self._text(25),
                    is_proven=self._dice.random() < 0.3, helpful=int(self._dice.paretovariate(1)),
                    created_at=now - timedelta(minutes=self._size.reviews - len(rows)),
                )
            )  # fmt: skip
        _bulk(rows)
        for version in versions:
            recount(repos[0].pk, version)


def _bulk(rows: Any) -> None:
    from django.db import transaction  # noqa: PLC0415

    rows = iter(rows)
    with transaction.atomic():
        while batch := list(itertools.islice(rows, BATCH)):
            type(batch[0]).objects.bulk_create(batch)


def _now() -> Any:
    from django.utils import timezone  # noqa: PLC0415

    return timezone.now()


# --- pages -----------------------------------------------------------------------------------------------------------


def _measure(world: World, rounds: int) -> None:
    from django.test import Client  # noqa: PLC0415

    client = Client(HTTP_HOST="localhost")
    client.force_login(world.reader)
    print(f"\n{'page':28}{'first':>9}{'p50':>9}{'p95':>9}  ms")
    slow = [name for name, addresses in _pages(world, rounds) if not _report(name, client, addresses)]
    print(f"\nover {TARGET_MS:.0f} ms: {', '.join(slow) or 'none'}")


def _pages(world: World, rounds: int) -> Iterator[tuple[str, list[str]]]:
    busy = world.busy_repo.urls.page
    threads = itertools.cycle(world.threads)
    repos, people = itertools.cycle(world.repos), itertools.cycle(world.people)

    def by_chance(make: Callable[[], str]) -> list[str]:
        return [make() for _ in range(rounds + 1)]

    def thread_page() -> str:
        repo, num = next(threads)
        return f"{repo.urls.page}/discussions/{num}"

    same = rounds + 1
    yield "thread", by_chance(thread_page)
    yield "thread of 500 comments", [f"{busy}/discussions/{world.busy_thread}"] * same
    yield "discussions", by_chance(lambda: f"{next(repos).urls.page}/discussions")
    yield "10,000 discussions", [f"{busy}/discussions"] * same
    yield "… closed", [f"{busy}/discussions?status=closed"] * same
    yield "… by author", by_chance(lambda: f"{busy}/discussions?author={next(people).username}")
    yield "notifications", ["/notifications"] * same
    yield "… all of 20,000", ["/notifications?show=all"] * same
    yield "unread count", ["/notifications/count"] * same
    yield "profile", by_chance(lambda: f"/{next(people).username}")
    yield "profile, much followed", [f"/{world.reader.username}"] * same
    yield "organization", [f"/{world.organization}"] * same
    yield "reviews", by_chance(lambda: f"{next(repos).urls.page}/reviews")
    yield "10,000 reviews", [f"{busy}/reviews"] * same
    yield "… of one version", [f"{busy}/reviews?version={1:040x}"] * same
    yield "repo page", [busy] * same


def _report(name: str, client: Any, addresses: list[str]) -> bool:
    times = []
    for address in addresses:
        start = time.perf_counter()
        response = client.get(address)
        times.append((time.perf_counter() - start) * 1000)
        if response.status_code != 200:
            sys.exit(f"{address}: {response.status_code}")
    rest = sorted(times[1:])
    p95 = rest[int(len(rest) * 0.95) - 1] if len(rest) > 1 else rest[0]
    print(f"{name:28}{times[0]:>9.1f}{statistics.median(rest):>9.1f}{p95:>9.1f}", flush=True)
    return p95 <= TARGET_MS


if __name__ == "__main__":
    main()
