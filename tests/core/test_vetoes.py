"""Lists of words that may not be reasons: what they match, and what is said of files that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.core.errors import ConfigError, PlaceError
from llmrg.core.settings import Settings
from llmrg.core.vetoes import SENSITIVE, Vetoes, load_vetoes, read_words

WORD = st.text(st.characters(categories=["Ll", "Lu", "Nd"]), min_size=1, max_size=8)
PHRASE = st.lists(WORD, min_size=1, max_size=3)
GAP = st.sampled_from([" ", "-", "  ", ", ", "_", " & "])


@given(PHRASE, st.lists(WORD, max_size=2), st.lists(WORD, max_size=2), GAP)
def test_a_denied_phrase_is_found_in_the_middle_whatever_its_case(phrase, before, after, gap) -> None:
    vetoes = Vetoes((" ".join(phrase),))
    assert vetoes.refuse(gap.join([*before, *phrase, *after]))
    assert vetoes.refuse(" ".join([*before, gap.join(phrase).casefold(), *after]))


@given(WORD, WORD, st.booleans())
def test_a_part_of_a_word_is_found_with_a_star_only_and_only_at_its_beginning(stem, more, starred) -> None:
    vetoes = Vetoes((stem + "*" * starred,))
    assert vetoes.refuse(f"the {stem}{more} of it") == starred
    if not (more + stem).casefold().startswith(stem.casefold()):
        assert not vetoes.refuse(f"the {more}{stem}".replace("the ", ""))


@given(st.lists(PHRASE, min_size=1, max_size=4), WORD)
def test_of_allowed_reasons_each_is_the_whole_reason(phrases, other) -> None:
    reasons = [" ".join(phrase) for phrase in phrases]
    vetoes = Vetoes(allowed=tuple(reasons))
    assert not any(vetoes.refuse(reason.casefold()) for reason in reasons)
    assert all(vetoes.refuse(f"{reason} {other} {other}, {other}") for reason in reasons)


@given(st.text())
def test_no_list_refuses_nothing(reason) -> None:
    assert not Vetoes()
    assert not Vetoes().refuse(reason)
    assert Vetoes().identity() == {}


@pytest.mark.parametrize(
    ("word", "refused", "let"),
    [
        ("c++", "programs in C++", "programs in C"),
        ("straße", "Leben auf der STRASSE", "Straßenbahn"),
        ("active", "Active, outdoors", "interactive"),
        ("धर", "धर और घर", "धर्म"),
        ("self harm*", "about self-harming", "harm to the self"),
    ],
)
def test_signs_letters_and_hyphens(word, refused, let) -> None:
    assert Vetoes((word,)).refuse(refused)
    assert not Vetoes((word,)).refuse(let)


def test_a_denied_reason_stays_so_where_it_is_allowed_too() -> None:
    vetoes = Vetoes(("grief",), ("grief", "sea*"))
    assert [vetoes.refuse(reason) for reason in ("grief", "seaside", "the sea")] == [True, False, True]


def test_the_same_words_in_another_order_are_the_same_lists() -> None:
    assert Vetoes(("Sea", "grief")).identity() == Vetoes(("grief", "sea", "SEA")).identity() != Vetoes(("grief",)).identity()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_have_a_word_or_phrase_a_line(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "denied.txt"
    path.write_bytes(end.join(["# ours", "Mental illness", "", "  ängst*  ", "#ende"]).encode(encoding))
    assert read_words(path) == ("Mental illness", "ängst*")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"good\n\nde*press\n", "line 3: 'de*press' has a *"),
        (b"good\n*\n", "line 2: '*' has no letter"),
        (b"sad *", "line 1: 'sad *' has a *"),
        (b"good\nt\xfcr\n", "byte 0xfc in line 2"),
        ("grief\n".encode("utf-16-le"), "line 1: there is a NUL"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load_vetoes(Settings(deny_reasons=path))
    assert str(path) in str(error.value)
    assert says in str(error.value)


def test_a_file_that_is_not_there_and_a_list_that_allows_nothing(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="no-list"):
        load_vetoes(Settings(allow_reasons=tmp_path / "no-list"))
    (tmp_path / "empty.txt").write_text("# nothing yet\n")
    assert not load_vetoes(Settings(deny_reasons=tmp_path / "empty.txt"))
    with pytest.raises(ConfigError, match="allows no reason"):
        load_vetoes(Settings(allow_reasons=tmp_path / "empty.txt"))


def test_sensitive_words_are_off_until_asked_for() -> None:
    assert not load_vetoes(Settings())
    vetoes = load_vetoes(Settings(deny_sensitive=True))
    said = ["mental illness", "Living with cancer", "Gay romance", "Catholic guilt", "a funeral", "Alcoholism"]
    assert [reason for reason in said if not vetoes.refuse(reason)] == []
    plain = ["funny", "space opera", "sea stories", "court intrigue", "whodunit", "cotton", "petit four", "active", "sussex"]
    assert [reason for reason in plain if vetoes.refuse(reason)] == []
    words = read_words(SENSITIVE)
    assert len(set(words)) == len(words)
