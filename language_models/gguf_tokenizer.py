"""The tokenizer that a GGUF file describes, as tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmrg.core.errors import MissingPackageError, ModelFileError

_CONTROL, _USER_DEFINED = 3, 4
_SPACE = "▁"


def write_tokenizer(fields: Mapping[str, Any], folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json.

    Raises:
        ModelFileError: a kind of tokenizer that is not known here.
        MissingPackageError: `tokenizers` is not installed.
    """
    try:
        from tokenizers import AddedToken, processors
    except ImportError as error:
        raise MissingPackageError("tokenizers", "pip install 'llmrg[local]'") from error
    model, pre = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre", "default")
    architecture = fields.get("general.architecture")
    if model == "llama" and architecture == "gemma3":
        tokens, tokenizer = _gemma(fields["tokenizer.ggml.tokens"])
    elif model == "gpt2" and pre in ("smollm", "gpt-2", "default"):
        tokens, tokenizer = _byte_level(fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.merges"], pre == "smollm")
    else:
        raise ModelFileError(
            f"GGUF tokenizer {model!r}/{pre!r} of {architecture!r} is not converted here; "
            "give a folder with safetensors and tokenizer.json"
        )
    kinds = list(zip(tokens, fields["tokenizer.ggml.token_type"], strict=True))
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t, kind in kinds if kind == _CONTROL])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, kind in kinds if kind == _USER_DEFINED])
    ids = {role: fields.get(f"tokenizer.ggml.{role}_token_id") for role in ("bos", "eos", "unknown", "padding")}
    bos = ids["bos"]
    if fields.get("tokenizer.ggml.add_bos_token", model == "llama") and bos is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{tokens[bos]} $A", pair=f"{tokens[bos]} $A {tokens[bos]}:1 $B:1", special_tokens=[(tokens[bos], bos)]
        )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    config |= {names[role]: tokens[number] for role, number in ids.items() if number is not None}
    if "tokenizer.chat_template" in fields:
        config["chat_template"] = fields["tokenizer.chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))


def _gemma(stored: Sequence[str]) -> tuple[list[str], Any]:
    """SentencePiece BPE with byte fallback. The file stores runs of blanks as blanks and no merges."""
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    tokens = [_SPACE * len(t) if t and not t.strip(" ") else t for t in stored]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    model = BPE(vocab=vocabulary, merges=list(_merges(tokens, vocabulary)), fuse_unk=True, unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", _SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous", invert=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokens, tokenizer


def _merges(tokens: Iterable[str], vocabulary: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    """The merges that a BPE vocabulary implies, in order of token number: Gemma's scores do not follow its merge order."""
    for token in tokens:
        halves = ((token[:i], token[i:]) for i in range(1, len(token)))
        merged = [(left, right) for left, right in halves if left in vocabulary and right in vocabulary]
        yield from sorted(merged, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))


def _byte_level(stored: Sequence[str], merges: Sequence[str], single_digits: bool) -> tuple[list[str], Any]:
    """GPT-2's byte-level BPE; SmolLM also cuts numbers into digits."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    tokens = list(stored)
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=pairs))
    cuts: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if single_digits else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokens, tokenizer
