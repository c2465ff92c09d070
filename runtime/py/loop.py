# SPDX-License-Identifier: Apache-2.0
"""asyncio without epoll, sockets or signals: a loop that can only run tasks and sleep.

Other threads (where the policy has them) wake it through a lock. Where there are none, waiting
for ever is found out at once.
"""

import asyncio
import time
from asyncio import base_events, events
from _thread import allocate_lock


class Selector:
    def __init__(self):
        self.wake = allocate_lock()
        self.wake.acquire()

    def select(self, timeout):
        if timeout is not None and timeout <= 0:
            return ()
        if not THREADS:
            if timeout is None:
                raise RuntimeError("every task waits and nothing can wake one")
            time.sleep(timeout)
        elif timeout is None:
            self.wake.acquire()
        else:
            self.wake.acquire(timeout=timeout)
        return ()

    def close(self):
        pass

    def notify(self):
        try:
            self.wake.release()
        except RuntimeError:
            pass  # it is awake already


class Loop(base_events.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = Selector()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        self._selector.notify()


class Policy(events.BaseDefaultEventLoopPolicy):
    _loop_factory = Loop


def install():
    asyncio.set_event_loop_policy(Policy())
