# SPDX-License-Identifier: Apache-2.0
"""Learn from one call what the next one will draw."""


def test_random_sources_differ_between_siblings(cloche):
    source = ("import random, uuid, hashlib\ndef main():\n"
              "    return [random.random(), random.getrandbits(64), str(uuid.uuid4()), random.SystemRandom().random()]")
    seen = [cloche.call(source)["result"] for _ in range(40)]
    for column in zip(*seen):
        assert len(set(column)) == 40


def test_numpy_legacy_random_differs(cloche):
    source = "import numpy\ndef main(): return [numpy.random.rand(), int(numpy.random.randint(1 << 30)), numpy.random.default_rng().random()]"
    seen = [cloche.call(source, policy="roomy")["result"] for _ in range(20)]
    for column in zip(*seen):
        assert len(set(column)) == 20
