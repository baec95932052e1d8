"""`llmrg recommend`, `llmrg explain`, `llmrg show`: what one user sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrg.cli.app import AsJson, Data, Home, Run, Store, app, print_json, project
from llmrg.cli.load_options import Load, reading
from llmrg.cli.with_ray import Ray, WithRay
from llmrg.console import err, out

if TYPE_CHECKING:
    from llmrg.data.dataset import Catalogue
    from llmrg.explanations.explain import Explanation
    from llmrg.recommenders.protocol import Recommender
    from llmrg.sdk import Suggestion


@app.command(cls=WithRay)
@reading
def recommend(
    user: Annotated[str | None, typer.Argument(help="A user of the data; or give --items.")] = None,
    items: Annotated[str | None, typer.Option(help="An unseen history: item ids, oldest first, joined by commas.")] = None,
    k: Annotated[int, typer.Option("--count", "-k", help="How many.", min=1)] = 10,
    name: Annotated[
        str | None,
        typer.Option(
            "--recommender", "--with", help="A trained one: sasrec, sasrec+themes, ... [default: the best on validation items]."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Items that the user has taken already too, each marked so: things are bought again.")
    ] = False,
    to_neo4j: Annotated[
        bool,
        typer.Option(
            "--to-neo4j", help="Keep them in the Neo4j store too, for Browser, in place of this recommender's last ones."
        ),
    ] = False,
    run: Run = "",
    every: Annotated[bool, typer.Option("--all", help="For every user, into the file of --output.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="With --all: file.parquet, .csv or .jsonl.")] = None,
    why: Annotated[bool, typer.Option("--why", help="With --all: a column with the strongest reason, in words (slow).")] = False,
    ray: Ray = None,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """The best unseen items, each with the reasons that took part in its score, or the news that none did.

    \b
    Examples:
      llmrg recommend reader-001
      llmrg recommend --items dracula,frankenstein --recommender sasrec
      llmrg recommend reader-001 --with recsysllm
      llmrg recommend customer-7 --again --data orders.csv
      llmrg recommend reader-001 --to-neo4j --store neo4j://127.0.0.1:7687
      llmrg recommend reader-001 --run 3fa9
      llmrg recommend --all --output recs.parquet
      llmrg recommend --all --output recs.jsonl --why --ray
    """
    check_all(every, user or items, output, why or ray is not None)
    if output is not None:
        from llmrg.progress.bars import listing

        with project(data, store, home, load) as opened, listing() as show:
            opened.recommend_all(output, k=k, recommender=name, again=again, why=why, run=run, ray=ray, progress=show)
        err.print(f"written: {output}", highlight=False, markup=False, soft_wrap=True)
        return
    with project(data, store, home, load) as opened:
        session = [item.strip() for item in items.split(",")] if items else None
        suggestions = opened.recommend(
            user, items=session, k=k, recommender=opened.recommender(name), again=again, to_neo4j=to_neo4j, run=run
        )
        if as_json:
            print_json([{**_plain(s), "why": s.why.to_json(opened.dataset.catalogue)} for s in suggestions])
            return
        for s in suggestions:
            taken = "  already taken" if s.already_taken else ""
            about = f"[dim]{_escape(s.item)}  score {s.score:.3f}{taken}[/dim]"
            out.print(f"{s.rank:>3}. [bold]{_escape(s.title)}[/bold] {about}", highlight=False)
            for line in _reasons(s.why, opened.dataset.catalogue):
                out.print(f"     {_escape(line)}", highlight=False, soft_wrap=True)


@app.command()
@reading
def explain(
    user: str,
    item: Annotated[str, typer.Argument(help="Item id, or its title.")],
    name: Annotated[
        str | None, typer.Option("--recommender", "--with", help="A trained one [default: the best on validation items].")
    ] = None,
    words: Annotated[
        bool,
        typer.Option("--in-words", help="The strongest reason as a sentence of a trained recsysllm, checked against the steps."),
    ] = False,
    run: Run = "",
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """Why this item for this user: what the score of a trained recommender is the sum of.

    Without a trained recommender: the chain of stored steps that leads to the item, or the news that there is none. Of an item
    that the user has taken already: when, and what led to it then.

    \b
    Examples:
      llmrg explain reader-001 dracula
      llmrg explain reader-001 "The Moonstone"
      llmrg explain reader-001 dracula --with recsysllm+themes --in-words
    """
    with project(data, store, home, load) as opened:
        recommender: Recommender | None = None
        if words:
            from llmrg.cli.ask import language_model

            _, recommender, _ = language_model(opened, name)
        elif name is not None:
            recommender = opened.recommender(name)
        why = opened.explain(user, item, recommender=recommender, run=run)
        in_words = opened.in_words(why, recommender=recommender, run=run) if recommender is not None and words else None
        if as_json:
            plain = why.to_json(opened.dataset.catalogue)
            print_json(plain if in_words is None else {**plain, "in_words": in_words.to_json()})
            return
        if in_words is not None:
            out.print(_escape(in_words.text), highlight=False, soft_wrap=True)
        out.print(_escape(why.text(opened.dataset.catalogue, most=20)), highlight=False, soft_wrap=True)


@app.command()
@reading
def show(
    user: str,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="HTML or SVG file [default: in --home].")] = None,
    run: Run = "",
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
) -> None:
    """Draw a user's reasoning graph as one self-contained page.

    \b
    Examples:
      llmrg show reader-001
      llmrg show reader-001 -o graph.svg
      llmrg show reader-001 --run 3fa9 -o by-another-mind.html
    """
    from llmrg.forget import picture_of

    with project(data, store, home, load) as opened:
        path = output or picture_of(opened.settings.home, opened.name, user)
        out.print(str(opened.show(user, run=run).save(path).resolve()), soft_wrap=True, highlight=False)
    err.print("open it in any browser; nothing is loaded from elsewhere")


def check_all(every: bool, user: str | None, output: Path | None, of_all: bool) -> None:
    """Raises: CallerError: `--all` with a user, or without a file; what is for all users alone without it."""
    from llmrg.core.errors import CallerError

    if every and user:
        raise CallerError(f"--all writes the lists of every user; leave out {user!r}, or --all")
    if every and output is None:
        raise CallerError("--all needs a file to write to: --output recs.parquet (or .csv, .jsonl)")
    if not every and (output is not None or of_all):
        raise CallerError("--output, --why and --ray are for the lists of every user; add --all, or leave them out")


def _plain(suggestion: Suggestion) -> dict[str, Any]:
    return {name: getattr(suggestion, name) for name in ("rank", "item", "title", "score", "already_taken")}


def _reasons(why: Explanation, catalogue: Catalogue) -> tuple[str, ...]:
    """The strongest reasons and where the rest comes from; one line where there is none. Of a taken item all that is told."""
    first, *rest = why.lines(catalogue, most=2)
    if why.taken is not None:
        return (first, *rest)
    return tuple(rest) if why.found else (first,) if why.attributed else ()


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
