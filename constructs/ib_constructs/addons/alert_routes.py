"""Who hears of an alert: one Slack channel for each kind of reader, and a heartbeat to a second place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SECRETS = "/etc/alertmanager/secrets"
CHANNELS = ("monitoring", "incidents", "billing")
"""Values of an alert's label `channel`; alerts of other makers have none, and go to the first."""
HEARTBEAT_ALERT = "Watchdog"


@dataclass(frozen=True, kw_only=True)
class Slack:
    """Slack's channels, `#name`, for the three kinds of reader. `webhook_url`: reference to a variable."""

    webhook_url: str
    monitoring: str
    incidents: str
    billing: str


def routes(slack: Slack | None, *, heartbeat: bool, secret: str) -> dict[str, Any]:
    """Alertmanager's configuration. It names the files of the Secret *secret* for URLs, since whoever has such a URL can send."""
    beats = [{"receiver": "heartbeat", "matchers": [_is("alertname", HEARTBEAT_ALERT)], "repeat_interval": "2m", "group_wait": "0s"}]
    silent = [{"receiver": "nobody", "matchers": [_is("alertname", HEARTBEAT_ALERT)]}]
    by_channel = [{"receiver": channel, "matchers": [_is("channel", channel)]} for channel in CHANNELS] if slack else []
    receivers: list[dict[str, Any]] = [{"name": "nobody"}]
    if heartbeat:
        receivers.append({"name": "heartbeat", "webhook_configs": [{"url_file": f"{SECRETS}/{secret}/heartbeat", "send_resolved": False}]})
    if slack:
        receivers += [
            _to_slack(name, channel, secret)
            for name, channel in zip(CHANNELS, (slack.monitoring, slack.incidents, slack.billing), strict=True)
        ]
    return {
        "route": {
            "receiver": CHANNELS[0] if slack else "nobody",
            "group_by": ["alertname", "namespace"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [*(beats if heartbeat else silent), *by_channel],
        },
        "inhibit_rules": [
            {
                "source_matchers": [_is("severity", "critical")],
                "target_matchers": [_is("severity", "warning")],
                "equal": ["alertname", "namespace"],
            }
        ],
        "receivers": receivers,
    }


def _is(label: str, value: str) -> str:
    return f'{label} = "{value}"'


def _to_slack(name: str, channel: str, secret: str) -> dict[str, Any]:
    each = "{{ range .Alerts }}{{ .Annotations.description }} {{ with .Annotations.runbook }}({{ . }}){{ end }}\n{{ end }}"
    return {
        "name": name,
        "slack_configs": [
            {
                "api_url_file": f"{SECRETS}/{secret}/slack",
                "channel": channel,
                "send_resolved": True,
                "title": "{{ .Status | toUpper }} {{ .CommonLabels.severity }}: {{ .CommonLabels.alertname }}",
                "text": each,
            }
        ],
    }
