"""Structured logs: JSON lines on standard error, or readable lines where a person looks on."""

from __future__ import annotations

import sys
from typing import Any

import structlog


def _processors() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


def configure() -> None:
    """Let structlog write through the standard library, whose handlers gunicorn's own lines take too."""
    structlog.configure(
        processors=[*_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logging_config() -> dict[str, Any]:
    """How the standard library logs: what `logging.config.dictConfig` takes."""
    # As Python writes strings: what callers make up must not move the cursor of who reads.
    renderer: Any = structlog.dev.ConsoleRenderer(repr_native_str=True) if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        "foreign_pre_chain": _processors(),
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # A request a line would drown the rest; requests are logged by the application.
            "gunicorn.error": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "httpx2": {"level": "WARNING"},
        },
    }
