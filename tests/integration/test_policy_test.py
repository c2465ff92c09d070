# SPDX-License-Identifier: Apache-2.0
"""`cloche policy test` is green for what is shipped, and red for what is broken on purpose."""

import json
import os
import pathlib
import resource
import signal
import subprocess

import pytest

from service import BIN, ROOT, SLOW, STRETCH, children, some, status, wait_until

SHIPPED = ["default", "strict"] + sorted(str(p) for p in (ROOT / "policies/examples").glob("*.yaml"))


def prove(policy, *options):
    done = subprocess.run([BIN / "cloche", "policy", "test", policy, "--json", *options], text=True,
                          capture_output=True, timeout=120 * SLOW)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def failures(report):
    return [(one["kind"], one["what"], one["seen"]) for one in report["proved"] if not one["ok"]]


def write(folder, name, text):
    file = folder / f"{name}.yaml"
    file.write_text(text)
    return str(file)


def sources_of(policy):
    """Host folders that a policy file binds, as `explain` shows them."""
    shown = subprocess.run([BIN / "cloche", "policy", "explain", policy], text=True, capture_output=True)
    line = next((line for line in shown.stdout.splitlines() if line.startswith("files.read_only")), "")
    return [word for word in line.split("#")[0].split()[1::2] if word.startswith("/")]


@pytest.mark.parametrize("policy", some(SHIPPED), ids=lambda p: pathlib.Path(p).stem)
def test_shipped_policy_keeps_its_word(policy):
    missing = [source for source in sources_of(policy) if not os.path.isdir(source)]
    if missing:
        pytest.skip(f"{missing} of the example is not on this host")
    code, report, said = prove(policy)
    assert report, said
    assert code == 0 and not failures(report), (said, failures(report))
    assert report["ok"] > 500, "every system call has its probe"


def parked_below(pid, cpu):
    """A worker among the descendants of a process that waits for its call, of the policy that grants `cpu`
    seconds; None: there is none yet."""
    todo = [pid]
    while todo:
        for child in children(todo.pop()):
            todo.append(child)
            seen = status(child)
            if [seen.get(key, "").split()[:1] for key in ("Name", "Seccomp", "State")] == [["cloche-worker"], ["2"], ["S"]] \
                    and resource.prlimit(child, resource.RLIMIT_CPU)[0] >= cpu:
                return child
    return None


def test_call_that_got_no_time_is_made_again(tmp_path):
    """A worker without a processor ends its call by `wall`: no word about the policy."""
    policy = write(tmp_path, "late", f"version: 1\nlimits: {{wall: {2 * STRETCH}s, cpu: 77s}}\npool: {{min: 1, max: 1}}\n")
    with subprocess.Popen([BIN / "cloche", "policy", "test", policy], text=True, stdout=subprocess.PIPE) as process:
        while not process.stdout.readline().startswith("ok    grant    the jail starts"):
            assert process.poll() is None
        process.send_signal(signal.SIGSTOP)  # it asks for nothing while we look
        try:
            os.kill(wait_until(lambda: parked_below(process.pid, 77), 60, "a worker"), signal.SIGSTOP)
        finally:
            process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=120 * SLOW)
    assert process.returncode == 0 and "FAIL" not in said, said


def test_module_that_does_not_exist_is_red(tmp_path):
    code, report, said = prove(write(tmp_path, "wrong", "version: 1\npython: {modules: [no_such_module]}\n"))
    assert code == 1, said
    assert [what for _, what, _ in failures(report)] == ["the jail starts"]
    assert "no_such_module" in said


def test_denied_call_that_a_tier_needs_is_red(tmp_path):
    text = ("version: 1\npython: {modules: [time]}\n"
            "syscalls: {tiers: [compute, time], deny: [clock_nanosleep]}\n")
    code, report, said = prove(write(tmp_path, "wrong", text))
    assert code == 1, said
    assert "tier time: a sleep ends" in [what for _, what, _ in failures(report)]


def test_bind_whose_source_lacks_is_red(tmp_path):
    text = ("version: 1\nfiles:\n  read_only: [{source: /nowhere/at/all, target: /models}]\n"
            "syscalls: {tiers: [compute, late_imports]}\n")
    code, report, said = prove(write(tmp_path, "wrong", text))
    assert code == 1 and [what for _, what, _ in failures(report)] == ["the jail starts"]
    assert "/nowhere" in said


def test_bind_is_seen_and_locked(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    for folder in [models, *models.parents]:
        if folder != pathlib.Path("/") and not folder.stat().st_mode & 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    text = (f"version: 1\nfiles:\n  read_only: [{{source: {models}, target: /models}}]\n"
            "syscalls: {tiers: [compute, late_imports]}\n")
    code, report, said = prove(write(tmp_path, "shown", text))
    assert report and code == 0, (said, report and failures(report))
    told = {one["what"]: one["seen"] for one in report["proved"]}
    assert told["see /models"] == "success"
    assert "write below /models/.cloche" in told and list(models.iterdir()) == []


def test_names_are_proved(tmp_path):
    text = "version: 1\npython: {modules: [uuid], names: {uuid: [UUID, NAMESPACE_URL]}}\n"
    code, report, said = prove(write(tmp_path, "names", text))
    assert report and code == 0, (said, report and failures(report))
    assert any(one["what"].startswith("names of uuid") for one in report["proved"])


def test_errno_policy_is_proved(tmp_path):
    text = f"version: 1\nlimits: {{wall: {5 * STRETCH}s, cpu: {3 * STRETCH}s}}\nsyscalls: {{on_violation: errno}}\n"
    code, report, said = prove(write(tmp_path, "soft", text))
    assert report and code == 0, (said, report and failures(report))
    assert any(one["what"] == "on_violation errno" for one in report["proved"])


def test_broken_policy_is_exit_2(tmp_path):
    code, report, said = prove(write(tmp_path, "wrong", "version: 1\nlimits: {walls: 3s}\n"))
    assert code == 2 and report is None and "walls" in said


def test_policy_that_is_not_there_is_exit_2(tmp_path):
    code, report, said = prove(str(tmp_path / "absent.yaml"))
    assert code == 2 and report is None and "absent.yaml" in said


def test_without_root_it_says_so():
    done = subprocess.run([BIN / "cloche", "policy", "test", "default"], text=True, capture_output=True,
                          user=65534, group=65534, extra_groups=[])
    assert done.returncode == 2 and "root" in done.stderr and done.stderr.count("\n") == 1
