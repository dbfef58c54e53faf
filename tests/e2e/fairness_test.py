#!/usr/bin/env python3
"""Bounds of the node that tenants share: who takes all it can get is refused, others are served."""

import json
import threading
import unittest
import urllib.error
import urllib.request

from access_test import http, lines, make
from broker import Broker, wait_until

POLL = "/v1/topics/t/partitions/0/events?from=latest&wait="


class FairnessTest(unittest.TestCase):
    def start(self, *args):
        self.broker = Broker(args=list(args))
        self.broker.__enter__()
        self.addCleanup(self.broker.__exit__)
        self.root = make(self.broker, None, "root", "--role", "owner", "--platform")
        lines(self.broker, self.root, "topics", "create", "t")
        lines(self.broker, self.root, "tenants", "create", "acme")
        inside = ("--as-tenant", "acme", "--reason", "set up")
        lines(self.broker, self.root, "principals", "create", "boss", "--role", "owner", *inside)
        self.acme = lines(self.broker, self.root, "keys", "create", "boss",
                          *inside)[0]["secret"]
        lines(self.broker, self.acme, "topics", "create", "t")

    def flood(self, path, answers):
        """Asks until it is let in, and waits."""
        while (got := http(self.broker, "GET", path, self.acme))[0] == 503:
            pass
        answers.append(got)

    def publish(self, content_type, body):
        request = urllib.request.Request(self.broker.http + "/v1/topics/t/events", method="POST")
        request.add_header("Authorization", "Bearer " + self.acme)
        request.add_header("Content-Type", content_type)
        request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code

    def test_long_polls_of_one_tenant_leave_room_for_another(self):
        # Four may wait: of one tenant two.
        self.start("--set", "http.max_in_flight=8")
        answers = []
        waits = [threading.Thread(target=self.flood, args=(POLL + "20s", answers))
                 for _ in range(2)]
        for one in waits:
            one.start()
        refused = wait_until(
            lambda: (got := http(self.broker, "GET", POLL + "1ms", self.acme))[0] == 503 and got,
            "both to wait")
        self.assertEqual(refused[1]["code"], "busy")
        self.assertIn("the tenant", refused[1]["detail"])
        # Of the other tenant each is let in while those wait.
        for _ in range(20):
            self.assertEqual(http(self.broker, "GET", POLL + "1ms", self.root)[0], 200)
            self.assertEqual(http(self.broker, "GET", POLL + "1ms", self.acme)[0], 503)
        self.assertEqual(http(self.broker, "GET", "/v1/topics", self.acme)[0], 200)
        lines(self.broker, self.acme, "publish", "t", "--data", "x")
        for one in waits:
            one.join(timeout=60)
        self.assertEqual([status for status, _ in answers], [200, 200])
        # What has ended counts no more.
        wait_until(lambda: http(self.broker, "GET", POLL + "1ms", self.acme)[0] == 200, "room")

    def test_a_raised_rate_holds_nobody_to_the_old_one(self):
        self.start()
        update = ("tenants", "update", "acme", "--reason", "a test", "--publish-events-per-s")
        lines(self.broker, self.root, *update, "1")
        # They pass as one batch, and are made good in 300 s.
        batch = ("application/cloudevents-batch+json", [
            {"specversion": "1.0", "id": str(i), "source": "/s", "type": "a.b", "data": i}
            for i in range(300)])
        self.assertEqual(self.publish(*batch), 201)
        one = ("application/json", {"x": 1})
        self.assertEqual(self.publish(*one), 429)
        lines(self.broker, self.root, *update, "1000000")
        self.assertEqual(self.publish(*one), 201)


if __name__ == "__main__":
    unittest.main()
