#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What clients that mean harm do to one that does not: each attack on the HTTP side, and the p99 of 50 calls a second
of somebody else with and without it. Writes build/bench/hostile.json; exits with 1 when a call is lost or the p99 is
more than twice its quiet value. Takes some ten minutes; --only NAME, --rounds and --seconds ask for less."""

import argparse
import contextlib
import select
import socket
import sys
import time

from quiet import Quiet, measure, report, say, say_head, serve

HEAD = b"POST /v1/calls HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
MALFORMED = [b"\x16\x03\x01" + b"\0" * 64 + b"\r\n\r\n", b"GET /a b HTTP/1.1\r\n\r\n", HEAD + b"X\0: y\r\n\r\n",
             HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", HEAD + b"X: a\r\n b\r\n\r\n",
             HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", HEAD + b"X: " + b"a" * 20000 + b"\r\n\r\n",
             HEAD + b"".join(b"X%d: y\r\n" % n for n in range(100)) + b"\r\n",
             b"GET /%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n"]


def dial(address, wait=5):
    peer = socket.create_connection(address, timeout=wait)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def drain(peer):
    """Until it closes."""
    with contextlib.suppress(OSError):
        while peer.recv(65536):
            pass


class Crowd:
    """Many connections at a time that a turn function feeds; one that was closed is opened again."""

    def __init__(self, address, count, first):
        self.address, self.count, self.first = address, count, first
        self.peers, self.opened = {}, 0
        self.epoll = select.epoll()

    def fill(self, most=50):
        for _ in range(min(most, self.count - len(self.peers))):
            with contextlib.suppress(OSError):
                peer = dial(self.address)
                peer.setblocking(False)
                peer.send(self.first)
                self.peers[peer.fileno()] = peer
                self.epoll.register(peer, select.EPOLLIN | select.EPOLLRDHUP)
                self.opened += 1

    def look(self):
        """Closes what the server has closed or answered."""
        for number, _ in self.epoll.poll(0):
            self.drop(number)

    def drop(self, number):
        if peer := self.peers.pop(number, None):
            self.epoll.unregister(number)
            peer.close()

    def feed(self, number, piece):
        try:
            self.peers[number].send(piece)
        except BlockingIOError:
            pass
        except OSError:
            self.drop(number)


def trickle(address, leash, stop, first):
    """500 connections at one byte a second each, spread over the second."""
    crowd, at = Crowd(address, 500, first), 0
    while not stop():
        crowd.fill()
        crowd.look()
        numbers = list(crowd.peers)
        tenth = numbers[at % 10::10]
        at += 1
        for number in tenth:
            crowd.feed(number, b"a")
        leash.hold()
        time.sleep(0.1)
    return crowd.opened


def slow_heads(address, secret, leash, stop):
    return trickle(address, leash, stop, HEAD + b"X-Slow: ")


def slow_bodies(address, secret, leash, stop):
    return trickle(address, leash, stop, HEAD + b"Authorization: Bearer " + secret.encode() +
                   b"\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{")


def never_reading(address, secret, leash, stop):
    """500 connections that ask and ask, and read nothing."""
    crowd, asked = Crowd(address, 500, GET * 20), 0
    while not stop():
        crowd.fill()
        for number in list(crowd.peers):
            crowd.feed(number, GET * 100)
            asked += 1
            leash.hold()
    return asked


def flood(address, leash, stop, texts):
    """One request on a connection, its answer read, as often as can be."""
    count = 0
    while not stop():
        with contextlib.suppress(OSError), dial(address) as peer:
            peer.sendall(texts[count % len(texts)])
            drain(peer)
        count += 1
        leash.hold()
    return count


def malformed(address, secret, leash, stop):
    return flood(address, leash, stop, MALFORMED)


def oversized(address, secret, leash, stop):
    """Bodies over every cap: announced, in chunks, and sent to the end without being wanted."""
    auth = b"Authorization: Bearer " + secret.encode() + b"\r\nContent-Type: application/json\r\n"
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    return flood(address, leash, stop, [
        HEAD + auth + b"Content-Length: 999999999\r\n\r\n" + b" " * (4 << 20),
        HEAD + auth + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 8,
        HEAD + b"Content-Length: 8388608\r\n\r\n" + b" " * (8 << 20)])


def churn(address, secret, leash, stop):
    """Connections that come and go, most without a word."""
    count = 0
    while not stop():
        with contextlib.suppress(OSError), dial(address) as peer:
            if count % 4 == 0:
                peer.send(GET)
        count += 1
        leash.hold()
    return count


def wrong_tokens(address, secret, leash, stop):
    return flood(address, leash, stop, [
        HEAD + b"Authorization: Bearer clt_wrong%d\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" % n
        for n in range(1000)])


def pipelines(address, secret, leash, stop):
    """32 connections full of small requests one behind the other, with garbage at the end."""
    crowd, count = Crowd(address, 32, b""), 0
    burst = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 1500 + b"\0garbage\r\n\r\n"
    while not stop():
        crowd.fill()
        for number, events in crowd.epoll.poll(0.01):
            if events & select.EPOLLRDHUP:
                crowd.drop(number)
        for number in list(crowd.peers):
            crowd.feed(number, burst)
            count += 1
            with contextlib.suppress(OSError, KeyError):
                crowd.peers[number].recv(1 << 20)
            leash.hold()
    return count


ATTACKS = {"slow-heads": slow_heads, "slow-bodies": slow_bodies, "never-reading": never_reading, "malformed": malformed,
           "oversized": oversized, "churn": churn, "wrong-tokens": wrong_tokens, "pipelines": pipelines}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=ATTACKS)
    for name, kind, default in (("rounds", int, 3), ("seconds", float, 12), ("rate", float, 50),
                                ("share", float, 0.25)):
        parser.add_argument(f"--{name}", type=kind, default=default)
    args = parser.parse_args()
    rows = {}
    with serve({"quiet": "    policies: [default]\n", "loud": "    policies: [default]\n"}) as (service, tokens):
        client = Quiet(service, tokens["quiet"], args.rate)
        client.window(2)
        say_head()
        for name in args.only or ATTACKS:
            rows[name] = measure(client, ATTACKS[name], tokens["loud"], rounds=args.rounds, seconds=args.seconds,
                                 share=args.share)
            say(name, rows[name])
    sys.exit(report("hostile.json", rows, 99, 2))


if __name__ == "__main__":
    main()
