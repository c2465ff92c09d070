# SPDX-License-Identifier: Apache-2.0
"""No key of a policy or of tenants without a test that flips it and sees the jail, or what a tenant gets, change.
The keys are asked of the program, so a new one is missed here until somebody has written its test."""

import re
import subprocess

import pytest

from service import BIN, ROOT

LIMITS = ("wall", "cpu", "memory", "processes", "output", "result", "request", "files", "inodes")
POLICY = {
    "version": "test_keys.py::test_version_must_be_one",
    "extends": "test_keys.py::test_extends_adds_removes_and_replaces",
    "description": "test_effective_policy.py::test_policy_shows_every_field",
    "python.modules": "test_keys_python.py::test_modules_adds_and_removes",
    "python.names": "test_keys_python.py::test_names_narrow_modules",
    "python.preload": "test_keys_python.py::test_preload_says_what_is_loaded_before_a_call",
    "python.transitive": "test_keys_python.py::test_transitive_listed_refuses_a_policy_that_needs_more",
    "python.eval": "test_keys_python.py::test_eval_opens_the_evaluator",
    "python.register": "test_rpc_register.py::test_policy_may_forbid_it",
    "python.builtins.remove": "test_keys_python.py::test_builtins_remove_takes_away_and_gives_back",
    **{f"limits.{name}": f"test_keys.py::test_{name}" for name in LIMITS},
    "limits.calls_per_worker": "test_keys.py::test_no_worker_serves_twice",
    "cpu.weight": "test_keys.py::test_weight_is_the_cgroups",
    "cpu.max": "test_keys.py::test_cap_slows_down",
    "network": "test_keys.py::test_network_is_none",
    "files.read_only": "test_keys.py::test_bind_shows_a_directory",
    "syscalls.tiers": "test_keys.py::test_tier_opens",
    "syscalls.allow": "test_keys.py::test_allowed_call_works",
    "syscalls.deny": "test_keys.py::test_denied_call_ends_the_call",
    "syscalls.on_violation": "test_keys.py::test_violation_may_be_an_error",
    "sessions.allow": "test_sessions.py::test_sessions_are_allowed",
    "sessions.default": "test_sessions.py::test_a_token_has_a_session_of_its_own",
    "sessions.idle": "test_sessions_ends.py::test_idle_ends_a_session",
    "sessions.max": "test_sessions_ends.py::test_max_ends_a_session_that_is_used",
    "sessions.threads": "test_sessions.py::test_no_more_run_than_the_policy_says",
    "isolation": "test_broods.py::test_isolation_says_who_shares_a_zygote",
    "pool.min": "test_keys.py::test_spares_are_ready",
    "pool.max": "test_keys.py::test_no_more_jails_than_the_pool",
    "pool.recycle_calls": "test_keys.py::test_zygote_is_replaced_after_its_calls",
    "pool.recycle_after": "test_keys.py::test_zygote_is_replaced_after_its_time",
    "reason": "test_keys.py::test_risky_call_needs_a_reason",
}
QUOTA = {
    "concurrency": "test_tenants.py::test_concurrency_makes_calls_wait_and_loses_none",
    "queue": "test_tenants.py::test_queue_refuses_who_comes_when_it_is_full",
    "rate": "test_tenants.py::test_every_answer_tells_the_rate_and_what_is_left",
    "burst": "test_tenants.py::test_rate_refuses_what_is_over_the_burst_and_says_when",
    "cpu": "test_tenants.py::test_processor_time_that_is_used_up_refuses_until_it_has_come_back",
    "memory": "test_tenants.py::test_memory_of_running_calls_is_a_sum",
    "stored": "test_tenants.py::test_what_is_kept_has_its_quota_and_runs_no_further",
    "weight": "test_turn.c::turns_are_by_weight",  # between tenants that wait: exact only where time is a fake
}
TENANTS = {
    "version": "test_keys_all.py::test_version_of_tenants_must_be_one",
    "tenants": "test_tenants.py::test_tenant_that_is_taken_out_is_refused",
    "tenants.*": "test_tenants.py::test_nothing_of_one_tenant_is_there_for_another",
    "tenants.*.policies": "test_tenants.py::test_each_tenant_has_its_own_policies_and_its_first_is_the_default",
    "tenants.*.tokens": "test_tenants.py::test_revoked_token_is_refused_at_once_and_its_running_call_ends_well",
    "tenants.*.tokens.*.id": "test_token_cli.py::test_revocation_takes_one_entry_out",
    "tenants.*.tokens.*.hash": "test_tenants.py::test_rotated_token_takes_the_place_of_the_old_one",
    "tenants.*.tokens.*.scopes": "test_tenants.py::test_a_token_opens_what_its_scopes_say",
    "tenants.*.certificates": "test_tls.py::test_certificate_that_is_taken_away_opens_nothing_any_more",
    "tenants.*.certificates.*.id": "test_tls.py::test_certificate_has_the_scopes_of_its_entry",
    "tenants.*.certificates.*.fingerprint": "test_tls.py::test_certificate_is_a_key_of_its_tenant",
    "tenants.*.certificates.*.scopes": "test_tls.py::test_certificate_has_the_scopes_of_its_entry",
    "tenants.*.quota": "test_tenants.py::test_new_quota_is_in_force_with_the_reload",
    **{f"tenants.*.quota.{name}": test for name, test in QUOTA.items()},
    "tenants.*.functions_dir": "test_functions_dir.py::test_directory_is_served_and_watched",
}
OPTIONS = ("drain", "log", "audit", "jails", "queue_wait", "buffers", "keep", "store")  # each is flipped as an option elsewhere
SERVICE = {
    "version": "test_tls_start.py::test_settings_that_are_wrong_refuse_the_start",
    "listen": "test_tls_start.py::test_command_line_wins_over_the_file",
    "plain_text_beyond_loopback": "test_tls_start.py::test_the_word_is_enough",
    "tls": "test_tls_start.py::test_other_machines_need_tls_or_a_word",
    "tls.certificate": "test_tls.py::test_renewal_under_load_loses_no_request",
    "tls.key": "test_tls_start.py::test_pair_that_is_not_good_refuses_the_start",
    "tls.client_ca": "test_tls.py::test_certificate_that_does_not_verify_ends_the_handshake",
    **{name: "test_tls_start.py::test_each_setting_stands_for_its_option" for name in OPTIONS},
}


