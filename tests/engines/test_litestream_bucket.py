"""The replica in a bucket, with the real Litestream and a double of S3."""

from __future__ import annotations

import shutil
import socket
import subprocess

import pytest

from tests.engines import s3
from tests.engines.volume import CLEAN, Place
from tests.support.waiting import until

CREDENTIALS = {"LITESTREAM_ACCESS_KEY_ID": s3.KEY, "LITESTREAM_SECRET_ACCESS_KEY": "of the tests"}


def in_bucket(address: str, name: str = s3.BUCKET) -> dict[str, str]:
    """Settings of a replica in a bucket."""
    replica = {"REPLICA": f"s3://{name}/control", "REPLICA_ENDPOINT": address, "REPLICA_REGION": "here"}
    return {f"CONTROL_{setting}": value for setting, value in replica.items()}


def test_a_bucket_holds_the_replica_as_a_folder_does(place: Place) -> None:
    with s3.bucket(place.bucket) as address:
        variables = in_bucket(address) | CREDENTIALS
        assert "a new database begins" in place.control("replica", "restore", **variables).stdout
        place.write("first")
        file = place.bucket.with_name("litestream.yml")
        file.write_text(place.control("replica", "config", **variables).stdout)
        command = [place.settings.storage.litestream, "replicate", "-no-expand-env", "-config", str(file)]
        with subprocess.Popen(command, env=CLEAN | CREDENTIALS, stderr=subprocess.DEVNULL) as process:
            until(lambda: list(place.bucket.glob("control/**/*.ltx")) != [], "there are files in the bucket", seconds=20)
            process.terminate()
        shutil.rmtree(place.database.parent)
        done = place.control("replica", "restore", **variables)
        assert done.returncode == 0, done.stderr
        assert place.names() == ["first"]
        assert place.control("replica", "restore", **variables).returncode == 0


@pytest.mark.parametrize("with_database", [False, True])
def test_a_bucket_that_cannot_be_reached_is_refused_and_nothing_begins(place: Place, *, with_database: bool) -> None:
    if with_database:
        place.write("first")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = place.control("replica", "restore", **in_bucket(f"http://127.0.0.1:{closed.getsockname()[1]}"), **CREDENTIALS)
    assert done.returncode == 1
    assert "the replica s3://backups/control cannot be read" in done.stderr
    assert "connection refused" in done.stderr
    assert place.database.exists() is with_database


@pytest.mark.parametrize(
    ("name", "credentials", "reason"),
    [
        ("other", CREDENTIALS, "NoSuchBucket"),
        (s3.BUCKET, CREDENTIALS | {"LITESTREAM_ACCESS_KEY_ID": "AKIDOTHER"}, "InvalidAccessKeyId"),
        (s3.BUCKET, {"AWS_EC2_METADATA_DISABLED": "true"}, "credentials"),
    ],
)
def test_a_bucket_that_refuses_is_not_an_empty_one(place: Place, name: str, credentials: dict[str, str], reason: str) -> None:
    with s3.bucket(place.bucket) as address:
        done = place.control("replica", "restore", **in_bucket(address, name), **credentials)
    assert done.returncode == 1
    assert reason in done.stderr
    assert not place.database.exists()
