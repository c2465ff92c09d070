# SPDX-License-Identifier: Apache-2.0
"""The two provider classes. A provider opens one session, pushes its folder of functions and forwards requests
to the service; module globals of the files and registrations last as long as the session does."""

import asyncio
import logging
import pathlib

from .connection import Connection, ProtocolError

logger = logging.getLogger(__name__)

DEFAULT_FOLDER = "~/.gleitzeit/functions"
DEFAULT_MODULES = ("math", "statistics", "json", "re", "datetime", "collections", "itertools", "functools",
                   "operator", "urllib.parse", "hashlib", "base64", "uuid")


class CustomFunctionProvider:
    """Functions of a folder, lambdas and functions of modules behind python/v1.

    provider_id      a name for logs
    functions_dir    folder of *.py files; ~/.gleitzeit/functions by default, and it may be missing
    allowed_modules  names that `register` may use from here; it only narrows what the service's policy
                     permits, and None leaves the policy's list as it is

    The connection is that of CLOCHE_URL and CLOCHE_TOKEN unless one is given. All methods that talk to the
    service are coroutines.
    """

    protocol_id = "python/v1"

    def __init__(self, provider_id="python-functions", functions_dir=None, allowed_modules=None, connection=None):
        self.provider_id = provider_id
        self.functions_dir = pathlib.Path(functions_dir or DEFAULT_FOLDER).expanduser()
        self.allowed_modules = None if allowed_modules is None else frozenset(allowed_modules)
        self.connection = connection or Connection()
        self.functions = {}
        self.initialized = False

    async def initialize(self):
        """Opens the session, pushes the folder, and reads which functions there are."""
        await asyncio.to_thread(self.connection.open_session)
        if self.functions_dir.is_dir():
            pushed = await asyncio.to_thread(self.connection.push, self.functions_dir)
            for stem, answer in pushed.items():
                if "functions" not in (answer or {}):
                    logger.warning("%s: %s.py was refused: %s", self.provider_id, stem, answer)
        self.initialized = True
        await self.refresh()

    async def refresh(self):
        """Reads the list of functions again; `functions` is a dict by name."""
        listed = await self.request("list", {})
        self.functions = dict.fromkeys(listed["functions"], self.provider_id)
        return self.functions

    async def shutdown(self):
        """Ends the session: its registrations and the globals of its files are gone."""
        await asyncio.to_thread(self.connection.end_session)
        self.initialized = False
        self.functions = {}

    cleanup = shutdown

    async def health_check(self):
        """{"status": "healthy" | "unhealthy", ...}; does not raise."""
        try:
            count = (await self.request("list", {}))["count"]
        except (OSError, RuntimeError) as error:
            return {"status": "unhealthy", "details": str(error)}
        return {"status": "healthy", "functions": count}

    def get_supported_methods(self):
        """The methods of python/v1."""
        return ["execute", "register", "unregister", "list", "info", "eval", "python/execute", "python/validate",
                "python/list", "python/info", "python/eval", "python/register"]

    async def request(self, method, params, **options):
        return await asyncio.to_thread(self.connection.call, method, params, **options)

    async def handle_request(self, method, params=None, **options):
        """The `result` of one request. A function that raised is a result with success false; what the service
        refuses raises: ValueError for wrong parameters, PermissionError for what the policy forbids, else
        ProtocolError. `task_id` and `timeout` (seconds) may be given."""
        params = dict(params or {})
        if method in ("register", "python/register"):
            self.check_module(params)
        try:
            result = await self.request(method, params, **options)
        except ProtocolError as error:
            raise as_exception(error) from error
        if method in ("register", "python/register", "unregister"):
            await self.refresh()
        return result

    def check_module(self, params):
        """Refuses what this provider was not made for, before the service is asked."""
        if params.get("type") != "module" or self.allowed_modules is None:
            return
        if params.get("module") not in self.allowed_modules:
            raise ValueError(f"Module {params.get('module')} not allowed")

    async def __aenter__(self):
        await self.initialize()
        return self

    async def __aexit__(self, *_):
        await self.shutdown()


class SocketIOPythonFunctionProvider(CustomFunctionProvider):
    """The same under the name of the provider that once spoke Socket.IO. `server_url` is the address of the
    service. `start()` connects and returns; `wait()` returns when `stop()` was called."""

    def __init__(self, provider_id="python-functions", server_url=None, functions_dir=None, allowed_modules=None,
                 connection=None):
        super().__init__(provider_id, functions_dir, allowed_modules, connection or Connection(server_url))
        self.server_url = self.connection.url
        self.stopped = asyncio.Event()

    async def start(self):
        self.stopped.clear()
        await self.initialize()

    async def wait(self):
        await self.stopped.wait()

    async def stop(self):
        await self.shutdown()
        self.stopped.set()


EXCEPTIONS = {"TypeError": TypeError, "SyntaxError": SyntaxError, "AttributeError": AttributeError}


def as_exception(error):
    """What an error object is in Python: its own type where a registration or a parameter was wrong."""
    if error.code == -32602:
        return EXCEPTIONS.get(error.data.get("exception_type"), ValueError)(error.message)
    if error.code == -25006:
        return PermissionError(error.message)
    return error
