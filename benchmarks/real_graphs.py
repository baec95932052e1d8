"""What reasons add to a base model on public data, on top of rules and content, with every control beside it.

    python benchmarks/real_graphs.py --data FOLDER --set ml-1m --model sasrec [--length 50] [--seed 0] [--home FOLDER]

The base model is the one that `base_models.py` trained. Every row is a mix (`llmrg.recommenders.mix`): its weights are fitted on
validation items, which no member was trained on; a member that does not pay there gets weight 0. Test is read once, for all rows
together. MovieLens: the reasons are those that a large language model gave per film (`llmrg profiles import films`), content is
genres. Beauty: content is categories and the words of titles, reasons are the chains of them that two items of a history share.
A plain sequence graph has no reasons, so in a mix it asks for nothing: its row is base + rules. (`paper_ablation.py` has the
plain graph by the paper's fusion.)
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from base_models import MIN_INTERACTIONS, MODELS, RESULT, TRAINING, folder_of
from machine import machine
from table_parts import without_coverage

from llmrg.core.themes import Profile, ProfileSource, Themes
from llmrg.data.dataset import Dataset
from llmrg.data.profile_tables import read_profile
from llmrg.data.profiles import catalogue_profile, words_profile
from llmrg.data.recorded_profiles import RECORDED
from llmrg.data.registry import load_data
from llmrg.evaluation.comparison import compare
from llmrg.evaluation.controls import shuffled_profile
from llmrg.evaluation.experiment import NAMES
from llmrg.evaluation.held_out import Ranks
from llmrg.evaluation.protocol import ProtocolCard
from llmrg.recommenders.base import BaseRecommender
from llmrg.recommenders.ease import Ease
from llmrg.recommenders.late_weights import Shortlists, choose_weights, shortlists
from llmrg.recommenders.loading import load_recommender
from llmrg.recommenders.mix import MixConfig
from llmrg.recommenders.protocol import Query
from llmrg.recommenders.ranking import target_ranks
from llmrg.recommenders.sequential_rules import SequentialRules
from llmrg.recommenders.theme_scores import ThemeScores, ThemeScoresConfig

CHUNK = 256
FIT_USERS = 6_500
HALF_LIVES = (3.0, 20.0)
WRONG = "wrong "
"""Profile sources whose items are dealt to each other begin so."""


def profiles_of(dataset: Dataset) -> tuple[dict[str, Profile], list[tuple[str, str]], list[tuple[str, str]]]:
    """Profiles by source, the (view, source) pairs of content, and those of reasons."""
    if dataset.name.startswith("ml"):
        films = RECORDED["films"]
        films.check(dataset.catalogue)
        source = ProfileSource("films", note=films.note)
        read = read_profile(films.file, source, set(dataset.catalogue.ids), item=films.item, lists=films.lists)
        found = {"catalogue": catalogue_profile(dataset), "films": read.profile}
        return found, [("bag", "catalogue")], [("shared", "films"), ("bag", "films")]
    found = {"catalogue": catalogue_profile(dataset), "words": words_profile(dataset)}
    return found, [("bag", source) for source in found], [("shared", source) for source in found]


def themes_scores(dataset: Dataset, themes: Themes, pairs: Sequence[tuple[str, str]]) -> list[BaseRecommender]:
    """Fitted theme scores at every half-life."""
    made = [
        ThemeScores(ThemeScoresConfig(view=view, source=source, half_life=half_life))  # type: ignore[arg-type]
        for view, source in pairs
        for half_life in HALF_LIVES
    ]
    for one in made:
        one.fit(dataset, {}, themes)
    return list(made)


def cases(dataset: Dataset, positions_of: Callable[[np.ndarray], np.ndarray]) -> list[tuple[str, int]]:
    """(user, held-out position) of all users that are long enough."""
    places = zip(dataset.arrays.users, positions_of(dataset.arrays.lengths).tolist(), strict=True)
    return [(user, place) for user, place in places if place > 0]


def chunks(
    dataset: Dataset, members: Sequence[BaseRecommender], held_out: Sequence[tuple[str, int]], say: str
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(members, B, N) scores, (B,) targets, (B, N) items taken before."""
    row, began = dataset.catalogue.row, time.monotonic()
    for start in range(0, len(held_out), CHUNK):
        part = held_out[start : start + CHUNK]
        queries = [Query.at(dataset.histories[user], place) for user, place in part]
        targets = np.array([row(dataset.histories[user].items[place]) - 1 for user, place in part])
        hidden = np.zeros((len(part), len(dataset.catalogue)), dtype=bool)
        for line, query in zip(hidden, queries, strict=True):
            line[[row(item) - 1 for item in query.history.items]] = True
        yield np.stack([member.mix_scores(queries) for member in members]), targets, hidden
        done = start + len(part)
        print(f"{say}: {done:,}/{len(held_out):,} users, {time.monotonic() - began:,.0f} s", flush=True)


