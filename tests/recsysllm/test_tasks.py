"""Prompts and answers of the five families: as text, and without leaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrg.core.errors import ConfigError, UnknownUserError
from llmrg.core.records import History, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.opinions import Opinion
from llmrg.recsysllm.config import FAMILIES, Family
from llmrg.recsysllm.pieces import PieceCoder, Tokens
from llmrg.recsysllm.tasks import TASKS
from llmrg.recsysllm.tasks.choices import CANDIDATES, Untaken
from llmrg.recsysllm.tasks.features import Features, Used, first_sentence, used_by
from llmrg.recsysllm.tasks.past import ANSWER_TOKENS, HISTORY_ITEMS, REVIEW_TOKENS
from llmrg.recsysllm.tasks.protocol import TaskData, TextExample
from llmrg.recsysllm.tasks.words import star_of, star_words
from llmrg.recsysllm.templates import KINDS, Template, load_templates
from llmrg.recsysllm.textualise import Textualiser


def coder() -> PieceCoder:
    """One token a letter; a start token before every text."""
    tokenizers = pytest.importorskip("tokenizers")
    letters = {"<s>": 0, **{letter: number for number, letter in enumerate(map(chr, range(32, 127)), start=1)}}
    made: Any = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="<s>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
    made.decoder = tokenizers.decoders.Fuse()
    single = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made.post_processor = single
    return PieceCoder(made)


# -- a small data set ----------------------------------------------------------------------------------------------------
TITLES = {"a": "Dune", "b": "Emma", "c": "Ulysses", "d": "Heidi", "e": "Kim", "f": "Momo"}
THEMES = {"a": ("desert", "war"), "b": ("manners",), "c": (), "d": ("alps",), "e": ("spies",), "f": ("time",)}


def small() -> Dataset:
    items = [Item(key, title, tuple(("theme", theme) for theme in THEMES[key])) for key, title in TITLES.items()]
    histories = {
        "ann": History("ann", ("a", "b", "c", "d"), attributes=(("age", "25-34"), ("work", "nurse"))),
        "bob": History("bob", ("b", "a")),
    }
    opinions: dict[str, Any] = {
        "ann": (
            Opinion(4.5, "Sand and worms", "The plot grips. I read it twice."),
            Opinion(2.0),
            None,
            Opinion(None, "", "No plot at all!"),
        )
    }
    return Dataset("small", Catalogue(items), histories, LoadReport("made", 6, 2, 6), ("theme",), opinions=opinions)


def task_data(dataset: Dataset, more: Path | None = None) -> TaskData:
    return TaskData(dataset, Textualiser.of(list(dataset.catalogue), coder(), dataset.reason_attributes), more)


def template(name: str) -> Template:
    family = name.split("-")[0]
    return next(one for one in load_templates(family) if one.id == name)  # type: ignore[arg-type]


def asked(data: TaskData, user: str, end: int, name: str, seed: int = 0) -> list[TextExample]:
    given = template(name)
    return list(TASKS[given.family].examples(data, user, end, np.random.default_rng(seed), given))


def shown(data: TaskData, example: TextExample) -> str:
    """The prompt, a bar, the answer."""
    words = data.text.coder
    return words.text(example.prompt.ids.tolist()) + " |" + words.text(example.answer.ids.tolist())


GOLDEN = {
    "rating-1": [
        "Profile: age 25-34, work nurse. Taken before: Dune ( desert, war); Now: Emma. Out of five stars they would give it |2"
    ],
    "rating-3": ["Item: Emma ( manners). Judged by someone with the shelf Dune ( desert, war); Stars |2"],
    "rating-7": [
        "Profile: age 25-34, work nurse. What they judge: Dune. Their stars |5",
        "Profile: age 25-34, work nurse. What they judge: Emma. Their stars |2",
    ],
    "rating-5": ["Someone took Dune ( desert, war); Will they like Emma, yes or no? | no"],
    "sequential-1": [
        "Taken so far, oldest first: Dune ( desert, war); next: | Emma",
        "Taken so far, oldest first: Dune ( desert, war); Emma ( manners); next: | Ulysses",
        "Taken so far, oldest first: Dune ( desert, war); Emma ( manners); Ulysses; next: | Heidi",
    ],
    "direct-4": [
        "Likes: Dune ( desert, war); Something new they would take | Emma",
        "Likes: Dune ( desert, war); Emma ( manners); Something new they would take | Ulysses",
        "Likes: Dune ( desert, war); Emma ( manners); Ulysses; Something new they would take | Heidi",
    ],
    "explanation-2": ["The item Dune got 5 stars. The reason given | The plot grips."],
    "explanation-1": [
        "In one sentence, what does someone who took Dune ( desert, war); Emma ( manners); Ulysses; say about Heidi? "
        "| No plot at all!"
    ],
    "review-1": ["Review: The plot grips. I read it twice. Headline | Sand and worms"],
    "review-3": ["Headline: Sand and worms Review: The plot grips. I read it twice. Stars given |5"],
    "review-5": ["Someone gave 5 stars to Dune and wrote: The plot grips. I read it twice. Their headline | Sand and worms"],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_prompts_as_text(name: str) -> None:
    data = task_data(small())
    assert [shown(data, example) for example in asked(data, "ann", 4, name)] == GOLDEN[name]


def test_choices_as_text() -> None:
    data = task_data(small())
    last = asked(data, "ann", 4, "sequential-4", seed=1)[-1]
    offered = [list(TITLES.values())[row - 1] for row in last.candidates]
    assert sorted(offered) == ["Heidi", "Kim", "Momo"]
    history = "Dune ( desert, war); Emma ( manners); Ulysses;"
    assert shown(data, last) == f"Shelf: {history} One of these follows: {'; '.join(offered)}. It is | Heidi"
    assert (last.position, last.item, last.actual, last.kind) == (3, 4, "Heidi", "item")
    orders = {asked(data, "ann", 4, "sequential-4", seed)[-1].candidates for seed in range(30)}
    assert len(orders) == 6  # of three candidates


def test_questions_of_yes_and_no_are_right_and_balanced() -> None:
    data, right = task_data(small()), dict(enumerate(TITLES.values(), start=1))
    for name in ("sequential-5", "direct-1", "direct-7"):
        answers = []
        for seed in range(60):
            for example in asked(data, "ann", 4, name, seed):
                followed = example.item == example.position + 1
                assert example.actual == ("yes" if followed else "no") == shown(data, example).split("| ")[1]
                assert right[example.item] in shown(data, example)
                answers.append(followed)
        assert 0.35 < np.mean(answers) < 0.65
    stars = [asked(data, "ann", 2, "rating-4", seed)[0] for seed in range(60)]
    for example in stars:
        assert example.actual == ("yes" if " exactly 2 stars" in shown(data, example) else "no")
    assert 0.3 < np.mean([example.actual == "yes" for example in stars]) < 0.7
    assert len({shown(data, example) for example in stars}) == 5


def test_ratings_are_rounded_half_up_and_kept_as_they_were() -> None:
    assert [star_of(rating) for rating in (0.5, 0, 1.49, 2.5, 3.5, 4.5, 5, 9)] == [1, 1, 1, 3, 4, 5, 5, 5]
    data = task_data(small())
    assert [example.actual for example in asked(data, "ann", 4, "rating-7")] == ["4.5", "2"]
    assert [example.actual for example in asked(data, "ann", 4, "review-4")] == ["4.5"]
    assert len(set(star_words(data.text.coder))) == 5


def test_a_family_that_the_source_cannot_feed_yields_nothing() -> None:
    data = task_data(replace(small(), opinions={}))
    for family in ("rating", "explanation", "review"):
        assert list(TASKS[family].examples(data, "ann", 4, np.random.default_rng(0))) == []
    for family in ("sequential", "direct"):
        assert len(list(TASKS[family].examples(data, "ann", 4, np.random.default_rng(0)))) == 3
    assert asked(task_data(small()), "bob", 2, "rating-1") == []


def test_where_everything_is_taken_nothing_is_chosen() -> None:
    dataset = small()
    all_taken = replace(dataset, histories={"ann": History("ann", tuple(TITLES))}, opinions={})
    data = task_data(all_taken)
    assert asked(data, "ann", 6, "sequential-4") == asked(data, "ann", 6, "direct-1") == []
    assert len(asked(data, "ann", 6, "direct-4")) == 5
    assert list(TASKS["sequential"].examples(data, "ann", 6, np.random.default_rng(0))) == []


def test_equal_titles_are_no_two_candidates() -> None:
    items = [Item(str(n), title) for n, title in enumerate(["Dune", "Dune", "Emma", "Emma", "Kim"])]
    text = Textualiser.of(items, coder())
    for seed in range(20):
        drawn = Untaken(text, np.array([1])).draw(4, np.random.default_rng(seed))
        assert sorted(items[row - 1].title for row in drawn) == ["Emma", "Kim"]


def test_wrong_questions_are_refused() -> None:
    data = task_data(small())
    with pytest.raises(UnknownUserError, match="zoe"):
        list(TASKS["rating"].examples(data, "zoe", 1, np.random.default_rng(0)))
    with pytest.raises(ConfigError, match="'direct-4' is of the family 'direct', not 'rating'"):
        list(TASKS["rating"].examples(data, "ann", 4, np.random.default_rng(0), template("direct-4")))


# -- features ------------------------------------------------------------------------------------------------------------
def test_a_feature_is_a_noun_of_three_other_users() -> None:
    reviews = {f"u{n}": "Bright, and the sound is warm." for n in range(3)}
    reviews["ann"] = "The sound grips the strings! The strings."
    items = [Item(str(n), f"Item {n}") for n in range(3)]
    histories = {user: History(user, ("0",)) for user in reviews}
    opinions: dict[str, Any] = {user: (Opinion(5.0, "", text),) for user, text in reviews.items()}
    dataset = Dataset("f", Catalogue(items), histories, LoadReport("made", 4, 4, 3), opinions=opinions)
    features = Features.of(dataset)
    assert (features.nouns, features.words) == ({"sound": 3, "strings": 1}, {"sound": 4, "strings": 1})
    assert used_by(dataset, "ann") == Used(frozenset({"sound", "grips", "strings"}), frozenset({"strings"}))
    assert features.of_sentence("The warm sound!", used_by(dataset, "ann")) == "sound"
    assert features.of_sentence("The warm sound!", used_by(dataset, "u1")) == ""  # two others only
    data = task_data(dataset)
    assert [shown(data, one) for one in asked(data, "ann", 1, "explanation-4")] == [
        "There were 5 stars for Item 0, mostly because of sound. In their words | The sound grips the strings!"
    ]
    assert asked(data, "u1", 1, "explanation-4") == []


def test_of_several_features_the_rarest_is_taken() -> None:
    features = Features({"guitar": 9, "neck": 4, "paint": 2, "well": 40}, {"guitar": 9, "neck": 3, "paint": 2, "well": 3})
    assert features.of_sentence("Well, a guitar whose neck has paint", Used()) == "neck"
    assert features.of_sentence("Neck or guitar", Used(nouns=frozenset({"neck"}))) == "guitar"
    assert features.of_sentence("Well painted", Used()) == ""  # too seldom a noun


def test_features_are_those_of_training_parts() -> None:
    dataset = world()
    for place, counted in ((-3, {"harp"}), (-2, set[str]()), (-1, set[str]())):
        opinions = {user: list(said_by) for user, said_by in dataset.opinions.items()}
        for said_by in opinions.values():
            said_by[place] = said("x", 3.0, "harp")
        changed = replace(dataset, opinions={user: tuple(said_by) for user, said_by in opinions.items()})
        assert set(Features.of(changed).nouns) == set(NOUNS) | counted


def test_sentences() -> None:
    assert first_sentence("One two. Three.") == "One two."
    assert first_sentence("  It costs 3.50, no more!! Fine") == "It costs 3.50, no more!!"
    assert first_sentence("... well. Good.") == "... well."
    assert first_sentence("no stop at all") == "no stop at all"
    assert first_sentence("?!") == first_sentence("") == ""


# -- planted leaks -------------------------------------------------------------------------------------------------------
USERS, ITEMS, LENGTH = 6, 60, 16
NOUNS = ("sound", "strings", "neck", "colour")


def world(seed: int = 0) -> Dataset:
    """Every opinion holds a word of its own, so that it can be found again."""
    dice = np.random.default_rng(seed)
    themes = [(("theme", f"theme {n % 5}"),) if n % 3 else () for n in range(ITEMS)]
    items = [Item(f"i{n}", f"{'QXYZ'[n % 4]}{chr(97 + n % 26)}{n}", themes[n]) for n in range(ITEMS)]
    histories, opinions = {}, dict[str, Any]()
    for u in range(USERS):
        rows = dice.permutation(ITEMS)[: LENGTH - u].tolist()
        histories[f"u{u}"] = History(f"u{u}", tuple(f"i{row}" for row in rows), attributes=(("age", str(u)),) if u % 2 else ())
        opinions[f"u{u}"] = tuple(
            None if row % 7 == 0 else said(f"{u}x{p}", float(1 + row % 5), NOUNS[row % 4]) for p, row in enumerate(rows)
        )
    return Dataset("world", Catalogue(items), histories, LoadReport("made", 0, USERS, ITEMS), ("theme",), opinions=opinions)


def said(mark: str, rating: float, noun: str) -> Opinion:
    return Opinion(rating, f"headline{mark}", f"The {noun} is text{mark}. And more text{mark}." + " Words" * 60)


def all_examples(data: TaskData, user: str, end: int, seed: int = 0) -> list[tuple[Family, TextExample]]:
    """Of all families, in all wordings and in drawn ones."""
    found = []
    for family in FAMILIES:
        for asked_as in (None, *load_templates(family)):
            dice = np.random.default_rng(seed)
            found += [(family, one) for one in TASKS[family].examples(data, user, end, dice, asked_as)]
    return found


def fingerprint(examples: list[tuple[Family, TextExample]]) -> list[Any]:
    return [
        (family, one.template, one.prompt.ids.tolist(), one.prompt.entity.tolist(), one.answer.ids.tolist(), one.position,
         one.item, one.actual, one.candidates, one.history)
        for family, one in examples
    ]  # fmt: skip


def replaced(dataset: Dataset, user: str, end: int) -> Dataset:
    """All that a user did and said at or after `end` is something else."""
    history, free = dataset.histories[user], [item for item in dataset.catalogue.ids if item not in dataset.histories[user].items]
    other = replace(history, items=history.items[:end] + tuple(free[: len(history) - end]))
    opinions = dataset.opinions[user][:end] + tuple(
        said(f"leak{p}", float(1 + p % 5), NOUNS[p % 4]) for p in range(len(history) - end)
    )
    return replace(dataset, histories={**dataset.histories, user: other}, opinions={**dataset.opinions, user: opinions})


@pytest.mark.parametrize("end", [0, 1, 2, 7, LENGTH - 2, LENGTH - 1])
def test_nothing_at_or_after_the_cut_changes_an_example(end: int) -> None:
    dataset = world()
    before = fingerprint(all_examples(task_data(dataset), "u0", end))
    after = fingerprint(all_examples(task_data(replaced(dataset, "u0", end)), "u0", end))
    assert before == after
    assert bool(before) == (end > 0)
    shortened = replace(dataset, histories={**dataset.histories, "u0": dataset.histories["u0"].before(end)})
    if dataset.split.train_length(dataset.histories["u0"]) <= end:  # else fewer reviews of the training part are known
        assert fingerprint(all_examples(task_data(shortened), "u0", end)) == before
    later = [fingerprint(all_examples(task_data(one), "u0", LENGTH)) for one in (dataset, replaced(dataset, "u0", end))]
    assert later[0] != later[1]  # the change would be seen


def test_an_example_knows_the_items_before_it_and_no_later_one() -> None:
    data = task_data(world())
    rows = [data.dataset.catalogue.row(item) for item in data.dataset.histories["u0"].items]
    for family, example in all_examples(data, "u0", LENGTH):
        (start, stop), p = example.history, example.position
        known = data.text.history(rows[max(0, p - HISTORY_ITEMS) : p])
        if stop:
            np.testing.assert_array_equal(example.prompt.ids[start:stop], known.ids)
            assert p > 0
        else:
            assert "history" not in template(example.template).slots
        assert family in ("sequential", "direct") or example.item == rows[p]


def test_what_was_written_of_the_target_is_in_no_prompt_that_must_not_know_it() -> None:
    data = task_data(world())
    for user in data.dataset.histories:
        for family, example in all_examples(data, user, LENGTH, seed=3):
            prompt = data.text.coder.text(example.prompt.ids.tolist())
            if family == "review":
                assert f"text{user[1:]}x{example.position}." in prompt
                asks_headline = template(example.template).kind == "headline"
                assert not (asks_headline and "headline" in prompt.replace("Their headline", ""))
            else:
                assert "text" not in prompt
                assert "headline" not in prompt


def test_no_candidate_was_taken_and_the_right_one_is_among_them_once() -> None:
    data = task_data(world())
    places = []
    for seed in range(10):
        for user, history in data.dataset.histories.items():
            rows = [data.dataset.catalogue.row(item) for item in history.items]
            for family in ("sequential", "direct"):
                for example in TASKS[family].examples(data, user, len(rows), np.random.default_rng(seed)):
                    kind = next(one.kind for one in load_templates(family) if one.id == example.template)
                    if kind == "choose":
                        others = set(example.candidates) - {example.item}
                        assert len(example.candidates) == CANDIDATES == len(others) + 1
                        assert not others & set(rows)
                        assert example.item == rows[example.position]
                        places.append(example.candidates.index(example.item))
                    if kind == "yes_no":
                        assert (example.item in rows) == (example.actual == "yes")
    counts = np.bincount(places, minlength=CANDIDATES)
    assert counts.min() > len(places) / CANDIDATES / 2


def test_stars_stand_in_no_prompt_that_asks_for_stars_and_unseen_wordings_are_never_drawn() -> None:
    data = task_data(world())
    drawn: dict[Family, set[str]] = {family: set() for family in FAMILIES}
    for seed in range(40):
        for family in FAMILIES:
            for example in TASKS[family].examples(data, "u0", LENGTH, np.random.default_rng(seed)):
                drawn[family].add(example.template)
                if template(example.template).kind == "stars":
                    star, prompt = star_of(float(example.actual)), data.text.coder.text(example.prompt.ids.tolist())
                    assert f" {star} star" not in prompt
                    assert data.text.coder.text(example.answer.ids.tolist()) == str(star)
    for family in FAMILIES:
        seen = {one.id for one in load_templates(family) if not one.unseen and (family != "sequential" or one.kind != "next")}
        assert drawn[family] == seen


def test_a_users_wordings_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[template]]\nid = "mine"\nfamily = "direct"\nkind = "next"\ntext = "Mine{history}[?]"\n')
    data = task_data(world(), path)
    assert "mine" in {one.template for s in range(9) for one in TASKS["direct"].examples(data, "u0", 9, np.random.default_rng(s))}


def test_all_kinds_are_asked_by_task() -> None:
    assert set(TASKS) == set(FAMILIES) == set(KINDS)
    assert all(task.family == family for family, task in TASKS.items())


# -- tokens --------------------------------------------------------------------------------------------------------------
def entities(tokens: Tokens) -> list[tuple[int, ...]]:
    return [tuple(tokens.ids[tokens.entity == number].tolist()) for number in np.unique(tokens.entity[tokens.entity > 0])]


def test_entities_in_prompts_are_whole_and_texts_are_cut() -> None:
    data = task_data(world())
    words = data.text.coder
    known = set(data.text.titles) | {words.entity(value) for item in data.dataset.catalogue for _, value in item.attributes}
    known |= {words.entity(str(age)) for age in range(USERS)}
    longest = 0
    for user in ("u0", "u1"):
        for _, example in all_examples(data, user, LENGTH):
            assert set(entities(example.prompt)) <= known
            assert len(example.answer) <= ANSWER_TOKENS
            review = max((run for run in np.diff(np.flatnonzero(np.r_[1, example.prompt.entity, 1]))), default=0)
            longest = max(longest, int(review))
    assert REVIEW_TOKENS < longest < REVIEW_TOKENS + 80
