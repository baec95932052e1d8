"""`llmrg calibrate`: how well a verifier tells right steps from wrong ones, and which threshold follows."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from llmrg.cli.app import AsJson, Data, Home, Store, app, print_json, project
from llmrg.cli.build import Allow, Deny, Mind, Model, NoSensitive, Reasoner, Verifier, vetoes
from llmrg.cli.load_options import Load, reading
from llmrg.cli.next_command import next_command, print_next
from llmrg.console import err, out


@app.command()
@reading
def calibrate(
    context: typer.Context,
    data: Data = "",
    store: Store = None,
    home: Home = None,
    mind: Mind = None,
    model: Model = None,
    reasoner: Reasoner = None,
    verifier: Verifier = None,
    users: Annotated[int, typer.Option(help="Users drawn by chance.", min=1)] = 50,
    last: Annotated[int, typer.Option(help="Items looked at of each.", min=2)] = 20,
    false_accepts: Annotated[float, typer.Option(help="Share of wrong steps that may be accepted.", min=0.001, max=0.999)] = 0.05,
    seed: Annotated[int, typer.Option(help="Draws other users and other wrong steps.")] = 0,
    deny: Deny = None,
    allow: Allow = None,
    no_sensitive: NoSensitive = False,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """Measure a verifier on right and wrong steps, and find its threshold.

    Right are the reasoner's proposals (so the AUC is a lower bound: some of them are wrong); wrong ones are made by giving steps
    the reasons of others, and by leading to other items. Held-out items are left out. The picture and the figures are kept in
    the project's folder; `llmrg build --tau calibrated` takes the threshold from there.

    \b
    Examples:
      llmrg calibrate --users 30
      llmrg calibrate --reasoner chat/ollama:llama3.2 --verifier likelihood --false-accepts 0.02
      llmrg calibrate --json
    """
    from llmrg.cli.tables import print_rows
    from llmrg.progress.bars import bars

    refused = vetoes(deny, allow, no_sensitive)
    with project(data, store, home, load, mind=mind, model=model, **refused) as opened, bars() as progress:
        task = progress.add_task("steps judged: users", total=users, note="")

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        how: dict[str, Any] = {"users": users, "last": last, "false_accepts": false_accepts, "seed": seed}
        calibration, picture = opened.calibrate(reasoner=reasoner, verifier=verifier, progress=show, **how)
    if as_json:
        print_json(calibration.to_json())
        return
    rows = [(kind, str(a), f"{a.negatives:,}") for kind, a in calibration.auc.items()]
    print_rows(
        f"{calibration.verifier}: right steps ({calibration.positives:,}) against", ("wrong steps", "AUC [95 %]", "steps"), rows
    )
    thresholds = [
        (f"{t.wanted:.0%}", "none" if t.tau is None else f"{t.tau:.3f}", f"{t.false_accepts:.1%}", f"{t.kept:.1%}")
        for t in calibration.thresholds
    ]
    print_rows("Thresholds", ("wrong accepted at most", "tau", "wrong accepted", "right accepted"), thresholds)
    out.print(f"picture: {picture}", highlight=False)
    if calibration.tau is None:
        err.print(f"no threshold keeps {false_accepts:.0%}: too many wrong steps have the highest score", highlight=False)
    else:
        print_next(next_command(context, "build", tau="calibrated"))
