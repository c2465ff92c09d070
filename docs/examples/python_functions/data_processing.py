# SPDX-License-Identifier: Apache-2.0
"""Rows of data: made, checked by rules, summed up, reported."""

import statistics
from datetime import date, timedelta


def generate_orders(count: int, start: str = "2026-01-05") -> list:
    """Orders of consecutive days; the amounts follow from the number."""
    first = date.fromisoformat(start)
    return [{"id": number, "day": (first + timedelta(days=number)).isoformat(), "amount": number * 7.5}
            for number in range(1, count + 1)]


def validate(rows: list, rules: dict) -> dict:
    """Splits rows into those that keep the rules and those that break one, with the reason."""
    valid, invalid = [], []
    for row in rows:
        problem = _problem(row, rules)
        if problem:
            invalid.append({"row": row, "problem": problem})
        else:
            valid.append(row)
    return {"valid": valid, "invalid": invalid, "valid_count": len(valid)}


def _problem(row, rules):
    for key in rules.get("required", []):
        if row.get(key) is None:
            return f"{key} is missing"
    for key, least in rules.get("minimum", {}).items():
        if row[key] < least:
            return f"{key} is below {least}"
    return None


def summarize(rows: list) -> dict:
    amounts = [row["amount"] for row in rows]
    return {"count": len(amounts), "total": sum(amounts), "mean": statistics.mean(amounts),
            "largest": max(amounts)}


def report(summary: dict, title: str = "Report") -> str:
    lines = [title] + [f"  {key}: {value}" for key, value in sorted(summary.items())]
    return "\n".join(lines)
