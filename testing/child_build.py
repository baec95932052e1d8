"""A build in a process of its own, to be killed or interrupted: a chat model behind a URL does all of it.

python -m llmrg.testing.child_build FOLDER STORE_URL MODEL_URL [RAY_ADDRESS]
                                                     the data set lies in FOLDER/dataset.pickle; 130 after Ctrl-C
"""

from __future__ import annotations

import asyncio
import pickle
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from llmrg.agents.config import BuildConfig
from llmrg.agents.context import Minds
from llmrg.agents.open_mind import OpenMinds
from llmrg.agents.run.build import build
from llmrg.agents.run.build_report import BuildReport
from llmrg.agents.run.crew import OpenCrew, this_process
from llmrg.core.settings import load_settings
from llmrg.data.dataset import Dataset
from llmrg.graph_store.open_store import open_store
from llmrg.on_ray.cluster import connected, settings_for
from llmrg.on_ray.crew import ray_crew

CONFIG = BuildConfig(block_size=6, wave=3, concurrency=3, retry_wait_s=0.01)
INTERRUPTED = 130


def run_build(
    dataset: Dataset,
    store_url: str,
    auth: dict[str, str],
    home: Path,
    model_url: str,
    ray: str = "",
    config: BuildConfig = CONFIG,
    **settings: Any,
) -> BuildReport:
    """Build all users; the call cache lies in `home`. Args: auth: `user`, `password` of the store; ray: a cluster's address."""
    login = {f"store_{name}": value for name, value in auth.items()}
    chosen = load_settings(home=home, model=f"openai:fake@{model_url}", store=store_url, **login, **settings)
    minds = OpenMinds(dataset, chosen)
    mind = minds.get("chat")
    with open_store(store_url, **auth) as store, ExitStack() as opened:  # type: ignore[arg-type]
        crew: OpenCrew = this_process
        if ray:
            cluster = opened.enter_context(connected(ray, chosen))
            crew = ray_crew(cluster, settings_for(chosen), ("chat", "chat", "chat"))
        report = asyncio.run(build(dataset, store, Minds(mind, mind, mind), config, crew=crew))
    minds.close()
    return report


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process of a shell ignores it otherwise
    folder, store_url, model_url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    dataset = pickle.loads((folder / "dataset.pickle").read_bytes())
    try:
        run_build(dataset, store_url, {}, folder, model_url, ray="".join(sys.argv[4:5]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
