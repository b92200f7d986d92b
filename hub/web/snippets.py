"""“Use this model”: code that works when pasted, chosen by repo type, library, task and whether this hub can run it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent
from typing import Final

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from hub.catalog.models import RepoIndex
from hub.core.ids import RepoType
from hub.repos.models import Repo

_FORMATTER: Final = HtmlFormatter(nowrap=True)
_EMBEDDING: Final = frozenset({"feature-extraction", "sentence-similarity"})
_PIPELINE_INPUTS: Final = {
    "text-classification": '"I like this very much."',
    "token-classification": '"Ada Lovelace lived in London."',
    "fill-mask": 'f"Paris is the {pipe.tokenizer.mask_token} of France."',
    "question-answering": 'question="Who wrote it?", context="Ada Lovelace wrote the notes."',
    "summarization": '"A long text that should be shorter."',
    "translation": '"How are you?"',
    "zero-shot-classification": '"The ball crossed the line.", candidate_labels=["sport", "politics"]',
    "image-classification": '"photo.jpg"',
    "object-detection": '"photo.jpg"',
    "image-segmentation": '"photo.jpg"',
    "automatic-speech-recognition": '"speech.wav"',
    "audio-classification": '"sound.wav"',
}


@dataclass(frozen=True, slots=True)
class Snippet:
    """One tab: ``id`` is unique on the page, ``note`` a sentence above the code."""

    id: str
    tab: str
    language: str
    code: str
    note: str = ""

    @property
    def html(self) -> SafeString:
        text = highlight(self.code, get_lexer_by_name(self.language), _FORMATTER).rstrip("\n")
        return mark_safe(text)  # noqa: S308 -- Pygments escapes


@dataclass(frozen=True, slots=True)
class _Subject:
    repo_id: str
    page_url: str
    git_url: str
    hub_url: str
    is_private: bool
    pipeline_tag: str
    library: str
    is_servable: bool
    has_chat_template: bool
    folder: str

    @property
    def environment(self) -> str:
        """The lines that point the client libraries at this hub; they are read when a library is imported."""
        lines = ["import os", "", f'os.environ["HF_ENDPOINT"] = "{self.hub_url}"']
        if self.is_private:
            lines.append('os.environ["HF_TOKEN"] = "hf_…"  # ' + _("a read token"))
        return "\n".join(lines)


def snippets_for(repo: Repo, index: RepoIndex | None, *, is_servable: bool = False) -> list[Snippet]:
    """The tabs for a repo, the most likely first."""
    subject = _Subject(
        repo_id=repo.repo_id,
        page_url=repo.urls.absolute,
        git_url=repo.urls.git,
        hub_url=settings.HUB_URL,
        is_private=repo.is_private or bool(repo.gated),
        pipeline_tag=index.pipeline_tag if index else "",
        library=index.library_name if index else "",
        is_servable=is_servable,
        has_chat_template=bool(index and index.inspection.get("has_chat_template")),
        folder=repo.name,
    )
    if repo.type is RepoType.MODEL:
        return [*_library(subject), *_hosted(subject), *_files(subject, "model"), _git(subject)]
    if repo.type is RepoType.DATASET:
        return [_datasets(subject), *_files(subject, "dataset"), _git(subject)]
    return [*_files(subject, "space"), _git(subject)]


# --- libraries -------------------------------------------------------------------------------------------------------


def _library(subject: _Subject) -> Iterator[Snippet]:
    if subject.library == "sentence-transformers" or (
        subject.library == "transformers" and subject.pipeline_tag == "sentence-similarity"
    ):
        yield Snippet("use-st", "Python", "python", _sentence_transformers(subject), _install("sentence-transformers"))
    elif subject.library == "transformers":
        yield Snippet(
            "use-transformers", "Python", "python", _transformers(subject), _install(_transformers_needs(subject))
        )
    elif subject.library == "peft":
        yield Snippet("use-peft", "Python", "python", _plain_python(subject, "peft", "AutoPeftModel"), _install("peft"))
    elif subject.library == "diffusers":
        yield Snippet(
            "use-diffusers",
            "Python",
            "python",
            _plain_python(subject, "diffusers", "DiffusionPipeline"),
            _install("diffusers transformers"),
        )


def _transformers_needs(subject: _Subject) -> str:
    takes_pictures = "photo.jpg" in _PIPELINE_INPUTS.get(subject.pipeline_tag, "")
    return "transformers torch pillow" if takes_pictures else "transformers torch"


def _install(packages: str) -> str:
    return _("Needs: pip install %(packages)s") % {"packages": packages}


def _sentence_transformers(subject: _Subject) -> str:
    return f"""{subject.environment}

