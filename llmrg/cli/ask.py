"""`llmrg ask`: what a trained language model says in its own words: any question, stars, a sentence, a headline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrg.cli.app import AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.load_options import Load, reading
from llmrg.console import err

if TYPE_CHECKING:
    from llmrg.recommenders.base import BaseRecommender
    from llmrg.recommenders.protocol import Query, Recommender
    from llmrg.recsysllm.recommender import RecSysLlm
    from llmrg.sdk import Project

MADE_UP = "made up by the language model and checked against nothing; the checked explanation is `llmrg explain USER ITEM`"


@app.command()
@reading
def ask(
    question: Annotated[str | None, typer.Argument(help="Anything; left out with --rate, --explain and --headline.")] = None,
    user: Annotated[str | None, typer.Argument(help="A user of the data; or give --items.")] = None,
    items: Annotated[str | None, typer.Option(help="An unseen history: item ids, oldest first, joined by commas.")] = None,
    rate: Annotated[str | None, typer.Option(metavar="ITEM", help="How many stars would they give it?")] = None,
    explain: Annotated[str | None, typer.Option(metavar="ITEM", help="A sentence on it, as reviewers write.")] = None,
    feature: Annotated[str, typer.Option(metavar="WORD", help="With --explain: what the sentence should speak of.")] = "",
    headline: Annotated[str | None, typer.Option(metavar="TEXT", help="A headline for this review; needs no user.")] = None,
    name: Annotated[
        str | None, typer.Option("--recommender", "--with", help="A trained recsysllm [default: the best on validation items].")
    ] = None,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """Ask a trained language model (`llmrg train recsysllm`) about a user, in words.

    \b
    Examples:
      llmrg ask "What do they like?" reader-001
      llmrg ask "What should they try next?" --items dracula,frankenstein
      llmrg ask reader-001 --rate dracula
      llmrg ask reader-001 --explain dracula --feature plot
      llmrg ask --headline "I could not put it down, and read it twice."
    """
    from llmrg.core.errors import CallerError

    forms = [form for form, given in (("--rate", rate), ("--explain", explain), ("--headline", headline)) if given is not None]
    if len(forms) > 1:
        raise CallerError(f"{' and '.join(forms)} ask different things; give one of them")
    if feature and explain is None:
        raise CallerError("--feature says what an explanation should speak of; give it with --explain ITEM")
    if forms:
        if user is not None:
            raise CallerError(f"{forms[0]} asks by itself: leave the question {question!r} out, and name the user alone")
        question, user = None, question
        if headline is not None and (user is not None or items is not None):
            raise CallerError("--headline reads the review alone and needs no user; leave the user and --items out")
    elif question is None:
        raise CallerError('ask something, such as `llmrg ask "What do they like?" USER`; or give --rate, --explain or --headline')
    with project(data, store, home, load) as opened:
        model, whole, recommender = language_model(opened, name)
        answer: Any
        if headline is not None:
            answer = model.summarise(headline)
        else:
            query = _query(opened, whole, user, items)
            if rate is not None:
                answer = round(float(model.rate([query], [rate])[0]), 2)
            elif explain is not None:
                answer = model.explain_text(query, explain, feature)
            else:
                answer = model.ask(question or "", query)
        if isinstance(answer, str) and opened.vetoes.deny(answer):
            raise CallerError("the answer speaks of what your lists deny (deny_reasons, deny_sensitive), and is not shown")
        if as_json:
            print_json({"recommender": recommender, "answer": answer, "checked": False})
        else:
            typer.echo(f"{answer:.2f} stars of 5" if isinstance(answer, float) else answer)
    err.print(MADE_UP, highlight=False, markup=False, soft_wrap=True)


def language_model(opened: Project, name: str | None, device: str | None = None) -> tuple[RecSysLlm, BaseRecommender, str]:
    """A trained language model, the recommender that it is or is a part of, and the name under which that is kept.

    Args: name: by default the language model that validation found best; device: by default that of the settings.
    Raises: ConfigError: none is trained, or the named recommender has none; ArtifactError: nothing of that name, or damaged.
    """
    from llmrg.core.errors import ConfigError
    from llmrg.recommenders.names import LANGUAGE_MODEL
    from llmrg.recsysllm.making import language_model_of

    if name is None:
        name = next((trained for trained in opened.trained() if trained.split("+")[0] == LANGUAGE_MODEL), None)
    if name is None:
        raise ConfigError(
            f"no language model is trained for {opened.name!r} in {opened.settings.home}; train one: "
            "`llmrg train recsysllm --fusion none`; where the data has ratings and reviews, with "
            "`--set families=sequential,rating,explanation,review`"
        )
    whole = opened.recommender(name, device=device)
    return language_model_of(whole), whole, name


def _query(opened: Project, recommender: Recommender, user: str | None, items: str | None) -> Query:
    """The whole history of a user, or a history given.

    Raises: CallerError: neither or both are named; UnknownUserError, UnknownItemError.
    """
    from llmrg.core.errors import CallerError
    from llmrg.core.records import History
    from llmrg.recommenders.protocol import Query
    from llmrg.recommenders.recommend import known_query

    if (user is None) == (items is None):
        raise CallerError("name either a user or --items, one of the two")
    if items is not None:
        history, graph = History("", tuple(opened.dataset.catalogue[item.strip()].id for item in items.split(","))), None
    else:
        assert user is not None
        history = opened.dataset.history(user)
        stored = opened.graph_for(recommender, user)
        graph = opened.vetoes.shown(stored) if stored is not None else None
    return known_query(recommender, Query.at(history, len(history), graph))
