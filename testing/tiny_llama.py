"""A random Llama of two small layers in a folder, with a tokenizer of letters: a base model for tests, made in a moment."""

from __future__ import annotations

from pathlib import Path

LETTERS = "".join(map(chr, range(32, 127)))


def save_tiny_llama(folder: Path, seed: int = 5, layers: int = 2) -> Path:
    """Write the model and its tokenizer as `Backbone.load` reads them. One token a letter; `<s>` begins and ends a text.

    Raises: ImportError: transformers is not installed (extra `lm`).
    """
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = Tokenizer(
        models.WordLevel({"<s>": 0, **{letter: n for n, letter in enumerate(LETTERS, start=1)}}, unk_token="<s>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.decoder = decoders.Fuse()
    config = LlamaConfig(
        vocab_size=len(LETTERS) + 2,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=1024,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
