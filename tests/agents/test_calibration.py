"""Calibration: its figures against hand-computed ones, and verifiers of known quality."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrg.agents.calibration import CalibrationConfig, auc, calibrate, reliability, threshold
from llmrg.agents.context import Minds
from llmrg.agents.minds.chat import ChatMind
from llmrg.agents.run.report import verifier_server
from llmrg.core.calibration import calibration_file, load_calibration, save_calibration
from llmrg.core.errors import ConfigError, DataError
from llmrg.explanations.calibration_svg import calibration_svg
from llmrg.testing.planted import PlantedConfig, PlantedWorld, random_catalogue, simulate
from llmrg.testing.planted_responder import planted_responder
from llmrg.testing.scripted_chat import ScriptedChatModel

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def town() -> PlantedWorld:
    return simulate(random_catalogue(150, 24, seed=1), PlantedConfig(readers=30, min_length=8, max_length=14, seed=5))


def chat(town: PlantedWorld, verifier_errors: float) -> Minds:
    script = planted_responder(town.dataset, town.truth, 0.0, verifier_error_rate=verifier_errors)
    mind = ChatMind(ScriptedChatModel(script), town.dataset)
    return Minds(mind, mind, mind)


def test_auc_by_hand() -> None:
    # pairs (right, wrong): 0.9>0.2, 0.9>0.5, 0.5>0.2, 0.5=0.5 -> (1 + 1 + 1 + 0.5) / 4
    assert auc(np.array([0.9, 0.5]), np.array([0.2, 0.5])) == 0.875
    assert auc(np.array([0.5, 0.5]), np.array([0.5])) == 0.5
    assert np.isnan(auc(np.array([]), np.array([0.5])))


@given(SCORES, SCORES)
def test_auc_depends_on_the_order_alone(right: list[float], wrong: list[float]) -> None:
    a, b = np.array(right), np.array(wrong)
    assert auc(a, b) == pytest.approx(auc(a**3, b**3))
    assert auc(a, b) == pytest.approx(auc(a[::-1], b))
    assert auc(a, b) + auc(b, a) == pytest.approx(1)


def test_threshold_by_hand() -> None:
    right, wrong = np.array([0.9, 0.8, 0.4, 1.0]), np.array([0.1, 0.2, 0.8, 0.3])
    found = threshold(right, wrong, 0.25)
    assert (found.tau, found.false_accepts, found.kept) == (0.4, 0.25, 1.0)
    found = threshold(right, wrong, 0.1)
    assert (found.tau, found.false_accepts, found.kept) == (0.9, 0.0, 0.5)
    assert threshold(right, np.array([1.0, 1.0]), 0.5).tau is None


@given(SCORES, SCORES, st.sampled_from([0.01, 0.1, 0.5]))
def test_a_threshold_keeps_its_rate_and_no_lower_one_does(right: list[float], wrong: list[float], rate: float) -> None:
    a, b = np.array(right), np.array(wrong)
    found = threshold(a, b, rate)
    if found.tau is None:
        assert np.mean(b >= 1.0) > rate
    else:
        assert np.mean(b >= found.tau) <= rate
        assert all(np.mean(b >= lower) > rate for lower in {*right, *wrong} if lower < found.tau)


def test_reliability_by_hand() -> None:
    # half of the steps right: each right one weighs 1/2 / 2, each wrong one 1/2 / 2
    assert reliability(np.array([0.95, 0.91]), np.array([0.93, 0.05]), 0.5) == (
        (0.05, 0.0, 1),
        (pytest.approx(0.93), pytest.approx(2 / 3), 3),
    )
    # a tenth right: weights .1 / 2 and .9 / 2, so .05 + .05 of .55 in the upper tenth
    found = reliability(np.array([0.95, 0.91]), np.array([0.93, 0.05]), 0.1)
    assert found[1] == (pytest.approx((0.05 * 0.95 + 0.05 * 0.91 + 0.45 * 0.93) / 0.55), pytest.approx(0.1 / 0.55), 3)


@given(SCORES, SCORES, st.integers(1, 5), st.sampled_from([0.1, 0.5, 0.8]))
def test_reliability_does_not_depend_on_how_many_wrong_steps_were_made(
    right: list[float], wrong: list[float], times: int, prevalence: float
) -> None:
    a, b = np.array(right), np.array(wrong)
    once, often = reliability(a, b, prevalence), reliability(a, np.tile(b, times), prevalence)
    assert [(score, share) for score, share, _ in often] == [
        (pytest.approx(score), pytest.approx(share)) for score, share, _ in once
    ]
    assert sum(count for _, _, count in once) == len(a) + len(b)


async def test_a_good_verifier_a_middling_one_and_a_guess(town) -> None:
    found = [(await calibrate(town.dataset, chat(town, errors), truth=town.truth)).auc["all"].value for errors in (0.0, 0.4, 1.0)]
    assert found[0] > 0.95 > found[1] > 0.6
    assert found[2] == pytest.approx(0.5, abs=0.08)


async def test_what_is_said_of_a_verifier(town, tmp_path) -> None:
    made = await calibrate(town.dataset, chat(town, 0.1), CalibrationConfig(false_accepts=0.1), truth=town.truth)
    assert set(made.auc) == {"shuffled", "wrong item", "all"}
    assert made.auc["all"].low <= made.auc["all"].value <= made.auc["all"].high
    assert made.positives == sum(made.histogram["right"]) > 100
    assert made.prevalence == 0.5
    assert made.auc["all"].negatives == sum(made.histogram["wrong"])
    chosen = next(t for t in made.thresholds if t.wanted == 0.1)
    assert made.tau == chosen.tau is not None
    assert chosen.false_accepts <= 0.1 < 0.5 < chosen.kept
    save_calibration(made, tmp_path)
    assert load_calibration(tmp_path, made.data, made.verifier) == made
    picture = calibration_svg(made)
    assert picture.startswith("<svg") and f"tau {made.tau:.2f}" in picture  # noqa: PT018
    assert "share of right steps, if 50 % were right" in picture


async def test_proposals_of_a_bad_reasoner_lower_the_auc(town) -> None:
    good = chat(town, 0.0)
    script = planted_responder(town.dataset, town.truth, 0.5, verifier_error_rate=0.0)
    bad = ChatMind(ScriptedChatModel(script), town.dataset)
    with_truth = await calibrate(town.dataset, good)
    with_errors = await calibrate(town.dataset, Minds(bad, good.verifier, good.imaginer))
    assert with_truth.auc["all"].value > with_errors.auc["all"].value + 0.1


async def test_held_out_items_are_never_shown(town) -> None:
    shown: list[Any] = []

    class Watching(ChatMind):
        async def reason(self, block):
            shown.append(block)
            return await super().reason(block)

        async def verify(self, block, candidates):
            shown.append(block)
            return await super().verify(block, candidates)

    script = planted_responder(town.dataset, town.truth, 0.0)
    mind = Watching(ScriptedChatModel(script), town.dataset)
    await calibrate(town.dataset, Minds(mind, mind, mind), CalibrationConfig())
    assert shown
    assert all(len(block.history) <= len(town.dataset.histories[block.user]) - 2 for block in shown)


async def test_the_same_seed_gives_the_same_figures(town, attributes) -> None:
    one, two, three = [await calibrate(town.dataset, chat(town, 0.3), CalibrationConfig(seed=seed)) for seed in (1, 1, 2)]
    assert one == two
    assert one.histogram != three.histogram


async def test_too_little_to_go_by_is_an_error_that_says_so(town, shelf) -> None:
    with pytest.raises(DataError, match="too few to calibrate"):
        await calibrate(town.dataset, chat(town, 0.0), CalibrationConfig(users=1, last=3))


async def test_two_servers_with_one_model_name_have_a_calibration_each(town, tmp_path) -> None:
    made = await calibrate(town.dataset, chat(town, 0.1), truth=town.truth)
    here, there = (replace(made, server=f"http://127.0.0.1:{port}/v1", seed=port) for port in (8001, 8002))
    assert save_calibration(here, tmp_path) != save_calibration(there, tmp_path)
    for one in (here, there):
        assert load_calibration(tmp_path, made.data, made.verifier, one.server) == one
    with pytest.raises(ConfigError, match=r"at http://127\.0\.0\.1:8003/v1 was not calibrated"):
        load_calibration(tmp_path, made.data, made.verifier, "http://127.0.0.1:8003/v1")


@pytest.mark.parametrize(("one", "other"), [("chat/a b", "chat/a/b"), ("chat/x:1", "chat/x/1")])
def test_names_that_differ_in_signs_share_no_calibration(one: str, other: str, tmp_path) -> None:
    assert calibration_file(tmp_path, "demo", one) != calibration_file(tmp_path, "demo", other)


def test_the_server_of_a_runs_verifier() -> None:
    two = {
        "reasoner": "chat/a",
        "verifier": "chat/a",
        "minds": {"reasoner": {"server": "http://r"}, "verifier": {"server": "http://v"}},
    }
    assert verifier_server(two) == "http://v"
    assert verifier_server({**two, "minds": {"reasoner": {"server": "http://r"}}}) == "http://r"
    assert verifier_server({**two, "verifier": "likelihood", "minds": {"reasoner": {"server": "http://r"}}}) == ""
    assert verifier_server({}) == ""


def test_a_calibration_that_is_not_there_or_damaged(tmp_path) -> None:
    with pytest.raises(ConfigError, match="llmrg calibrate --data demo --verifier chat/x"):
        load_calibration(tmp_path, "demo", "chat/x")
    (tmp_path / "calibration" / "demo").mkdir(parents=True)
    for text in ("{", "{}", '{"tau": 1, "auc": 3}'):
        calibration_file(tmp_path, "demo", "chat/x").write_text(text)
        with pytest.raises(ConfigError, match="damaged"):
            load_calibration(tmp_path, "demo", "chat/x")