from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{subject.repo_id}")
embeddings = model.encode(["A cat sits on the mat.", "A dog lies on the rug.", "It rains."])
print(embeddings.shape)
print(model.similarity(embeddings, embeddings))
"""


def _transformers(subject: _Subject) -> str:
    head = f"{subject.environment}\n\n"
    task = subject.pipeline_tag
    if task == "text-generation":
        return head + _generation(subject)
    if task in _EMBEDDING:
        return head + _features(subject)
    if task in _PIPELINE_INPUTS:
        return (
            f"{head}from transformers import pipeline\n\n"
            f'pipe = pipeline("{task}", model="{subject.repo_id}")\nprint(pipe({_PIPELINE_INPUTS[task]}))\n'
        )
    return (
        f"{head}from transformers import AutoModel\n\n"
        f'model = AutoModel.from_pretrained("{subject.repo_id}")\nprint(model.config)\n'
    )


def _generation(subject: _Subject) -> str:
    prompt = (
        '[{"role": "user", "content": "Name three rivers in Europe."}]'
        if subject.has_chat_template
        else '"Three rivers in Europe are"'
    )
    shown = '["generated_text"][-1]["content"]' if subject.has_chat_template else '["generated_text"]'
    return (
        f'from transformers import pipeline\n\npipe = pipeline("text-generation", model="{subject.repo_id}")\n'
        f"answer = pipe({prompt}, max_new_tokens=64)\nprint(answer[0]{shown})\n"
    )


def _features(subject: _Subject) -> str:
    return dedent(f"""\
        from transformers import AutoModel, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained("{subject.repo_id}")
        model = AutoModel.from_pretrained("{subject.repo_id}")
        inputs = tokenizer(["A cat sits on the mat."], return_tensors="pt")
        print(model(**inputs).last_hidden_state.shape)
        """)


def _plain_python(subject: _Subject, module: str, name: str) -> str:
    return (
        f"{subject.environment}\n\nfrom {module} import {name}\n\n"
        f'model = {name}.from_pretrained("{subject.repo_id}")\nprint(model)\n'
    )


def _datasets(subject: _Subject) -> Snippet:
    code = f"""{subject.environment}

from datasets import load_dataset

dataset = load_dataset("{subject.repo_id}")
print(dataset)
"""
    return Snippet("use-datasets", "Python", "python", code, _install("datasets"))


# --- hosted calls ----------------------------------------------------------------------------------------------------


def _hosted(subject: _Subject) -> Iterator[Snippet]:
    if not subject.is_servable:
        return
    note = _("Runs on this hub; the token needs the right to call models.")
    yield Snippet("use-curl", "cURL", "bash", _curl(subject), note)
    if subject.pipeline_tag == "text-generation" or subject.pipeline_tag in _EMBEDDING:
        yield Snippet("use-openai", "OpenAI", "python", _openai(subject), note)


def _curl(subject: _Subject) -> str:
    start = 'export HF_TOKEN="hf_…"\n\n'
    auth = '-H "Authorization: Bearer $HF_TOKEN"'
    if subject.pipeline_tag == "text-generation" and subject.has_chat_template:
        return (
            f"{start}curl -N {subject.hub_url}/v1/chat/completions \\\n  {auth} \\\n"
            '  -H "Content-Type: application/json" \\\n'
            f"""  -d '{{"model": "{subject.repo_id}", "stream": true,\n"""
            '       "messages": [{"role": "user", "content": "Name three rivers in Europe."}]}\'\n'
        )
    if subject.pipeline_tag == "image-classification":
        return (
            f"{start}curl {subject.hub_url}/models/{subject.repo_id} \\\n  {auth} \\\n"
            '  -H "Content-Type: image/jpeg" \\\n  --data-binary @photo.jpg\n'
        )
    return (
        f"{start}curl {subject.hub_url}/models/{subject.repo_id} \\\n  {auth} \\\n"
        f"  -H \"Content-Type: application/json\" \\\n  -d '{_curl_inputs(subject)}'\n"
    )


