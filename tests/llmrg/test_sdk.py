"""The public face, end to end with the attributes mind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llmrg.core.errors import (
    ArtifactError,
    CallerError,
    ConfigError,
    GraphNotFoundError,
    NotAStoreError,
    UnknownItemError,
    UnknownUserError,
)
from llmrg.sdk import Project


def test_recommendations_are_unseen_ranked_and_explained(built: Project) -> None:
    user = "reader-001"
    found = built.recommend(user, k=10)
    history = built.dataset.history(user)
    assert [s.rank for s in found] == list(range(1, 11))
    assert not {s.item for s in found} & set(history.items)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    stored = set(built.graph(user).steps)
    for suggestion in found:
        assert set(suggestion.why.steps) <= stored  # every edge that is shown exists in the store


def test_most_recommendations_have_a_reason_that_took_part_in_the_score(built: Project) -> None:
    users = list(built.dataset.histories)[:20]
    found = [s for user in users for s in built.recommend(user, k=5)]
    assert sum(s.why.found for s in found) > 0.5 * len(found)


def test_an_unseen_history_given_on_the_spot(built: Project) -> None:
    items = ["dracula", "frankenstein"]
    found = built.recommend(items=items, k=5)
    assert len(found) == 5
    assert not {s.item for s in found} & set(items)
    assert len(built.recommend(items=[], k=5)) == 5
    assert any(s.why.found for s in found)  # the themes of its items are reasons too
    with pytest.raises(UnknownItemError, match="no-such-book"):
        built.recommend(items=["no-such-book"])


@pytest.mark.parametrize("name", ["reader-001", "reader-007", "reader-030"])
def test_taken_items_are_recommended_where_they_are_asked_for(name: str, built: Project) -> None:
    from llmrg.recommenders import Popularity

    taken, everything = built.dataset.history(name), len(built.dataset.catalogue)
    popular = Popularity()
    popular.fit(built.dataset)
    found = built.recommend(name, k=everything, again=True, recommender=popular)
    assert len(found) == everything
    assert {s.item for s in found if s.already_taken} == set(taken.items)
    assert any(not s.already_taken for s in found)
    assert not any(s.already_taken for s in built.recommend(name, k=20))
    for suggestion in found:
        told = suggestion.why.text(built.dataset.catalogue)
        assert ("already taken, as item" in told) == suggestion.already_taken
    third = next(s for s in found if s.item == taken.items[2])
    assert third.why.taken == 2
    here = built.recommend(items=["dracula", "frankenstein"], k=everything, again=True)
    assert {s.item for s in here if s.already_taken} == {"dracula", "frankenstein"}


def test_picture_and_notebook(built: Project, tmp_path: Path) -> None:
    picture = built.show("reader-001")
    page = picture.save(tmp_path / "deep" / "page.html").read_text()
    assert "simulated" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert picture.save(tmp_path / "graph.svg").read_text().lstrip().startswith("<svg") or "<svg" in picture.svg[:200]
    assert "iframe" in picture._repr_html_()


def test_what_is_missing_is_said(built: Project, tmp_path: Path) -> None:
    with pytest.raises(UnknownUserError, match=r"nobody.*reader-001"):
        built.explain("nobody", "dracula")
    with pytest.raises(UnknownItemError, match="no-such-book"):
        built.explain("reader-001", "no-such-book")
    with pytest.raises(CallerError, match="either"):
        built.recommend()
    with pytest.raises(ConfigError, match=r"'oracle'.*sasrec.*rules"):
        built.train("oracle")
    with Project("demo", home=tmp_path) as empty:
        with pytest.raises(GraphNotFoundError, match="llmrg build"):
            empty.graph("reader-001")
        with pytest.raises(GraphNotFoundError):
            empty.train()
        with pytest.raises(ArtifactError, match="llmrg train"):
            empty.recommend("reader-001")
        with pytest.raises(UnknownUserError):
            empty.build(mind="attributes", users=["nobody"])
        with pytest.raises(ConfigError, match=r"'crystal-ball'.*likelihood"):
            empty.build(mind="crystal-ball")


def test_a_store_path_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader, this is no database. " * 100)
    with Project("demo", store=f"sqlite:///{letter}") as project, pytest.raises(NotAStoreError, match=r"letter\.txt"):
        project.graphs()
    assert letter.read_text().startswith("Dear reader")


def test_building_again_does_nothing_and_says_so(built: Project) -> None:
    report = built.build(mind="attributes")
    assert report.built == 0
    assert report.skipped == 60


async def test_build_is_awaitable_and_sync_build_says_so_in_a_loop(tmp_path: Path) -> None:
    with Project("demo", home=tmp_path) as project:
        report = await project.abuild(mind="attributes", users=["reader-001"])
        assert report.built == 1
        with pytest.raises(CallerError, match=r"await project\.abuild"):
            project.build(mind="attributes", users=["reader-002"])
    await asyncio.sleep(0)


def test_compare_has_every_control_row_and_its_card(built: Project) -> None:
    from llmrg.recommenders import TrainingConfig

    said: list[str] = []
    table = built.compare(progress=said.append, config=TrainingConfig(epochs=2), keep=False, again=True)
    names = [row.name for row in table.rows]
    assert said == names
    wanted = ("sequential rules", "popularity", "ItemKNN", "EASE", "theme overlap", "text cosine", "SASRec + attributes")
    for part in (*wanted, "SASRec + rules", "plain sequence", "shuffled", "wrong items", "reasoning graph"):
        assert sum(part in name for name in names) == 1, (part, names)
    assert {(c.name, c.against) for c in table.contrasts} >= {("SASRec + reasoning graph", "SASRec + shuffled graph")}
    assert table.card.users == 60
    assert table.card.graphs_at
    assert all(0 < one.training <= 1 and one.test == 1 for one in table.card.graphs_at)
    for row in table.rows:
        assert 0 <= row.metrics["HR@10"].low <= row.metrics["HR@10"].value <= row.metrics["HR@10"].high <= 1


def test_validation_says_which_recommender_is_taken(built: Project, tmp_path: Path) -> None:
    from llmrg.recommenders import TrainingConfig

    with Project(built.dataset, store=built.settings.store_url, home=tmp_path) as project:
        project.train("popularity")
        project.train("gru4rec", graphs=False, config=TrainingConfig(epochs=1), embedding_size=8)
        project.train("bsarec", config=TrainingConfig(epochs=2), embedding_size=16)
        trained = project.trained()
        assert set(trained) == {"popularity", "gru4rec", "bsarec+themes"}
        assert list(trained.values()) == sorted(trained.values(), reverse=True)
        assert project.recommender().name == project.recommender(next(iter(trained))).name
        assert project.recommender("popularity").name == "popularity"
        with pytest.raises(ArtifactError, match="popularity"):
            project.recommender("sasrec")
        with pytest.raises(ConfigError, match="no device 'warp'"):
            project.train("sasrec", graphs=False, device="warp")


def test_a_final_fit_takes_the_epochs_of_the_validated_one_and_its_figure(built: Project, tmp_path: Path) -> None:
    from llmrg.evaluation.held_out import rank_held_out
    from llmrg.recommenders import TrainingConfig
    from llmrg.recommenders.training import Epoch

    told: list[Epoch] = []
    how: dict[str, Any] = {"graphs": False, "config": TrainingConfig(epochs=3), "embedding_size": 8, "progress": told.append}
    with Project(built.dataset, home=tmp_path) as project:
        project.train("sasrec", **how)
        best = [epoch.number for epoch in told if epoch.best][-1]
        plain, figure = project.recommender("sasrec"), project.trained()["sasrec"]
        assert not project.figures()["sasrec"].final
        told.clear()
        project.train("sasrec", final=True, **how)
        assert [(epoch.number, epoch.of, epoch.ndcg) for epoch in told] == [
            (n + 1, best, None) for n in range(best)
        ]  # no other fit
        assert project.figures()["sasrec"].final
        assert project.trained()["sasrec"] == figure
        kept = project.recommender("sasrec")
        assert project.recommend("reader-001", k=3)
        assert [s.item for s in project.recommend("reader-001", recommender=kept)] != [
            s.item for s in project.recommend("reader-001", recommender=plain)
        ]
        with pytest.raises(CallerError, match="held-out items among them"):
            rank_held_out(kept, built.dataset)
        told.clear()
        project.train("sasrec", final=True, seed=1, **how)  # another fit: validated first
        assert [epoch.ndcg is None for epoch in told][:1] == [False]
        assert told[-1].ndcg is None
        project.train("sasrec", **how)
        assert not project.figures()["sasrec"].final
        rank_held_out(project.recommender("sasrec"), built.dataset)
        for simple in ("popularity", "rules", "ease"):
            project.train(simple)
            before = project.trained()[simple]
            assert project.train(simple, final=True).final  # type: ignore[attr-defined]
            assert project.trained()[simple] == before
        with pytest.raises(ConfigError, match=r"recsysllm has no final fit.*`final=True`"):
            project.train("recsysllm", graphs=False, final=True)
    assert not list(tmp_path.rglob("*.training*"))


def test_a_catalogue_that_lost_gained_and_moved_items(built: Project, tmp_path: Path) -> None:
    """Scores are matched to the catalogue by id, not by place."""
    from dataclasses import replace

    from llmrg.core.records import Item
    from llmrg.data.dataset import Catalogue

    user = "reader-001"
    before = built.recommend(user, k=5)
    items = [item for item in reversed(list(built.dataset.catalogue)) if item.id != before[0].item]
    moved = replace(built.dataset, catalogue=Catalogue([Item("new", "A new book"), *items], built.dataset.catalogue.noun))
    with Project(moved, store=built.settings.store_url, home=built.settings.home) as project:
        after = project.recommend(user, k=4)
        assert [s.item for s in after] == [s.item for s in before[1:]]
        assert [s.title for s in after] == [s.title for s in before[1:]]
        session = project.recommend(items=["new", "dracula"], k=3)  # the new book is left out, with a warning
        assert [s.item for s in session] == [s.item for s in built.recommend(items=["dracula"], k=3)]


@pytest.mark.parametrize("backend", ["torch", "auto"])
def test_the_backend_setting_reaches_the_encoder(backend: str, built: Project) -> None:
    made = Project(built.dataset, store=built.settings.store_url, home=built.settings.home, backend=backend).experiment()
    assert made.how.backend == backend


def test_a_customer_who_bought_a_new_product_keeps_the_reasons(built: Project) -> None:
    from dataclasses import replace

    from llmrg.core.records import Item
    from llmrg.data.dataset import Catalogue

    catalogue = Catalogue([*built.dataset.catalogue, Item("new", "A new book")], built.dataset.catalogue.noun)
    user, other = list(built.dataset.histories)[:2]
    bought = replace(built.dataset.history(user), items=(*built.dataset.history(user).items, "new"), at=())
    histories = {**built.dataset.histories, user: bought}
    with Project(
        replace(built.dataset, catalogue=catalogue, histories=histories), store=built.settings.store_url, home=built.settings.home
    ) as project:
        for who in (user, other):
            before, after = built.recommend(who, k=5), project.recommend(who, k=5)
            assert [(s.item, s.why.reasons) for s in after] == [(s.item, s.why.reasons) for s in before]
            assert project.explain(who, before[0].item).reasons == before[0].why.reasons
        assert any(s.why.reasons for s in after)


def test_an_item_is_named_by_its_title_too(built: Project) -> None:
    user = next(iter(built.dataset.histories))
    found = built.recommend(user, k=1)[0]
    assert built.explain(user, found.title.upper()) == built.explain(user, found.item)
    taken = built.dataset.history(user).items[2]
    why = built.explain(user, built.dataset.catalogue[taken].title)
    assert (why.item, why.taken) == (taken, 2)
    titles = [built.dataset.catalogue[item].title for item in ("dracula", "frankenstein")]
    assert built.recommend(items=titles, k=3) == built.recommend(items=["dracula", "frankenstein"], k=3)
    with pytest.raises(UnknownItemError, match="did you mean 'dracula'"):
        built.explain(user, "Drakula")
