"""All that learns, in one module: adapters, tables, heads and the graph's plug, and the losses of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmrg.recommenders.fusion.concat import ConcatGraphs
from llmrg.recsysllm.backbone import Backbone
from llmrg.recsysllm.batches import Batch
from llmrg.recsysllm.graph_plug import GraphPlug, slot_additions
from llmrg.recsysllm.item_head import ItemHead
from llmrg.recsysllm.layout import VOCABULARY, Control
from llmrg.recsysllm.pieces import LONGEST_ENTITY, IntArray
from llmrg.recsysllm.trie import TitleTrie
from llmrg.recsysllm.trie_loss import title_nll

ContentOf = Callable[[IntArray], np.ndarray]
"""(Q, 2) users and positions -> (F, Q, N) float32 content scores."""


@dataclass(frozen=True)
class Losses:
    """Sums over a batch, in nats, and how many of each there were."""

    items: Tensor
    """(Q,) -log p of the items that were asked for."""
    titles: Tensor
    """(T,) -log p of title tokens, by the trie."""
    words: Tensor
    """(W,) -log p of words, by the vocabulary."""
    starts: int
    """How many titles the title tokens belong to."""

    @property
    def loss(self) -> Tensor:
        """Each head's mean (of titles: a title), added up."""
        return torch.stack([values.sum() / max(count, 1) for values, count in self.counted()]).sum()

    def counted(self) -> list[tuple[Tensor, int]]:
        return [(self.items, len(self.items)), (self.titles, self.starts), (self.words, len(self.words))]


class RecSysNet(nn.Module):
    """States of a batch are `above(below(text) + control + intra + slots)`.

    The three tables start at zero, so the untrained net is the language model on words that it knows.
    """

    def __init__(self, backbone: Backbone, trie: TitleTrie, head: ItemHead | None = None, plug: GraphPlug | None = None) -> None:
        super().__init__()
        self.backbone, self.trie = backbone, trie
        self.head, self.plug = head, plug
        self.control = nn.Embedding(len(Control), backbone.size)
        self.intra = nn.Embedding(LONGEST_ENTITY + 2, backbone.size)
        nn.init.zeros_(self.control.weight)
        nn.init.zeros_(self.intra.weight)

    def added(self, control: Tensor, intra: Tensor, slot: IntArray, graphs: ConcatGraphs | None) -> Tensor:
        """(B, L, D) float32: what tokens get where the adapters begin."""
        places = intra.clamp(max=LONGEST_ENTITY + 1)
        inserted = F.embedding(control, self.control.weight, padding_idx=0) + F.embedding(
            places, self.intra.weight, padding_idx=0
        )
        if self.plug is None or graphs is None or not len(slot):
            return inserted * self.backbone.scale
        slots = slot_additions(self.plug, graphs, slot, tuple(inserted.shape))  # type: ignore[arg-type]
        return (inserted + slots) * self.backbone.scale

    def states(self, batch: Batch, graphs: ConcatGraphs | None = None, below: Tensor | None = None) -> Tensor:
        """(B, L, D). Args: below: what the frozen layers made of the text, where it is known."""
        if below is None:
            below = self.backbone.below(batch.ids, batch.inter, batch.allowed)
        entered = below + self.added(batch.control, batch.intra, batch.slot, graphs)
        return self.backbone.above(entered, batch.inter, batch.allowed)

    def forward(
        self, batch: Batch, graphs: ConcatGraphs | None = None, below: Tensor | None = None, content: np.ndarray | None = None
    ) -> Losses:
        """Args: content: (F, Q, N) scores of the batch's questions to the item head."""
        states = self.states(batch, graphs, below)
        rows, columns = (torch.from_numpy(batch.where[:, axis]).to(states.device) for axis in (0, 1))
        at = states[rows, columns]
        in_trie = batch.node != VOCABULARY
        titles = title_nll(self.backbone, at[_mask(in_trie, at)], batch.node[in_trie], batch.target[in_trie], self.trie)
        items = words = at.float().sum(dim=1)[:0]  # a part of the graph, so that a batch without questions has a gradient: 0
        if not in_trie.all():
            wanted = torch.from_numpy(batch.target[~in_trie]).to(states.device)
            words = F.cross_entropy(self.backbone.word_logits(at[_mask(~in_trie, at)]), wanted, reduction="none")
        asks = batch.ask[batch.ask[:, 4] > 0]
        if self.head is not None and len(asks) and content is not None:
            scores = self.item_scores(states, asks, content)
            items = F.cross_entropy(scores, torch.from_numpy(asks[:, 4] - 1).to(states.device), reduction="none")
        return Losses(items, titles, words, int((batch.node == 0).sum()))

    def item_scores(self, states: Tensor, ask: IntArray, content: np.ndarray) -> Tensor:
        """(Q, N) float32. Args: ask: (Q, 5) as in `Batch`; content: (F, Q, N)."""
        assert self.head is not None
        rows, columns = (torch.from_numpy(ask[:, axis]).to(states.device) for axis in (0, 1))
        scores: Tensor = self.head(states[rows, columns], torch.from_numpy(content).to(states.device))
        return scores

    # -- what is saved -----------------------------------------------------------------------------------------------------
    def learnt(self) -> dict[str, nn.Parameter]:
        """Trainable weights by name; the language model's own are not among them."""
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        return {name: weight.detach() for name, weight in self.learnt().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Raises: RuntimeError: names or shapes are not those of this net."""
        mine = self.learnt()
        if set(mine) != set(state):
            differing = sorted(set(mine) ^ set(state))
            raise RuntimeError(f"{len(differing)} weights are missing or unknown, such as {differing[0]!r}")
        with torch.no_grad():
            for name, weight in mine.items():
                value = state[name].reshape(()) if weight.dim() == 0 and state[name].numel() == 1 else state[name]
                if weight.shape != value.shape:  # files hold single numbers as arrays of one
                    raise RuntimeError(f"{name!r} has the shape {tuple(value.shape)}, not {tuple(weight.shape)}")
                weight.copy_(value)

    def groups(self, rate: float, head_rate: float, graph_rate: float) -> Sequence[dict[str, Any]]:
        """Weights for the optimizer: adapters, heads and tables, the graph's plug."""
        by_speed: dict[float, list[nn.Parameter]] = {}
        for name, weight in self.learnt().items():
            speed = rate if "lora_" in name else graph_rate if name.startswith("plug.") else head_rate
            by_speed.setdefault(speed, []).append(weight)
        return [{"params": part, "lr": speed} for speed, part in by_speed.items()]


def _mask(chosen: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(chosen).to(like.device)
