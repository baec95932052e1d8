"""Neo4j Browser, driven as an analyst does it: in a headless Chromium, with files dropped on its page.

with LocalNeo4j(password="only-for-tests", http_port=0) as server, open_browser(server) as browser:
    browser.drop(Path("llmrg.grass"))
    browser.run("MATCH p = (:User)-[:TOOK]->(:Item) RETURN p LIMIT 25")
    assert browser.drawn_nodes() > 0

No outside host is reached: every name but 127.0.0.1 is unknown to that Chromium.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmrg.core.errors import CallerError, MissingPackageError
from llmrg.testing.neo4j_ports import HOST
from llmrg.testing.neo4j_server import USER, LocalNeo4j

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CHROMIUMS: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
WAIT_S: Final = 60.0
"""Longest wait for the page; a busy machine takes some of it for the first view."""
DROP: Final = """async ([name, data]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name));
  document.querySelector('.filedrop').dispatchEvent(
    new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer: carried}));
}"""
"""Drops one file on the page."""


def find_chromium() -> str:
    """Path of an installed Chromium or Chrome. Raises: MissingPackageError."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        raise MissingPackageError("Chromium", "your system's package manager (`chromium` on the PATH)")
    return path


def why_no_browser() -> str:
    """Empty if a Chromium can be driven here, else what to install."""
    if importlib.util.find_spec("playwright") is None:
        return "the package playwright is not installed; pip install playwright (its own browsers are not needed)"
    try:
        find_chromium()
    except MissingPackageError as error:
        return str(error)
    return ""


class Neo4jBrowser:
    """The page of a Neo4j Browser that is logged in."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def frame(self) -> Locator:
        """The newest frame of the result stream."""
        return self.page.get_by_test_id("frame").first

    def log_in(self, url: str, password: str) -> None:
        self.page.goto(url)
        self.page.get_by_test_id("username").fill(USER)
        self.page.get_by_test_id("password").fill(password)
        self.page.get_by_test_id("connect").click()
        self.page.get_by_text("You are connected as user").wait_for()

    def drop(self, file: Path) -> None:
        """Drop a file on the page: a zip of queries, or a style."""
        self.page.evaluate(DROP, [file.name, base64.b64encode(file.read_bytes()).decode()])

    def run(self, text: str) -> None:
        """Run a query or a Browser command from the editor."""
        self.page.get_by_test_id("activeEditor").click()
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Control+Enter")

    def favourites(self, folder: str) -> list[str]:
        """Open the drawer and a folder in it, and return the titles there."""
        self.page.get_by_test_id("navigationFavorites").click()
        self.page.get_by_test_id(f"expandFolder-{folder}").click()
        titles = self.page.get_by_test_id("savedScriptListItem")
        titles.first.wait_for()
        return titles.all_inner_texts()

    def run_favourite(self, title: str) -> None:
        """Run one of the opened folder, and wait for its frame."""
        item = self.page.get_by_test_id("savedScriptListItem").filter(has_text=title)
        item.hover()
        item.get_by_test_id("savedScriptsButton-Run").click()
        self.frame.get_by_test_id("frameCommand").filter(has_text=title).wait_for()

    def drawn_nodes(self) -> int:
        """Wait until the newest frame draws a graph, and count its nodes."""
        return self._count("g.node")

    def table_rows(self) -> int:
        """Wait until the newest frame shows a table, and count its rows."""
        return self._count("table tbody tr")

    def node_colours(self) -> set[str]:
        """Fill colours of the newest frame's nodes, as the style writes them."""
        return set(self.frame.locator("g.node circle.b-outline").evaluate_all("all => all.map(one => one.getAttribute('fill'))"))

    def captions(self) -> set[str]:
        """Texts on the newest frame's nodes, lines joined by a space."""
        nodes = self.frame.locator("g.node").all()
        return {" ".join(line.strip() for line in node.locator("text").all_text_contents()) for node in nodes}

    def _count(self, selector: str) -> int:
        elements = self.frame.locator(selector)
        elements.first.wait_for()
        return elements.count()


@contextlib.contextmanager
def open_browser(server: LocalNeo4j, width: int = 1280, height: int = 900) -> Iterator[Neo4jBrowser]:
    """Log in to the Browser of a running server.

    Args: server: with a password and with HTTP.
    Raises:
        CallerError: a server without them.
        MissingPackageError: see `why_no_browser` for the reason beforehand.
    """
    from playwright.sync_api import sync_playwright

    if not (server.password and server.browser_url):
        raise CallerError("Neo4j Browser needs a server with a password and with HTTP: LocalNeo4j(password=..., http_port=0)")
    rules = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HOST}"
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=find_chromium(), args=[rules]) as chromium:
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(WAIT_S * 1000)
        browser = Neo4jBrowser(page)
        browser.log_in(server.browser_url, server.password)
        yield browser
