"""List pages over many repos: p50 and p95 in milliseconds, in one run.

    python -m bench.catalog.list_pages --repos 100000 --rounds 40

Seeds an SQLite database and a search index in a temporary directory, then asks for pages through the whole of Django
(middleware, view, template) in this process.  The empty page of the same base template is the yardstick.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

BATCH = 5_000
TASKS = (
    "text-generation",
    "text-classification",
    "fill-mask",
    "image-classification",
    "sentence-similarity",
    "translation",
)
LIBRARIES = ("transformers", "sentence-transformers", "diffusers", "gguf", "sklearn", "keras")
LICENSES = ("apache-2.0", "mit", "cc-by-nc-4.0", "llama3", "other", "")
LANGUAGES = ("en", "zh", "de", "fr", "es", "no")
WORDS = ("small", "large", "base", "chat", "instruct", "vision", "tiny", "multilingual", "distilled", "legal", "chem")
PAGES = {
    "search page, no words": "/search",
    "no filter": "/models",
    "1 frequent value": "/models?library=transformers",
    "2 frequent values": "/models?library=transformers&pipeline_tag=text-generation",
    "rare tag": "/models?filter=rare-7",
    "by downloads": "/models?pipeline_tag=fill-mask&sort=downloads",
    "text": "/models?q=distilled",
    "text and value": "/models?q=legal&license=mit",
    "home": "/",
}
SUGGESTION = "/search/suggest?q={}"
NEXT_LINK = re.compile(r'href="([^"]+)" rel="next"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repos", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    data_dir = Path(tempfile.mkdtemp(prefix="agora-bench-"))
    os.environ.update(HUB_DATA_DIR=str(data_dir), DJANGO_SETTINGS_MODULE="hub.settings", HUB_LOG_LEVEL="ERROR")
    os.environ.pop("DATABASE_URL", None)
    try:
        run(arguments.repos, arguments.rounds)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def run(repos: int, rounds: int) -> None:
    import django  # noqa: PLC0415 -- the environment above decides the settings
    from django.conf import settings  # noqa: PLC0415

    # No broker in this process: the cache is the process's own.
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0, skip_checks=True)
    print(f"{'repos':28}{repos:>12,}")
    print(f"{'seed rows':28}{_timed(lambda: seed(repos)):>12.1f} s")
    from hub.catalog import search_index  # noqa: PLC0415

    print(f"{'build index':28}{_timed(search_index.rebuild):>12.1f} s")
    size = sum(path.stat().st_size for path in search_index.index_path().rglob("*") if path.is_file())
    print(f"{'index size':28}{size / 1e6:>12.1f} MB")
    measure(rounds)
    print(f"{'peak memory':28}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>12.0f} MiB")


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def seed(repos: int) -> None:
    from hub.accounts.enums import NamespaceKind  # noqa: PLC0415 -- after setup
    from hub.accounts.models import Namespace, Organization  # noqa: PLC0415

    random.seed(1)
    names = [f"lab-{number}" for number in range(max(repos // 50, 1))]
    Namespace.objects.bulk_create(
        [Namespace(name=name, name_folded=name, kind=NamespaceKind.ORGANIZATION) for name in names], batch_size=BATCH
    )
    namespaces = list(Namespace.objects.order_by("pk"))
    Organization.objects.bulk_create([Organization(namespace=item) for item in namespaces], batch_size=BATCH)
    numbers = iter(range(repos))
    while batch := list(itertools.islice(numbers, BATCH)):
        _seed_batch(batch, namespaces)


def _seed_batch(numbers: list[int], namespaces: list[Any]) -> None:
    from hub.catalog.models import RepoIndex  # noqa: PLC0415
    from hub.repos.models import Repo  # noqa: PLC0415

    owners = [namespaces[int(random.paretovariate(0.6)) % len(namespaces)] for _ in numbers]
    names = [f"{random.choice(WORDS)}-{random.choice(WORDS)}-{number}" for number in numbers]
    repos = Repo.objects.bulk_create(
        [
            Repo(namespace=owner, name=name, name_folded=name, repo_type="model")
            for owner, name in zip(owners, names, strict=True)
        ]
    )
    RepoIndex.objects.bulk_create(
        [_index_row(repo, owner, name) for repo, owner, name in zip(repos, owners, names, strict=True)]
    )


def _index_row(repo: Any, owner: Any, name: str) -> Any:
    from hub.catalog.models import RepoIndex  # noqa: PLC0415
    from hub.catalog.sort_keys import sort_keys  # noqa: PLC0415

    task, library = random.choice(TASKS), LIBRARIES[min(int(random.expovariate(0.8)), len(LIBRARIES) - 1)]
    license_id, language = random.choice(LICENSES), random.choice(LANGUAGES)
    numbers = {
        "downloads": int(random.paretovariate(0.7)),
        "likes": int(random.paretovariate(1.0)) - 1,
        "trending_score": random.random() * 50 if random.random() < 0.12 else 0.0,
        "parameters": random.choice((None, 22_000_000, 135_000_000, 7_000_000_000)),
    }
    full_id = f"{owner.name}/{name}"
    return RepoIndex(
        repo=repo,
        repo_type="model",
        namespace=owner,
        full_id=full_id,
        full_id_folded=full_id,
        visibility="public",
        pipeline_tag=task,
        library_name=library,
        license=license_id,
        languages=[language],
        tags=[library, task, language, f"license:{license_id}", f"rare-{repo.pk % 5000}"],
        summary=f"A {' '.join(random.choices(WORDS, k=6))} model.",
        card_text=" ".join(random.choices(WORDS, k=60)),
        is_servable=random.random() < 0.3,
        **numbers,
        **sort_keys(
            repo_pk=repo.pk, updated_at=repo.updated_at, created_at=repo.created_at, rating_bound=0.0, **numbers
        ),
    )


def measure(rounds: int) -> None:
    from django.test import Client  # noqa: PLC0415

    client = Client(HTTP_HOST="localhost")
    print(f"\n{'page':28}{'first':>9}{'p50':>9}{'p95':>9}  ms")
    for name, address in PAGES.items():
        _report(name, client, [address] * (rounds + 1))
    deep = "/models?library=transformers"
    addresses = []
    for _ in range(rounds):
        following = NEXT_LINK.search(client.get(deep).content.decode())
        if following is None:
            break
        deep = unescape(following[1])
        addresses.append(deep)
    _report("keyset pages in a row", client, addresses)
    _report("suggestions", client, [SUGGESTION.format(f"{word[:length]}") for word in WORDS for length in (2, 3, 4)])


def _report(name: str, client: Any, addresses: list[str]) -> None:
    times = []
    for address in addresses:
        start = time.perf_counter()
        response = client.get(address)
        times.append((time.perf_counter() - start) * 1000)
        if response.status_code != 200:
            sys.exit(f"{address}: {response.status_code}")
    rest = sorted(times[1:])
    p95 = rest[int(len(rest) * 0.95) - 1] if len(rest) > 1 else rest[0]
    print(f"{name:28}{times[0]:>9.1f}{statistics.median(rest):>9.1f}{p95:>9.1f}")


if __name__ == "__main__":
    main()
