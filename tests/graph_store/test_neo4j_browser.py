"""The pack of saved queries and the style, in the real Neo4j Browser.

`LLMRG_REQUIRE_BROWSER=1` makes anything that is missing a failure, `LLMRG_REQUIRE_NEO4J=1` a missing Java or Maven.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import neo4j
import pytest

from llmrg.agents.config import BuildConfig
from llmrg.data.profiles import catalogue_profile
from llmrg.graph_store.browser_pack import FOLDER, SavedQuery, saved_queries, style, write_pack
from llmrg.sdk import Project
from llmrg.testing.neo4j_browser import Neo4jBrowser, open_browser, why_no_browser
from llmrg.testing.neo4j_java import why_no_java_server
from llmrg.testing.neo4j_server import LocalNeo4j
from llmrg.testing.planted import PlantedConfig, random_catalogue, simulate

pytestmark = [pytest.mark.browser, pytest.mark.neo4j]

PASSWORD = "only-for-tests"


@pytest.fixture(scope="module")
def server(neo4j_version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNeo4j]:
    """A server with Browser that holds the graphs of a small planted world."""
    no_java, no_chromium = why_no_java_server(neo4j_version), why_no_browser()
    for variable, reason in [("LLMRG_REQUIRE_NEO4J", no_java), ("LLMRG_REQUIRE_BROWSER", no_java or no_chromium)]:
        if reason and os.environ.get(variable) == "1":
            pytest.fail(f"{variable} is set, but: {reason}")
    if reason := no_java or no_chromium:
        pytest.skip(reason)
    with LocalNeo4j(neo4j_version, password=PASSWORD, http_port=0) as started:
        world = simulate(random_catalogue(60, 20), PlantedConfig(readers=4))
        where = {"store": started.get_connection_url(), "store_user": "neo4j", "store_password": PASSWORD}
        with Project(world.dataset, home=tmp_path_factory.mktemp("home"), **where) as project:
            project.build(mind="attributes", config=BuildConfig(wave=1))  # so that the knowledge base is used
            project.store.put_profile(project.name, catalogue_profile(world.dataset))
            project.train("popularity")
            project.recommend("reader-001", to_neo4j=True)
        yield started


@pytest.fixture(scope="module")
def driver(server: LocalNeo4j) -> Iterator[neo4j.Driver]:
    with server.get_driver() as opened:
        yield opened


@pytest.fixture(scope="module")
def parameters(driver: neo4j.Driver) -> dict[str, str]:
    """Two users, and an item that the chains of the first and the knowledge base lead to."""
    found = driver.execute_query(
        "MATCH (:User {name: 'reader-001'})-[:HAS]->(r:Reason)-[:LEADS_TO]->(item)<-[:LEADS_TO]-(:Knowledge)"
        " WHERE EXISTS { MATCH (:Item)-[:LEADS_TO]->(r) }"
        " RETURN item.name AS item LIMIT 1"
    ).records
    themes = driver.execute_query(
        "MATCH (:User {name: 'reader-001'})-[:HAS]->(:Reason)-[:OF]->(t:Theme)<-[:APPEALS_FOR]-(:Item)"
        " RETURN t.name AS theme LIMIT 1"
    ).records
    named = {"item": found[0]["item"], "theme": themes[0]["theme"]}
    return {"namespace": "planted", "user": "reader-001", "other": "reader-002"} | named


@pytest.fixture(scope="module")
def browser(server: LocalNeo4j, parameters: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jBrowser]:
    """Logged in, the pack and the style dropped on it, the parameters set."""
    with open_browser(server) as opened:
        for file in write_pack(tmp_path_factory.mktemp("pack")):
            opened.drop(file)
        assert opened.favourites(FOLDER) == [query.title for query in saved_queries()]
        opened.run(f":params {parameters}")
        opened.frame.get_by_text("Successfully set your parameters").wait_for()
        yield opened


@pytest.mark.parametrize("query", saved_queries(), ids=lambda query: query.name)
def test_a_favourite_shows_all_that_its_query_returns(
    browser: Neo4jBrowser, driver: neo4j.Driver, parameters: dict[str, str], query: SavedQuery
) -> None:
    returned = driver.execute_query(query.text, parameters, result_transformer_=neo4j.Result.graph)  # type: ignore[arg-type]
    rows = driver.execute_query(query.text, parameters).records  # type: ignore[arg-type]
    assert rows
    browser.run_favourite(query.title)
    if returned.nodes:
        assert browser.drawn_nodes() == len(returned.nodes)
    else:
        assert browser.table_rows() == len(rows)


def test_the_style_takes(browser: Neo4jBrowser, parameters: dict[str, str]) -> None:
    browser.run_favourite(saved_queries()[0].title)
    browser.drawn_nodes()
    colours = {label: re.search(rf"node\.{label} {{[^}}]*?\bcolor: (#\w+)", style()) for label in ("User", "Item", "Reason")}
    assert browser.node_colours() == {found[1] for found in colours.values() if found}
    assert parameters["user"] in browser.captions()
