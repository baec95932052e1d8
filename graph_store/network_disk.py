"""Files of other machines are refused: SQLite's locks and its shared memory hold within one machine only."""

from __future__ import annotations

from pathlib import Path

import psutil

from llmrg.core.errors import StoreError

NETWORK_FILE_SYSTEMS = frozenset(
    (
        *("9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("ocfs2", "orangefs", "smb2", "smb3", "smbfs", "webdav"),
        *("fuse.ceph", "fuse.curlftpfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.mount-s3", "fuse.rclone"),
        *("fuse.s3fs", "fuse.sshfs"),
    )
)
"""As the mounts table names them; 9p is how a virtual machine, WSL for instance, sees folders of its host."""


def refuse_network_disk(path: Path) -> None:
    """Raises: StoreError: `path` lies, or would lie, on a network file system."""
    place = path.resolve()
    kind, mount = "", Path("/")
    for part in psutil.disk_partitions(all=True):
        point = Path(part.mountpoint)
        if place.is_relative_to(point) and point.is_relative_to(mount):  # the deepest; of equals the last, which hides the others
            kind, mount = part.fstype, point
    if kind.lower() in NETWORK_FILE_SYSTEMS:
        raise StoreError(
            f"{path} is on a network disk ({kind} at {mount}), where two machines can damage a SQLite file: choose a local disk, "
            "or a Neo4j server to share the store; set LLMRG_STORE_ALLOW_NETWORK_DISK=1 if only this machine will ever open it"
        )
