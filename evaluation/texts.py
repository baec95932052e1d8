"""How much of a written text (an explanation, a headline) stands in the text that a user wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from llmrg.core.errors import CallerError, MissingPackageError

ROUGE = ("rouge1", "rouge2", "rougeL")


@dataclass(frozen=True)
class TextOverlap:
    """In percent, higher is better. Figures of other scripts differ by their tokens and smoothing and do not compare."""

    bleu2: float
    """BLEU of words and pairs of words over the whole corpus (Papineni et al. 2002): tokens are what blanks separate, in lower
    case; nothing is smoothed, so a corpus without a common pair of words has 0."""
    bleu4: float
    """The same up to four words in a row: 0 where no four words in a row are common, even of equal texts that are shorter."""
    rouge1: float
    """Mean F-measure of single words (Lin 2004), not stemmed: tokens are runs of a-z and 0-9 in lower case, so a text in another
    script has 0."""
    rouge2: float
    """The same of pairs of words."""
    rougeL: float
    """The same of the longest common subsequence."""
    count: int
    """Pairs of texts that were compared."""


def text_overlap(hypotheses: Sequence[str], references: Sequence[str]) -> TextOverlap:
    """Compare written texts with those that users wrote, pair by pair.

    Args:
        hypotheses: N written texts; an empty one is allowed and scores 0.
        references: N texts of users, in the same order.
    Raises:
        CallerError: not as many of the one as of the other, or none at all.
        MissingPackageError: sacrebleu or rouge-score is not installed.
    """
    if len(hypotheses) != len(references):
        raise CallerError(f"one reference for each hypothesis is expected, not {len(references)} for {len(hypotheses)}")
    if not len(hypotheses):
        raise CallerError("no texts to compare")
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        package = (error.name or "sacrebleu").split(".")[0].replace("_", "-")
        raise MissingPackageError(package, "pip install 'llmrg[lm]'") from error
    bleu2, bleu4 = (
        # `force` only keeps it from warning of texts whose full stop stands alone
        BLEU(tokenize="none", lowercase=True, smooth_method="none", max_ngram_order=order, force=True)
        .corpus_score(list(hypotheses), [list(references)])
        .score
        for order in (2, 4)
    )
    scorer = RougeScorer(ROUGE, use_stemmer=False)
    pairs = [scorer.score(reference, hypothesis) for hypothesis, reference in zip(hypotheses, references, strict=True)]
    rouge1, rouge2, rouge_l = (100 * float(np.mean([pair[name].fmeasure for pair in pairs])) for name in ROUGE)
    return TextOverlap(bleu2, bleu4, rouge1, rouge2, rouge_l, len(pairs))


def most_frequent_headline(headlines: Iterable[str]) -> str:
    """The baseline of headlines: the one that most training reviews have; of equally frequent ones the first.

    Args: headlines: those of the training part; empty ones do not count.
    Raises: CallerError: there is none.
    """
    common = Counter(headline for headline in headlines if headline).most_common(1)
    if not common:
        raise CallerError("no headlines to choose from: the data set has none in its training part")
    return common[0][0]
