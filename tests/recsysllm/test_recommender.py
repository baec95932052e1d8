"""RecSysLLM as a recommender: the shipped suite, what it saves, and what it says to what makes no sense."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from llmrg.core.errors import ArtifactError, CallerError, ConfigError, ModelFileError
from llmrg.core.records import History, Item
from llmrg.data.dataset import Catalogue, Dataset, LoadReport
from llmrg.data.opinions import Opinion
from llmrg.encoders.text import HashedVectors
from llmrg.recommenders.making import GraphOptions
from llmrg.recommenders.protocol import Query, Recommender
from llmrg.recommenders.training import RunOptions
from llmrg.recsysllm.config import LlmTrainingConfig, RecSysLlmConfig
from llmrg.recsysllm.making import language_model_of, make_recsysllm
from llmrg.recsysllm.recommender import RecSysLlm
from llmrg.recsysllm.templates import load_templates
from llmrg.testing.recommender_suite import RecommenderSuite, cycle_graphs, cycle_world

QUICK = LlmTrainingConfig(epochs=6, learning_rate=5e-3, head_rate=1e-2, batch_tokens=300, patience=5)
ONCE = LlmTrainingConfig(epochs=1, batch_tokens=300)
TEXTS = [
    *[template.text.replace("{", " {") for template in load_templates("sequential")],
    *[f"Item {number}; (theme {number % 3}), because perhaps unknown someone" for number in range(20)],
]


@pytest.fixture(scope="module")
def folder(save_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama whose tokenizer knows the words of the suite's world."""
    return save_tiny(tmp_path_factory.mktemp("base") / "llama", texts=TEXTS, layers=2, initializer_range=0.1)


def make(folder: Path, training: LlmTrainingConfig = ONCE, options: RunOptions | None = None, **how: Any) -> RecSysLlm:
    config = RecSysLlmConfig(**{"model": str(folder), "item_attributes": (), "train_layers": 1, "lora_rank": 4, **how})
    return RecSysLlm(config, training=training, options=options or RunOptions(threads=1))


