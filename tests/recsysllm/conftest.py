"""Tiny random language models of three kinds, a tokenizer of letters, and small catalogues told in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

from llmrg.core.records import History, Item  # noqa: E402
from llmrg.language_models.loading import LoadedModel  # noqa: E402
from llmrg.recsysllm.backbone import Backbone  # noqa: E402
from llmrg.recsysllm.config import RecSysLlmConfig  # noqa: E402
from llmrg.recsysllm.layout import Layout  # noqa: E402
from llmrg.recsysllm.net import RecSysNet  # noqa: E402
from llmrg.recsysllm.pieces import Piece, PieceCoder  # noqa: E402
from llmrg.recsysllm.reading import Reading  # noqa: E402
from llmrg.recsysllm.sequences import SequenceExamples, no_words  # noqa: E402
from llmrg.recsysllm.textualise import Textualiser  # noqa: E402

TEXT = "abcdefghijklmnopqrstuvwxyz \n:,.;ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789()|#?"
WORDS = len(TEXT) + 2
KINDS = ("llama", "gemma3", "gpt2")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Nets this small gain nothing from a second thread, and lose much where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def letters() -> Any:
    """A tokenizer with one token a letter, so that texts share long beginnings; `<s>` stands before every text."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({"<s>": 0, **{letter: n for n, letter in enumerate(TEXT, start=1)}}, unk_token="<s>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return made


def random_model(kind: str, seed: int = 5, layers: int = 3, positions: int = 512, **changes: Any) -> Any:
    """Layers of `gemma3` see a window of 64 and everything in turn."""
    torch.manual_seed(seed)
    common = {"vocab_size": WORDS, "initializer_range": 0.3, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    if kind == "gpt2":
        sizes = {"n_embd": 32, "n_layer": layers, "n_head": 4, "n_positions": positions}
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**{**common, **sizes, **changes})).eval()
    sizes = {
        **common,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": positions,
    }
    if kind == "llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**sizes, **changes})).eval()
    kinds = [("sliding_attention", "full_attention")[layer % 2] for layer in range(layers)]
    windows = {"sliding_window": 64, "layer_types": kinds, "query_pre_attn_scalar": 8}
    return transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**{**sizes, **windows, **changes})).eval()


@pytest.fixture(scope="session")
def tiny(letters: Any) -> Callable[..., LoadedModel]:
    """`tiny(kind, seed=, layers=, positions=, **config)`: a new random model in float32."""

    def make(kind: str, **changes: Any) -> LoadedModel:
        return LoadedModel(random_model(kind, **changes), letters, f"tiny {kind}", "none")

    return make


@pytest.fixture(scope="session")
def save_tiny(letters: Any) -> Callable[..., Path]:
    """Write a random model and a tokenizer to a folder, as `Backbone.load` reads them: of letters, or trained on texts."""

    def save(folder: Path, kind: str = "llama", texts: Sequence[str] = (), **changes: Any) -> Path:
        tokenizer = byte_level(texts) if texts else letters
        random_model(kind, **{"vocab_size": tokenizer.get_vocab_size() + 1, **changes}).save_pretrained(folder)
        tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return save


@pytest.fixture(scope="session")
def base_folder(save_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Llama."""
    return save_tiny(tmp_path_factory.mktemp("base") / "llama", layers=2)


@pytest.fixture(scope="session")
def coder(letters: Any) -> PieceCoder:
    return PieceCoder(letters)


def byte_level(texts: Sequence[str]) -> Any:
    """A byte-level tokenizer trained on some texts: their words are one token each, with the leading blank."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False, min_frequency=1)
    made.train_from_iterator([*texts, *(f" {text}" for text in texts)], trainer)
    return made


@pytest.fixture(scope="session")
def words() -> Callable[[Sequence[str]], PieceCoder]:
    return lambda texts: PieceCoder(byte_level(texts))


@pytest.fixture(scope="session")
def shake() -> Callable[..., Any]:
    """Give everything that learns some noise: nothing is zero any more, as after a training."""

    def shaken(net: Any, scale: float = 0.2, seed: int = 1) -> Any:
        dice = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in net.parameters():
                if weight.requires_grad:
                    weight += scale * torch.randn(weight.shape, generator=dice)
        return net.eval()

    return shaken


@dataclass
class Small:
    """A catalogue of titles and a net that knows it."""

    net: RecSysNet
    text: Textualiser
    config: RecSysLlmConfig
    maker: SequenceExamples
    histories: list[History]

    def rows(self, *rows: int) -> np.ndarray:
        return np.array(rows, dtype=np.int64)

    def history(self, rows: Sequence[int]) -> History:
        return History("u", tuple(f"i{row}" for row in rows))

    def question(self, rows: Sequence[int], answer: int = 0, user: int = 0) -> Layout:
        """What comes after these; with the answer's title where one is given."""
        code = self.text.coder.code
        prompt = code([Piece("Taken:")]), code([Piece(" next")])
        return self.maker.question(self.history(rows), np.array(rows, dtype=np.int64), prompt, no_words, user, answer)

    def training(self, rows: Sequence[int], seed: int = 0, user: int = 0) -> Layout | None:
        code = self.text.coder.code
        prompt = code([Piece("Taken:")]), code([Piece(" next")])
        dice = np.random.default_rng(seed)
        return self.maker.training(self.history(rows), np.array(rows, dtype=np.int64), prompt, no_words, user, dice)

    def reading(self, rows: Sequence[int]) -> Reading:
        return Reading(self.net, self.config, self.question(rows))


@pytest.fixture(scope="session")
def small(tiny: Callable[..., LoadedModel], coder: PieceCoder, shake: Callable[..., Any]) -> Callable[..., Small]:
    """`small(titles, kind=, layout=, positions=, loss=, head=, ...)`: titles told to a shaken net without heads."""

    def make(
        titles: Sequence[str],
        kind: str = "llama",
        train_layers: int | None = 2,
        model: dict[str, Any] | None = None,
        themes: Sequence[str] = (),
        **changes: Any,
    ) -> Small:
        config = RecSysLlmConfig(**{"head": "titles", **changes})
        about = [(("theme", themes[n % len(themes)]),) if themes else () for n in range(len(titles))]
        items = [Item(f"i{n}", title, pairs) for n, (title, pairs) in enumerate(zip(titles, about, strict=True), start=1)]
        text = Textualiser.of(items, coder, ("theme",) if themes else ())
        backbone = Backbone(tiny(kind, **(model or {})), train_layers, 4)
        net = shake(RecSysNet(backbone, text.trie))
        backbone.training_way(False)
        return Small(net, text, config, SequenceExamples(text, config, backbone.stand_ins), [])

    return make
