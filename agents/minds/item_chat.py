"""The `chat` mind asked once per item: a chat model says why people take each item; steps are themes that items share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.caches import BaseCache
from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from llmrg.agents.asks_items import Ask, plainly
from llmrg.agents.chat.forms import Form
from llmrg.agents.chat.limiter import Limiter
from llmrg.agents.chat.prompts import FOLDER, ITEM_ROLES, load_prompt, prompt_versions
from llmrg.agents.chat.requests import ChatCalls, parameters_of
from llmrg.agents.minds.item_questions import ItemQuestions
from llmrg.agents.minds.item_themes import ItemThemes, PickQuestion, pick_question, waves
from llmrg.agents.minds.profiles import themes_of
from llmrg.agents.minds.shared_themes import SharedThemesConfig, SharedThemesMind
from llmrg.agents.protocols import Block, Candidate, Cut, Imagined, Verdict
from llmrg.core.ranked_themes import scored_by_rank
from llmrg.core.records import stable_key
from llmrg.core.themes import Appeal, Profile, ProfileSource
from llmrg.core.vetoes import Vetoes
from llmrg.data.dataset import Dataset


class ItemChatConfig(BaseModel, frozen=True, extra="forbid"):
    """How a chat model is asked about items."""

    batch: PositiveInt = 20
    """Items a request."""
    reasons: PositiveInt = 8
    """Reasons asked for, and taken, per item at most."""
    vocabulary: PositiveInt = 150
    """Themes found so far that a request offers for reuse, those of most items."""
    item_attributes: tuple[str, ...] = ()
    """Attributes of the items, such as `author`, that the model is shown beside the titles."""
    steps: SharedThemesConfig = SharedThemesConfig()
    """How steps are made of the answers."""
    form: Form = "auto"
    """As `ChatConfig.form`."""
    timeout_s: PositiveFloat = 120.0
    """Seconds until a request counts as failed."""
    patience_s: float = Field(default=600.0, ge=0)
    """Seconds for which a request that is refused for its rate is sent again."""
    prompts: Path = FOLDER
    """Folder of the prompt files."""


class ItemChatMind:
    """A chat model is asked once per item of the catalogue; users then cost no call, and new items only their own batch.

    First question: why do people take it? The themes found so far are offered for reuse. Second question, which verifies the
    first: the item's themes stand among as many of other items, and **a theme is kept if it is picked** and at most half of the
    foreign ones are. An item of whose themes fewer than half are kept is asked again, told which were not found to fit. Themes
    are scored by their rank in the answer.

    Steps, their verification and imagined steps are those of `SharedThemesMind` over the answers. Batches and their order follow
    item ids alone, so that answers depend neither on users nor on who was faster.
    """

    default_tau = SharedThemesMind.default_tau
    cut_every = SharedThemesMind.cut_every

    def __init__(
        self,
        model: BaseChatModel,
        dataset: Dataset,
        config: ItemChatConfig | None = None,
        *,
        cache: BaseCache | None = None,
        limiter: Limiter | None = None,
        reopen: Callable[[], BaseChatModel] | None = None,
        vetoes: Vetoes | None = None,
    ) -> None:
        """Args: as of `ChatMind`; vetoes: answers that may not be reasons. They are kept for other builds."""
        self.config = config or ItemChatConfig()
        self._dataset, self._catalogue = dataset, dataset.catalogue
        options = {"cache": cache, "limiter": limiter, "patience_s": self.config.patience_s, "reopen": reopen}
        self._calls = ChatCalls(model, self.config.timeout_s, self.config.form, **options)  # type: ignore[arg-type]
        versions = prompt_versions(self.config.prompts, ITEM_ROLES)
        prompts = {role: (load_prompt(role, self.config.prompts), versions[role]) for role in ITEM_ROLES}
        shape = (self.config.item_attributes, self.config.batch, self.config.reasons)
        self._questions = ItemQuestions(self._calls, self._catalogue, prompts, *shape)
        self.prompt_versions = {"reason": f"items {versions['items']}", "verify": f"pick {versions['pick']}"}
        """Role -> prompt that does its work here, and its version; for the run's record."""
        self.model_name, self.priced_as = self._calls.name, self._calls.priced_as
        self.name = f"chat/{self.model_name}/items"
        self.server = self._calls.server
        settings = self.config.model_dump(mode="json", exclude={"timeout_s", "patience_s", "prompts", "form"})
        settings |= {"server": self.server} if self.server else {}
        self.settings: dict[str, Any] = {**settings, "parameters": parameters_of(model)}
        self._vetoes = vetoes
        self._mind: SharedThemesMind | None = None
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def aclose(self) -> None:
        """Close the connections of this event loop; the mind can be used on, in this loop or another."""
        await self._calls.aclose()

    # -- asking once per item ----------------------------------------------------------------------------------------
    def profile_name(self, verification: bool) -> str:
        """Name of the profile source: answers that passed no second question are never mixed with those that did."""
        return self.name if verification else f"{self.name}/unverified"

    async def ask_items(
        self,
        known: Profile | None = None,
        ask: Ask = plainly,
        *,
        tries: int = 1,
        verification: bool = True,
        counts: Counter[str] | None = None,
    ) -> Profile:
        """Ask for all items of the catalogue that `known` has no answer for; steps are made of the answers from now on.

        Args:
            known: answers of earlier; those of other settings or prompts are not used.
            ask: how requests are sent.
            tries: how often an item is asked again whose themes were not found to fit.
            verification: off: the second question is not asked, and every theme is kept.
            counts: what is counted on the way; see `AsksItems`.
        Returns: `known` itself where it has all answers.
        Raises: as `ChatCalls.ask`, but for useless replies.
        """
        ids = sorted(self._catalogue.ids)
        key = self._key(tries, verification)
        known = known if known is not None and f"[{key} " in known.source.note else None
        todo = self.left_to_ask(known, tries=tries, verification=verification)
        if known is not None and not todo:
            self.use(known)
            return known
        appeals = known.appeals if known else ()
        counts = Counter() if counts is None else counts
        answers = await self.answers(todo, appeals, ask, tries=tries, verification=verification, counts=counts)
        new = [Appeal(item, theme, s) for item in todo for theme, s in scored_by_rank(answers.of_item.get(item, ())).items()]
        without = sum(item not in answers.of_item for item in ids)
        note = f"asked once per item: {len(ids):,} items, {without:,} of them without a reason "
        note += self._receipt(key) if not counts["useless"] else f"[{key} {_UNANSWERED}]"
        source = ProfileSource(self.profile_name(verification), datetime.now(UTC).date().isoformat(), verification, note)
        profile = Profile(source, (*appeals, *new))
        self.use(profile)
        return profile

    def left_to_ask(self, known: Profile | None, *, tries: int = 1, verification: bool = True) -> list[str]:
        """Items to be asked for, in order of id: those without an answer, if there are others than were asked for before; all of
        them where `known` was asked for in another way."""
        key = self._key(tries, verification)
        if known is None or f"[{key} " not in known.source.note:
            return sorted(self._catalogue.ids)
        if known.source.note.endswith(self._receipt(key)):
            return []
        answered = {appeal.item for appeal in known.appeals}
        return [item for item in sorted(self._catalogue.ids) if item not in answered]

    def _key(self, tries: int, verification: bool) -> str:
        """Of all that changes what is asked."""
        return stable_key("items", sorted(self.settings.items()), sorted(self.prompt_versions.items()), tries, verification)[:8]

    def _receipt(self, key: str) -> str:
        """Ends a profile's note, and says how and for which items it was asked for."""
        return f"[{key} {stable_key('ids', *sorted(self._catalogue.ids))[:8]}]"

    async def answers(
        self, todo: Sequence[str], appeals: Iterable[Appeal], ask: Ask, *, tries: int, verification: bool, counts: Counter[str]
    ) -> ItemThemes:
        """The themes of `appeals`, and of the items to be asked for. Args: as `ask_items`."""
        answers = ItemThemes({item: list(themes) for item, themes in themes_of(appeals).items()})
        for wave in waves(todo, self.config.batch):
            for item, themes in (await self._wave(wave, answers, ask, tries, verification, counts)).items():
                answers.put(item, themes)
        return answers

    async def _wave(
        self, items: Sequence[str], answers: ItemThemes, ask: Ask, tries: int, verification: bool, counts: Counter[str]
    ) -> dict[str, list[str]]:
        """Item -> themes to keep."""
        vocabulary = answers.vocabulary(self.config.vocabulary)
        kept: dict[str, list[str]] = {item: [] for item in items}
        rejected: dict[str, list[str]] = {}
        left: Sequence[str] = items
        for again in range(tries + 1):
            counts["again" if again else "asked"] += len(left)
            reasons = await self._questions.reasons(left, vocabulary, rejected, ask, counts)
            before = answers.wordings
            proposed = {item: answers.worded(themes) for item, themes in reasons.items()}
            counts["new"] += answers.wordings - before
            fresh = {item: _without(themes, kept[item] + rejected.get(item, [])) for item, themes in proposed.items()}
            picked = await self._checked(fresh, answers, ask, counts) if verification else fresh
            left = []
            for item, themes in fresh.items():
                good = [theme for theme in themes if theme in picked.get(item, ())]
                kept[item] = (kept[item] + good)[: self.config.reasons]
                rejected.setdefault(item, []).extend(theme for theme in themes if theme not in good)
                if 2 * len(kept[item]) < len(kept[item]) + len(rejected[item]):
                    left.append(item)
            if not left or not verification:
                break
        return kept

    async def _checked(
        self, proposed: Mapping[str, Sequence[str]], answers: ItemThemes, ask: Ask, counts: Counter[str]
    ) -> dict[str, list[str]]:
        """The second question: item -> themes that were found again."""
        everything = answers.all(proposed)
        asked_of = [pick_question(self._catalogue[item], themes, everything) for item, themes in proposed.items() if themes]
        questions = [question for question in asked_of if question is not None]
        picked = await self._questions.picks(questions, ask, counts)
        return {question.item: self._found_again(question, picked.get(question.item)) for question in questions}

    def _found_again(self, question: PickQuestion, picked: Sequence[int] | None) -> list[str]:
        return question.found_again(picked)

    def use(self, profile: Profile) -> None:
        """Make steps of these answers from now on."""
        themes = {item: own for item, own in themes_of(profile.appeals).items() if item in self._catalogue}
        self._mind = SharedThemesMind(self.name, themes, self.config.steps, self._vetoes)

    # -- the three roles ---------------------------------------------------------------------------------------------
    async def reason(self, block: Block) -> list[Candidate]:
        return await (await self._ready()).reason(block)

    async def verify(self, block: Block, candidates: Sequence[Candidate]) -> list[Verdict]:
        return await (await self._ready()).verify(block, candidates)

    async def imagine(self, cut: Cut) -> list[Imagined]:
        return await (await self._ready()).imagine(cut)

    async def _ready(self) -> SharedThemesMind:
        """A build has asked before its first user; whoever uses the mind without one asks now."""
        async with self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if self._mind is None:
                await self.ask_items()
        assert self._mind is not None
        return self._mind


_UNANSWERED = "some are asked about again"
"""In place of a receipt: items without a reason are asked about by the next call."""


def _without(themes: Sequence[str], others: Sequence[str]) -> list[str]:
    return [theme for theme in themes if theme not in others]
