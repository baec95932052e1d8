"""Draw docs/images/browser_*.png: the saved queries in a real Neo4j Browser, over graphs of the demo's simulated readers.

python docs/images/make_browser_images.py (needs Java 21+, Maven and Chromium; about two minutes)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from llmrg.data.demo_set import load_demo
from llmrg.data.profiles import catalogue_profile
from llmrg.graph_store.browser_pack import FOLDER, saved_queries, write_pack
from llmrg.sdk import Project
from llmrg.testing.neo4j_browser import Neo4jBrowser, open_browser
from llmrg.testing.neo4j_server import USER, LocalNeo4j

PASSWORD = "only-for-images"
READERS = 18
PARAMETERS = {
    "namespace": "demo",
    "user": "reader-018",
    "other": "reader-012",
    "item": "Looking Backward",
    "theme": "time travel",
}
STILL = """() => {
  const places = [...document.querySelectorAll('g.node')].map(node => node.getAttribute('transform')).join();
  const still = places === window.placesBefore;
  window.placesBefore = places;
  return still;
}"""
"""Whether all nodes stand where they stood when asked last."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, LocalNeo4j(password=PASSWORD, http_port=0) as server:
        build(server, Path(folder))
        with open_browser(server, width=1180, height=600) as browser:
            for file in write_pack(Path(folder)):
                browser.drop(file)
            browser.run(f":params {PARAMETERS}")
            browser.frame.get_by_text("Successfully set your parameters").wait_for()
            browser.favourites(FOLDER)
            picture = Path(__file__).with_name("browser_favourites.png")
            browser.page.screenshot(path=picture)
            for query in saved_queries():
                photograph(browser, query.title, picture.with_name(f"browser_{query.name[3:]}.png"))


def build(server: LocalNeo4j, home: Path) -> None:
    demo = load_demo()
    some = demo.only(list(demo.histories)[:READERS])
    with Project(some, home=home, store=server.get_connection_url(), store_user=USER, store_password=PASSWORD) as project:
        project.build(mind="attributes")
        project.store.put_profile(project.name, catalogue_profile(some))
        project.train("popularity")
        project.recommend(PARAMETERS["user"], k=5, to_neo4j=True)


def photograph(browser: Neo4jBrowser, title: str, file: Path) -> None:
    """Run a favourite, fill the page with its frame, and wait until the drawing stands still."""
    browser.run_favourite(title)
    browser.frame.get_by_title("Fullscreen").click()
    browser.frame.locator("g.node, table").first.wait_for()
    browser.page.wait_for_function(STILL, polling=500)
    fit = browser.frame.get_by_label("zoom-to-fit")
    if fit.count():
        fit.click()
        browser.page.mouse.move(560, 4)  # off the buttons
        browser.page.wait_for_timeout(1000)  # the zoom is animated
    browser.frame.screenshot(path=file)
    browser.frame.get_by_title("Close fullscreen").click()


if __name__ == "__main__":
    main()
