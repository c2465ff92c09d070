# SPDX-License-Identifier: Apache-2.0
"""Find something worth stealing in the memory that the worker shares with its zygote."""


def test_the_token_is_not_in_memory(attack, cloche):
    body = f"""
found = []
for thing in gc.get_objects():
    if isinstance(thing, dict):
        for key, value in list(thing.items()):
            if isinstance(value, str) and value.startswith("clt" + "_") and len(value) > 20: found.append(value)
return found
"""
    assert attack.result(body) == []


def test_the_environment_holds_nothing_of_the_service(attack):
    names = attack.result("return sorted(os.environ)")
    assert set(names) <= {"LC_ALL", "LANG", "HOME", "PATH", "TZ", "TRACEPARENT", "GLIBC_TUNABLES", "OMP_NUM_THREADS",
                          "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}, names


def test_other_policies_are_not_in_memory(attack):
    body = "return [o for o in gc.get_objects() if isinstance(o, str) and 'roomy' in o]"
    assert attack.result(body) == []
