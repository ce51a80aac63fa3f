# SPDX-License-Identifier: MIT
"""--bind and --token: who is let in, and by which names."""
import re
import socket
import subprocess
import unittest
from urllib.parse import urlsplit

from client import HEADSCOPE, PATIENCE, Server, planted

REFUSED = "access="


class WithToken(unittest.TestCase):
    options = ("--token",)

    @classmethod
    def setUpClass(cls):
        cls.server = Server(planted("access.db"), *cls.options)
        cls.token = re.fullmatch(r"access=([0-9a-f]{32})",
                                 urlsplit(cls.server.url).query)[1]
        cls.cookie = f"headscope_{cls.server.port}={cls.token}"

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def test_nothing_without_it(self):
        wrong = "0" * 32 if self.token[0] != "0" else "1" * 32
        almost = self.token[:-1] + ("0" if self.token[-1] != "0" else "1")
        for path in ("/", "/main.js", "/api/about", "/api/labels.csv",
                     "/none", "/api/sql?q=SELECT+1"):
            for given in ("", wrong, almost, self.token[:-1],
                          self.token + "0", self.token.upper() + "A"):
                mark = "&" if "?" in path else "?"
                answer = self.server.ask(f"{path}{mark}access={given}")
                self.assertEqual(answer.status, 401, path)
                self.assertIn(REFUSED, answer.json()["error"])
                self.assertNotIn(self.token.encode(), answer.body)
                self.assertNotIn("set-cookie", answer.headers)
                name = f"headscope_{self.server.port}"
                self.assertEqual(self.server.ask(
                    path, Cookie=f"{name}={given}").status, 401)
            self.assertEqual(self.server.ask(path).status, 401)
            self.assertEqual(self.server.ask(
                path, Cookie=f"headscope_1={self.token}").status, 401)

    def test_from_the_address_into_a_cookie(self):
        for target, goal in {
                f"/?access={self.token}": "/",
                f"/?f=1:2&access={self.token}": "/?f=1:2",
                f"/?access={self.token}&f=1:2": "/?f=1:2",
                f"/?xaccess=1&access={self.token}&y=2": "/?xaccess=1&y=2",
                f"/?%61ccess={self.token}": "/"}.items():
            answer = self.server.ask(target)
            self.assertEqual(answer.status, 303, target)
            self.assertEqual(answer.headers["location"], goal)
            kept = answer.headers["set-cookie"]
            self.assertTrue(kept.startswith(self.cookie + ";"), kept)
            for word in "httponly", "samesite=lax", "path=/":
                self.assertIn(word, kept)
        # No address of ours leads elsewhere.
        answer = self.server.ask(f"//evil.example/?access={self.token}")
        self.assertEqual(answer.status, 404)
        self.assertNotIn("location", answer.headers)

    def test_with_it(self):
        for path in "/", "/main.js", "/api/about", "/api/features?token=Ben":
            answer = self.server.ask(path, Cookie=f"a=b; {self.cookie}; c=d")
            self.assertEqual(answer.status, 200, path)
        self.assertEqual(self.server.ask(
            f"/api/features?limit=1&access={self.token}").status, 200)
        self.assertEqual(self.server.ask(
            f"/api/sql?q=SELECT+1&access={self.token}").status, 200)

    def test_labels(self):
        body = (b'{"sae":1,"feature":1,"label":"","note":"","starred":false,'
                b'"version":0}')

        def post(target, *headers):
            head = [f"POST {target} HTTP/1.1", "Host: localhost",
                    "Connection: close", f"Content-Length: {len(body)}",
                    "Content-Type: application/json", *headers, "", ""]
            return self.server.send("\r\n".join(head).encode() + body).status

        self.assertEqual(post("/api/label"), 401)
        self.assertEqual(post("/api/label", f"Cookie: {self.cookie}"), 200)
        self.assertEqual(post(f"/api/label?access={self.token}"), 200)

    def test_no_other_name_even_with_it(self):
        for host in "evil.example", f"evil.example:{self.server.port}":
            self.assertEqual(self.server.ask(
                "/api/about", host=host, Cookie=self.cookie).status, 403)

    def test_another_each_time(self):
        with Server("access.db", *self.options) as other:
            self.assertNotIn(self.token, other.url)
            self.assertEqual(other.ask(
                "/api/about", Cookie=f"headscope_{other.port}={self.token}"
            ).status, 401)


class Everywhere(WithToken):
    """All addresses of the computer: a token whether asked for or not."""
    options = ("--bind", "0.0.0.0", "--allow-host", "lab.example")

    def test_names(self):
        for host, status in {"192.0.2.1": 200, "192.0.2.1:8765": 200,
                             "[2001:db8::1]:8765": 200, "localhost": 200,
                             "lab.example:80": 200, "evil.example": 403,
                             "192.0.2.1.nip.io": 403, "[evil]": 403,
                             "192.0.2": 403, "0x7f000001": 403,
                             "[192.0.2.1]": 403, "2001:db8::1": 403}.items():
            self.assertEqual(self.server.ask(
                "/api/about", host=host, Cookie=self.cookie).status, status,
                host)

    def test_printed_address_is_of_this_computer(self):
        host = urlsplit(self.server.url).hostname
        self.assertNotEqual(host, "0.0.0.0")
        with socket.create_connection((host, self.server.port), PATIENCE):
            pass


class Addresses(unittest.TestCase):
    def test_other_loopback_addresses_need_none(self):
        for address, shown in {"127.0.0.2": "127.0.0.2", "::1": "[::1]"}.items():
            try:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.socket(family) as s:
                    s.bind((address, 0))
            except OSError:
                print(f"no address {address} here")
                continue
            with Server(planted("access.db"), "--bind", address) as server:
                self.assertEqual(server.url, f"http://{shown}:{server.port}/")
                with socket.create_connection((address, server.port),
                                              PATIENCE) as s:
                    s.sendall(f"GET /api/about HTTP/1.0\r\nHost: {shown}\r\n"
                              "\r\n".encode())
                    self.assertIn(b" 200 ", s.recv(4096).split(b"\r\n")[0])

    def test_what_is_no_address(self):
        for words, *options in (
                ("in digits", "--bind", "localhost"),
                ("in digits", "--bind", "eth0"),
                ("no address of this computer", "--bind", "192.0.2.1"),
                ("list of processes", "--token", "--open"),
                ("list of processes", "--bind", "0.0.0.0", "--open")):
            done = subprocess.run(
                [HEADSCOPE, "view", planted("access.db"), "--port", "0",
                 *options], capture_output=True, text=True,
                stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), options)
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
