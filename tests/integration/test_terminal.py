# SPDX-License-Identifier: Apache-2.0
"""Texts of programs and of services stay texts on a terminal: no title is set, no screen is cleared."""

import json
import os
import pty
import re
import socket
import subprocess
import termios
import threading

import pytest
from service import BIN, SLOW

EVIL = "\x1b]0;title\x07\x1b[2J\u009b31m\x7f\r\b"
TEXT = json.dumps(EVIL)
LOUD = re.compile(rb"\x1b(?!\[[0-9;]*[mAJK])|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]|\x1b\[2J")


def on_terminal(service, *words, text="", url=None):
    """What a command writes to its terminal."""
    main, side = pty.openpty()
    modes = termios.tcgetattr(side)
    modes[1] &= ~termios.OPOST
    termios.tcsetattr(side, termios.TCSANOW, modes)
    running = subprocess.Popen([BIN / "cloche", *words, "--url", url or service.url, "--token-file",
                                service.state / "local.token"], stdin=subprocess.PIPE, stdout=side, stderr=side)
    os.close(side)
    running.stdin.write(text.encode())
    running.stdin.close()
    seen = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    running.wait(30 * SLOW)
    os.close(main)
    return seen


@pytest.mark.parametrize("source", [
    f"def main():\n    print({TEXT})\n    return {TEXT}",
    f"def main(): return {{{TEXT}: [{TEXT}]}}",
    f"def main(): raise ValueError({TEXT})",
    f"def main(): raise type({TEXT}, (Exception,), {{}})({TEXT})",
    f"def main(): __import__({TEXT})",
    f"def main():\n    print({TEXT})\n    yield {TEXT}"])
@pytest.mark.parametrize("words", [[], ["--stream"]])
def test_a_program_does_not_speak_to_the_terminal(cloche, source, words):
    seen = on_terminal(cloche, "run", "-", *words, text=source)
    assert b"title" in seen and not LOUD.findall(seen), seen


def test_what_is_kept_does_not_speak_to_the_terminal(cloche, tmp_path):
    source = f"def f(a: {TEXT} = {TEXT}):\n    {TEXT}\n    return 1\n"
    assert cloche.http.put("/v1/modules/loud", json={"source": source, "description": EVIL}).status_code in (200, 201)
    document = tmp_path / "loud.json"
    document.write_text(json.dumps({"name": EVIL, "tasks": [
        {"id": EVIL, "name": EVIL, "method": "python/execute", "parameters": {"code": f"raise ValueError({TEXT})"}}]}))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/title\x1b[2J.py").write_text("def f(): pass")
    for words in (["modules", "list"], ["modules", "show", "loud"], ["functions"], ["call", EVIL + ".x"],
                  ["workflow", "submit", str(document), "--wait"], ["push", str(tmp_path / "folder")]):
        seen = on_terminal(cloche, *words)
        assert not LOUD.findall(seen), (words, seen)
    cloche.http.delete("/v1/modules/loud")


def test_a_service_that_refuses_does_not_speak_to_the_terminal(cloche):
    problem = json.dumps({"title": EVIL, "pointer": EVIL, "detail": EVIL, "similar": [EVIL]}).encode()
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            with server.accept()[0] as peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: %d\r\n"
                             b"Content-Type: application/problem+json\r\n\r\n%s" % (len(problem), problem))
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
        thread = threading.Thread(target=answer)
        thread.start()
        seen = on_terminal(cloche, "run", "-", text="def main(): pass",
                           url=f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert b"title" in seen and not LOUD.findall(seen), seen
