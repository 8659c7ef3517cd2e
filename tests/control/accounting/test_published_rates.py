"""The files in which the central banks publish rates, in the formats that they document."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from control_app.accounting.published_rates import Bank, bank_for, read

BNR = b"""<?xml version="1.0" encoding="utf-8"?>
<DataSet xmlns="http://www.bnr.ro/xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Header><Publisher>National Bank of Romania</Publisher><PublishingDate>2026-11-27</PublishingDate><MessageType>DR</MessageType></Header>
  <Body>
    <Subject>Reference rates</Subject><OrigCurrency>RON</OrigCurrency>
    <Cube date="2026-11-27">
      <Rate currency="EUR">5.0871</Rate>
      <Rate currency="HUF" multiplier="100">1.3316</Rate>
      <Rate currency="USD">4.3910</Rate>
    </Cube>
  </Body>
</DataSet>"""
ECB = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
  <Cube>
    <Cube time='2026-11-27'>
      <Cube currency='USD' rate='1.1586'/>
      <Cube currency='GBP' rate='0.8762'/>
    </Cube>
  </Cube>
</gesmes:Envelope>"""
DAY = (date(2026, 11, 27) - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("bank", "text", "base", "currency", "value"),
    [
        ("BNR", BNR, "USD", "RON", "4.391"),
        ("BNR", BNR, "RON", "EUR", "0.19657565"),  # 1 / 5.0871
        ("BNR", BNR, "USD", "HUF", "329.75367978"),  # 4.3910 / 0.013316
        ("ECB", ECB, "EUR", "USD", "1.1586"),
        ("ECB", ECB, "USD", "EUR", "0.86311065"),  # 1 / 1.1586
        ("ECB", ECB, "USD", "GBP", "0.75625755"),  # 0.8762 / 1.1586
    ],
)
def test_a_rate_is_units_of_the_currency_for_one_of_the_price_books(bank: Bank, text: bytes, base: str, currency: str, value: str) -> None:
    rate = read(bank, text).rate(base, currency)
    assert rate
    assert (rate.base, rate.value, rate.source, rate.day) == (base, Decimal(value), bank, DAY)


def test_what_a_bank_does_not_tell_has_no_rate() -> None:
    assert read("BNR", BNR).rate("USD", "XXX") is None
    assert read("ECB", ECB).rate("RON", "EUR") is None


def test_the_newest_day_of_a_file_of_several_counts() -> None:
    older = ECB.replace(b"<Cube>\n", b"<Cube><Cube time='2026-11-26'><Cube currency='USD' rate='2'/></Cube>\n", 1)
    rate = read("ECB", older).rate("EUR", "USD")
    assert rate
    assert (rate.value, rate.day) == (Decimal("1.1586"), DAY)


@pytest.mark.parametrize("pair", [("USD", "RON"), ("RON", "EUR")])
def test_the_bank_of_romania_tells_lei(pair: tuple[str, str]) -> None:
    assert bank_for(*pair) == "BNR"


@pytest.mark.parametrize("pair", [("USD", "EUR"), ("GBP", "CHF")])
def test_the_european_central_bank_tells_all_others(pair: tuple[str, str]) -> None:
    assert bank_for(*pair) == "ECB"


@pytest.mark.parametrize(
    ("bank", "text"),
    [
        ("ECB", b""),
        ("ECB", b"<html>Not found</html>"),
        ("ECB", BNR),
        ("BNR", ECB),
        ("ECB", ECB.replace(b"2026-11-27", b"yesterday")),
        ("ECB", ECB.replace(b"1.1586", b"much")),
        ("ECB", ECB.replace(b"1.1586", b"0")),
        ("ECB", ECB.replace(b"currency=", b"money=")),
        ("BNR", BNR.replace(b"4.3910", b"")),
        ("BNR", BNR.replace(b'"100"', b'"-1"')),
        ("BNR", BNR.replace(b"4.3910", b"NaN")),
        ("BNR", BNR.replace(b"4.3910", b"Infinity")),
    ],
)
def test_what_is_not_the_banks_file_is_refused(bank: Bank, text: bytes) -> None:
    with pytest.raises(ValueError, match=f"{bank} published no rates that can be read"):
        read(bank, text)
