# SPDX-License-Identifier: Apache-2.0
"""/metrics: text that Prometheus takes, and figures that are those of what happened."""

import os
import signal

import pytest
from service import ROOT, SLOW, Service, wait_until

pytest.importorskip("prometheus_client", reason="make deps has not brought python3-prometheus-client")
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families as parse_text  # noqa: E402

OPEN = {"Accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    config = tmp_path_factory.mktemp("config")
    (config / "policies").mkdir()
    for name in ("default", "strict"):
        (config / f"policies/{name}.yaml").write_text((ROOT / f"policies/{name}.yaml").read_text())
    (config / "policies/tight.yaml").write_text(
        f"version: 1\nextends: default\nlimits: {{memory: 32Mi, wall: {300 * SLOW:.0f}ms}}\npool: {{recycle_calls: 5}}\n")
    with Service(config=config) as running:
        yield running


def families(service, parse=parse_text, **headers):
    return list(parse(service.http.get("/metrics", headers=headers).text))


def read(service):
    """{(name, labels as sorted items): value}"""
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families(service) for sample in family.samples}


class Since:
    """What the figures have risen by."""

    def __init__(self, service):
        self.service, self.before = service, read(service)

    def __call__(self, name, **labels):
        key = (name, tuple(sorted(labels.items())))
        return read(self.service).get(key, 0) - self.before.get(key, 0)


@pytest.mark.parametrize("parse, headers, type_", [
    (parse_text, {}, "text/plain; version=0.0.4; charset=utf-8"),
    (parse_open, OPEN, "application/openmetrics-text; version=1.0.0; charset=utf-8")])
def test_parsers_of_prometheus_take_it(service, parse, headers, type_):
    service.call("def main(): return 1")
    answer = service.http.get("/metrics", headers=headers)
    assert answer.headers["content-type"] == type_
    found = list(parse(answer.text))
    assert len(found) > 30 and len({family.name for family in found}) == len(found)
    for family in found:
        assert family.documentation.endswith(".") and family.type in ("counter", "gauge", "histogram")
        assert family.name.startswith(("cloche_", "process_")) and family.samples
        assert family.type != "histogram" or family.name.endswith("_seconds")
        if parse is parse_text:
            assert ("_total" in family.samples[0].name) == (family.type == "counter")
    assert not any("local" in sample.labels.values() for family in found for sample in family.samples)  # a tenant


def test_calls_are_counted_by_policy_and_verdict(service):
    since = Since(service)
    service.call("def main(): return 1")
    service.call("def main(): return 1", policy="strict")
    service.call("1/0", policy="strict")
    assert since("cloche_calls_total", policy="default", verdict="ok") == 1
    assert since("cloche_calls_total", policy="strict", verdict="ok") == 1
    assert since("cloche_calls_total", policy="strict", verdict="error") == 1
    for name in ("cloche_call_seconds", "cloche_call_queue_seconds", "cloche_call_run_seconds"):
        assert since(name + "_count") == 3 and since(name + "_bucket", le="+Inf") == 3
    assert since("cloche_call_seconds_sum") >= since("cloche_call_run_seconds_sum") > 0
    assert since("cloche_call_cpu_seconds_total") > 0 and since("process_cpu_seconds_total") > 0


def test_kills_of_the_kernel_and_of_cloched_are_counted(service):
    since = Since(service)
    service.call("x = bytearray(1 << 30)", policy="tight")
    service.call("import time\ntime.sleep(60)", policy="tight")
    service.call("def main():\n    while True: print('x' * 4096)", policy="tight")
    for limit in ("memory", "wall", "output"):
        assert since("cloche_limits_reached_total", limit=limit) == 1
    wait_until(lambda: since("cloche_jails_ended_total", cause="limit") == 2)  # the last keeps itself to it
    assert since("cloche_cgroup_oom_kills_total") >= 1


def test_zygotes_are_counted_by_cloched(service):
    since = Since(service)
    for _ in range(12):
        service.call("def main(): return 1", policy="tight")
    wait_until(lambda: since("cloche_zygotes_recycled_total") >= 1)
    started, recycled = (read(service)[(f"cloche_zygotes_{what}_total", ())] for what in ("started", "recycled"))
    assert started > recycled and since("cloche_spare_seconds_count") >= 12
    wait_until(lambda: read(service)[("cloche_zygotes", ())] == len(service.zygotes()), what="the same count")
    since = Since(service)
    os.kill(service.zygotes()[0], signal.SIGKILL)
    wait_until(lambda: since("cloche_zygotes_died_total") == 1)


def test_refusals_and_answers_are_counted(service):
    since = Since(service)
    service.http.get("/nothing")
    service.http.post("/v1/calls", json={"sorce": ""})
    service.http.get("/metrics", headers={"Authorization": "Bearer x"})
    assert since("cloche_refused_total", problem="not-found") == 1
    assert since("cloche_refused_total", problem="malformed") == 1
    assert since("cloche_refused_total", problem="unauthorized") == 1
    assert since("cloche_http_responses_total", code="404") == 1 == since("cloche_http_responses_total", code="400")


def test_what_waits_is_told_by_weight(service):
    queued = {labels: value for (name, labels), value in read(service).items() if name == "cloche_queued_calls"}
    assert [dict(labels)["weight"] for labels in queued] == ["1-9", "10-99", "100-999", "1000-10000"]


def test_what_is_there_now_is_told(service):
    wait_until(lambda: read(service)[("cloche_spare_jails", (("policy", "default"),))] >= 1)
    assert read(service)[("cloche_store_writable", ())] == 1
    [api] = service.api()
    start = os.stat(f"/proc/{api}").st_ctime
    assert abs(read(service)[("process_start_time_seconds", ())] - start) < 5 * SLOW
    late = [service.http.post("/v1/calls", json={"source": "import time\ntime.sleep(0.5)"},
                              headers={"Prefer": "respond-async"}).status_code for _ in range(2)]
    assert late == [202, 202]
    running = ("cloche_stored_running_calls", ())
    wait_until(lambda: read(service)[running] == 2)
    wait_until(lambda: read(service)[running] == 0)
