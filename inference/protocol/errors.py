"""What can go wrong with a request, in words a caller may see: a class code and a sentence, nothing internal."""

from __future__ import annotations


class InferenceError(Exception):
    """One refused or failed request.

    `code` is stable and machine-readable, `status` the HTTP status it maps to, `param` the offending field,
    `retry_after_s` how long a retryable caller should wait.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 500,
        retryable: bool = False,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retryable = retryable
        self.param = param
        self.retry_after_s = retry_after_s


class InvalidInput(InferenceError):
    """The caller's field `param` is wrong; sending it again will not help."""

    def __init__(self, param: str, message: str, *, code: str = "invalid_value", status: int = 422) -> None:
        super().__init__(code, message, status=status, param=param)


class UnsupportedField(InvalidInput):
    """The caller sent a field that this server does not know or does not serve."""

    def __init__(self, param: str, reason: str = "is not supported") -> None:
        super().__init__(param, f"The field '{param}' {reason}.", code="unsupported_field")


# HTTP status of each code an ErrorEvent may carry; a gateway maps by this table and answers 500 to anything else.
STATUS_BY_CODE: dict[str, int] = {
    "invalid_value": 422,
    "unsupported_field": 422,
    "context_length_exceeded": 422,
    "unsupported_format": 422,
    "remote_code": 422,
    "keras_disabled": 422,
    "no_weights": 422,
    "safetensors_invalid": 422,
    "unsupported_architecture": 422,
    "zip_bomb": 422,
    "will_not_fit": 422,
    "model_failed_repeatedly": 422,
    "unsupported_task": 422,
    "invalid_repo": 422,
    "no_longer_available": 403,
    "cancelled": 499,
    "deadline_exceeded": 504,
    "runner_died": 503,
    "broker_down": 503,
    "queue_full": 503,
    "no_capacity": 503,
    "out_of_memory": 503,
    "load_failed": 503,
    "load_timeout": 503,
    "sandbox_unavailable": 503,
    "snapshot_unavailable": 503,
    "shutting_down": 503,
    "internal": 500,
}
