"""Whose secret it is: asked once, remembered for a while, and kept nowhere."""

from __future__ import annotations

import gc
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType

import pytest

from control_app.access import virtual_keys as key_check
from control_app.access.admin_keys import Admin, AdminKeys
from control_app.access.virtual_keys import KeyCheck, KeyNotReadYetError, secret_of
from control_app.gateway.port import Customer, Directory, GatewayError, Key, UnidentifiedKeyError
from control_app.ledger.directory import DirectoryKeeper
from control_app.service.tables import open_database
from control_app.storage.database import Db
from tests.support.waiting import until


class Gateway:
    """Knows keys by their secrets, counts how often it is asked, and is slow or away where told so."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        self.ids = dict(ids)
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.answering = threading.Event()
        self.answering.set()

    def __call__(self, secret: str) -> str | None:
        self.asked.append(secret)
        assert self.answering.wait(10)
        if self.error:
            raise self.error
        return self.ids.get(secret)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    db = open_database(tmp_path / "control.sqlite3")
    _read(db, [Key("k1", "one", "acme", is_active=True, updated_at=0), Key("k2", "two", "acme", is_active=True, updated_at=0)])
    yield db
    db.close()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway({"sk-one": "k1", "sk-two": "k2"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def check(gateway: Gateway, db: Db, clock: Clock) -> KeyCheck:
    return KeyCheck(gateway, db, clock)


def test_a_secret_that_the_gateway_knows_is_the_key_of_that_name(check: KeyCheck, db: Db) -> None:
    assert check.key("sk-one") == _number(db, "k1")
    assert check.key("sk-two") == _number(db, "k2")


def test_a_secret_that_the_gateway_refuses_is_nobodys(check: KeyCheck) -> None:
    assert check.key("sk-three") is None


def test_a_key_that_was_taken_is_not_asked_for_again_for_a_minute(check: KeyCheck, gateway: Gateway, clock: Clock) -> None:
    check.key("sk-one")
    clock.now += 59
    check.key("sk-one")
    assert len(gateway.asked) == 1
    clock.now += 1
    gateway.ids.clear()
    assert check.key("sk-one") is None, "it was deleted meanwhile"


def test_a_refused_key_is_asked_for_again_after_five_seconds(check: KeyCheck, gateway: Gateway, clock: Clock) -> None:
    check.key("sk-new")
    clock.now += 4
    assert check.key("sk-new") is None
    assert len(gateway.asked) == 1
    gateway.ids["sk-new"] = "k1"
    clock.now += 1
    assert check.key("sk-new") is not None, "it was made meanwhile"


def test_a_burst_of_one_key_asks_once(check: KeyCheck, gateway: Gateway) -> None:
    gateway.answering.clear()
    with ThreadPoolExecutor(8) as callers:
        answers = [callers.submit(check.key, "sk-unknown") for _ in range(8)]
        until(lambda: bool(gateway.asked), "the gateway is asked", 10)
        gateway.answering.set()
        assert {answer.result() for answer in answers} == {None}
    assert gateway.asked == ["sk-unknown"]


def test_a_gateway_that_does_not_tell_says_nothing_about_the_key(check: KeyCheck, gateway: Gateway) -> None:
    gateway.error = GatewayError("no answer")
    with pytest.raises(GatewayError):
        check.key("sk-one")
    gateway.error = None
    assert check.key("sk-one") is not None, "a failure is not remembered"


def test_a_gateway_that_is_away_disturbs_no_key_that_was_taken(check: KeyCheck, gateway: Gateway) -> None:
    check.key("sk-one")
    gateway.error = GatewayError("no answer")
    assert check.key("sk-one") is not None


def test_a_slow_gateway_holds_up_two_strangers_and_four_callers_and_no_more(check: KeyCheck, gateway: Gateway, clock: Clock) -> None:
    gateway.ids |= {f"sk-good-{number}": "k1" for number in range(3)}
    for secret in gateway.ids:
        check.key(secret)
    clock.now += 60
    check.key("sk-one")
    gateway.asked.clear()
    gateway.answering.clear()
    with ThreadPoolExecutor(4) as callers:
        for secret in ("sk-guess-1", "sk-guess-2"):
            callers.submit(check.key, secret)
        until(lambda: len(gateway.asked) == 2, "two strangers wait", 10)
        with pytest.raises(GatewayError, match="as many keys at once"):
            check.key("sk-guess-3")
        for secret in ("sk-good-0", "sk-good-1"):
            callers.submit(check.key, secret)
        until(lambda: len(gateway.asked) == 4, "whom it knows is asked for all the same", 10)
        with pytest.raises(GatewayError, match="as many keys at once"):
            check.key("sk-good-2")
        assert check.key("sk-one") is not None, "it was asked for within a minute"
        gateway.answering.set()


@pytest.mark.parametrize(
    "changed",
    [
        [Key("k1", "renamed", "acme", is_active=True, updated_at=0)],
        [Key("k1", "one", "acme", is_active=True, updated_at=0), Key("k3", "one", "umbra", is_active=True, updated_at=0)],
        [Key("k3", "one", "umbra", is_active=True, updated_at=0)],
        [Key("k1", "one", "acme", is_active=False, updated_at=0)],
    ],
    ids=["renamed", "two of one name", "its name is another's", "inactive when it was read last"],
)
def test_a_key_is_told_by_its_id_whatever_keys_are_called(check: KeyCheck, db: Db, changed: Sequence[Key]) -> None:
    _read(db, changed)
    assert check.key("sk-one") == _number(db, "k1")


def test_a_key_whose_id_the_gateway_does_not_tell_is_asked_for_again(check: KeyCheck, gateway: Gateway) -> None:
    gateway.error = UnidentifiedKeyError("it has no provider")
    for _ in range(2):
        with pytest.raises(UnidentifiedKeyError, match="no provider"):
            check.key("sk-one")
    gateway.error = None
    assert check.key("sk-one") is not None


def test_a_new_key_is_known_as_soon_as_it_was_read(check: KeyCheck, db: Db, gateway: Gateway) -> None:
    gateway.ids["sk-three"] = "k3"
    with pytest.raises(KeyNotReadYetError):
        check.key("sk-three")
    _read(db, [Key("k3", "three", None, is_active=True, updated_at=0)])
    assert check.key("sk-three") == _number(db, "k3")
    assert len(gateway.asked) == 1


def test_guessing_forgets_no_key_that_was_taken(check: KeyCheck, gateway: Gateway) -> None:
    check.key("sk-one")
    for number in range(key_check.REFUSED_MOST + 100):
        check.key(f"guess-{number}")
    assert len([one for one in _kept(check) if isinstance(one, bytes)]) <= key_check.REFUSED_MOST + 2, "and the known one, and its own key"
    asked = len(gateway.asked)
    assert check.key("sk-one") is not None
    assert len(gateway.asked) == asked


def test_of_too_many_keys_the_one_is_forgotten_that_was_not_asked_for_longest(
    gateway: Gateway, db: Db, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_check, "TAKEN_MOST", 2)
    gateway.ids["sk-third"] = "k2"
    check = KeyCheck(gateway, db, clock)
    for secret in ("sk-one", "sk-two", "sk-one", "sk-third"):
        check.key(secret)
    assert [check.remembers(secret) for secret in ("sk-one", "sk-two", "sk-third")] == [True, False, True]


def test_a_key_that_was_taken_is_no_strangers_for_a_day(check: KeyCheck, gateway: Gateway, clock: Clock) -> None:
    assert not check.remembers("sk-one")
    check.key("sk-one")
    check.key("sk-three")
    assert check.remembers("sk-one")
    assert not check.remembers("sk-three"), "it was refused"
    clock.now += 24 * 3600 - 1
    assert check.remembers("sk-one")
    clock.now += 1
    assert not check.remembers("sk-one")
    check.key("sk-one")
    del gateway.ids["sk-one"]
    clock.now += 60
    assert check.key("sk-one") is None
    assert not check.remembers("sk-one"), "the gateway takes it no longer"


def test_no_secret_is_kept_nor_anything_that_another_process_could_tell(gateway: Gateway, db: Db) -> None:
    first, second = KeyCheck(gateway, db), KeyCheck(gateway, db)
    for check in (first, second):
        check.key("sk-one")
        check.key("sk-three")
    hashed = hashlib.sha256(b"sk-one")
    assert _kept(first) & {"sk-one", b"sk-one", hashed.digest(), hashed.hexdigest()} == set()
    digests, others = ({one for one in _kept(check) if isinstance(one, bytes)} for check in (first, second))
    assert len(digests) == 3, "one known, one refused, its own key"
    assert digests.isdisjoint(others)


@pytest.mark.parametrize("header", ["sk-bf-1", "Bearer sk-bf-1", "bearer  sk-bf-1", "BEARER sk-bf-1 ", " sk-bf-1"])
def test_a_secret_comes_bare_or_after_bearer(header: str) -> None:
    assert secret_of(header) == "sk-bf-1"


@pytest.mark.parametrize(
    "header", [None, "", " ", "Bearer", "bearer ", "Basic YWJj", "Bearer a b", "Bearer k\n", "kéy", "k" * 513, "a\x00b"]
)
def test_what_cannot_be_a_key_is_none(header: str | None) -> None:
    assert secret_of(header) is None


HASHES = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("secret-1", "secret-2")}


def test_an_admin_is_found_by_the_key_of_which_only_the_hash_is_known() -> None:
    keys = AdminKeys(f"ops:usage+prices:{HASHES['secret-1']}, billing:invoices:{HASHES['secret-2'].upper()}")
    assert keys.find("secret-1") == Admin("ops", frozenset({"usage", "prices"}))
    assert keys.find("secret-2") == Admin("billing", frozenset({"invoices"}))
    assert keys.find(HASHES["secret-1"]) is None
    assert keys.find("") is None


@pytest.mark.parametrize("text", ["", " "])
def test_without_admin_keys_nobody_is_an_admin(text: str) -> None:
    assert AdminKeys(text).find("") is None


def test_every_admin_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr("control_app.access.admin_keys.hmac.compare_digest", compare)
    AdminKeys(f"ops:usage:{HASHES['secret-1']},billing:invoices:{HASHES['secret-2']}").find("secret-1")
    assert [digest.hex() for digest in compared] == list(HASHES.values())


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("ops", "entry 1: does not begin with a name"),
        (HASHES["secret-1"], "entry 1: does not begin with a name"),
        (f":usage:{HASHES['secret-1']}", "entry 1: does not begin with a name"),
        (f"ops:usage:{HASHES['secret-1']},", "entry 2: does not begin with a name"),
        ("ops:usage:5ecre7", "ops: does not end with 64 hexadecimal digits"),
        (f"ops:{HASHES['secret-1']}", "ops: does not end with 64"),
        (f"ops:usage:{HASHES['secret-1']}:5ecre7", "ops: does not end with 64"),
        (f"ops::{HASHES['secret-1']}", "ops: has other scopes than usage, prices, invoices"),
        (f"ops:usage+:{HASHES['secret-1']}", "ops: has other scopes"),
        (f"ops:usage prices:{HASHES['secret-1']}", "ops: has other scopes"),
        (f"ops:{HASHES['secret-2']}:{HASHES['secret-1']}", "ops: has other scopes"),
        (f"ops:usage:{HASHES['secret-1']},ops:prices:{HASHES['secret-2']}", "ops: is there twice"),
        (f"a:root:{HASHES['secret-1']},b:usage:5ecre7", r"a: has other.*; b: does not end"),
    ],
)
def test_a_malformed_admin_key_is_named_without_its_hash(entry: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        AdminKeys(entry)
    assert "5ecre7" not in str(refused.value)
    assert not [hashed for hashed in HASHES.values() if hashed in str(refused.value)]


def _read(db: Db, keys: Sequence[Key]) -> None:
    DirectoryKeeper(db).keep(Directory([Customer("acme", "Acme"), Customer("umbra", "Umbra")], keys), 1)


def _number(db: Db, gateway_id: str) -> int:
    found: int = db.connection.execute("SELECT id FROM keys WHERE gateway_id = ?", [gateway_id]).fetchone()[0]
    return found


def _kept(check: KeyCheck) -> set[str | bytes]:
    """Every text and every bytes that *check* keeps, wherever."""
    found: set[str | bytes] = set()
    seen: set[int] = set()
    left: list[object] = [check]
    while left:
        thing = left.pop()
        if isinstance(thing, str | bytes):
            found.add(thing)
        elif id(thing) not in seen and not isinstance(thing, type | FunctionType | BuiltinFunctionType | ModuleType | Db | Gateway):
            seen.add(id(thing))
            left.extend(gc.get_referents(thing))
    return found
