"""vLLM's own count of the requests that it answered, read from each of its processes (docs/facts/vllm.md)."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from math import isfinite

import httpx2

from control_app.core.failures import words_of
from control_app.gateway.engines import EngineReading, EnginesError, EnginesRead
from control_app.gateway.exposition import STARTED, sample_of, started
from control_app.network.bounds import PLAIN, bounded

ANSWERED, HTTP = "vllm:request_success_total", "http_requests_total"
NO_ANSWER = ("abort", "error")
"""How requests end that nobody was answered."""
TIMEOUT_SEC = 2
WITHIN_SEC = 10
"""So long the answer of an engine may take: engines are read every 5 seconds, and 8 at once."""
MOST_BYTES = 8 * 2**20
"""Of the metrics of one process; a vLLM that serves a model and its adapters tells some hundred kilobytes."""
AT_ONCE = 8
MOST = 2**53
"""Up to here a number of Prometheus' is exact; no process answers so many."""
_NOBODY = (socket.EAI_NONAME, socket.EAI_NODATA)
Resolve = Callable[[str, int], Collection[str]]


def addresses(host: str, port: int) -> Collection[str]:
    """All addresses that DNS has of *host*; none where it knows no such name, as while no model runs. Raises EnginesError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _NOBODY:
            return ()
        raise EnginesError(f"DNS did not tell the addresses of {host}: {error}; look whether the cluster's DNS answers") from error
    return {str(place[0]) for *_, place in found}


class VllmEngines:
    """The processes of vLLM behind a *service*, the name and port of a headless Service, whose name resolves to one address each.

    *resolve* and *transport* stand for DNS and the network.
    """

    def __init__(self, service: str, *, resolve: Resolve = addresses, transport: httpx2.BaseTransport | None = None) -> None:
        host, _, port = service.rpartition(":")
        self._host, self._port, self._resolve = host, int(port), resolve
        self._client = httpx2.Client(timeout=TIMEOUT_SEC, headers=PLAIN, event_hooks=bounded(MOST_BYTES, WITHIN_SEC), transport=transport)

    def read(self) -> EnginesRead:
        """The count of each process; one that does not answer delays the others by no more than its bounds."""
        found = sorted(self._resolve(self._host, self._port))
        with ThreadPoolExecutor(AT_ONCE, "engines") as readers:
            told = dict(zip(found, readers.map(self._process, found), strict=True))
        return EnginesRead(
            {address: one for address, one in told.items() if isinstance(one, EngineReading)},
            {address: one for address, one in told.items() if isinstance(one, str)},
        )

    def _process(self, address: str) -> EngineReading | str:
        """What the process at *address* counted, or why that is not known."""
        try:
            response = self._client.get(f"http://{f'[{address}]' if ':' in address else address}:{self._port}/metrics")
            response.raise_for_status()
            return reading_of(response.text)
        # IndexError: of a line that prometheus_client cannot take apart.
        except (httpx2.HTTPError, ValueError, OverflowError, IndexError) as error:
            return words_of(error)


def reading_of(metrics: str) -> EngineReading:
    """What *metrics* say; raises ValueError where they do not count answers.

    vLLM counts each prompt of a list and each of `n` answers as a request of its own. It counts HTTP requests too, and of these perhaps
    those as well whose answer was cut off. A request that was answered is in both: there are no more than the lesser of the two tells.
    Each is what came since the process began. Of what came between two readings the lesser would be too little, as a request may be in
    one count a reading before it is in the other; so what lists of prompts had too much of leaves room for answers cut off later.
    """
    if ANSWERED not in metrics:
        raise ValueError(f"answered no {ANSWERED}, but {metrics[:60]!r}; is it vLLM, without --disable-log-stats?")
    answered, http = Counter[str](), list[int]()
    began: float | None = None
    for line in metrics.splitlines():
        if line.startswith((ANSWERED + "{", HTTP + "{")):
            name, labels, value, *_ = sample_of(line)
            if name == ANSWERED:
                answered[labels.get("model_name", "")] += 0 if labels.get("finished_reason") in NO_ANSWER else _whole(value)
            elif labels.get("method") == "POST" and labels.get("status", "").startswith("2"):
                http.append(_whole(value))
        elif line.startswith(STARTED):
            began = started(line)
    if began is not None and not isfinite(began):
        raise ValueError(f"{began} is no time to begin at")
    # Some versions have no such metric.
    most = sum(http) if http or f"# TYPE {HTTP} " in metrics else MOST
    return EngineReading({model: min(number, most) for model, number in answered.items()}, began)


def _whole(value: float) -> int:
    if not 0 <= value <= MOST:
        raise ValueError(f"{value} is no count")
    return int(value)
