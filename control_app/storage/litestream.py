"""What the program Litestream is told and asked: its configuration, how far the replica is, and to fetch the newest of it."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from control_app.storage.database import Schema

LISTING_SEC = 120
"""Litestream asks a bucket that refuses eight times (7 s); a bucket that does not answer is given up after so many seconds."""
FETCHING_SEC = 4 * 3600
# Every row is in the newest state as well, since none is ever deleted: older states are for damage, which a week shows.
SNAPSHOTS = {"interval": "24h", "retention": "168h"}
_LTX = struct.Struct(">4s 4x I 36x q q 8s")
"""An LTX file's header: magic, page size, where in the WAL it begins, how much of it, the WAL's salts."""
_FRAME = struct.Struct(">8x 8s 8x")
"""The header of a frame of the WAL: the salts in it."""


@dataclass(frozen=True)
class Replica:
    """A *database*, and where Litestream replicates it to: *url*, with *endpoint* and *region* of a bucket that is not Amazon's.

    *program*: Litestream itself; *schema*: of the database.
    """

    database: Path
    url: str
    schema: Schema
    endpoint: str = ""
    region: str = ""
    program: str = "litestream"


class ReplicaError(Exception):
    """The database and its replica are not as they must be; the message says what to do."""


def config(replica: Replica) -> str:
    """The configuration file of Litestream v0.5. Credentials are not in it: they are Litestream's own environment variables."""
    place = {"url": replica.url, "sync-interval": "1s"}
    if replica.endpoint:
        place["endpoint"] = replica.endpoint
    if replica.region:
        place["region"] = replica.region
    whole = {
        "logging": {"type": "json", "stderr": True},
        "snapshot": SNAPSHOTS,
        "dbs": [{"path": str(replica.database.absolute()), "replica": place}],
    }
    return yaml.safe_dump(whole, sort_keys=False)


def newest(replica: Replica) -> int | None:
    """The number of the last transaction that the replica has; None where it has nothing. ReplicaError where that cannot be told."""
    scheme, _, place = replica.url.partition("://")
    if scheme == "file" and not Path(place).is_dir():
        # Litestream takes a folder that is not there for an empty replica.
        raise ReplicaError(f"the replica {replica.url} cannot be reached: no such folder; is its volume mounted?")
    files = json.loads(_ask(replica, LISTING_SEC, "ltx", "-level", "all", "-json"))
    return max((int(file["max_txid"], 16) for file in files), default=None)


def fetch(replica: Replica, to: Path) -> None:
    """Restore the newest state of the replica, which is not empty, as the file *to*, and check it."""
    _ask(replica, FETCHING_SEC, "restore", "-integrity-check", "quick", "-o", str(to))
    if not to.exists():
        raise ReplicaError(f"Litestream restored nothing from {replica.url}, though it has files")


def folder(database: Path) -> Path:
    """Where Litestream keeps what it has read of *database* and how far it is."""
    return database.with_name(f".{database.name}-litestream")


def position(database: Path) -> int | None:
    """The number of the last transaction that Litestream read from *database*; None where nothing proves that it was from this file.

    The proof is the WAL: the frame that Litestream read last is in it, at its place and of its generation.
    """
    read = sorted((folder(database) / "ltx" / "0").glob("*-*.ltx"))
    try:
        with read[-1].open("rb") as file:
            magic, page_size, offset, size, salts = _LTX.unpack(file.read(_LTX.size))
        with database.with_name(f"{database.name}-wal").open("rb") as wal:
            wal.seek(offset + size - page_size - _FRAME.size)
            (found,) = _FRAME.unpack(wal.read(_FRAME.size))
    except (IndexError, OSError, struct.error, ValueError):
        return None
    return int(read[-1].stem.partition("-")[2], 16) if magic == b"LTX1" and found == salts else None


def _ask(replica: Replica, seconds: int, command: str, *arguments: str) -> str:
    """What Litestream prints. It reads its configuration from the pipe: a pod's file system may be read-only."""
    words = [replica.program, command, "-config", "/dev/stdin", "-no-expand-env", *arguments, str(replica.database.absolute())]
    try:
        ended = subprocess.run(words, input=config(replica), capture_output=True, text=True, timeout=seconds, check=False)
    except OSError as error:
        raise ReplicaError(f"cannot run Litestream ({error}); CONTROL_LITESTREAM names the program") from None
    except subprocess.TimeoutExpired:
        raise ReplicaError(f"the replica {replica.url} cannot be reached: no answer within {seconds} s") from None
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or ["no reason given"]
        raise ReplicaError(f"the replica {replica.url} cannot be read: {said[-1].removeprefix('Error: ')}")
    return ended.stdout
