"""Ray: started on this machine, or reached at an address; what can go wrong with it ends in a sentence."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from llmrg.core.errors import ConfigError, MissingPackageError
from llmrg.core.settings import Settings
from llmrg.graph_store.open_store import sqlite_path

LOCAL: Final = "local"
"""The address that starts Ray on this machine."""
OBJECT_STORE_BYTES: Final = 200 * 2**20
"""Of a Ray started here: data sets and results of one batch; what is more goes to disk."""
REACHED_S: Final = 5.0
"""Longest wait for an answer of a cluster's port."""
HEALTHY_S: Final = 15.0
"""Longest wait for a cluster to say that it is one; most of it is the start of a Python."""
LONGEST_BASE: Final = 25
"""Characters of a temporary folder under which Ray's sockets fit."""
_FOLDER: Final = "llmrg-ray-"
_SEVERAL_MACHINES: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's own variable. Where it is off, `127.0.0.1` stays what it is, and is not turned into the machine's address."""


@dataclass(frozen=True)
class Cluster:
    """A connected Ray cluster."""

    workers: int
    """Worker processes to start on it."""
    cpus: float
    nodes: int
    """Machines (Ray nodes) that it has."""
    pinned: bool
    """Workers stay on this machine, since the store is a file here."""

    def actor(self, kind: type, *, here: bool = False, retries: int = -1, **options: Any) -> Callable[..., Any]:
        """Makes actors that Ray starts again when they die. Args: here: on this machine; retries: of a method, -1 for ever."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = ray.get_runtime_context().get_node_id()
        place = NodeAffinitySchedulingStrategy(node, soft=False) if here or self.pinned else "SPREAD"
        remote = ray.remote(**{"num_cpus": 1, "max_restarts": -1, "max_task_retries": retries, **options})(kind)
        make: Callable[..., Any] = remote.options(scheduling_strategy=place).remote
        return make


@contextmanager
def connected(address: str, settings: Settings) -> Iterator[Cluster]:
    """A cluster for the block.

    Args: address: `local` starts Ray on this machine, `auto` takes the cluster that runs here, `host:port` another one (which
        this machine must be part of). A program that has called `ray.init` itself keeps its cluster, whatever stands here.
    Raises:
        MissingPackageError: ray is not installed.
        ConfigError: nothing answers at the address, it is no Ray cluster, or one of another Ray or Python; the store is a SQLite
            file and the cluster has several machines.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingPackageError("ray", "pip install 'llmrg[ray]'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == LOCAL:
        os.environ.setdefault(_SEVERAL_MACHINES, "0")  # so that Ray listens on loopback only; read when it is imported
    import ray

    if ray.is_initialized():
        yield _cluster(settings)
        return
    opened = _started_here(settings) if address == LOCAL else _reached(address)
    with opened:
        yield _cluster(settings)


def settings_for(settings: Settings) -> Settings:
    """The settings with whole paths, since workers have working folders of their own."""
    paths = {name: value.absolute() for name, value in settings if isinstance(value, Path)}
    file = sqlite_path(settings.store_url)
    return settings.model_copy(update={**paths, **({"store": f"sqlite:///{file.absolute()}"} if file else {})})


def _cluster(settings: Settings) -> Cluster:
    import ray

    cpus, nodes = ray.cluster_resources().get("CPU", 0.0), sum(bool(node["Alive"]) for node in ray.nodes())
    pinned = check_store(settings, nodes)
    return Cluster(settings.ray_workers or max(1, int(cpus)), cpus, nodes, pinned)


def check_store(settings: Settings, nodes: int) -> bool:
    """Whether the store is a file of this machine. Raises: ConfigError: it is, and the cluster has other machines."""
    file = sqlite_path(settings.store_url)
    if file is not None and nodes > 1:
        raise ConfigError(
            f"the store {settings.store_url} is a file of this machine, and the Ray cluster has {nodes} machines, which need one "
            "store together; take Neo4j (--store neo4j://host:7687, and `llmrg export` moves what is there), or build on this "
            f"machine alone (the address {LOCAL!r})"
        )
    return file is not None


@contextmanager
def _started_here(settings: Settings) -> Iterator[None]:
    """Ray on loopback, without dashboard and usage statistics, in a temporary folder that goes with it."""
    import ray
    from ray._private import ray_constants

    _remove_left_over()
    ray_constants.ENABLE_RAY_CLUSTER = False  # the variable's value, in case Ray was imported before
    folder = _base() / f"{_FOLDER}{os.getpid()}"
    try:
        with _own_signals():
            ray.init(
                address=LOCAL,
                num_cpus=settings.ray_workers or None,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                configure_logging=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(folder),
            )
        yield
    finally:
        ray.shutdown()
        ray_constants.ENABLE_RAY_CLUSTER = True
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _reached(address: str) -> Iterator[None]:
    import ray

    if address != "auto":
        _check_reachable(address)
    try:
        with _own_signals():
            ray.init(address=address, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _no_cluster(address, " ".join(str(error).split())[:400]) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself waits long for what is not there. Raises: ConfigError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(
            f"{address!r} is no address of a Ray cluster; write host:port, `auto` for the one of this machine, or {LOCAL!r}"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error
    health_check = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        healthy = subprocess.run(health_check, capture_output=True, text=True, timeout=HEALTHY_S)
    except subprocess.TimeoutExpired as error:
        raise _no_cluster(address, f"what listens there has not answered as Ray does within {HEALTHY_S:.0f} s") from error
    if healthy.returncode:
        last = [line for line in (healthy.stderr or healthy.stdout).splitlines() if line.strip()][-1:] or ["no word of why"]
        raise _no_cluster(address, last[0].strip()[:400])


def _no_cluster(address: str, why: str) -> ConfigError:
    return ConfigError(
        f"no Ray cluster can be used at {address!r}: {why}; on a machine of the cluster `ray status` shows its address (this "
        f"machine must be part of it: `ray start --address=HEAD:6379`), and {LOCAL!r} starts Ray here"
    )


@contextmanager
def _own_signals() -> Iterator[None]:
    """`ray.init` takes SIGTERM for itself; it is given back, and its notes on the token are not shown."""
    before, logger = signal.getsignal(signal.SIGTERM), logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if signal.getsignal(signal.SIGTERM) is not before:
            signal.signal(signal.SIGTERM, before)


def _base() -> Path:
    """Where temporary folders lie; Ray puts sockets below, whose paths may have about 100 characters."""
    base = tempfile.gettempdir()
    return Path(base if len(base) <= LONGEST_BASE else "/tmp")


def _remove_left_over() -> None:
    """Folders of drivers that were killed."""
    for folder in _base().glob(f"{_FOLDER}*"):
        pid = folder.name.removeprefix(_FOLDER)
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
