"""Names of recommenders, for those who only want to name them: nothing else is imported here."""

from __future__ import annotations

MODELS = ("sasrec", "gru4rec", "bert4rec", "fdsa", "cl4srec", "duorec", "bsarec")
"""Base models, which take graphs (`registry`)."""
LANGUAGE_MODEL = "recsysllm"
"""A language model turned recommender (`llmrg.recsysllm`), which takes graphs too."""
SIMPLE = ("popularity", "rules", "item-knn", "ease", "text", "overlap")
"""Recommenders without a training loop, which take none (`making.simple_recommenders`)."""
