# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest (`-p tell`): why a test failed is told at once, for runs that take hours."""

import os


def pytest_runtest_logreport(report):
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.nodeid}: {report.when}\n{report.longreprtext}", flush=True)