class _Suite(RecommenderSuite):
    folder: ClassVar[Path]
    how: ClassVar[dict[str, Any]] = {}
    training = QUICK
    tolerance = 1e-4

    @pytest.fixture(scope="class", autouse=True)
    def _with_a_base_model(self, save_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> None:
        """One layer: the suite trains five times."""
        place = tmp_path_factory.mktemp("base") / "shallow"
        type(self).folder = save_tiny(place, texts=TEXTS, layers=1, initializer_range=0.1)

    def make(self) -> Recommender:
        return make(self.folder, self.training, lora_rank=16, **self.how)

    def load(self, folder: Path) -> Recommender:
        return RecSysLlm.load(folder, options=RunOptions(threads=1))


class TestItemHead(_Suite):
    pass


class TestTitles(_Suite):
    how: ClassVar[dict[str, Any]] = {"head": "titles"}
    training = QUICK.model_copy(update={"epochs": 8, "head_rate": 3e-3})


class TestSlots(_Suite):
    how: ClassVar[dict[str, Any]] = {"graph": "slots"}
    training = QUICK.model_copy(update={"epochs": 3, "learning_rate": 1e-2})

    def fitted(self, dataset: Dataset, graphs: Any = None) -> Recommender:
        """Where the suite gives no graphs, those of the undisturbed world: slots need some."""
        return super().fitted(dataset, graphs or cycle_graphs(cycle_world(len(dataset.histories))))


class TestBlank(_Suite):
    """The paper's layout, not trained for long."""

    learns_order = False
    how: ClassVar[dict[str, Any]] = {"layout": "blank", "head": "both", "draws": 2}
    training = QUICK.model_copy(update={"epochs": 1})


# -- every switch can be fitted, saved and asked -------------------------------------------------------------------------
@pytest.fixture(scope="module")
def world() -> Dataset:
    return cycle_world(24)


WAYS: list[dict[str, Any]] = [
    {"head": "both", "item_offset": True, "item_attributes": "all"},
    {"head": "titles", "loss": "vocabulary"},
    {"head": "titles", "layout": "blank", "positions": "running", "order": "shuffled"},
    {"head": "titles", "layout": "blank", "loss": "vocabulary", "whole_entities": False},
    {"head": "items", "layout": "blank", "levels": (0.0, 1.0, 0.0)},
    {"head": "titles", "layout": "blank", "levels": (0.0, 0.0, 1.0)},
    {"graph": "words"},
    {"graph": "random", "head": "both"},
    {"graph": "slots", "head": "titles", "layout": "blank"},
    {"train_layers": None},
    {"train_layers": 2, "history_items": 3, "max_tokens": 64},
    {"families": ("sequential", "direct"), "head": "both"},
]


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_every_switch_works(folder: Path, world: Dataset, how: dict[str, Any], tmp_path: Path) -> None:
    made, graphs = make(folder, **how), cycle_graphs(world)
    made.fit(world, graphs)
    assert made.is_fitted
    assert 0.0 <= made.validation_ndcg <= 1.0
    queries = [Query.at(history, 4, graphs[user]) for user, history in world.histories.items()][:6]
    scores = made.scores(queries)
    assert np.isfinite(scores).all()
    made.save(tmp_path / "saved")
    loaded = RecSysLlm.load(tmp_path / "saved", options=RunOptions(threads=1))
    np.testing.assert_array_equal(loaded.scores(queries), scores)
    assert loaded.validation_ndcg == made.validation_ndcg
    assert loaded.name == made.name
    for beams, query in zip(made.recommend_titles(queries[:2], k=5, beams=3), queries, strict=False):
        seen = {world.catalogue.row(item) for item in query.history.items}
        assert len(beams.items) == len(set(beams.items.tolist())) == 5
        assert not seen & set(beams.items.tolist())
        assert set(beams.items.tolist()) <= set(range(1, 21))


def test_titles_are_ranked_as_they_are_written(folder: Path, world: Dataset) -> None:
    """With beams enough, the search gives the unseen titles in the order of their scores."""
    made = make(folder, head="titles")
    made.fit(world)
    for user in ("u3", "u7"):
        query = Query(world.histories[user].before(5))
        scores = made.scores([query])[0]
        seen = {world.catalogue.row(item) - 1 for item in query.history.items}
        order = [column for column in np.argsort(-scores, kind="stable") if column not in seen]
        found = made.recommend_titles([query], k=20, beams=50)[0]
        assert found.exact
        assert (found.items - 1).tolist() == order


def test_the_untrained_item_head_is_the_content_score(folder: Path, world: Dataset) -> None:
    made = make(folder, ONCE.model_copy(update={"max_seconds": 1e-9}))
    made.fit(world)
    assert made.epochs == []
    query = Query(world.histories["u1"].before(4))
    for item in ("i1", "i9"):
        told = {part.name: part.value for part in made.contributions(query, item)}
        assert told["language model"] == pytest.approx(0.0, abs=1e-5)


def test_an_item_head_of_titles_knows_no_attribute(folder: Path, world: Dataset) -> None:
    """Planted: other attributes change what the default says, and nothing of what this one says."""
    others = [replace(item, attributes=(("theme", f"other {n % 2}"),)) for n, item in enumerate(world.catalogue)]
    changed = replace(world, catalogue=Catalogue(others))
    for known in (True, False):
        scores = []
        for dataset in (world, changed):
            made = make(folder, content_attributes=known)
            made.fit(dataset)
            scores.append(made.scores([Query.at(history, 4, None) for history in dataset.histories.values()]))
        assert np.array_equal(*scores) is not known
        parts = {part.name: part.value for part in made.contributions(Query.at(next(iter(world.histories.values())), 4), "i2")}
        assert bool(parts["attributes"]) is known


def test_switches_of_the_graph_reach_the_slots(folder: Path, world: Dataset) -> None:
    """An ablation that leaves imagined steps out is one: slots of another model, not of the same."""
    graphs, found = cycle_graphs(world), []
    small = {"model": str(folder), "train_layers": 1, "lora_rank": 4, "epochs": 1, "batch_tokens": 300}
    for imagined in (True, False):
        how = GraphOptions("slots", use_imagined=imagined, backend="torch")
        made = make_recsysllm(HashedVectors(), how, RunOptions(threads=1), **small)
        made.fit(world, graphs)
        assert isinstance(made, RecSysLlm)
        found.append(made.scores([Query.at(world.histories["u0"], 4, graphs["u0"])]))
        assert (made.config.use_imagined, made.config.backend) == (imagined, "torch")
    assert not np.array_equal(*found)


@pytest.mark.parametrize(
    ("how", "settings", "said"),
    [
        (GraphOptions("slots", gates=False), {}, "gates=False"),
        (GraphOptions("words", source="readers"), {}, "source='readers'"),
        (GraphOptions("words", use_reasoned=False), {}, "says nothing"),
        (GraphOptions("concat"), {}, "takes themes, slots, words"),
        (None, {"progress": 1}, "no setting 'progress'"),
        (None, {"families": "sequential,poems"}, "families"),
    ],
)
def test_what_means_nothing_is_refused(how: GraphOptions | None, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_recsysllm(HashedVectors(), how, **settings)


def test_lists_of_the_shell_may_have_blanks() -> None:
    made = make_recsysllm(HashedVectors(), families="sequential, rating")
    assert language_model_of(made).config.families == ("sequential", "rating")


def test_ratings_beyond_five_stars_are_refused(folder: Path, world: Dataset) -> None:
    said = {user: tuple(Opinion(8.0) for _ in history.items) for user, history in world.histories.items()}
    with pytest.raises(ConfigError, match=r"go up to 8.*divide them"):
        make(folder, families=("rating",)).fit(replace(world, opinions=said))


def test_files_are_found_from_anywhere(folder: Path, world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model trained with files named from one folder is opened in another."""
    shutil.copytree(folder, tmp_path / "base")
    wording = 'id = "mine-1"\nkind = "next"\ntext = "Before:{history} now:[?]"\n'
    (tmp_path / "mine.toml").write_text(f'[[template]]\nfamily = "sequential"\n{wording}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    made = make(Path("base"), templates="mine.toml")
    made.fit(world)
    made.save(tmp_path / "kept")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    queries = [Query.at(history, 4) for history in list(world.histories.values())[:3]]
    np.testing.assert_array_equal(
        RecSysLlm.load(tmp_path / "kept", options=RunOptions(threads=1)).scores(queries), made.scores(queries)
    )


def test_a_question_longer_than_the_window_is_refused(save_tiny: Callable[..., Path], world: Dataset, tmp_path: Path) -> None:
    made = make(save_tiny(tmp_path / "short", "gpt2", texts=TEXTS, layers=1, positions=160))
    made.fit(world)
    query = Query.at(world.histories["u0"], 8)
    assert isinstance(made.ask("What do they like?", query), str)
    with pytest.raises(CallerError, match="ask something shorter"):
        made.ask("What do they like? " * 20, query)


def test_themes_leave_the_attributes_to_the_graph() -> None:
    text = HashedVectors()
    for fusion, known in (("themes", False), ("slots", True), ("words", True)):
        made = make_recsysllm(text, GraphOptions(fusion=fusion))  # type: ignore[arg-type]
        assert language_model_of(made.candidates["joint"] if fusion == "themes" else made).config.content_attributes is known  # type: ignore[attr-defined]
    told = make_recsysllm(text, GraphOptions(), content_attributes=True)
    assert language_model_of(told.candidates["joint"]).config.content_attributes  # type: ignore[attr-defined]


@pytest.mark.parametrize("graph", ["none", "slots"])
def test_contributions_sum_to_the_score(folder: Path, world: Dataset, graph: str) -> None:
    made, graphs = make(folder, graph=graph), cycle_graphs(world)
    made.fit(world, graphs)
    query = Query.at(world.histories["u2"], 4, graphs["u2"])
    for item in ("i3", "i12"):
        parts = made.contributions(query, item)
        score = made.scores([query])[0, world.catalogue.row(item) - 1]
        assert sum(part.value for part in parts) == pytest.approx(float(score), abs=1e-4)
        assert {part.name for part in parts} == {"language model", "text", "attributes"} | (
            {"graph"} - {graph and "none"} if graph != "none" else set()
        )


# -- what is saved -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def saved(folder: Path, world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the base model, and what was trained on it."""
    place = tmp_path_factory.mktemp("saved")
    shutil.copytree(folder, place / "base")
    made = make(place / "base")
    made.fit(world)
    made.save(place / "recommender")
    return place


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """The saved recommender, to be damaged."""
    shutil.copytree(saved / "recommender", tmp_path / "copy")
    return tmp_path / "copy"


def test_the_base_model_is_not_in_the_folder(saved: Path) -> None:
    kept = load_file(saved / "recommender" / "model.safetensors")
    base = load_file(saved / "base" / "model.safetensors")
    learnt = {name for name in kept if name.startswith("net.")}
    assert learnt
    assert all("lora_" in name or name.startswith(("net.control", "net.intra", "net.head")) for name in learnt)
    shapes = {weight.shape for name, weight in base.items() if weight.ndim == 2}
    assert not [name for name in learnt if "lora_" not in name and kept[name].shape in shapes]
    assert {path.name for path in (saved / "recommender").iterdir()} == {"config.json", "model.safetensors"}


def test_another_base_model_is_refused(saved: Path, copy: Path, save_tiny: Callable[..., Path], tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "other", texts=TEXTS, layers=2, seed=6)
    _change(copy, model=str(other))
    with pytest.raises(ArtifactError, match="other weights"):
        RecSysLlm.load(copy)
    _change(copy, model=str(tmp_path / "nowhere"))
    with pytest.raises(ModelFileError, match="no local model"):
        RecSysLlm.load(copy)


def test_the_same_base_model_elsewhere_is_taken(saved: Path, copy: Path, world: Dataset, tmp_path: Path) -> None:
    shutil.copytree(saved / "base", tmp_path / "moved")
    _change(copy, model=str(tmp_path / "moved"))
    queries = [Query(world.histories["u1"].before(3))]
    np.testing.assert_array_equal(RecSysLlm.load(copy).scores(queries), RecSysLlm.load(saved / "recommender").scores(queries))


def _change(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    document = json.loads(path.read_text())
    document["config"]["settings"].update(settings)
    path.write_text(json.dumps(document))


def test_damaged_adapters_are_refused(copy: Path) -> None:
    weights = copy / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="damaged"):
        RecSysLlm.load(copy)
    weights.write_bytes(whole)
    tensors = load_file(weights)
    save_file({name: value for name, value in tensors.items() if "lora_B" not in name}, weights)
    with pytest.raises(ArtifactError, match=r"lack.*lora_B.*train it again"):
        RecSysLlm.load(copy)
    weights.write_bytes(whole)
    _change(copy, lora_rank=8)
    with pytest.raises(ArtifactError, match=r"do not fit.*train again"):
        RecSysLlm.load(copy)
    _change(copy, lora_rank=-1)
    with pytest.raises(ArtifactError, match="cannot be read"):
        RecSysLlm.load(copy)


# -- what makes no sense -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong",
    [
        {"layout": "sideways"}, {"mask_ratio": 0.0}, {"max_tokens": 0}, {"families": ("gossip",)}, {"families": ()},
        {"train_layers": 0},
        {"levels": (1, -1, 0)}, {"lora_rank": 0}, {"no_such_switch": 1}, {"graph": "drawn"},
    ],
    ids=str,
)  # fmt: skip
def test_settings_without_meaning_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        RecSysLlmConfig(**wrong)


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"graph": "slots"}, "needs reasoning graphs"),
        ({"graph": "words"}, "needs reasoning graphs"),
        ({"graph": "random"}, "needs reasoning graphs"),
        ({"whole_entities": False}, "whole_entities=False is a control"),
        ({"whole_entities": False, "layout": "blank", "head": "titles"}, "whole_entities=False is a control"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(folder: Path, world: Dataset, how: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make(folder, **how).fit(world)


def test_a_base_model_that_is_not_there(folder: Path, world: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no local model"):
        make(tmp_path / "nowhere").fit(world)


def test_use_before_the_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    made = make(folder)
    for use in (
        lambda: made.scores([]),
        lambda: made.recommend_titles([Query(History("u", ()))]),
        lambda: made.save(tmp_path / "x"),
    ):
        with pytest.raises(CallerError, match="is not fitted"):
            use()
    assert not made.is_fitted


def test_an_unknown_wording_is_named(folder: Path, world: Dataset) -> None:
    made = make(folder)
    made.fit(world)
    made.template = "sequential-99"
    with pytest.raises(ConfigError, match=r"sequential-99.*sequential-1"):
        made.scores([Query(world.histories["u1"].before(3))])
    made.template = "sequential-7"
    assert np.isfinite(made.scores([Query(world.histories["u1"].before(3))])).all()


# -- odd worlds ----------------------------------------------------------------------------------------------------------
HEADS = [{"head": "items"}, {"head": "titles"}, {"head": "both", "layout": "blank"}, {"head": "titles", "loss": "vocabulary"}]


def odd(titles: list[str], histories: dict[str, list[int]]) -> Dataset:
    catalogue = Catalogue(Item(f"i{n}", title) for n, title in enumerate(titles))
    found = {user: History(user, tuple(f"i{n}" for n in rows)) for user, rows in histories.items()}
    return Dataset("odd", catalogue, found, LoadReport("by hand", 0, len(found), len(titles)))


@pytest.mark.parametrize("how", HEADS, ids=str)
def test_a_catalogue_of_one_item(folder: Path, how: dict[str, Any]) -> None:
    made = make(folder, **how)
    made.fit(odd(["Only"], {"u": [0, 0, 0, 0], "v": [0], "w": []}))
    scores = made.scores([Query(History("u", ("i0", "i0"))), Query(History("w", ()))])
    assert scores.shape == (2, 1)
    assert np.isfinite(scores).all()
    assert made.recommend_titles([Query(History("w", ()))])[0].items.tolist() == [1]
    assert made.recommend_titles([Query(History("u", ("i0",)))])[0].items.tolist() == []


@pytest.mark.parametrize("how", HEADS, ids=str)
def test_users_with_little_or_no_history(folder: Path, world: Dataset, how: dict[str, Any]) -> None:
    """They are in the data, and they ask: popularity answers the first, titles are found for all."""
    few = {
        "a": History("a", ()),
        "b": History("b", ("i1",)),
        "c": History("c", ("i1", "i2")),
        "d": History("d", ("i1", "i2", "i3")),
    }
    made = make(folder, **how)
    made.fit(replace(world, histories={**world.histories, **few}))
    queries = [Query(history) for history in few.values()]
    scores = made.scores(queries)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores[0], made.scores([Query(History("nobody", ()))])[0])
    for beams in made.recommend_titles(queries, k=4):
        assert len(beams.items) == 4


@pytest.mark.parametrize("how", HEADS, ids=str)
def test_a_world_without_any_example(folder: Path, how: dict[str, Any]) -> None:
    made = make(folder, **how)
    made.fit(odd(["One", "Two", "Two"], {"u": [0], "v": []}))
    assert made.epochs == []
    assert np.isfinite(made.scores([Query(History("x", ("i1", "i2")))])).all()


@pytest.mark.parametrize(("kind", "how"), [*(("gpt2", how) for how in HEADS), ("llama", HEADS[0]), ("gemma3", HEADS[2])], ids=str)
def test_a_history_longer_than_the_window(save_tiny: Callable[..., Path], tmp_path: Path, kind: str, how: dict[str, Any]) -> None:
    """A model of 128 positions, histories of 200 items and long titles: what enters is sampled to fit."""
    base = save_tiny(tmp_path / "short", kind, layers=2, positions=128)
    titles = [f"title {n} " + "xy" * 8 for n in range(30)]
    histories = {f"u{u}": [(u + 7 * t) % 30 for t in range(200)] for u in range(4)}
    dataset = odd(titles, histories)
    made = make(base, **how)
    made.fit(dataset)
    queries = [Query(history.before(200 - n)) for n, history in enumerate(dataset.histories.values())]
    assert np.isfinite(made.scores(queries)).all()
    assert len({row.tobytes() for row in made.scores(queries)}) == 4, "each is asked about its own history"
    assert len(made.recommend_titles([Query(queries[0].history.before(9))], k=3)[0].items) == 3


def test_a_window_too_short_for_the_titles_is_refused(save_tiny: Callable[..., Path], tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "short", "gpt2", layers=2, positions=128)
    with pytest.raises(ConfigError, match=r"128 positions.* need \d+; take another model"):
        make(base).fit(odd(["z" * 500, "short"], {"u": [0, 1, 0, 1]}))


def test_items_with_many_attributes_fit(folder: Path) -> None:
    """One item's line alone is longer than a prompt may be."""
    many = tuple(("theme", f"theme {n} " + "q" * 20) for n in range(12))
    items = [Item(f"i{n}", f"Item {n}", many) for n in range(5)]
    histories = {f"u{u}": History(f"u{u}", tuple(f"i{(u + t) % 5}" for t in range(5))) for u in range(4)}
    dataset = Dataset("many", Catalogue(items), histories, LoadReport("by hand", 20, 4, 5), ("theme",))
    for layout in ("causal", "blank"):
        made = make(folder, head="both", item_attributes="all", max_tokens=100, layout=layout)
        made.fit(dataset)
        assert np.isfinite(made.scores([Query(h) for h in histories.values()])).all()


# -- resuming ------------------------------------------------------------------------------------------------------------
def test_a_checkpoint_knows_its_fit(folder: Path, world: Dataset, tmp_path: Path) -> None:
    options = RunOptions(threads=1, checkpoint=tmp_path / "checkpoint")
    queries = [Query(history.before(4)) for history in world.histories.values()]
    first = make(folder, options=options)
    first.fit(world)
    again = make(folder, options=options)
    again.fit(world)
    assert again.epochs == []
    np.testing.assert_array_equal(again.scores(queries), first.scores(queries))
    others = [
        (make(folder, options=options, head="both"), world),
        (make(folder, options=replace(options, seed=1)), world),
        (make(folder, ONCE.model_copy(update={"learning_rate": 1e-2}), options), world),
        (make(folder, options=options), cycle_world(23)),
    ]
    for other, data in others:
        with pytest.raises(ArtifactError, match="belongs to other data or settings"):
            other.fit(data)
