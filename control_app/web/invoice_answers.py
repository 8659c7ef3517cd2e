"""The shapes of what invoicing answers and takes, from which the OpenAPI document is made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from control_app.web.answers import Count, Period, Time, example

Money = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="In plain notation, in the currency's units.")]
Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="A billing period, like `2026-10`.")]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", description="Why; it stands in the audit log for good.")]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InvoiceLine(_Shape):
    """A price kind: `amount` is `price` times `quantity`, rounded once."""

    kind: str
    price: Money
    quantity: Count
    amount: Money


class InvoiceModel(_Shape):
    """A model at one price version. `late_usage_of`: the month in which it was used, where that was closed before it came."""

    model_id: str
    model_name: str
    total_tokens: Count
    total_requests: Count
    lines: list[InvoiceLine]
    late_usage_of: Month | None = None


class Correction(_Shape):
    """What a credit note takes back."""

    reason: str
    amount: Money


class InvoiceBody(_Shape):
    """An invoice. `total_cost` is the sum of the rounded lines, `exact_cost` what they were before; both without tax."""

    invoice_id: str
    customer_id: str
    customer_name: str
    currency: str
    issued_at: Time
    location: str
    period: Period
    total_cost: Money
    exact_cost: Money
    total_tokens: Count
    total_requests: Count
    models: list[InvoiceModel]
    corrections: list[Correction] = Field(default_factory=list[Correction])


class InvoiceHold(_Shape):
    """Why an invoice may not go out, and what to do."""

    code: str
    message: str
    since: Time
    remedy: str


class SyncResult(_Shape):
    """What became of an invoice."""

    status: Literal["dry_run_skipped", "dry_run_validated_missing", "duplicate", "skipped", "held", "success", "error"]
    odoo_id: int | None = None
    message: str | None = None
    holds: list[InvoiceHold] = Field(default_factory=list[InvoiceHold])


class Detail(_Shape):
    """One customer."""

    invoice: InvoiceBody
    sync_result: SyncResult


class RunSummary(_Shape):
    """`total_detected`: customers with billable usage. In a dry run those that would be billed are in none of the other counts."""

    total_detected: Count
    created: Count
    duplicates: Count
    held: Count
    skipped: Count
    errors: Count
    total_cost: Money
    currency: str


class RunAnswer(_Shape):
    """What a run came to. `error`: what stopped it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=example(
            {
                "timestamp": "2026-11-02T00:00:00Z",
                "trigger": "manual",
                "run_id": "9d5c320b59065c61",
                "period": {"start": "2026-10-01T00:00:00Z", "end": "2026-11-01T00:00:00Z"},
                "dry_run": "none",
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
            }
        ),
    )

    timestamp: Time
    trigger: Literal["manual", "automatic"]
    run_id: str
    period: Period
    dry_run: Literal["all", "validate", "none"]
    error: str | None = None
    summary: RunSummary
    details: list[Detail]


class Progress(_Shape):
    """Customers."""

    done: Count
    total: Count


class RunProgress(_Shape):
    """A run that is under way. `waiting`: it was cut off, or somebody's billing failed, and goes on by itself."""

    run_id: str
    state: Literal["running", "waiting"]
    period: Period
    dry_run: Literal["all", "validate", "none"]
    started_at: Time
    progress: Progress


class Done(_Shape):
    """What was done, in words, and to what."""

    done: str
    subjects: list[str] = Field(default_factory=list[str])


class ProForma(InvoiceBody):
    """What a customer's month would come to if it ended now. It is no invoice. `complete_through`: usage before it is complete."""

    pro_forma: Literal[True]
    complete_through: Time | None


class ForPeriod(_Shape):
    """A decision about a period."""

    period: Month
    reason: Reason


class Approve(ForPeriod):
    """Which drafts to post and send; without `refs` all of the period that are not held."""

    refs: list[Text] | None = Field(default=None, min_length=1)


class Release(ForPeriod):
    """Which hold to let go; without `customer_id` everybody's."""

    code: Text
    customer_id: Text | None = None


class ForInvoice(_Shape):
    """A decision about an invoice."""

    ref: Text
    reason: Reason


class Void(ForInvoice):
    """`rebill`: the period is billed anew by the next run."""

    rebill: bool = False


class Credit(ForInvoice):
    """`amount`: without tax."""

    amount: Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,4})?$")]


class ChoosePartner(_Shape):
    """Which partner of Odoo a customer is."""

    customer_id: Text
    partner_id: Annotated[int, Field(gt=0, lt=2**31)]
    reason: Reason


class Because(_Shape):
    """Why."""

    reason: Reason
