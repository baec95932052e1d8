"""The `chat` mind: any LangChain chat model, one request for a whole block."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from langchain_core.caches import BaseCache
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt

from llmrg.agents.chat.forms import Form
from llmrg.agents.chat.limiter import Limiter
from llmrg.agents.chat.prompts import (
    FOLDER,
    ROLES,
    Question,
    Role,
    load_prompt,
    one_line,
    prompt_versions,
    render_imagine,
    render_reason,
    render_verify,
)
from llmrg.agents.chat.replies import Answer, ImagineReply, ReasonedStep, ReasonReply, VerifyReply
from llmrg.agents.chat.requests import ChatCalls, ChatRequest, parameters_of
from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, Verdict
from llmrg.core.errors import ModelReplyError
from llmrg.core.records import CauseKind, stable_key
from llmrg.data.dataset import Dataset


class ChatConfig(BaseModel, frozen=True, extra="forbid"):
    """How a chat model is asked."""

    titles_shown: PositiveInt = 60
    """Most recent titles of a history that a request shows; those of the block are always shown."""
    item_attributes: tuple[str, ...] = ()
    """Attributes of the items, such as `genre`, that the reasoner is shown beside the titles."""
    proposals: PositiveInt = 3
    """Candidates taken per item at most."""
    options: int = Field(default=5, ge=2)
    """Options of a verification question, the right one among them."""
    imagined: PositiveInt = 3
    """Continuations asked for per chain."""
    suggestions: NonNegativeInt = 5
    """Items that often follow a chain's end, shown per chain; 0 shows none."""
    form: Form = "auto"
    """Form of structured output to ask in: `json_schema` (the provider's own), `tools`, `json` (JSON mode), `text`; `auto` takes
    the best that the model and its server know."""
    timeout_s: PositiveFloat = 120.0
    """Seconds until a request counts as failed."""
    patience_s: float = Field(default=600.0, ge=0)
    """Seconds for which a request that is refused for its rate is sent again outside a build (calibration, the direct list); in
    one, `BuildConfig.patience_s` says it."""
    prompts: Path = FOLDER
    """Folder of the prompt files."""


