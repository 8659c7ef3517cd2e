"""`python -m stacks.operations <what> <location>`: what `make preflight`, `make restore` and the like run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from stacks.config.loader import LOCATIONS, PATTERNS, LocationError, load_location, location_names
from stacks.operations.preflight import preflight
from stacks.operations.reboot import reboot
from stacks.operations.remote import PRIVATE_KEY_HELP, RemoteError, open_remotes
from stacks.operations.restore import list_snapshots, recover, restore, take_snapshot


def main() -> None:
    """Exit with 1 where a check finds a problem or a step fails, and say why."""
    options = _parser().parse_args()
    console = Console(highlight=False)
    try:
        location = load_location(_file_of(options.location))
        with open_remotes(list(location.servers), options.key) as remotes:
            if options.what == "preflight":
                sys.exit(1 if preflight(location, remotes, console) else 0)
            elif options.what == "reboot":
                reboot(remotes, options.server, console)
            elif options.what == "snapshots":
                list_snapshots(location, remotes, console)
            elif options.what == "snapshot":
                take_snapshot(location, remotes, console)
            elif _agreed(location.name, options):
                left = [remote for remote in remotes if remote.name not in options.without]
                if options.what == "restore":
                    restore(location, left, options.snapshot, console)
                else:
                    recover(location, left, options.server, console)
    except (LocationError, RemoteError) as error:
        sys.exit(str(error))


def _file_of(location: str) -> Path:
    """Raises LocationError where no location has that name."""
    if location.endswith(".toml") and Path(location).stem not in PATTERNS:
        return Path(location)
    if location not in (names := location_names()):
        raise LocationError([f"no location is named {location!r}; there are {', '.join(names)}"])
    return LOCATIONS / f"{location}.toml"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stacks.operations", description="Look after a running location.")
    commands = parser.add_subparsers(dest="what", required=True)
    about = {
        "preflight": "check every server, and change nothing",
        "reboot": "drain, reboot and uncordon one server after another",
        "snapshots": "list etcd's snapshots",
        "snapshot": "save an etcd snapshot now",
        "restore": "bring the cluster back to an etcd snapshot",
        "recover": "let the cluster go on with what one server's etcd has, where the majority is lost",
    }
    for name, text in about.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("location", help="name of a location, or the path of its .toml file")
        command.add_argument("--key", type=Path, help=PRIVATE_KEY_HELP)
        if name == "reboot":
            command.add_argument("--server", action="append", default=[], help="only this one (may be repeated; default: all)")
        if name == "restore":
            command.add_argument("--snapshot", required=True, type=_snapshot, help="name of a snapshot on a server, or path of a file here")
        if name == "recover":
            command.add_argument("--server", required=True, type=_server, help="the server that goes on; the others join it again")
        if name in ("restore", "recover"):
            command.add_argument("--without", type=lambda names: names.split(","), default=[], help="servers that are gone: s2,s3")
            command.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _snapshot(name: str) -> str:
    if not name:
        raise argparse.ArgumentTypeError("name one: make restore LOCATION=<name> SNAPSHOT=<name or ./file>; make snapshots lists them")
    return name


def _server(name: str) -> str:
    if not name:
        raise argparse.ArgumentTypeError("name the one that goes on: make recover LOCATION=<name> SERVER=<name>")
    return name


def _agreed(location: str, options: argparse.Namespace) -> bool:
    if options.yes:
        return True
    lost = f"since {options.snapshot}" if options.what == "restore" else f"and {options.server}'s etcd does not have"
    print(f"Everything that changed in {location}'s cluster {lost} will be undone, and its API is away for some minutes.")  # noqa: T201
    try:
        if input(f"Type {location} to go on: ") == location:
            return True
    except EOFError:
        sys.exit("nobody is at a terminal to agree (--yes agrees); nothing was changed")
    sys.exit("nothing was changed")


if __name__ == "__main__":
    main()
