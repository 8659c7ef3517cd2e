"""Synthesise every location into `cdktf.out/`. Run by `npx cdktf …`."""

from __future__ import annotations

import sys

from cdktf import App

from ib_constructs import ChartMissingError
from stacks.config.loader import LocationError, load_locations
from stacks.location import LocationStack


def main() -> None:
    """Exit with 1 and the problems, one a line, where a location cannot be built."""
    try:
        locations = load_locations()
        app = App()
        for location in locations.values():
            LocationStack(app, location)
    except (LocationError, ChartMissingError) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
