"""The shapes of what is asked of invoicing over HTTP. What it answers has the shapes of invoices and runs themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MonthText = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="A billing period, like `2026-10`.")]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", description="Why; it stands in the audit log for good.")]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ForPeriod(_Shape):
    """A decision about a period."""

    period: MonthText
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
    """How much of an invoice is taken back. `amount`: without tax."""

    amount: Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,12})?$")]


class ChoosePartner(_Shape):
    """Which partner of Odoo a customer is."""

    customer_id: Text
    partner_id: Annotated[int, Field(gt=0, lt=2**31)]
    reason: Reason


class OrderNumber(_Shape):
    """What a customer calls its order with us; null for none."""

    customer_id: Text
    order_number: Annotated[str, Field(min_length=1, max_length=64)] | None
    reason: Reason


class ChooseCurrency(_Shape):
    """In which currency a customer is billed; null for the price book's."""

    customer_id: Text
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None
    reason: Reason


class GiveRate(_Shape):
    """A rate of exchange. `rate`: units of `currency` for one of the price book's; `date`: for which it was published."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    date: Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
    rate: Annotated[str, Field(pattern=r"^[0-9]{1,8}(\.[0-9]{1,8})?$")]
    reason: Reason


class Because(_Shape):
    """Why something is decided."""

    reason: Reason
