# SPDX-License-Identifier: Apache-2.0
"""The Gleitzeit spellings of the python/v1 protocol, for a Cloche on the other end.

    from gleitzeit_v4 import CustomFunctionProvider

    provider = CustomFunctionProvider("my-functions", functions_dir="functions")
    await provider.initialize()
    answer = await provider.handle_request("execute", {"function": "prices.net", "kwargs": {"gross": 120}})
    print(answer["result"])

Nothing of a caller's runs in this process: files are pushed to the service and run there, each call in a
jail. The package needs the standard library only. `gleitzeit_v4.cli` is the command line,
`gleitzeit_v4.testing` starts a private service for tests.
"""

from .connection import Connection, ProtocolError, ServiceError, Unreachable
from .providers import CustomFunctionProvider, SocketIOPythonFunctionProvider

__all__ = ["Connection", "CustomFunctionProvider", "ProtocolError", "ServiceError",
           "SocketIOPythonFunctionProvider", "Unreachable"]
