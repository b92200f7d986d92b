# ruff: noqa: E402 -- Django is set up before its models are imported
"""Fill a hub that runs: people, an organisation, tokens, repos of every kind; prints what was made as JSON.

    python -m tests.e2e.seed        with the environment of the hub
Everything goes through the services that the hub itself uses; weights are random, cards are real text.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")

import django

django.setup()

from django.utils import timezone

from community.enums import ItemKind, Status, WatchLevel
from community.models import Delivery, Webhook
from community.services.collections import add_collection_item, create_collection
from community.services.discussions import (
    change_discussion_status,
    comment_discussion,
    create_discussion,
    edit_discussion_comment,
    pin_discussion,
)
from community.services.follows import follow
from community.services.inbox import watch
from community.services.likes import like
from community.services.notices import spread_all
from community.services.pins import set_pins
from community.services.pulls import create_pull_request_with_commit, get_sides
from community.services.ratings import Opinion, reply_to_review, save_review, vote_helpful
from community.services.reactions import set_reaction
from community.services.reviews import comment_line
from community.services.webhooks import DOMAINS, Watched, create_webhook
from hub.accounts.auth import Viewer
from hub.accounts.enums import Role
from hub.accounts.models import Organization, User
from hub.accounts.oauth.applications import create_application
from hub.accounts.oauth.device import start
from hub.accounts.oauth.tokens import new_pair, record_pair
from hub.accounts.services.organizations import create_organization, invite_member, set_member
from hub.accounts.services.tokens import create_token
from hub.accounts.services.users import create_user
from hub.core.ids import RepoType
from hub.demo.folders import commit_folder
from hub.repos.content import at_revision, read_text
from hub.repos.enums import AccessState, Gating, ImportState, Visibility
from hub.repos.gates import GateTerms
from hub.repos.models import AccessRequest, DownloadDay, Repo, RepoImport
from hub.repos.services.access import ask_access, handle_access_request
from hub.repos.services.commits import AddBytes, create_commit
from hub.repos.services.refs import create_branch, create_tag
from hub.repos.services.repos import create_repo, update_repo_settings
from inference.models import UsageOutcome, UsageRecord
from tests.factories.accounts import PASSWORD
from tests.inference import tiny_models

_EMBEDDER_CARD = """---
license: apache-2.0
language: [en, zh]
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [tiny, sentence-transformers]
widget:
  - source_sentence: the quick brown fox
    sentences: [the lazy dog, pack my box, five dozen jugs]
---
# Pebble

A sentence embedder small enough to read in one sitting. Two layers, 32 dimensions, made to try a hub with.

## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("ada/pebble-embedder")
model.encode(["the quick brown fox"])
```

## How it compares

| model | dimensions | parameters |
|---|---:|---:|
| pebble | 16 | 27k |
| all-MiniLM-L6-v2 | 384 | 22.7M |

Similarity is the cosine $\\cos(a, b) = \\frac{a \\cdot b}{|a||b|}$.

> [!WARNING]
> The weights are random. Do not use it to find anything.
"""
_WRITER_CARD = """---
license: mit
language: [en]
library_name: transformers
pipeline_tag: text-generation
---
# Murmur

A generator with random weights that writes without end: good for trying the stop button, and nothing else.
"""
_DATASET_CARD = """---
license: cc-by-4.0
language: [en]
task_categories: [tabular-regression]
size_categories: [n<1K]
---
# Weather at the orchard

Daily readings of one station: temperature in °C, rain in mm.
"""


#: The application that `hf auth login` names.
_CLI = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"
_GATED_CARD = """---
license: other
extra_gated_heading: Tell us what you do with the maps
extra_gated_prompt: >-
  The maps show where rare plants grow. You agree **not to publish places** more exactly than 10 km.
extra_gated_fields:
  Institution: text
  Country: country
  Use:
    type: select
    options: [Research, Teaching, {label: Something else, value: other}]
  Until: date_picker
  I keep to the terms above: checkbox
extra_gated_button_content: Ask for the maps
---
# Atlas

Maps of forty species, made to show what a gate looks like.
"""


def main() -> None:
    ada = _person("ada", "Ada Lovelace")
    grace = _person("grace", "Grace Hopper")
    orchard = create_organization(
        "orchard", creator=ada, full_name="The Orchard", description="Small models and honest data."
    )
    set_member(orchard, user=grace, role=Role.WRITE)
    made: dict[str, Any] = {"commits": _repos(ada, grace), "tokens": _tokens(ada, grace)}
    made["token_id"] = ada.access_tokens.first().object_id
    made["invitation"] = _invite(orchard, ada, grace)
    made["client_id"] = _applications(ada, grace)
    made["device_code"] = _waiting_device()
    made["webhook_id"] = _webhook(ada).object_id
    _gates(ada, grace)
    made["comments"] = {f"{repo.type.web_prefix}{repo.repo_id}": _review(repo, ada, grace) for repo in _talked_about()}
    _downloads()
    _talk(ada, grace)
    made["reviews"] = _reviews(ada, grace)
    made["collection"] = _collection(ada)
    made["import_id"] = _import(ada).object_id
    sys.stdout.write(json.dumps(made) + "\n")


def _person(name: str, full_name: str) -> User:
    return create_user(name, email=f"{name}@example.org", password=PASSWORD, full_name=full_name)


def _tokens(ada: User, grace: User) -> dict[str, str]:
    made = {
        "write": (ada, "write", "laptop"),
        "read": (ada, "read", "evaluation server"),
        "inference": (ada, "inference", "notebook"),
        "stranger": (grace, "write", "desk"),
    }
    return {kind: create_token(user, role=role, name=name)[1] for kind, (user, role, name) in made.items()}


def _import(ada: User) -> RepoImport:
    """A copy that went wrong midway: the page with the most to say."""
    return RepoImport.objects.create(
        author=ada,
        namespace=ada.namespace,
        name="copied",
        repo_type=RepoType.MODEL,
        endpoint="https://other.example",
        source="someone/model",
        commit_oid="0" * 40,
        state=ImportState.FAILED,
        error="The other server's answer was cut off.",
        files_total=7,
        files_done=3,
        bytes_total=500_000_000,
        bytes_done=120_000_000,
        finished_at=timezone.now(),
    )


def _applications(ada: User, grace: User) -> str:
    """One that ada registered, and one of grace's that ada has let in; returns the id of the former."""
    own, _secret = create_application(
        ada, name="Herbarium", redirect_uris=["https://herbarium.example/back"], scopes=["profile"], is_public=False
    )
    reader, _secret = create_application(
        grace, name="Reading room", redirect_uris=["https://room.example/back"], scopes=["read-repos"], is_public=True
    )
    record_pair(ada, reader, new_pair(), scopes=["openid", "profile", "read-repos"])
    return str(own.id)


def _waiting_device() -> str:
    """The code that a program shows while it waits for a person."""
    return str(start(_CLI, None, client="hf/2.4").row.shown_code)


def _webhook(ada: User) -> Webhook:
    """It failed once, arrived once, and waits."""
    watched = [Watched("user", "ada"), Watched("dataset", "orchard/weather")]
    webhook = create_webhook(
        Viewer(user=ada), url="https://receiver.example/agora", watched=watched, domains=DOMAINS, secret="s3cret"
    )
    repo = Repo.objects.get(name="pebble-embedder")
    for event, facts in {
        "repo.content update": {"state": "failed", "attempts": 10, "last_status": 503, "finished_at": timezone.now()},
        "discussion create": {"state": "delivered", "attempts": 1, "last_status": 200, "finished_at": timezone.now()},
    }.items():
        Delivery.objects.create(webhook=webhook, repo=repo, event=event, body="{}", **facts)
    return webhook


def _talk(ada: User, grace: User) -> None:
    """What ada hears of: a question to her, one that she follows, a comment on her own, somebody who follows her."""
    pebble, weights = Repo.objects.get(name="pebble-embedder"), Repo.objects.get(name="old-weights")
    own = create_discussion(Viewer(user=ada), weights, title="Would you publish safetensors as well?")
    asked = create_discussion(
        Viewer(user=grace), pebble, title="Which tokenizer is this?", description="@ada, is it the one of murmur?"
    )
    comment_discussion(Viewer(user=grace), own, comment="Next week.")
    comment_discussion(Viewer(user=grace), asked, comment="It says so in the card. Thanks!")
    follow(Viewer(user=grace), ada)
    watch(Viewer(user=ada), weights, WatchLevel.ALL)
    spread_all()
    for subject in (grace, Organization.objects.get(namespace__name="orchard")):
        follow(Viewer(user=ada), subject)
    like(Viewer(user=grace), pebble)
    like(Viewer(user=ada), weights)
    set_pins(Viewer(user=ada), ada.namespace, [pebble.pk, Repo.objects.get(name="murmur").pk])


def _collection(ada: User) -> str:
    """A list of what is here, with a note; returns its slug without the owner."""
    viewer = Viewer(user=ada)
    found = create_collection(
        viewer, namespace="ada", title="Small and honest", description="Models to try a hub with."
    )
    add_collection_item(viewer, found, ItemKind.MODEL, "ada/pebble-embedder", note="Begin here: two layers.")
    add_collection_item(viewer, found, ItemKind.DATASET, "orchard/weather")
    add_collection_item(viewer, found, ItemKind.PAPER, "2307.09288")
    return found.slug.partition("/")[2]


def _gates(ada: User, grace: User) -> None:
    """A gate of ada's with somebody in each state, and three of grace's before which ada stands."""
    noor, alan = User.objects.get(username="noor"), _person("alan", "Alan Turing")
    kept = _gated(ada, "ada/atlas")
    for person, use in ((grace, "Teaching"), (noor, "Research"), (alan, "Research")):
        ask_access(Viewer(user=person), kept, _answers("University of the Orchard", use))
    for person, state, reason in ((noor, AccessState.ACCEPTED, ""), (alan, AccessState.REJECTED, "For schools only.")):
        request = AccessRequest.objects.get(repo=kept, user=person)
        handle_access_request(Viewer(user=ada), request, state, rejection_reason=reason)
    answers = _answers("Analytical Engines", "Research")
    _gated(grace, "grace/fern")
    ask_access(Viewer(user=ada), _gated(grace, "grace/moss"), answers)
    ask_access(Viewer(user=ada), _gated(grace, "grace/lichen"), answers)
    refused = AccessRequest.objects.get(repo__name="lichen")
    handle_access_request(Viewer(user=grace), refused, AccessState.REJECTED, rejection_reason="Not for engines.")


def _talked_about() -> list[Repo]:
    rows = Repo.objects.select_related("namespace")
    return [
        rows.get(namespace__name=owner, name=name)
        for owner, name in (("ada", "pebble-embedder"), ("orchard", "weather"))
    ]


def _review(repo: Repo, ada: User, grace: User) -> str:
    """A pull request (#1) with comments, reactions and a line spoken of, and discussions; returns ada's comment."""
    mine, hers = Viewer(user=ada), Viewer(user=grace)
    card = read_text(at_revision(repo), "README.md", 100_000) or ""
    operations = [
        AddBytes("README.md", card.replace("one", "a single").encode() + b"\n## Thanks\n\nTo the gardeners.\n"),
        AddBytes("limits.json", b'{"rows": 28, "station": {"height_m": 12}}\n'),
    ]
    proposed, _commit = create_pull_request_with_commit(
        hers,
        repo,
        branch="main",
        operations=operations,
        message="Say whom to thank",
        description="@ada, is this right?",
    )
    answer = comment_discussion(mine, proposed, comment="Almost. See ada/pebble-embedder and #2, `rows` is **28**.")
    edit_discussion_comment(mine, proposed, answer, new_content="Almost: see ada/pebble-embedder and #2.")
    set_reaction(hers, proposed, answer, emoji="heart", is_on=True)
    set_reaction(mine, proposed, answer, emoji="rocket", is_on=True)
    sides = get_sides(proposed)
    comment_line(
        mine, proposed, path="limits.json", side="new", line=1, head_oid=sides[1] if sides else "", comment="Metres?"
    )
    question = create_discussion(
        hers, repo, title="Which licence has the test data?", description="I would like to know."
    )
    pin_discussion(mine, question, is_pinned=True)
    done = create_discussion(mine, repo, title="Move the notes to their own folder")
    change_discussion_status(mine, done, new_status=Status.CLOSED, comment="Done.")
    return answer.object_id


def _reviews(ada: User, grace: User) -> dict[str, str]:
    """Of ada's embedder: one that was edited and answered, with a vote, by somebody who ran it; and short ones."""
    noor, alan = User.objects.get(username="noor"), User.objects.get(username="alan")
    repo = Repo.objects.select_related("namespace").get(namespace__name="ada", name="pebble-embedder")
    for number in range(12):
        UsageRecord.objects.create(
            request_id=f"seed-{number}",
            user=grace,
            repo=repo,
            repo_name=repo.repo_id,
            commit_oid=repo.head_oid,
            pipeline_tag="sentence-similarity",
            route="hf.feature-extraction",
            outcome=UsageOutcome.OK,
        )
    by_grace = Viewer(user=grace)
    facts = {"task": "sentence-similarity", "language": "en", "hardware": "laptop with 16 GB", "outcome": "worked"}
    save_review(by_grace, repo, Opinion(stars=3, text="The first tries were **noisy**.", **facts))
    text = "Finds the *right* neighbours of short texts; long ones need cuts:\n\n- up to 40 words: good\n- more: no"
    review = save_review(by_grace, repo, Opinion(stars=4, text=text, **facts))
    save_review(Viewer(user=noor), repo, Opinion(stars=5, text="Small and quick."))
    save_review(Viewer(user=alan), repo, Opinion(stars=2, outcome="failed"))
    reply_to_review(Viewer(user=ada), review, text="Thank you. Long texts will come with the next version.")
    vote_helpful(Viewer(user=noor), review, is_helpful=True)
    weather = Repo.objects.select_related("namespace").get(namespace__name="orchard", name="weather")
    of_weather = save_review(Viewer(user=noor), weather, Opinion(stars=4, text="Clean, but June only."))
    return {"ada/pebble-embedder": review.object_id, "datasets/orchard/weather": of_weather.object_id}


def _downloads() -> None:
    """A month of numbers for one repo."""
    repo, today = Repo.objects.get(namespace__name="ada", name="pebble-embedder"), timezone.now().date()
    DownloadDay.objects.bulk_create(
        DownloadDay(
            repo=repo, day=today - timedelta(days=ago), count=(ago * 7) % 23 + 40 - ago, members=ago % 3, robots=ago % 5
        )
        for ago in range(40)
    )
    days = list(DownloadDay.objects.filter(repo=repo).order_by("-day"))
    month, ever = sum(day.count for day in days[:30]), sum(day.count for day in days)
    Repo.objects.filter(pk=repo.pk).update(downloads=month, downloads_all_time=ever)


def _answers(institution: str, use: str) -> dict[str, str | bool]:
    return {
        "Institution": institution,
        "Country": "United Kingdom",
        "Use": use,
        "Until": "2031-01-01",
        "I keep to the terms above": True,
    }


def _gated(owner: User, full_id: str) -> Repo:
    repo = _repo(owner, full_id, files={"README.md": _GATED_CARD.encode(), "maps.csv": b"species,square\nfern,NY21\n"})
    terms = GateTerms(gate_answer_days=3, gate_grant_days=90, gate_retry_days=30)
    return update_repo_settings(Viewer(user=owner), repo, gated=Gating.MANUAL, gate_terms=terms)


def _invite(orchard: Organization, ada: User, grace: User) -> str:
    """One invitation that ada has, one that she gave; returns the secret of the latter."""
    atelier = create_organization("atelier", creator=grace, full_name="Atelier")
    invite_member(atelier, inviter=grace, role=Role.READ, invitee=ada)
    noor = _person("noor", "Noor Inayat")
    _invitation, secret = invite_member(orchard, inviter=ada, role=Role.READ, invitee=noor)
    return secret


def _repos(ada: User, grace: User) -> dict[str, str]:
    """Repos by full name → head of the default branch."""
    repos = [
        _embedder(ada),
        _writer(ada),
        _ponderer(ada),
        _dataset(ada),
        update_repo_settings(Viewer(user=ada), _repo(ada, "ada/empty"), are_discussions_disabled=True),
        _repo(ada, "ada/slides", RepoType.SPACE, files={"index.html": b"<h1>Slides</h1>\n"}),
        _repo(ada, "ada/lathe", RepoType.KERNEL, files={"build.toml": b"[general]\nname = 'lathe'\n"}),
        # Its file is a pickle, as the tests of poisoned repos make more of.
        _repo(grace, "grace/old-weights", files={"pytorch_model.bin": b"\x80\x02}q\x00.", "config.json": b"{}"}),
        _repo(ada, "ada/secret-plans", is_private=True, files=_SECRET_FILES),
        _repo(ada, "ada/secret-rows", RepoType.DATASET, is_private=True, files=_SECRET_FILES),
        _repo(ada, "ada/secret-desk", RepoType.SPACE, is_private=True, files=_SECRET_FILES),
        _repo(ada, "ada/secret-lathe", RepoType.KERNEL, is_private=True, files=_SECRET_FILES),
    ]
    return {f"{repo.type.web_prefix}{repo.repo_id}": Repo.objects.get(pk=repo.pk).head_oid for repo in repos}


_SECRET_FILES = {"README.md": b"# Plans\n", "plan.txt": b"nobody knows\n", "data.csv": b"a,b\n1,2\n"}


def _repo(
    owner: User,
    full_id: str,
    repo_type: RepoType = RepoType.MODEL,
    *,
    is_private: bool = False,
    files: dict[str, bytes] | None = None,
) -> Repo:
    namespace, _, name = full_id.partition("/")
    viewer = Viewer(user=owner)
    repo = create_repo(
        viewer,
        namespace=namespace,
        name=name,
        repo_type=repo_type,
        visibility=Visibility.PRIVATE if is_private else Visibility.PUBLIC,
    )
    if files:
        operations = [AddBytes(path, data) for path, data in files.items()]
        create_commit(repo, actor=viewer, revision="main", operations=operations, message="Add files")
    return repo


def _embedder(ada: User) -> Repo:
    repo = _repo(ada, "ada/pebble-embedder")
    with tempfile.TemporaryDirectory() as directory:
        folder = tiny_models.build_sentence_transformer(Path(directory) / "model")
        (folder / "README.md").write_text(_EMBEDDER_CARD, encoding="utf-8")
        notes = folder / "notes"
        notes.mkdir()
        (notes / "train.py").write_text('"""How it was made."""\n\nimport torch\n\ntorch.manual_seed(0)\n')
        (notes / "losses.csv").write_text("step,loss\n1,2.31\n2,2.17\n3,2.04\n")
        (notes / "report.json").write_text('{"steps": 3, "best": {"loss": 2.04}}\n')
        commit_folder(repo, folder, actor=Viewer(user=ada), message="Add the model")
    viewer = Viewer(user=ada)
    create_tag(repo, actor=viewer, name="v1.0", revision="main", message="First release")
    change = [AddBytes("notes/losses.csv", b"step,loss\n1,2.31\n2,2.17\n3,2.04\n4,1.98\n")]
    create_commit(repo, actor=viewer, revision="main", operations=change, message="Train one step more")
    create_branch(repo, actor=viewer, name="long-context")
    return repo


def _writer(ada: User) -> Repo:
    """Long enough (1,024 tokens) to be stopped midway; each token is a piece of text of its own."""
    repo = _repo(ada, "ada/murmur")
    with tempfile.TemporaryDirectory() as directory:
        folder = tiny_models.build_causal(Path(directory), layers=6, hidden=128)
        _speak_words(folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 4096}))
        (folder / "README.md").write_text(_WRITER_CARD, encoding="utf-8")
        commit_folder(repo, folder, actor=Viewer(user=ada), message="Add the model")
    return repo


def _ponderer(ada: User) -> Repo:
    """So deep that one step takes far longer than a word needs on its way to the worker, yet a few megabytes."""
    repo = _repo(ada, "ada/ponder")
    with tempfile.TemporaryDirectory() as directory:
        folder = tiny_models.build_causal(Path(directory), layers=160, hidden=32)
        _speak_words(folder)
        commit_folder(repo, folder, actor=Viewer(user=ada), message="Add the model")
    return repo


def _speak_words(folder: Path) -> None:
    """Let only letters win: random bytes would mostly be halves of characters, which are held back."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    head = weights["lm_head.weight"]
    letters = [index for token, index in vocabulary.items() if token.isascii() and token.isalpha()]
    kept = head[letters] * 50
    head.zero_()
    head[letters] = kept
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _dataset(ada: User) -> Repo:
    import pyarrow as pa
    import pyarrow.parquet as pq

    days = [f"2025-06-{day:02}" for day in range(1, 29)]
    table = pa.table({"day": days, "celsius": [14 + day % 9 for day in range(28)], "rain_mm": [0.4] * 28})
    parquet = io.BytesIO()
    pq.write_table(table, parquet)
    lines = ["day,celsius,rain_mm", *(f"{day},{14 + i % 9},0.4" for i, day in enumerate(days))]
    files = {
        "README.md": _DATASET_CARD.encode(),
        "data/weather.csv": "\n".join(lines).encode(),
        "data/weather.parquet": parquet.getvalue(),
    }
    repo = _repo(ada, "orchard/weather", RepoType.DATASET)
    with tempfile.TemporaryDirectory() as directory:
        for path, data in files.items():
            target = Path(directory) / path
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)
        commit_folder(repo, Path(directory), actor=Viewer(user=ada), message="Add June")
    return repo


if __name__ == "__main__":
    main()