class ChatMind:
    """A chat model reasons, verifies and imagines, each a block (or a cut) in one request.

    Verification hides one part of a step, at random but equally in every run: the item, which then stands among random items of
    the catalogue, or the reason, which then stands among reasons of other steps. The model chooses and says how sure it is.
    **The score of a step is the model's confidence if it chose the hidden part, and 0 if it chose anything else**: 0.9 reads
    "found again, and 90 % sure of it". It is what the model says and not a frequency, so the default threshold is 0.5.

    The model reads a block at once. So its steps and verdicts count as having seen the history up to the block's end (`seen`).
    """

    default_tau = 0.5
    block_size = 24
    """Items a request: larger blocks cost fewer calls, but their steps may be used later only (`seen`)."""

    def __init__(
        self,
        model: BaseChatModel,
        dataset: Dataset,
        config: ChatConfig | None = None,
        *,
        cache: BaseCache | None = None,
        limiter: Limiter | None = None,
        reopen: Callable[[], BaseChatModel] | None = None,
    ) -> None:
        """Args:
        cache: keeps every reply; the same request is not paid twice.
        limiter: shared by all that ask the same endpoint; by default one of its own that finds the limits out.
        reopen: makes the model anew after `aclose` has closed its connections; without it they are left open.
        """
        self.config = config or ChatConfig()
        self._dataset, self._catalogue = dataset, dataset.catalogue
        self._prompts = {role: load_prompt(role, self.config.prompts) for role in ROLES}
        self.prompt_versions = prompt_versions(self.config.prompts)
        """Role -> version of its prompt, for the run's record. Prompts are read once: an edit is for the next mind."""
        options = {"cache": cache, "limiter": limiter, "patience_s": self.config.patience_s, "reopen": reopen}
        self._calls = ChatCalls(model, self.config.timeout_s, self.config.form, **options)  # type: ignore[arg-type]
        self._reasons = _known_reasons(dataset)
        self._shown = (self.config.titles_shown, self.config.item_attributes)
        self.model_name, self.priced_as = self._calls.name, self._calls.priced_as
        self.name = f"chat/{self.model_name}"
        self.server = self._calls.server
        # Prompts enter by their versions, wherever their files are.
        settings = self.config.model_dump(exclude={"timeout_s", "patience_s", "prompts", "form"})
        self.settings = {**settings, "parameters": parameters_of(model), **({"server": self.server} if self.server else {})}

    async def aclose(self) -> None:
        """Close the connections of this event loop; the mind can be used on, in this loop or another."""
        await self._calls.aclose()

    def _request(self, role: Role, request: str, count: int = 0) -> ChatRequest:
        messages: list[BaseMessage] = self._prompts[role].messages(request, self._catalogue.noun, count)
        return ChatRequest(tuple(messages), role, self.prompt_versions[role])

    # -- reason ------------------------------------------------------------------------------------------------------
    async def reason(self, block: Block) -> list[Candidate]:
        request = self._request("reason", render_reason(block, self._catalogue, *self._shown))
        return await self._calls.ask(request, ReasonReply, partial(self._candidates, block))

    def _candidates(self, block: Block, reply: ReasonReply) -> list[Candidate]:
        """Raises: ModelReplyError: there are none."""
        by_position: defaultdict[int, dict[tuple[str, str], Candidate]] = defaultdict(dict)
        for step in reply.steps:
            candidate = self._candidate(block, step)
            if candidate is not None:
                by_position[candidate.position].setdefault((candidate.cause, candidate.reason.casefold()), candidate)
        if not by_position:
            raise ModelReplyError(
                f"none of the {len(reply.steps)} steps in the reply of {self.name} is about the items asked for"
            )
        return [c for p in sorted(by_position) for c in list(by_position[p].values())[: self.config.proposals]]

    def _candidate(self, block: Block, step: ReasonedStep) -> Candidate | None:
        """None for a step about another item, with a cause that is not there, or without a reason."""
        position, reason = step.position - 1, one_line(step.reason)
        cause = _cause(block, step.cause, position) if position in block.positions else None
        if cause is None or not reason:
            return None
        kind, name, cause_position = cause
        ends = [chain for chain in block.chains if chain.tail_position == cause_position]
        ends.sort(key=lambda chain: chain.reason.casefold() != reason.casefold())
        chain = ends[0].number if ends else None
        item = block.history.items[position]
        return Candidate(position, kind, name, cause_position, reason, item, chain, seen=len(block.history))

    # -- verify ------------------------------------------------------------------------------------------------------
    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        reasons_of: defaultdict[str, set[str]] = defaultdict(set)
        for candidate in candidates:
            reasons_of[candidate.item].add(candidate.reason)
        questions = [self._question(candidate, reasons_of) for candidate in candidates]
        several = [(number, question) for number, question in enumerate(questions) if len(question.options) > 1]
        seen = len(block.history)
        verdicts = [Verdict(0.0, "there is nothing to tell it from", seen, "nothing to tell it from") for _ in candidates]
        if not several:
            return verdicts
        text = render_verify([question for _, question in several])

        def by_question(reply: VerifyReply) -> dict[int, Answer]:
            answers = {answer.question: answer for answer in reversed(reply.answers)}
            if not answers.keys() & set(range(1, len(several) + 1)):
                raise ModelReplyError(f"the reply of {self.name} answers none of the {len(several)} questions")
            return answers

        answers = await self._calls.ask(self._request("verify", text), VerifyReply, by_question)
        for position, (number, question) in enumerate(several, start=1):
            verdicts[number] = _verdict(question, answers.get(position), seen)
        return verdicts

    def _question(self, c: Candidate, reasons_of: Mapping[str, set[str]]) -> Question:
        """Args: reasons_of: item -> reasons of the candidates that are verified together."""
        dice = random.Random(stable_key("mask", c.cause, c.reason, c.item))
        cause = self._title(c.cause) if c.cause_kind == "item" else c.cause.replace("=", ": ")
        item = self._title(c.item)
        hide_item = dice.random() < 0.5
        options = self._other_items(c, dice) if hide_item else self._other_reasons(c, reasons_of, dice)
        right = item if hide_item else c.reason
        options.insert(dice.randrange(len(options) + 1), right)
        return Question("item" if hide_item else "reason", cause, c.reason, item, tuple(options), options.index(right))

    def _other_items(self, c: Candidate, dice: random.Random) -> list[str]:
        """Titles of random items; none that equals the hidden one or the cause, or that is known to carry the reason itself."""
        ids, reason, taken, others = self._catalogue.ids, c.reason.casefold(), {self._title(c.item), self._title(c.cause)}, []
        tries = 10 * self.config.options
        few = len(ids) <= tries  # of many, some that are drawn one by one: a sample of all tries takes much longer
        for item in dice.sample(ids, len(ids)) if few else (ids[dice.randrange(len(ids))] for _ in range(tries)):
            title = self._title(item)
            if title not in taken and all(value.casefold() != reason for _, value in self._catalogue[item].attributes):
                taken.add(title)
                others.append(title)
                if len(others) == self.config.options - 1:
                    break
        return others

    def _other_reasons(self, c: Candidate, reasons_of: Mapping[str, set[str]], dice: random.Random) -> list[str]:
        """Reasons of the block's other items, then of the data set; none that the item is known to carry itself."""
        fitting = {value.casefold() for _, value in self._catalogue[c.item].attributes}
        fitting |= {reason.casefold() for reason in reasons_of[c.item]}
        nearby = sorted(set().union(*reasons_of.values()))
        dice.shuffle(nearby)
        bank = dice.sample(self._reasons, min(len(self._reasons), 4 * self.config.options))
        other_reasons: dict[str, str] = {}
        for reason in (*nearby[: self.config.options // 2], *bank, *nearby):
            if (key := reason.casefold()) not in fitting and key not in other_reasons:
                other_reasons[key] = reason
                if len(other_reasons) == self.config.options - 1:
                    break
        return list(other_reasons.values())

    def _title(self, item: str) -> str:
        return one_line(self._catalogue[item].title or item) if item in self._catalogue else ""

    # -- imagine -----------------------------------------------------------------------------------------------------
    async def imagine(self, cut: Cut) -> list[Imagined]:
        if not cut.chains:
            return []
        hints = {number: items[: self.config.suggestions] for number, items in cut.suggestions.items()}
        text = render_imagine(cut, self._catalogue, self.config.titles_shown, hints)
        request = self._request("imagine", text, self.config.imagined)
        return await self._calls.ask(request, ImagineReply, partial(self._continuations, cut))

    def _continuations(self, cut: Cut, reply: ImagineReply) -> list[Imagined]:
        """None, where the model says so. Raises: ModelReplyError: there are none for these chains."""
        if not reply.continuations:
            return []
        by_chain: defaultdict[int, list[Imagined]] = defaultdict(list)
        for step in reply.continuations:
            title, reason = one_line(step.title), one_line(step.reason)
            if 1 <= step.chain <= len(cut.chains) and title and reason:
                number = cut.chains[step.chain - 1].number
                by_chain[number].append(Imagined(number, reason, title))
        if not by_chain:
            raise ModelReplyError(f"the reply of {self.name} continues none of the {len(cut.chains)} chains")
        return [step for chain in cut.chains for step in by_chain[chain.number][: self.config.imagined]]


def _cause(block: Block, cause: int | str | None, position: int) -> tuple[CauseKind, str, int | None] | None:
    """(kind, cause, its position); None if there is no such cause."""
    if cause is None:
        return "root", "", None
    if isinstance(cause, str):
        labels = {f"a{n}": f"{name}={value}" for n, (name, value) in enumerate(block.history.attributes, start=1)}
        return ("attribute", labels[cause], None) if cause in labels else None
    return ("item", block.history.items[cause - 1], cause - 1) if block.first < cause <= position else None


def _verdict(question: Question, answer: Answer | None, seen: int) -> Verdict:
    if answer is None or not 1 <= answer.choice <= len(question.options):
        return Verdict(0.0, "no answer when it was checked", seen, "not answered")
    if answer.choice - 1 != question.right:
        led = "led to" if question.hidden == "item" else "was explained by"
        instead = f"with the {question.hidden} hidden, it {led} {question.options[answer.choice - 1]!r} instead"
        return Verdict(0.0, instead, seen, f"another {question.hidden} chosen")
    critique = f"found again with a confidence of {answer.confidence:.2f} only"
    return Verdict(answer.confidence, critique, seen, "found again, but not sure")


def _known_reasons(dataset: Dataset) -> list[str]:
    names = set(dataset.reason_attributes)
    values: Iterable[str] = (value for item in dataset.catalogue for name, value in item.attributes if name in names)
    return list(dict.fromkeys((*values, *dataset.reason_phrases)))
