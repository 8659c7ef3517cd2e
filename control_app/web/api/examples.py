"""What answers look like, by the names of their shapes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from control_app.invoicing.results import NOTES

EXAMPLES: Mapping[str, JsonValue] = {
    "RunAnswer": {
        "timestamp": "2026-11-02T00:00:00Z",
        "trigger": "manual",
        "run_id": "9d5c320b59065c61",
        "period": {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"},
        "dry_run": "none",
        "note": NOTES["none"],
        "summary": {
            "total_detected": 1,
            "created": 0,
            "duplicates": 0,
            "held": 1,
            "skipped": 0,
            "errors": 0,
            "total_cost": "11.00",
            "currency": "USD",
        },
        "details": [
            {
                "invoice": {
                    "invoice_id": "stalpeni/acme/2026-10-1",
                    "customer_id": "acme",
                    "customer_name": "Acme Robotics",
                    "currency": "USD",
                    "issued_at": "2026-11-02T00:00:00Z",
                    "location": "stalpeni",
                    "period": {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"},
                    "total_cost": "11.00",
                    "exact_cost": "10.9996",
                    "total_tokens": 10999600,
                    "total_requests": 10,
                    "models": [
                        {
                            "model_id": "llama",
                            "model_name": "Llama 3",
                            "total_tokens": 10999600,
                            "total_requests": 10,
                            "lines": [{"kind": "prompt", "price": "0.000001", "quantity": 10999600, "amount": "11.00"}],
                        }
                    ],
                },
                "sync_result": {
                    "status": "held",
                    "message": "partner 7 (Acme Robotics) has no e-mail address",
                    "holds": [
                        {
                            "code": "partner-no-email",
                            "message": "partner 7 (Acme Robotics) has no e-mail address",
                            "since": "2026-11-02T00:00:00Z",
                            "remedy": "give the partner an e-mail address in Odoo (Contacts); then resume",
                        }
                    ],
                },
            }
        ],
    },
    "Usage": {
        "period": {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"},
        "complete_through": "2026-11-02T00:00:07Z",
        "summary": {"total_tokens": 120, "total_requests": 1, "total_cost": "0.000104", "currency": "USD"},
        "models": [
            {
                "model_id": "llama-3.1-8b",
                "model_name": "Llama 3.1 8B",
                "prompt_tokens": 100,
                "cached_tokens": 40,
                "completion_tokens": 20,
                "reasoning_tokens": 5,
                "total_tokens": 120,
                "total_requests": 1,
                "total_cost": "0.000104",
            }
        ],
        "notices": [],
    },
}
