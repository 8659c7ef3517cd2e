"""`python -m control_app`, as `control`."""

from __future__ import annotations

from control_app.cli.main import control

if __name__ == "__main__":
    control(prog_name="control")