def sections():
    """{"policy", "tenants" or "service": the keys that may be given a value}"""
    shown = subprocess.run([BIN / "cloche-policyc", "reference"], capture_output=True, text=True, check=True).stdout
    policy, rest = shown.split("\n## Tiers\n")
    tenants, service = rest.split("\n## Tenants\n")[1].split("\n## The service\n")
    return {name: re.findall(r"^- \*\*`([a-z_.*]+)`\*\*: ", text, re.M)
            for name, text in (("policy", policy), ("tenants", tenants), ("service", service))}


def has_function(test):
    name, function = test.split("::")
    folder, form = ("unit", r"^static void {}\(") if name.endswith(".c") else ("integration", r"^def {}\(")
    return re.search(form.format(function), (ROOT / "tests" / folder / name).read_text(), re.M)


@pytest.mark.parametrize("section, tests", [("policy", POLICY), ("tenants", TENANTS), ("service", SERVICE)])
def test_each_key_is_flipped_by_a_test(section, tests):
    keys = sections()[section]
    assert len(keys) == len(set(keys)) >= 14
    assert [key for key in keys if key not in tests] == [], "keys without a test"
    assert [key for key in tests if key not in keys] == [], "tests of keys that there are not"
    assert [test for test in tests.values() if not has_function(test)] == []


def test_version_of_tenants_must_be_one(tmp_path):
    file = tmp_path / "tenants.yaml"
    for version, code in (("1", 0), ("2", 2), ("one", 2), (None, 2)):
        file.write_text((f"version: {version}\n" if version else "") + "tenants: {a: {policies: [default]}}\n")
        done = subprocess.run([BIN / "cloche-policyc", "check", file], capture_output=True, text=True, check=False)
        assert done.returncode == code and (code == 0 or "version" in done.stderr), (version, done)
