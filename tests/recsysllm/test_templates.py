"""Wordings: ours are right, wrong ones are named, a user's are added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmrg.core.errors import ConfigError
from llmrg.recsysllm.config import FAMILIES, Family
from llmrg.recsysllm.pieces import Piece, PieceCoder, Tokens
from llmrg.recsysllm.templates import KINDS, Template, load_templates


def coder() -> PieceCoder:
    """One token a letter."""
    tokenizers = pytest.importorskip("tokenizers")
    letters = {letter: number for number, letter in enumerate(map(chr, range(32, 127)))}
    made: Any = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="?"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
    made.decoder = tokenizers.decoders.Fuse()
    return PieceCoder(made)


def written(path: Path, **changes: str) -> Path:
    """A file with one template, some of whose values (in TOML) are others; "" leaves one out."""
    values = {
        "id": '"mine"',
        "family": '"rating"',
        "kind": '"stars"',
        "text": '"Someone took{history} Stars of{item}[?]"',
        **changes,
    }
    lines = [f"{name} = {value}" for name, value in values.items() if value]
    path.write_text("\n".join(["[[template]]", *lines]), encoding="utf-8")
    return path


# -- ours ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_seen_wordings_of_every_kind_and_an_unseen_one(family: Family) -> None:
    found = load_templates(family)
    assert {one.kind for one in found if not one.unseen} == set(KINDS[family])
    assert any(one.unseen for one in found)
    assert all(one.family == family and one.id.startswith(family) for one in found)
    assert len({one.text for one in found}) == len(found)


def test_no_wording_shows_what_it_asks_for() -> None:
    texts = [one for family in FAMILIES for one in load_templates(family)]
    for one in texts:
        hidden = {"stars": "stars", "headline": "headline", "explain": "review"}.get(one.kind, "")
        assert hidden not in one.slots
        if one.family in ("rating", "sequential", "direct", "explanation"):
            assert not {"review", "headline"} & set(one.slots)


def test_a_prompt_is_the_text_before_the_answer() -> None:
    template = Template("t", "rating", "stars", "Of{item} by{user}, after{history} stars[?]")
    words = coder()
    filled = {
        "item": [Piece("Dune", entity=True)],
        "user": [Piece(" someone")],
        "history": [Piece("Emma", entity=True), Piece(";")],
    }
    made = template.prompt(filled, words)
    assert words.text(made.ids.tolist()) == "Of Dune by someone, after Emma; stars"
    outside = len(" by someone, after")
    assert "".join(map(str, made.entity)) == "00" + "11111" + "0" * outside + "22222" + "0000000"
    before, after = template.around("history", filled, words)
    assert words.text(before.ids.tolist()) + " Emma;" + words.text(after.ids.tolist()) == words.text(made.ids.tolist())
    assert template.slots == ("item", "user", "history")


def test_tokens_may_fill_a_slot_and_an_empty_filling_leaves_nothing() -> None:
    words = coder()
    template = Template("t", "sequential", "next", "{user}:{history}[?]")
    assert words.text(template.prompt({"user": [], "history": words.code([Piece("a;")])}, words).ids.tolist()) == ":a;"
    assert isinstance(template.prompt({"user": [], "history": []}, words), Tokens)


def test_a_slot_that_nothing_fills_is_named() -> None:
    template = Template("lonely", "sequential", "next", "After{history}[?]")
    with pytest.raises(ConfigError, match=r"'lonely' has the slot \{history\}, which nothing fills; there are: user"):
        template.prompt({"user": []}, coder())


# -- a user's ------------------------------------------------------------------------------------------------------------
def test_a_users_file_adds_wordings_to_the_families_that_they_name(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.toml", unseen="true")
    with path.open("a", encoding="utf-8") as file:
        file.write('\n[[template]]\nid = "new"\nfamily = "direct"\nkind = "next"\ntext = "{history}[?]"\n')
    assert [(one.id, one.unseen) for one in load_templates("rating", path)[len(load_templates("rating")) :]] == [("mine", True)]
    assert load_templates("direct", path)[:-1] == load_templates("direct")
    assert load_templates("direct", path)[-1] == Template("new", "direct", "next", "{history}[?]")
    assert load_templates("review", path) == load_templates("review")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": ""}, "lacks id"),
        ({"family": ""}, "lacks family"),
        ({"kind": ""}, "lacks kind"),
        ({"text": "4"}, "lacks text"),
        ({"family": '"ratings"'}, "'mine' .* has the family 'ratings'; there are rating, sequential"),
        ({"kind": '"star"'}, "'mine' has the kind 'star'; the family 'rating' has stars, yes_no, like"),
        ({"text": '"For{item}{title}[?]"'}, r"'mine' has the slot \{title\}; to ask for 'stars' there are item"),
        ({"text": '"For{item}{About 1}[?]"'}, r"'mine' has the slot \{About 1\}"),
        ({"text": '"For{item}, {stars} of 5[?]"'}, r"'mine' has the slot \{stars\}"),
        ({"text": '"For{item}:{review}[?]"'}, r"'mine' has the slot \{review\}"),
        ({"kind": '"yes_no"', "text": '"Is it{stars}?[?]"'}, r"'mine' lacks the slot \{item\}"),
        ({"kind": '"yes_no"', "text": '"Good:{item}?[?]"'}, r"'mine' lacks the slot \{stars\}"),
        ({"text": '"{item} or{item}[?]"'}, r"'mine' has the slot \{item\} twice"),
        ({"text": '"Stars [?] for{item}"'}, r"'mine' must end in \[\?\]"),
        ({"text": '"[?] for{item}[?]"'}, r"'mine' must end in \[\?\]"),
        ({"text": '"Stars for{item}"'}, r"'mine' must end in \[\?\]"),
        ({"unsen": "true"}, "'mine' .* an unknown 'unsen'"),
        ({"unseen": '"no"'}, "'mine' .* an unknown 'unseen'"),
        ({"id": '"rating-1"'}, "two templates are called 'rating-1'"),
    ],
)
def test_a_wrong_template_is_named(tmp_path: Path, changes: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_templates("rating", written(tmp_path / "mine.toml", **changes))


@pytest.mark.parametrize("text", ["[[template", "template = 3", 'template = ["a"]', "[template]\nid = 'a'", "\xff"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"broken\.toml cannot be read"):
        load_templates("rating", path)
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load_templates("rating", tmp_path / "nowhere.toml")


def test_two_of_one_id_in_a_file_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "twice.toml")
    path.write_text(path.read_text() + "\n" + path.read_text())
    with pytest.raises(ConfigError, match="two templates are called 'mine'"):
        load_templates("rating", path)
