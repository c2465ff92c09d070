# SPDX-License-Identifier: Apache-2.0
"""Globals that last as long as the session, or the run of a workflow."""

_state = {}
_total = 0


def set_state(key: str, value):
    _state[key] = value
    return len(_state)


def get_state(key: str, default=None):
    return _state.get(key, default)


def add(amount: float) -> float:
    global _total
    _total += amount
    return _total


def batch(calls: list) -> list:
    """Calls functions of this file by name."""
    return [globals()[call["function"]](*call.get("args", [])) for call in calls]
