"""vLLM's own count of what it answered, read from every process that DNS names."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from control_app.gateway.engines import EngineReading, EnginesError
from control_app.gateway.vllm import MOST_BYTES, VllmEngines, addresses, reading_of
from tests.control.support.endless import endless

SAMPLE = Path(__file__).parents[2] / "infra" / "metrics" / "vllm.prom"
SUCCESSES = """# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{finished_reason="stop",model_name="llama"} 2.0
vllm:request_success_total{finished_reason="length",model_name="llama"} 199.0
vllm:request_success_total{finished_reason="abort",model_name="llama"} 0.0
"""
"""As vllm-project/vllm#12579 shows them."""
HTTP = """http_requests_total{handler="/v1/completions",method="POST",status="2xx"} 201.0
http_request_size_bytes_count{handler="/v1/completions"} 201.0
http_request_duration_highr_seconds_count 201.0
"""
"""As vllm-project/vllm#15894 shows them."""


def series(value: float, reason: str = "stop", model: str = "llama") -> str:
    return f'vllm:request_success_total{{engine="0",finished_reason="{reason}",model_name="{model}"}} {value}\n'


def posts(value: float, status: str = "2xx", method: str = "POST", handler: str = "/v1/embeddings") -> str:
    return f'http_requests_total{{handler="{handler}",method="{method}",status="{status}"}} {value}\n'


def answered(*lines: str) -> dict[str, int]:
    return dict(reading_of("".join(lines)).answered)


def test_a_real_processs_answers_are_counted_whatever_ended_them() -> None:
    assert reading_of(SUCCESSES + HTTP) == EngineReading({"llama": 201}, None)
    assert answered(SAMPLE.read_text()) == {"llama-3.1-8b": 351}


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_a_request_that_was_answered_by_nothing_is_not_counted(reason: str) -> None:
    assert answered(series(5), series(7, reason)) == {"llama": 5}


def test_a_model_that_answered_nothing_yet_is_counted_as_0() -> None:
    assert answered(series(0), series(3, "abort")) == {"llama": 0}


def test_a_list_of_prompts_is_one_request_however_many_the_engine_makes_of_it() -> None:
    assert answered(series(64), posts(2)) == {"llama": 2}


def test_an_answer_that_was_cut_off_is_none_though_its_http_request_began_well() -> None:
    assert answered(series(10), posts(12)) == {"llama": 10}


def test_a_request_that_is_in_one_count_a_reading_before_it_is_in_the_other_is_counted_once() -> None:
    readings = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]
    told = [answered(series(successes), posts(http))["llama"] for successes, http in readings]
    assert told == [0, 0, 1, 1, 2]
    new = [tuple(later - sooner for later, sooner in zip(*pair, strict=True)) for pair in zip(readings[1:], readings, strict=False)]
    assert sum(min(counts) for counts in new) == 0, "the lesser of what is new at each reading would find none of the two"


def test_answers_cut_off_after_lists_of_prompts_count_as_answered_up_to_the_calls() -> None:
    assert answered(series(64), posts(2)) == {"llama": 2}
    assert answered(series(64), posts(2 + 3)) == {"llama": 5}, "three that were cut off; there are not more than so many calls"


def test_other_http_requests_than_good_posts_are_no_answers() -> None:
    others = posts(9, "4xx"), posts(9, "5xx"), posts(9, method="GET", handler="/v1/models")
    assert answered(series(5), posts(3), posts(2, handler="/v1/chat/completions"), *others) == {"llama": 5}
    assert answered(series(5), posts(3), *others) == {"llama": 3}


def test_before_the_first_http_request_is_counted_nothing_was_answered() -> None:
    told = "# HELP http_requests_total Total number of requests by method, status and handler.\n# TYPE http_requests_total counter"
    assert answered(series(4), told) == {"llama": 0}, "a first request of four answers counts before it ends"


@pytest.mark.parametrize("line", ["process_start_time_seconds NaN", "process_start_time_seconds +Inf"])
def test_a_process_that_began_at_no_time_is_not_read(line: str) -> None:
    with pytest.raises(ValueError, match="is no time to begin at"):
        reading_of(f"{series(4)}\n{line}\n")


def test_names_that_one_process_serves_are_counted_apart() -> None:
    assert answered(series(5), series(7, model="llama_colorist")) == {"llama": 5, "llama_colorist": 7}


