#!/usr/bin/env python3
"""The proof of isolation (isolation bypass, privilege escalation, cross-tenant publish): the
penetration test against a real broker, and every HTTP route with no key and with a foreign one."""

import re
import socket
import unittest

from access import http, lines, make, run
from broker import Broker

CHECKS = 21


def routes():
    """(method, path) of every route; docs/http.md lists them all, which a unit test compares."""
    with open("docs/http.md") as page:
        return re.findall(r"^\| (GET|POST|PATCH|PUT|DELETE) \| `(/[^`]*)` \|", page.read(), re.M)


def own_address():
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
        return None if address.startswith("127.") else address


class IsolationTest(unittest.TestCase):
    def test_the_penetration_test_finds_nothing(self):
        with Broker() as broker:
            rows = lines(broker, None, "pentest")
            self.assertEqual(len(rows), CHECKS)
            self.assertEqual({row["result"] for row in rows}, {"PASS"})
            root = make(broker, None, "root", "--role", "owner", "--platform")
            self.assertEqual(run(broker, None, "pentest").returncode, 4)
            rows = lines(broker, root, "pentest")
            self.assertEqual([row for row in rows if row["result"] != "PASS"], [])
            self.assertEqual([t["tenant"] for t in lines(broker, root, "tenants", "ls")],
                             ["default"])

    def test_the_penetration_test_finds_an_open_door(self):
        address = own_address()
        if address is None:
            self.skipTest("this machine has no address but loopback")
        broker = Broker(args=["--set", "auth.anonymous=true"])
        broker.start(listen="0.0.0.0:0")
        try:
            broker.listen = address + ":" + broker.listen.rsplit(":", 1)[1]
            found = run(broker, None, "pentest", "--json")
            self.assertEqual(found.returncode, 1, found.stderr)
            self.assertIn('"check":"authentication: strangers","result":"FAIL"', found.stdout)
        finally:
            broker.__exit__()

    def test_every_route_wants_a_key_and_shows_nothing_of_others(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            boss = {}
            for tenant in ("acme", "umbrella"):
                lines(broker, root, "tenants", "create", tenant)
                cross = ["--as-tenant", tenant, "--reason", "set-up"]
                lines(broker, root, *cross, "principals", "create", "boss", "--role", "owner")
                boss[tenant] = lines(broker, root, *cross, "keys", "create", "boss")[0]["secret"]
            lines(broker, boss["acme"], "topics", "create", "vault")
            lines(broker, boss["acme"], "groups", "create", "readers", "--topic", "vault")
            lines(broker, boss["acme"], "publish", "vault", "--id", "e-1", "--data", "treasure")
            seen = routes()
            self.assertGreater(len(seen), 40)
            names = {"topic": "vault", "group": "readers", "id": "e-1", "job": "1",
                     "principal": "nobody", "key": "000000000000", "tenant": "acme"}
            for method, path in seen:
                real = re.sub(r"\{(\w+)\}", lambda m: names.get(m[1], "x"), path)
                with self.subTest(method=method, path=path):
                    status = http(broker, method, real)[0]
                    open_to_all = path in ("/healthz", "/readyz", "/metrics", "/v1/openapi.json")
                    self.assertEqual(status, 200 if open_to_all else 401)
                    status, body = http(broker, method, real, boss["umbrella"])
                    for stolen in ("treasure", "acme"):
                        self.assertNotIn(stolen, str(body))
                    if "vault" in real or "readers" in real:
                        self.assertIn(status, (400, 404, 415, 422))
            event = lines(broker, boss["acme"], "consume", "vault", "--count", "1")[0]
            self.assertEqual(event["data"], "treasure")


if __name__ == "__main__":
    unittest.main()
