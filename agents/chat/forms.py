"""Forms of structured output, best first: one that fails is left for that request, one that is unknown for good."""

from __future__ import annotations

from typing import Any, Literal, get_args

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import RunnableSequence
from pydantic import BaseModel

from llmrg.core.errors import ConfigError

Form = Literal["auto", "json_schema", "tools", "json", "text"]
"""`auto`, or the form to ask in: the provider's own (a JSON schema), function calls, JSON mode, JSON in plain text."""
FORMS: tuple[str, ...] = get_args(Form)[1:]
_METHODS: dict[str, dict[str, Any]] = {"tools": {"method": "function_calling"}, "json": {"method": "json_mode"}}


class ChatForms:
    """Of one model."""

    def __init__(self, form: Form, structured: bool) -> None:
        """Args: structured: whether the model's class brings a form besides plain text."""
        self._form = form
        self._known = FORMS if structured else FORMS[-1:]
        self._unknown: set[tuple[str, type[BaseModel] | None]] = set()
        self._bound: dict[tuple[str, type[BaseModel]], Any] = {}

    def left(self, schema: type[BaseModel]) -> list[str]:
        """To be tried for a request, in this order; `text` always ends them where none was chosen."""
        if self._form != "auto":
            return [self._form]
        return [form for form in self._known if not {(form, None), (form, schema)} & self._unknown]

    def leave(self, form: str, schema: type[BaseModel] | None = None) -> None:
        """For good; for one kind of reply only, where it is said."""
        if form != "text":
            self._unknown.add((form, schema))

    def forget(self) -> None:
        """The model was made anew."""
        self._bound.clear()

    def formed(self, model: BaseChatModel, form: str, schema: type[BaseModel]) -> Any:
        """The model that is asked in this form; made once, as it takes some milliseconds.

        Raises: NotImplementedError: the model's class does not know it; ConfigError: and it was chosen.
        """
        if (form, schema) not in self._bound:
            try:
                self._bound[form, schema] = _make(model, form, schema)
            except (NotImplementedError, TypeError, ValueError) as error:
                if self._form != "auto":
                    raise ConfigError(
                        f"the form {form!r} is not known to {type(model).__name__}; take another of {', '.join(FORMS)}, or auto "
                        "(`--form`)"
                    ) from error
                raise NotImplementedError(form) from error
        return self._bound[form, schema]


def _make(model: BaseChatModel, form: str, schema: type[BaseModel]) -> Any:
    if form == "text":
        return model
    # A dict, since a class makes some providers raise at the first element that does not fit it.
    bound = model.with_structured_output(schema.model_json_schema(), include_raw=True, **_METHODS.get(form, {}))
    # Without LangChain's parser behind it: replies are read by us, and it takes minutes over a long one that is no JSON.
    return bound.first if isinstance(bound, RunnableSequence) else bound


def has_structured_output(model: BaseChatModel) -> bool:
    """Whether the model's class brings tool calls or structured output of its own."""
    kind = type(model)
    own = kind.with_structured_output is not BaseChatModel.with_structured_output
    return own or kind.bind_tools is not BaseChatModel.bind_tools
