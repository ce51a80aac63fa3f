# SPDX-License-Identifier: MIT
"""headscope view as a process, and requests to it byte by byte."""
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

SOURCE = os.environ["SOURCE"]
HEADSCOPE = os.environ["HEADSCOPE"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "browser"))
from planted import plant  # noqa: E402, databases whose content is known

PATIENCE = 30  # seconds until what is waited for counts as missing


def planted(name, **shape):
    """A planted database in the current folder, made once."""
    if not os.path.exists(name):
        plant(name, SOURCE, **shape)
    return name


class NotStarted(Exception):
    """With the exit status."""


class Server:
    """A server on a free port; `with` ends it."""

    def __init__(self, database, *options):
        self.process = subprocess.Popen(
            [HEADSCOPE, "view", database, "--port", "0", "--quiet", *options],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        self.url = line.strip()
        if not self.url.startswith("http://"):
            raise NotStarted(self.stop())
        self.port = urlsplit(self.url).port
        # Where the requests below go, whatever it listens on.
        self.address = "127.0.0.1"

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        assert self.stop() == 0

    def stop(self, how=signal.SIGTERM):
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        return status

    def connect(self):
        return socket.create_connection((self.address, self.port), PATIENCE)

    def send(self, request):
        """The answer to raw bytes, up to the end of the connection."""
        with self.connect() as s:
            try:
                s.sendall(request)
            except OSError:
                pass  # refused before all was sent
            return Answer(read_to_end(s))

    def ask(self, target, method="GET", host=None, **headers):
        lines = [f"{method} {target} HTTP/1.1",
                 f"Host: {host or f'127.0.0.1:{self.port}'}",
                 "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}"
                  for name, value in headers.items()]
        return self.send("\r\n".join([*lines, "", ""]).encode())

    def api(self, target):
        """An answer that must be good, as an object."""
        answer = self.ask("/api/" + target)
        assert answer.status == 200, (target, answer.status, answer.body)
        return answer.json()


def read_to_end(s):
    parts = []
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


class Answer:
    """One response; status 0: the server closed without any."""

    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if raw else 0
        self.headers = dict(line.lower().split(": ", 1) for line in lines[1:]
                            if ": " in line)

    def json(self):
        body = self.body
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return json.loads(body)


def seconds_until_closed(s, trickle=None):
    """How long the server keeps a connection, fed with a byte a second."""
    begun = time.monotonic()
    s.settimeout(1)
    while time.monotonic() - begun < PATIENCE:
        try:
            if trickle:
                s.sendall(trickle)
            if not s.recv(65536):
                break
        except socket.timeout:
            continue
        except OSError:
            break
    return time.monotonic() - begun
