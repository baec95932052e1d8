"""Errors of chat models' providers in our words: worth another try, refused for the rate, refused for good, or no error."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from langchain_core.messages import AIMessage

from llmrg.core.errors import (
    LlmrgError,
    ModelAccessError,
    ModelError,
    ModelPromptError,
    ModelUnavailableError,
    RateLimitedError,
)
from llmrg.core.settings import proxy_variables

PASSING_STATUS = {408, 409, 425}
"""HTTP statuses, besides 429 and 5xx, after which another try may succeed."""
NO_ACCESS = {401, 402, 403, 404, 405, 410}
"""HTTP statuses after which no request of the run will succeed."""
RATE_NAMES = {"RateLimitError", "ResourceExhausted"}
PASSING_NAMES = {
    *("APIConnectionError", "APITimeoutError", "ConnectError", "ConnectTimeout", "NetworkError", "PoolTimeout", "ProtocolError"),
    *("ReadError", "ReadTimeout", "ServiceUnavailable", "TimeoutException", "TransportError"),
}
"""Class names of such errors in httpx and in the providers' packages, which are not imported here."""
UNREADABLE = (TypeError, AttributeError, IndexError, json.JSONDecodeError)
"""What providers' packages raise over an answer that is no reply, such as one without choices."""
_OF_A_FORM = re.compile(r"response.?format|json|schema|tool|function|grammar|structured|guided", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"not? support|unsupported|n.t support|not (available|enabled|implemented)|un(known|recognized|expected)|no such"
    r"|extra (field|input)|--enable|is not a valid",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    r"insufficient.?(quota|funds|balance|credit)|current quota|billing|credit balance|out of credit", re.IGNORECASE
)
_LATER = re.compile(r"(re)?try (again )?in\b", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"context.?(length|window|size|limit)|reduce the length|too (long|large|many (input )?tokens)|max_model_len"
    r"|(prompt|input|messages?|request)\b.{0,60}(exceed|longer than)|exceed.{0,40}(token|length)",
    re.IGNORECASE | re.DOTALL,
)
_FILTERED = re.compile(
    r"content.?(filter|policy|management)|moderation|flagged|prohibited|responsible.?ai|inappropriate", re.IGNORECASE
)
_LONGEST = 300
"""Characters of the server's words that are shown."""


def as_model_error(error: Exception, timeout_s: float) -> LlmrgError:
    """RateLimitedError, ModelUnavailableError (another try may succeed), ModelPromptError (this request never will),
    ModelAccessError (none will), else ModelError. All of them with the server's own words."""
    errors = list(_with_causes(error))
    if ours := next((cause for cause in errors if isinstance(cause, LlmrgError)), None):
        return ours
    if isinstance(error, TimeoutError):
        return ModelUnavailableError(f"the model did not answer within {timeout_s:g} s; raise `timeout_s` if it is only slow")
    after = next((seconds for cause in errors if (seconds := retry_after(cause)) is not None), None)
    return model_error(_first_status(errors), words_of(error), after, errors)


def model_error(status: int | None, words: str, after: float | None = None, errors: Sequence[BaseException] = ()) -> LlmrgError:
    """What a server means by a status and its words.

    Args:
        after: seconds that it asks to wait.
        errors: the one raised, and its causes.
    """
    limited = status == 429 or (status == 503 and after is not None) or (status is None and _named(errors, RATE_NAMES))
    if status in {400, 413, 422, 429} and _TOO_LONG.search(words) and not (limited and after is not None):
        return ModelPromptError(f"the request is too long for the model ({words}); show it less: --last, --block-size")
    if status in {400, 403, 422, 451} and _FILTERED.search(words):
        return ModelPromptError(f"the model's server holds the request back ({words})")
    if _NO_MONEY.search(words) and after is None and not _LATER.search(words):
        return ModelAccessError(f"the model cannot be used ({words}); check its name, key, address and account")
    if status in NO_ACCESS:
        return ModelAccessError(f"the model cannot be used ({words}); check its name, key, address and account")
    if limited:
        asks = f"; it asks to wait for {after:,.0f} s" if after is not None and after >= 5 else ""
        return RateLimitedError(f"the model refuses more requests for now ({words}){asks}", after)
    if status in PASSING_STATUS or (status is not None and 500 <= status < 600):
        return ModelUnavailableError(f"the model is unavailable ({words})")
    if status is None and (any(isinstance(cause, ConnectionError) for cause in errors[:1]) or _named(errors, PASSING_NAMES)):
        proxies = ", ".join(name for name in proxy_variables() if name.lower() != "no_proxy")
        of_proxy = f"; if the server is elsewhere, requests go through the proxy in {proxies}" if proxies else ""
        return ModelUnavailableError(f"the model is unavailable ({words}){of_proxy}")
    if status is None and _TOO_LONG.search(words):
        return ModelPromptError(f"the request is too long for the model ({words}); show it less: --last, --block-size")
    if status is None and _no_reply(errors):
        return ModelUnavailableError(f"the model's server answered with something that is no reply ({words})")
    return ModelError(
        f"the model refused the request ({words}); check its name, its options (LLMRG_MODEL_OPTIONS) and its limits"
    )


