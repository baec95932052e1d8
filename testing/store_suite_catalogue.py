"""Contract of items, users and histories."""

from __future__ import annotations

import pytest

from llmrg.core.errors import CallerError, StoreError, UnknownItemError, UnknownUserError
from llmrg.core.records import History, Item
from llmrg.core.themes import Themes
from llmrg.graph_store.protocol import GraphStore, StoreAbilities, StoreCounts
from llmrg.testing.store_examples import ITEMS, NAMESPACE, fill, make_graph, make_history, make_item


class CatalogueContract:
    def test_an_empty_store_answers_with_nothing(self, store: GraphStore) -> None:
        assert store.counts(NAMESPACE) == StoreCounts(0, 0, 0, 0, 0, 0, 0, 0)
        assert store.items(NAMESPACE) == []
        assert store.users(NAMESPACE) == []
        assert store.histories(NAMESPACE, ["ann"]) == {}
        assert store.graphs(NAMESPACE, ["ann"]) == {}
        assert store.knowledge(NAMESPACE) == store.top_knowledge(NAMESPACE) == store.knowledge_for(NAMESPACE, []) == []
        assert store.themes(NAMESPACE) == Themes()
        assert store.delete_profile(NAMESPACE, "catalogue") is False
        assert store.runs(NAMESPACE) == []
        assert store.user_statuses(NAMESPACE, "run 1") == {}

    def test_writing_nothing_changes_nothing(self, store: GraphStore) -> None:
        store.put_items(NAMESPACE, [])
        store.put_histories(NAMESPACE, [])
        store.put_knowledge(NAMESPACE, [])
        store.count_uses(NAMESPACE, {})
        assert store.counts(NAMESPACE) == StoreCounts(0, 0, 0, 0, 0, 0, 0, 0)

    def test_health_names_the_product_and_the_schema(self, store: GraphStore) -> None:
        health = store.health()
        assert health.url == store.url
        assert health.product
        assert health.schema_version >= 1

    def test_abilities_are_known_before_the_store_is_opened(self, store: GraphStore) -> None:
        abilities = store.abilities
        store.close()
        assert store.abilities == abilities
        assert isinstance(abilities, StoreAbilities)

    def test_recommendations_are_kept_where_people_can_look_at_them(self, store: GraphStore) -> None:
        fill(store)
        counts, ranked = store.counts(NAMESPACE), [(ITEMS[9], 0.5), (ITEMS[8], -1.0)]
        if store.abilities.neo4j_browser:
            store.put_recommendations(NAMESPACE, "ann", "sasrec", ranked, 1.7e9)
            with pytest.raises(UnknownUserError):
                store.put_recommendations(NAMESPACE, "nobody", "sasrec", ranked, 1.7e9)
            with pytest.raises(UnknownItemError):
                store.put_recommendations(NAMESPACE, "ann", "sasrec", [("nothing", 1.0)], 1.7e9)
        else:
            with pytest.raises(CallerError, match=r"Neo4j.*llmrg export"):
                store.put_recommendations(NAMESPACE, "ann", "sasrec", ranked, 1.7e9)
        assert store.counts(NAMESPACE) == counts

    def test_a_closed_store_says_so_and_opens_again(self, store: GraphStore) -> None:
        fill(store)
        store.close()
        with pytest.raises(StoreError, match="open"):
            store.items(NAMESPACE)
        store.open()
        store.open()
        assert len(store.items(NAMESPACE)) == len(ITEMS)

    def test_items_come_back_equal_and_in_order_of_id(self, store: GraphStore) -> None:
        items = [Item("b", "Bé", (("theme", "x"), ("year", "1"), ("theme", "x"))), Item("a", ""), Item("B", "b", (("", ""),))]
        store.put_items(NAMESPACE, iter(items))
        assert store.items(NAMESPACE) == sorted(items, key=lambda item: item.id)

    def test_putting_an_item_again_replaces_it(self, store: GraphStore) -> None:
        store.put_items(NAMESPACE, [make_item("a", "old"), make_item("b")])
        store.put_items(NAMESPACE, [Item("a", "new")])
        assert store.items(NAMESPACE) == [Item("a", "new"), make_item("b")]

    def test_of_equal_ids_in_one_call_the_last_item_stays(self, store: GraphStore) -> None:
        store.put_items(NAMESPACE, [make_item("a", "old"), make_item("a", "new")])
        assert store.items(NAMESPACE) == [make_item("a", "new")]

    def test_histories_come_back_equal(self, store: GraphStore) -> None:
        fill(store, users=())
        histories = [
            make_history("ann"),
            History("bob", ITEMS[:3], (), (("age", "7"), ("likes", "a"), ("likes", "b"))),
            History("cleo", (ITEMS[0], ITEMS[1], ITEMS[0]), (0.1 + 0.2, 2.0, -3e9)),
            History("dan", ()),
        ]
        store.put_histories(NAMESPACE, iter(histories))
        assert [store.history(NAMESPACE, history.user) for history in histories] == histories

    def test_histories_of_many_users_in_one_call(self, store: GraphStore) -> None:
        fill(store)
        histories = store.histories(NAMESPACE, ["bob", "nobody", "ann", "bob"])
        assert histories == {"ann": make_history("ann"), "bob": make_history("bob")}

    def test_putting_a_history_again_replaces_it_and_keeps_the_graph(self, store: GraphStore) -> None:
        fill(store)
        version = store.replace_graph(NAMESPACE, make_graph())
        longer = History("ann", ITEMS[::-1], (), (("age", "8"),))
        store.put_histories(NAMESPACE, [longer])
        assert store.history(NAMESPACE, "ann") == longer
        assert store.history(NAMESPACE, "bob") == make_history("bob")
        assert store.graph(NAMESPACE, "ann").steps == make_graph().steps
        assert store.graph(NAMESPACE, "ann").version == version

    def test_putting_an_item_again_keeps_histories_and_graphs(self, store: GraphStore) -> None:
        fill(store)
        store.replace_graph(NAMESPACE, make_graph())
        store.put_items(NAMESPACE, [Item(ITEMS[1], "another title")])
        assert store.history(NAMESPACE, "ann") == make_history("ann")
        assert store.graph(NAMESPACE, "ann").steps == make_graph().steps

    def test_a_history_with_an_unknown_item_is_refused_whole(self, store: GraphStore) -> None:
        fill(store)
        with pytest.raises(UnknownItemError) as caught:
            store.put_histories(NAMESPACE, [make_history("cleo"), History("ann", (ITEMS[0], "no such 'item'"))])
        assert caught.value.item == "no such 'item'"
        assert store.users(NAMESPACE) == ["ann", "bob"]
        assert store.history(NAMESPACE, "ann") == make_history("ann")

    def test_an_unknown_user_is_named(self, store: GraphStore) -> None:
        fill(store)
        with pytest.raises(UnknownUserError) as caught:
            store.history(NAMESPACE, "cleo")
        assert caught.value.user == "cleo"

    def test_users_page_by_key(self, store: GraphStore) -> None:
        names = tuple(["a", "A", "aa", "b'c", "é", "z", "Ω", "\uffee", "😀"] + [f"user {n}" for n in range(20)])
        fill(store, users=names)
        pages = [store.users(NAMESPACE, limit=4)]
        while pages[-1]:
            pages.append(store.users(NAMESPACE, after=pages[-1][-1], limit=4))
        assert [len(page) for page in pages] == [4] * 7 + [1, 0]
        assert [user for page in pages for user in page] == sorted(names) == store.users(NAMESPACE)
        assert store.users(NAMESPACE, after="m", limit=2) == ["user 0", "user 1"]