@dataclass
class Bench:
    """A fitted base model, everything that may stand beside it, and the rows that are mixed of them."""

    dataset: Dataset
    members: list[BaseRecommender]
    rows: dict[str, list[BaseRecommender]]
    title: str
    dice: np.random.Generator

    @classmethod
    def of(cls, dataset: Dataset, base: BaseRecommender, title: str, seed: int) -> Bench:
        profiles, content_pairs, reason_pairs = profiles_of(dataset)
        wrong = {f"{WRONG}{name}": shuffled_profile(profile, seed) for name, profile in profiles.items()}
        named = [Profile(profile.source.__class__(name), profile.appeals) for name, profile in {**profiles, **wrong}.items()]
        themes = Themes({}, tuple(named))
        rules, ease = SequentialRules(), Ease()
        for one in (rules, ease):
            one.fit(dataset)
        content = themes_scores(dataset, themes, content_pairs)
        reasons = themes_scores(dataset, themes, reason_pairs)
        dealt = themes_scores(dataset, themes, [(view, WRONG + source) for view, source in reason_pairs])
        rows: dict[str, list[BaseRecommender]] = {
            "sequential rules": [rules],
            "EASE": [ease],
            title: [base],
            f"{title} + rules": [base, rules],
            f"{title} + rules + content": [base, rules, *content],
            f"{title} + rules + reasons": [base, rules, *reasons],
            f"{title} + rules + content + reasons": [base, rules, *content, *reasons],
            f"{title} + rules + content + reasons of wrong items": [base, rules, *content, *dealt],
            f"{title} + rules + EASE + content": [base, rules, ease, *content],
            f"{title} + rules + EASE + content + reasons": [base, rules, ease, *content, *reasons],
        }
        members = [base, rules, ease, *content, *reasons, *dealt]
        return cls(dataset, members, rows, title, np.random.default_rng(seed))

    @property
    def contrasts(self) -> list[tuple[str, str]]:
        """The second of them decides whether graphs help."""
        title = self.title
        return [
            (f"{title} + rules", title),
            (f"{title} + rules + content + reasons", f"{title} + rules + content"),
            (f"{title} + rules + content + reasons", f"{title} + rules + content + reasons of wrong items"),
            (f"{title} + rules + reasons", title),
            (f"{title} + rules + EASE + content + reasons", f"{title} + rules + EASE + content"),
        ]

    def weights(self) -> tuple[dict[str, np.ndarray], dict[str, float], int]:
        """(members,) weights of each row, its validation NDCG@10 on users that they were not fitted on, and the users."""
        held_out = cases(self.dataset, self.dataset.split.validation_positions)
        if len(held_out) > FIT_USERS:
            held_out = [held_out[i] for i in np.sort(self.dice.choice(len(held_out), FIT_USERS, replace=False))]
        found = [shortlists(*one, self.dice) for one in chunks(self.dataset, self.members, held_out, "validation")]
        lists = Shortlists(
            np.concatenate([one.scores for one in found], axis=1), np.concatenate([one.log_share for one in found])
        )
        at = {id(member): number for number, member in enumerate(self.members)}
        weights, validation = {}, {}
        for name, parts in self.rows.items():
            which = [at[id(part)] for part in parts]
            keep = np.arange(len(which)) == 0
            fitted = choose_weights(Shortlists(lists.scores[which], lists.log_share), keep, MixConfig().least, self.dice)
            weights[name], validation[name] = np.zeros(len(self.members)), fitted.ndcg
            weights[name][which] = fitted.weights
            said = dict(zip(which, fitted.weights.round(3).tolist(), strict=True))
            print(f"{name}: validation NDCG@10 {fitted.ndcg:.4f}", said, flush=True)
        return weights, validation, len(held_out)

    def ranks(self, weights: dict[str, np.ndarray]) -> dict[str, list[Ranks]]:
        """Ranks of the test items in every row."""
        asked = cases(self.dataset, self.dataset.split.test_positions)
        masked: dict[str, list[np.ndarray]] = {name: [] for name in weights}
        bare: dict[str, list[np.ndarray]] = {name: [] for name in weights}
        for scores, targets, hidden in chunks(self.dataset, self.members, asked, "test"):
            for name, line in weights.items():
                used = np.flatnonzero(line)
                mixed = np.tensordot(line[used].astype(np.float32), scores[used], axes=1)
                masked[name].append(target_ranks(mixed, targets, hidden))
                bare[name].append(target_ranks(mixed, targets))
        users, none = tuple(user for user, _ in asked), np.zeros((len(asked), 1), dtype=np.int64)
        return {name: [Ranks(users, np.concatenate(masked[name]), np.concatenate(bare[name]), none)] for name in weights}

    def names(self) -> list[str]:
        """Of the members, with their half-lives."""
        lives = [getattr(getattr(member, "config", None), "half_life", None) for member in self.members]
        return [f"{member.name} {life or ''}".strip() for member, life in zip(self.members, lives, strict=True)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder with the public data sets")
    options.add_argument("--set", choices=TRAINING, required=True)
    options.add_argument("--model", choices=MODELS, required=True)
    options.add_argument("--length", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--home", type=Path, default=Path(".llmrg/benchmarks/base"))
    chosen = options.parse_args()
    began = time.process_time()
    dataset = load_data(chosen.set, data_dir=chosen.data, min_interactions=MIN_INTERACTIONS.get(chosen.set, 1))
    folder = folder_of(chosen.home, chosen.set, chosen.model, chosen.length, chosen.seed)
    bench = Bench.of(dataset, load_recommender(folder), NAMES[chosen.model], chosen.seed)
    weights, validation, users = bench.weights()
    ranks = bench.ranks(weights)
    said = f"on the validation items of {users:,} users, which no member was trained on"
    card = ProtocolCard(chosen.set, len(ranks[bench.title][0].users), len(dataset.catalogue), (chosen.seed,), weights=said)
    table = compare(ranks, f"{bench.title} + rules", card, len(dataset.catalogue), bench.contrasts)
    for one in table.rows:
        print(f"{one.name:55} NDCG@10 {one.metrics['NDCG@10'].value:.4f}  HR@10 {one.metrics['HR@10'].value:.4f}")
    for two in table.contrasts:
        gain = two.difference
        print(f"{two.name} against {two.against}: {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] p {two.p}")
    result = {
        "machine": machine(),
        "cpu_seconds": time.process_time() - began,
        "base": json.loads((folder / "figures.json").read_text(encoding="utf-8")),
        "members": bench.names(),
        "weights": {name: line.tolist() for name, line in weights.items()},
        "validation_ndcg": validation,
        "table": without_coverage(table),
    }
    path = RESULT.with_name(f"real_{folder.name}.json")
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
