# SPDX-License-Identifier: Apache-2.0
"""What a session adds to an interpreter: one event loop that lasts, threads that know their call.

`install` answers the function that finishes coroutines from then on.
"""

import _thread
import sys
_start = _thread.start_new_thread


class Input:
    """sys.stdin: of whichever call asks."""

    def __init__(self, current):
        self._current = current

    def __getattr__(self, name):
        return getattr(self._current(), name)

    def __iter__(self):
        return iter(self._current())

    def __next__(self):
        return next(self._current())

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        pass


async def _guard(coroutine):
    # SystemExit and KeyboardInterrupt would end the loop itself.
    try:
        return True, await coroutine
    except BaseException as raised:
        return False, raised


def _by_hand(coroutine):
    try:
        while True:
            # Without a loop there is nothing to wait for but "let others run" (None).
            if coroutine.send(None) is not None:
                raise RuntimeError("awaited something that only an event loop can finish")
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()


class Loops:
    """The session's loop: made by the first coroutine, in a thread of its own if it may."""

    def __init__(self, has_threads):
        self.has_threads = has_threads
        self.lock = _thread.allocate_lock()
        self.loop = None

    def _serve(self, asyncio):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def get(self, asyncio):
        with self.lock:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                if self.has_threads:
                    _start(self._serve, (asyncio,))
                else:
                    asyncio.set_event_loop(self.loop)
            return self.loop

    def run(self, coroutine):
        asyncio = sys.modules.get("asyncio")
        if asyncio is None:
            return _by_hand(coroutine)
        loop = self.get(asyncio)
        if self.has_threads:
            future = asyncio.run_coroutine_threadsafe(_guard(coroutine), loop)
            done, value = future.result()
        else:
            done, value = loop.run_until_complete(_guard(coroutine))
        if done:
            return value
        raise value


def install(current_input, copy_context, has_threads):
    def _start_in_context(function, args, kwargs={}):
        # What a thread prints belongs to the call that started it.
        return _start(copy_context().run, (function, *args), kwargs)

    _thread.start_new_thread = _thread.start_new = _start_in_context
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._start_new_thread = _start_in_context
    sys.stdin = sys.__stdin__ = Input(current_input)
    return Loops(has_threads).run
