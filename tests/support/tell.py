# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest (`-p tell`) for runs that take hours: why a test failed is told at once, and its name
is a line of the file $CLOCHE_FAILED, if that is set."""

import os


def pytest_runtest_logreport(report):
    if not report.failed or "PYTEST_XDIST_WORKER" in os.environ:
        return
    print(f"\n{report.nodeid}: {report.when}\n{report.longreprtext}", flush=True)
    if names := os.environ.get("CLOCHE_FAILED"):
        with open(names, "a", encoding="utf-8") as file:
            print(report.nodeid, file=file)