def test_engines_of_one_process_are_counted_together() -> None:
    other = series(3).replace('engine="0"', 'engine="1"')
    assert answered(series(5), other) == {"llama": 8}


def test_the_process_tells_when_it_started_or_does_not() -> None:
    assert reading_of(series(1) + "process_start_time_seconds 1.7960832e+09\n").started == 1_796_083_200
    assert reading_of(series(1)).started is None


@pytest.mark.parametrize("text", ["", "<html>Not Found</html>", "# TYPE http_requests_total counter\n" + HTTP])
def test_an_engine_that_counts_no_answers_is_not_taken_for_one_that_gave_none(text: str) -> None:
    with pytest.raises(ValueError, match="answered no vllm:request_success_total"):
        reading_of(text)


@pytest.mark.parametrize("value", ["-1", "NaN", "+Inf", "1e300", "many", ""])
def test_what_is_no_count_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"no count|no sample|could not convert"):
        reading_of(f'vllm:request_success_total{{model_name="llama"}} {value}\n')


def test_an_engine_before_its_first_answer_has_the_name_of_its_count_only() -> None:
    assert answered("# TYPE vllm:request_success_total counter\n") == {}


def engines(handler: Callable[[httpx2.Request], httpx2.Response], *found: str) -> VllmEngines:
    def resolve(host: str, port: int) -> tuple[str, ...]:
        assert (host, port) == ("vllm.kubeai.svc", 8000)
        return found

    return VllmEngines("vllm.kubeai.svc:8000", resolve=resolve, transport=httpx2.MockTransport(handler))


def test_every_process_that_the_name_resolves_to_is_read_and_one_that_cannot_be_hides_no_other() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert (request.url.port, request.url.path) == (8000, "/metrics")
        match request.url.host:
            case "10.0.0.1":
                return httpx2.Response(200, text=series(5))
            case "fd00::2":
                return httpx2.Response(200, text=series(7))
            case "10.0.0.3":
                return httpx2.Response(503, text=series(9))
            case "10.0.0.4":
                return httpx2.Response(200, text="hello")
            case _:
                raise httpx2.ConnectTimeout("timed out")

    read = engines(answer, "10.0.0.1", "fd00::2", "10.0.0.3", "10.0.0.4", "10.0.0.5").read()
    assert read.processes == {"10.0.0.1": EngineReading({"llama": 5}, None), "fd00::2": EngineReading({"llama": 7}, None)}
    assert read.unread.keys() == {"10.0.0.3", "10.0.0.4", "10.0.0.5"}
    assert "503" in read.unread["10.0.0.3"]
    assert "'hello'" in read.unread["10.0.0.4"]
    assert read.unread["10.0.0.5"] == "ConnectTimeout: timed out"


def test_an_engine_whose_answer_does_not_end_is_an_unread_one_beside_those_that_are_read() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, text=series(5)) if request.url.host == "10.0.0.1" else endless()

    read = engines(answer, "10.0.0.1", "10.0.0.2").read()
    assert read.processes == {"10.0.0.1": EngineReading({"llama": 5}, None)}
    assert read.unread == {"10.0.0.2": f"ReadError: the answer has more than {MOST_BYTES} bytes"}


def test_where_no_model_runs_there_is_nothing_to_read() -> None:
    read = engines(lambda _: httpx2.Response(500)).read()
    assert (read.processes, read.unread) == ({}, {})


def dns(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def getaddrinfo(*_: object, **__: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_each_address_of_a_name_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    place = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    dns(monkeypatch, [(*place, ("10.0.0.1", 8000)), (*place, ("10.0.0.2", 8000)), (*place, ("10.0.0.1", 8000))])
    assert addresses("vllm", 8000) == {"10.0.0.1", "10.0.0.2"}


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_NODATA])
def test_a_name_without_an_address_has_no_processes(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    dns(monkeypatch, socket.gaierror(number, "not known"))
    assert addresses("vllm", 8000) == ()


def test_a_dns_that_does_not_answer_is_not_taken_for_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    dns(monkeypatch, socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    with pytest.raises(EnginesError, match=r"DNS did not tell the addresses of vllm: .*look whether the cluster's DNS answers"):
        addresses("vllm", 8000)
