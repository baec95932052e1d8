"""Errors of chat models' providers in our words: worth another try, refused for the rate, refused for good, or no error."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from langchain_core.messages import AIMessage

from llmrg.core.errors import LlmrgError, ModelAccessError, ModelError, ModelUnavailableError, RateLimitedError

PASSING_STATUS = {408, 409, 425}
"""HTTP statuses, besides 429 and 5xx, after which another try may succeed."""
NO_ACCESS = {401, 402, 403, 404}
"""HTTP statuses after which no request of the run will succeed."""
RATE_NAMES = {"RateLimitError", "ResourceExhausted"}
PASSING_NAMES = {
    *("APIConnectionError", "APITimeoutError", "ConnectError", "ConnectTimeout", "NetworkError", "PoolTimeout", "ProtocolError"),
    *("ReadError", "ReadTimeout", "ServiceUnavailable", "TimeoutException", "TransportError"),
}
"""Class names of such errors in httpx and in the providers' packages, which are not imported here."""
_OF_A_FORM = re.compile(r"response.?format|json|schema|tool|function|grammar|structured", re.IGNORECASE)
_NO_MONEY = re.compile(r"insufficient.?quota|billing|credit balance", re.IGNORECASE)


def as_model_error(error: Exception, timeout_s: float) -> LlmrgError:
    """RateLimitedError, ModelUnavailableError (another try may succeed), ModelAccessError (none will), else ModelError."""
    if isinstance(error, LlmrgError):
        return error
    if isinstance(error, TimeoutError):
        return ModelUnavailableError(f"the model did not answer within {timeout_s:g} s; raise `timeout_s` if it is only slow")
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    errors = list(_with_causes(error))
    status = next((found for one in errors if (found := _status(one)) is not None), None)
    if status in NO_ACCESS or _NO_MONEY.search(said):
        return ModelAccessError(f"the model cannot be used ({said}); check its name, key, address and account")
    after = next((seconds for one in errors if (seconds := retry_after(one)) is not None), None)
    if status == 429 or (status == 503 and after is not None) or (status is None and _named(errors, RATE_NAMES)):
        return RateLimitedError(f"the model refuses more requests for now ({said})", after)
    if status in PASSING_STATUS or (status is not None and 500 <= status < 600):
        return ModelUnavailableError(f"the model is unavailable ({said})")
    if status is None and (isinstance(error, ConnectionError) or _named(errors, PASSING_NAMES)):
        return ModelUnavailableError(f"the model is unavailable ({said})")
    return ModelError(f"the model refused the request ({said}); check its name, key and limits")


def refuses_the_form(error: Exception) -> bool:
    """Whether the endpoint says that it knows no such form of structured output."""
    statuses = {_status(one) for one in _with_causes(error)}
    return bool(statuses & {400, 422, 501}) and bool(_OF_A_FORM.search(str(error)))


def cut_reply(error: Exception) -> AIMessage | None:
    """The reply inside an error that says that it was cut short at the length limit, or None for another error."""
    choices = getattr(getattr(error, "completion", None), "choices", None)
    if not choices:
        return None
    used: Any = getattr(error.completion, "usage", None)  # type: ignore[attr-defined]
    read, said = getattr(used, "prompt_tokens", 0), getattr(used, "completion_tokens", 0)
    counted: Any = {"input_tokens": read, "output_tokens": said, "total_tokens": read + said} if used else None
    return AIMessage(choices[0].message.content or "", usage_metadata=counted)


def retry_after(error: BaseException) -> float | None:
    """Seconds that the response's headers ask to wait, from `retry-after-ms` or `Retry-After` (seconds or a date)."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        told = headers.get("retry-after")
        if told is None:
            return None
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", told):
            return float(told)
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__


def _named(errors: list[BaseException], names: set[str]) -> bool:
    return any(kind.__name__ in names for error in errors for kind in type(error).__mro__)


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    for holder, name in ((error, "status_code"), (error, "http_status"), (error, "code"), (response, "status_code")):
        status = getattr(holder, name, None)
        if isinstance(status, int) and not isinstance(status, bool):
            return status
    return None