def _curl_inputs(subject: _Subject) -> str:
    if subject.pipeline_tag == "sentence-similarity":
        return (
            '{"inputs": {"source_sentence": "A cat sits on the mat.",\n'
            '                  "sentences": ["A dog lies on the rug.", "It rains."]}}'
        )
    if subject.pipeline_tag == "text-generation":
        return '{"inputs": "Three rivers in Europe are", "parameters": {"max_new_tokens": 32}}'
    return '{"inputs": "I like this very much."}'


def _openai(subject: _Subject) -> str:
    head = f'from openai import OpenAI\n\nclient = OpenAI(base_url="{subject.hub_url}/v1", api_key="hf_…")\n'
    if subject.pipeline_tag in _EMBEDDING:
        return (
            f'{head}answer = client.embeddings.create(model="{subject.repo_id}", input=["A cat sits on the mat."])\n'
            "print(len(answer.data[0].embedding))\n"
        )
    if not subject.has_chat_template:
        return (
            f'{head}answer = client.completions.create(\n    model="{subject.repo_id}", '
            'prompt="Three rivers in Europe are", max_tokens=32\n)\nprint(answer.choices[0].text)\n'
        )
    return (
        f'{head}stream = client.chat.completions.create(\n    model="{subject.repo_id}",\n'
        '    messages=[{"role": "user", "content": "Name three rivers in Europe."}],\n    stream=True,\n)\n'
        'for event in stream:\n    print(event.choices[0].delta.content or "", end="")\n'
    )


# --- files -----------------------------------------------------------------------------------------------------------


def _files(subject: _Subject, kind: str) -> Iterator[Snippet]:
    option = "" if kind == "model" else f', repo_type="{kind}"'
    token = "" if not subject.is_private else ', token="hf_…"'
    code = f"""from huggingface_hub import snapshot_download

folder = snapshot_download("{subject.repo_id}"{option}, endpoint="{subject.hub_url}"{token})
print(folder)
"""
    yield Snippet("use-client", _("Client"), "python", code, _install("huggingface_hub"))
    option = "" if kind == "model" else f" --repo-type {kind}"
    token = 'export HF_TOKEN="hf_…"\n' if subject.is_private else ""
    code = f"export HF_ENDPOINT={subject.hub_url}\n{token}hf download {subject.repo_id}{option}\n"
    yield Snippet("use-cli", "CLI", "bash", code, _install("huggingface_hub"))


def _git(subject: _Subject) -> Snippet:
    note = _("git asks for your user name and, as the password, an access token.") if subject.is_private else ""
    code = f"git lfs install\ngit clone {subject.git_url}\n"
    return Snippet("use-git", "git", "bash", code, note)


def upload_commands(repo: Repo) -> list[Snippet]:
    """How to fill an empty repo from a terminal."""
    option = "" if repo.type is RepoType.MODEL else f" --repo-type {repo.repo_type}"
    environment = f'export HF_ENDPOINT={settings.HUB_URL}\nexport HF_TOKEN="hf_…"\n'
    cli = f"{environment}hf upload {repo.repo_id} ./my-folder .{option}\n"
    git = (
        f"git lfs install\ngit clone {repo.urls.git}\ncd {repo.name}\n"
        'cp -r ../my-folder/. .\ngit add .\ngit commit -m "Add files"\ngit push\n'
    )
    python_option = "" if repo.type is RepoType.MODEL else f', repo_type="{repo.repo_type}"'
    python = (
        f'from huggingface_hub import HfApi\n\napi = HfApi(endpoint="{settings.HUB_URL}", token="hf_…")\n'
        f'api.upload_folder(folder_path="my-folder", repo_id="{repo.repo_id}"{python_option})\n'
    )
    return [
        Snippet("push-cli", "CLI", "bash", cli),
        Snippet("push-python", "Python", "python", python),
        Snippet("push-git", "git", "bash", git),
    ]
