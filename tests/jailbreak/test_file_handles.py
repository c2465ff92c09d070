# SPDX-License-Identifier: Apache-2.0
"""Shocker: reach host files by handle instead of by path."""


def test_open_by_handle(attack):
    attack.kills("open_by_handle_at", -100, "buffer()", 0)


def test_name_to_handle(attack):
    attack.kills("name_to_handle_at", -100, "b'/'", "buffer()", "buffer()", 0)
