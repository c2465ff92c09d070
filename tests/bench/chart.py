# SPDX-License-Identifier: Apache-2.0
"""Draws a report of bench.py as SVG: one panel a question, one bar a peer, lengths to scale."""

from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, BAR, GAP, PANEL = 760, 110, 190, 20, 7, 54
INK, SOFT, OURS, THEIRS = "#1d2733", "#66717d", "#0b7a75", "#b8c0c8"

# title, pattern, key, divisor, unit, digits; a short bar is good in all but the last
PANELS = (
    ("One client, back to back: half of the calls are faster than", "1", "p50_us", 1e3, "ms", 2),
    ("One client, a call every 30 ms: half of the calls are faster than", "gap30", "p50_us", 1e3, "ms", 2),
    ("The same, 99 of 100 calls are faster than", "gap30", "p99_us", 1e3, "ms", 2),
    ("CPU of one call, all processes together", "1", "cpu_us", 1e3, "ms", 2),
    ("Calls per second with 8 clients (longer is better)", "8", "rate", 1, "calls/s", 0),
)


def text(x, y, content, size=13, colour=INK, anchor="start", weight="normal"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(content)}</text>')


def panel(top, rows, title, key, divisor, unit, digits):
    most = max(row[key] for row in rows) or 1
    parts = [text(20, top + 16, title, 14, weight="bold")]
    y = top + 28
    for row in rows:
        length = max(1.5, (WIDTH - LEFT - RIGHT) * row[key] / most)
        ours = row["peer"] == "cloche"
        parts.append(text(LEFT - 8, y + BAR - 5, row["peer"], 13, INK if ours else SOFT, "end",
                          "bold" if ours else "normal"))
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" '
                     f'fill="{OURS if ours else THEIRS}"/>')
        parts.append(text(LEFT + length + 6, y + BAR - 5, f"{row[key] / divisor:.{digits}f} {unit}"
                          + (" (fell behind)" if row["fell_behind"] and key != "rate" else "")))
        y += BAR + GAP
    return parts


def draw(report):
    results, parts, top = report["results"], [], 70
    for title, pattern, key, divisor, unit, digits in PANELS:
        rows = [row for row in results if row["pattern"] == pattern]
        parts += panel(top, rows, title, key, divisor, unit, digits)
        top += PANEL + len(rows) * (BAR + GAP) - 14
    machine = report["machine"]
    head = [text(20, 30, "One isolated sum(range(1000)) in Python 3.11", 18, weight="bold"),
            text(20, 50, f"{machine['cpus']} CPUs, Linux {machine['kernel']}, {report['when'][:10]}, median of "
                 f"{report['rounds']} rounds; python3 runs without any isolation", 12, SOFT)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
            f'font-family="system-ui, sans-serif"><rect width="100%" height="100%" fill="#ffffff"/>\n'
            + "\n".join(head + parts) + "\n</svg>\n")
