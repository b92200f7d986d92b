"""One log format for web, workers and commands: an event and its fields.

call → ids of request and task → secrets masked (T23) → control bytes escaped (T149) → text or JSON on stderr

Set as ``LOGGING_CONFIG``, so that it is in force as soon as settings are read.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK: Final = "***"

_SECRET_KEYS: Final = re.compile(
    r"(?:^|[_-])(?:authorization|cookie|passwo?r?d|passphrase|secret|token|signature|sig|api[_-]?key|otp|csrf)s?$",
    re.IGNORECASE,
)
#: Fields whose name ends like a secret's but that count or identify.
_PLAIN_KEYS: Final = frozenset({"max_new_tokens", "tokens", "prompt_tokens", "completion_tokens"})
_SECRET_TEXT: Final = (
    (re.compile(r"\bhf_[A-Za-z0-9_.-]{6,}"), "hf_" + MASK),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]+", re.IGNORECASE), r"\1 " + MASK),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), r"\1:" + MASK + "@"),
    (
        re.compile(
            r"([?&;\s](?:token|access_token|sig|signature|key|password|secret|code|X-Amz-[A-Za-z-]+|Key-Pair-Id|Policy)=)"
            r"[^&\s\"']+",
            re.IGNORECASE,
        ),
        r"\1" + MASK,
    ),
    (re.compile(r"\b((?:__Host-)?(?:session|csrf|sessionid|csrftoken))=[^;\s\"']+"), r"\1=" + MASK),
)
#: Libraries whose "info" is our "debug"; scheduled tasks alone would write four lines a minute.
_CHATTY: Final = (
    *("httpx", "httpx2", "httpcore", "urllib3", "asyncio", "kombu", "PIL", "filelock", "botocore", "boto3"),
    *("celery.apps.worker", "celery.beat", "celery.worker.strategy", "celery.worker.consumer.connection"),
    "celery.worker.consumer.consumer",
    "celery.app.trace",
)
_OWN: Final = ("hub.", "community.", "inference.")
_ADD_EXTRA: Final = structlog.stdlib.ExtraAdder()
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_IN_TRACE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def mask(text: str) -> str:
    """Return ``text`` without tokens, credentials in URLs, signatures and session cookies."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def escape_control(text: str, *, keep_lines: bool = False) -> str:
    r"""Return ``text`` with control bytes written as ``\xNN``: a value cannot forge lines or drive a terminal."""
    pattern = _CONTROL_IN_TRACE if keep_lines else _CONTROL
    return pattern.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def _clean(key: str, value: Any) -> Any:
    if key not in _PLAIN_KEYS and _SECRET_KEYS.search(key) and value not in (None, "", True, False):
        return MASK
    if isinstance(value, str):
        return escape_control(mask(value), keep_lines=key == "exception")
    if isinstance(value, Mapping):
        return {str(name): _clean(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return escape_control(mask(str(value)))


def clean_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: mask secrets and escape control bytes in every field, the exception text included."""
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own, never printed
            event[key] = _clean(key, value)
    return event


def _is_coloured() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stderr.isatty()


def _renderer(log_format: str) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=_is_coloured(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=24, sort_keys=False
    )


def add_own_fields(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Take the ``extra`` of our own modules' standard loggers; other libraries hang whole requests on theirs."""
    record = event.get("_record")
    if record is None or not record.name.startswith(_OWN):
        return event
    return _ADD_EXTRA(logger, method, event)


def _timestamper(log_format: str) -> Processor:
    if log_format == "json":
        return structlog.processors.TimeStamper(fmt="iso", utc=True)
    return structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)


def configure(config: Mapping[str, str]) -> None:
    """Set up logging of this process from ``{"level": …, "format": "text" | "json"}``."""
    level, log_format = config.get("level", "INFO").upper(), config.get("format", "text")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        add_own_fields,
        _timestamper(log_format),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, clean_event, _renderer(log_format)],
    )
    _install(formatter, level)


def _install(formatter: logging.Formatter, level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [kept for kept in root.handlers if not getattr(kept, "is_agora", False)]
    handler.is_agora = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(level)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # Its message repeats what the request line of `hub.core.edge` says, with the query in it.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    # A stranger's Host header is worth a 400, not a trace for each try.
    logging.getLogger("django.security.DisallowedHost").setLevel(logging.CRITICAL)
