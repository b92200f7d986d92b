"""Routes that the ASGI doors answer beside Django: bytes, Xet, git, hosted calls, health (hub.asgi)."""

from __future__ import annotations

from hub.api.schema.operations import BYTES, JSON, TEXT, Body, Query, anything, door, flag, many, number, shape, text
from hub.core.ids import RepoType

# --- inference -------------------------------------------------------------------------------------------------------

_INFERENCE = "Inference"
_SAMPLING = {
    "model": text("namespace/name, or namespace/name@commit."),
    "max_tokens": number(optional=True),
    "temperature": anything(optional=True),
    "top_p": anything(optional=True),
    "seed": number(optional=True),
    "stop": anything("A text or several.", optional=True),
    "stream": flag("Server-sent events instead of one answer.", optional=True),
}
_USAGE = {"id": text(), "object": text(), "created": number(), "model": text(), "usage": anything()}
_OPENAI = (
    (
        "chat/completions",
        "Chat",
        shape("ChatCompletion", messages=anything("role and content of each."), **_SAMPLING),
        shape("ChatCompletionAnswer", choices=anything(), **_USAGE),
    ),
    (
        "completions",
        "Continue a text",
        shape("Completion", prompt=text(), **_SAMPLING),
        shape("CompletionAnswer", choices=anything(), **_USAGE),
    ),
    (
        "embeddings",
        "Embed texts",
        shape("Embeddings", model=_SAMPLING["model"], input=anything("A text or several.")),
        shape("EmbeddingsAnswer", data=anything(), object=text(), model=text(), usage=anything()),
    ),
)
for _route, _summary, _request, _answer in _OPENAI:
    for _prefix, _words in (("", ""), ("/models/{namespace}/{name}", ", by the address of one model")):
        door(
            "POST",
            f"{_prefix}/v1/{_route}",
            f"{_summary}{_words}",
            _INFERENCE,
            access="person",
            request=_request,
            answer=_answer,
        )
_MODEL = shape("ServedModel", id=text("namespace/name"), object=text(), created=number(), owned_by=text())
door("GET", "/v1/models", "List the models that run here", _INFERENCE, answer=shape("ServedModels", data=many(_MODEL)))
door("GET", "/v1/models/{namespace}/{name}", "Show a model that runs here", _INFERENCE, answer=_MODEL)
_TASK = (
    Body(shape("TaskRequest", inputs=anything("As the task needs it."), parameters=anything(optional=True)), JSON),
    Body(None, BYTES, description="A picture or sound, for tasks that take one."),
)
_TASK_ANSWER = Body(None, JSON, description="As the task answers it.")
for _path, _summary in (
    ("/models/{namespace}/{name}", "Call a model for its own task"),
    ("/models/{namespace}/{name}/pipeline/{task}", "Call a model for a task"),
    ("/pipeline/{task}/{namespace}/{name}", "Call a model for a task, as older clients do"),
):
    door("POST", _path, _summary, _INFERENCE, access="person", request=_TASK, answer=_TASK_ANSWER)

# --- git -------------------------------------------------------------------------------------------------------------

for _type in RepoType:
    _repo = f"/{_type.web_prefix}{{namespace}}/{{name}}.git"
    door(
        "GET",
        f"{_repo}/info/refs",
        f"Begin a clone, fetch or push of a {_type.value}",
        "git",
        description="The token is the password of Basic, with any user name. The address without .git works too.",
        query=(Query("service", "Which.", choices=("git-upload-pack", "git-receive-pack"), is_required=True),),
        answer=Body(None, "application/x-git-upload-pack-advertisement"),
    )
    door(
        "POST",
        f"{_repo}/git-upload-pack",
        f"Fetch from a {_type.value}",
        "git",
        request=Body(None, "application/x-git-upload-pack-request"),
        answer=Body(None, "application/x-git-upload-pack-result"),
    )
    door(
        "POST",
        f"{_repo}/git-receive-pack",
        f"Push to a {_type.value}",
        "git",
        access="person",
        request=Body(None, "application/x-git-receive-pack-request"),
        answer=Body(None, "application/x-git-receive-pack-result"),
    )

# --- bytes -----------------------------------------------------------------------------------------------------------

_LARGE = "Large files"
_SIGNED = "The address comes signed from another route and is never made up; its signature holds kind, size and time."
for _method, _action, _summary, _sent, _told in (
    ("GET", "blob", "Fetch the bytes of a file", (), Body(None, BYTES)),
    ("PUT", "put", "Send a whole file", Body(None, BYTES), None),
    ("PUT", "part", "Send one part of a file", Body(None, BYTES), None),
    (
        "POST",
        "complete",
        "Put the parts of a file together",
        Body(shape("CompleteParts", oid=text(), parts=anything("partNumber and etag of each."))),
        None,
    ),
):
    door(
        _method,
        f"/_d/{_action}/{{fields}}/{{signature}}",
        _summary,
        _LARGE,
        description=_SIGNED,
        access="anybody",
        request=_sent,
        answer=_told,
    )
door(
    "GET",
    "/_u/{signed}",
    "Fetch the bytes of a file that another hub holds",
    _LARGE,
    description="The address comes signed from resolve, where this hub reads what it lacks from another one.",
    access="anybody",
    answer=Body(None, BYTES),
)
_CAS = "/cas/d/{domain}/{epoch}"
_XET = "Xet: the address and its token come from the token routes. See the protocol's own description."
for _method, _path, _summary, _sent, _told in (
    ("GET", "v1/chunks/{prefix}/{hash}", "Ask which shard knows a chunk", (), Body(None, BYTES)),
    (
        "POST",
        "v1/xorbs/{prefix}/{hash}",
        "Send a xorb",
        Body(None, BYTES),
        Body(shape("XorbStored", was_inserted=flag())),
    ),
    ("HEAD", "v1/xorbs/{prefix}/{hash}", "Ask whether a xorb is here", (), None),
    (
        "POST",
        "v1/shards",
        "Send a shard: what files are made of",
        Body(None, BYTES),
        Body(shape("ShardStored", result=number())),
    ),
    ("POST", "v2/shards", "Send a shard, and hear of progress", Body(None, BYTES), Body(None, BYTES)),
    ("GET", "v1/reconstructions/{hash}", "Ask what a file is made of", (), Body(None, JSON)),
    ("GET", "v2/reconstructions/{hash}", "Ask what a file is made of, in the newer form", (), Body(None, JSON)),
    ("HEAD", "v1/files/{hash}", "Ask whether a file is here", (), None),
):
    door(
        _method,
        f"{_CAS}/{_path}",
        _summary,
        _LARGE,
        description=_XET,
        access="person",
        request=_sent,
        answer=_told,
    )

# --- this hub --------------------------------------------------------------------------------------------------------

_HUB = "This hub"
door(
    "GET",
    "/health/live",
    "Ask whether the process serves",
    _HUB,
    access="anybody",
    answer=Body(None, TEXT, description="It does."),
)
door(
    "GET",
    "/health/ready",
    "Ask whether all parts work",
    _HUB,
    access="anybody",
    description="503 with the same body while one is down.",
    answer=Body(None, JSON, description="The state of each part."),
)
