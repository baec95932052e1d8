"""Stores on network disks, by a mounts table of our own in place of the machine's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from llmrg.core.errors import StoreError
from llmrg.core.settings import load_settings
from llmrg.graph_store import open_store
from llmrg.graph_store.open_store import open_configured_store

pytestmark = pytest.mark.skipif(not psutil.LINUX, reason="the mounts table is a file on Linux only")


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Takes (file system, mount point) pairs, in the order of mounting."""

    def plant(*table: tuple[str, Path]) -> None:
        (tmp_path / "proc" / "self").mkdir(parents=True)
        lines = [f"device {str(point).replace(' ', chr(92) + '040')} {kind} rw 0 0\n" for kind, point in table]
        (tmp_path / "proc" / "self" / "mounts").write_text("".join(lines))
        monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path / "proc"))

    return plant


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p"])
def test_a_network_disk_is_refused_with_the_reason_before_anything_is_made(
    tmp_path: Path, mounts: Callable[..., None], kind: str
) -> None:
    share = tmp_path / "team share"
    mounts(("ext4", Path("/")), (kind, share))
    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{share}/new/graphs.db")
    for words in (str(share), f"({kind} at", "local disk", "Neo4j", "LLMRG_STORE_ALLOW_NETWORK_DISK=1"):
        assert words in str(caught.value)
    assert not share.exists()


def test_a_link_to_a_network_disk_is_seen_through(tmp_path: Path, mounts: Callable[..., None]) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "share")
    mounts(("ext4", Path("/")), ("nfs4", tmp_path / "share"))
    with pytest.raises(StoreError, match="network disk"):
        open_store(f"sqlite:///{tmp_path}/link/graphs.db")


def test_the_deepest_mount_counts_and_of_those_the_last(tmp_path: Path, mounts: Callable[..., None]) -> None:
    share = tmp_path / "share"
    mounts(("nfs", Path("/")), ("nfs", share), ("ext4", share), ("cifs", share / "deeper"), ("nfs", tmp_path / "share two"))
    open_store(f"sqlite:///{share}/graphs.db").close()
    with pytest.raises(StoreError, match="cifs"):
        open_store(f"sqlite:///{share}/deeper/graphs.db")


def test_who_knows_better_may(tmp_path: Path, mounts: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    mounts(("nfs", Path("/")))
    url = f"sqlite:///{tmp_path}/graphs.db"
    with pytest.raises(StoreError, match="network disk"):
        open_configured_store(load_settings(store=url))
    open_store(url, allow_network_disk=True).close()
    monkeypatch.setenv("LLMRG_STORE_ALLOW_NETWORK_DISK", "1")
    open_configured_store(load_settings(store=url)).close()
