"""`python -m control_app`: check the settings, then serve."""

from __future__ import annotations

import argparse
import os
import sys

from control_app.settings import PREFIX, Settings, SettingsError


def main() -> None:
    """Replace this process by gunicorn; exit with 2 where settings are missing."""
    parser = argparse.ArgumentParser(
        prog="python -m control_app",
        description="Serve prices of a location's models. Settings are environment variables:",
        epilog="\n".join(_describe(name) for name in Settings.model_fields),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(f"control_app: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"control_app: http://{settings.bind}/ shows models and prices", file=sys.stderr)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:control_app.gunicorn_config", "control_app:create_app()"]
    os.execv(sys.executable, command)


def _describe(name: str) -> str:
    field = Settings.model_fields[name]
    return f"  {PREFIX}{name.upper():<18} {field.description} (default: {field.default or 'none'})"


if __name__ == "__main__":
    main()