def form_trouble(error: Exception) -> Literal["unknown", "schema", "failed"] | None:
    """Whether the form of structured output is why a request failed: the server does not know it, takes no such schema, or failed
    over it this time. None: it is not, or nothing says so."""
    status, words = _first_status(list(_with_causes(error))), words_of(error)
    if status not in {400, 404, 422, 500, 501} or _TOO_LONG.search(words) or _FILTERED.search(words):
        return None
    of_form = bool(_OF_A_FORM.search(words))
    if status == 500:
        return "failed"
    if of_form and (status == 501 or _UNKNOWN.search(words)):
        return "unknown"
    if status == 404 or not of_form:
        return None
    return "schema" if re.search(r"invalid.{0,20}schema", words, re.IGNORECASE) else "failed"


def names_a_form(error: Exception) -> bool:
    return bool(_OF_A_FORM.search(words_of(error)))


def words_of(error: BaseException) -> str:
    """The server's own words, as far as the error brings them, else the error's; on one line."""
    errors = list(_with_causes(error))
    words = _message(getattr(error, "body", None)) or _message(next(iter(error.args), None)) or _page(errors)
    if not words:
        words, deepest = str(error), errors[-1]
        if deepest is not error and len(words) < 40:  # «Connection error.»
            words = f"{words} {type(deepest).__name__}: {deepest}"
    status = _first_status(errors)
    kind = type(error).__name__ if status is None else f"{type(error).__name__}, status {status}"
    return f"{kind}: {shortened(words)}"


def shortened(text: str) -> str:
    """One line of words, without the tags of a page."""
    text = " ".join(re.sub(r"<[^<>]*>", " ", text).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _page(errors: Sequence[BaseException]) -> str:
    """What a refusal says in a form that providers' packages drop, such as the page of a server that is none of models."""
    for response in (getattr(cause, "response", None) for cause in errors):
        text: Any = ""
        with suppress(RuntimeError):  # httpx's, where nobody has read what came
            text = getattr(response, "text", "")
        if not isinstance(text, str) or not text.strip() or not getattr(response, "is_error", False):
            continue
        with suppress(ValueError):
            text = _message(json.loads(text)) or text
        return re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    return ""


def _message(body: Any) -> str:
    """Out of the forms in which servers put their words: {"error": {"message": ...}}, {"message": ...}, {"detail": ...}."""
    if not isinstance(body, dict):
        return ""
    content = next((body[name] for name in ("error", "message", "detail", "msg") if body.get(name)), "")
    if isinstance(content, dict):
        more = content.get("metadata")
        raw = f" {more['raw']}" if isinstance(more, dict) and more.get("raw") else ""  # what stands behind a go-between
        return f"{_message(content) or json.dumps(content, ensure_ascii=False)}{raw}"
    return str(content)


def error_in(body: Any) -> tuple[int | None, str]:
    """(status, words) of an error in the body of an answer; (None, "") where it holds none."""
    content = body.get("error") if isinstance(body, dict) else None
    if not content:
        return None, ""
    return _number(content.get("code")) if isinstance(content, dict) else None, shortened(_message(body))


def _number(code: Any) -> int | None:
    code = int(code) if isinstance(code, str) and code.isdigit() else code
    return code if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600 else None


def _no_reply(errors: Sequence[BaseException]) -> bool:
    """Whether a provider's package could make nothing of the answer; an object that says an error comes as a ValueError."""
    return any(
        isinstance(cause, UNREADABLE)
        or (isinstance(cause, ValueError) and (isinstance(next(iter(cause.args), None), dict) or "esponse type" in str(cause)))
        or (isinstance(cause, KeyError) and "choices" in str(cause))
        for cause in errors[:1]
    )


def cut_reply(error: Exception) -> AIMessage | None:
    """The reply inside an error that says that it was cut short at the length limit, or None for another error."""
    choices = getattr(getattr(error, "completion", None), "choices", None)
    if not choices:
        return None
    used: Any = getattr(error.completion, "usage", None)  # type: ignore[attr-defined]
    read, written = getattr(used, "prompt_tokens", 0), getattr(used, "completion_tokens", 0)
    counted: Any = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written} if used else None
    finish = {"finish_reason": choices[0].finish_reason}
    return AIMessage(choices[0].message.content or "", usage_metadata=counted, response_metadata=finish)


def retry_after(error: BaseException) -> float | None:
    """Seconds that the response's headers ask to wait."""
    return retry_after_in(getattr(getattr(error, "response", None), "headers", None))


def retry_after_in(headers: Any) -> float | None:
    """From `retry-after-ms` or `Retry-After` (seconds or a date)."""
    if headers is None:
        return None
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def _named(errors: Sequence[BaseException], names: set[str]) -> bool:
    return any(kind.__name__ in names for error in errors for kind in type(error).__mro__)


def _first_status(errors: Sequence[BaseException]) -> int | None:
    return next((status for cause in errors if (status := _status(cause)) is not None), None)


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    for holder, name in ((error, "status_code"), (error, "http_status"), (error, "code"), (response, "status_code")):
        status = getattr(holder, name, None)
        if isinstance(status, int) and not isinstance(status, bool):
            return status
    content = next(iter(error.args), None)
    return _number(content.get("code")) if isinstance(content, dict) else None
