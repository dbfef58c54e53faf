#!/usr/bin/env python3
"""Quotas of a tenant: who sets them, what is refused and how, what a restart leaves."""

import os
import subprocess
import unittest

from access import http, lines, make, run
from broker import HEADRACE, Broker, wait_until


class QuotasTest(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.broker.__enter__()
        self.addCleanup(self.broker.__exit__)
        self.root = make(self.broker, None, "root", "--role", "owner", "--platform")
        lines(self.broker, self.root, "tenants", "create", "acme")
        inside = ("--as-tenant", "acme", "--reason", "set up")
        lines(self.broker, self.root, "principals", "create", "boss", "--role", "owner", *inside)
        self.key = lines(self.broker, self.root, "keys", "create", "boss", *inside)[0]["secret"]

    def acme(self, *args, timeout="10s"):
        """A verb of the tenant's owner."""
        return subprocess.run(
            [HEADRACE, *args, "--server", self.broker.listen, "--http", self.broker.http,
             "--timeout", timeout],
            capture_output=True, text=True, timeout=120,
            env=dict(os.environ, HEADRACE_API_KEY=self.key))

    def acme_lines(self, *args, **kwargs):
        return lines(self.broker, self.key, *args, **kwargs)

    def update(self, *flags):
        return lines(self.broker, self.root, "tenants", "update", "acme", "--reason", "a test",
                     *flags)[0]

    def test_rates_are_waited_for_or_refused(self):
        self.acme_lines("topics", "create", "t")
        self.assertEqual(self.update("--publish-events-per-s", "5")["quotas"],
                         {"publish_events_per_s": 5, "weight": 1})
        # What is larger than the bucket passes, and leaves a debt of seven seconds beyond it.
        self.acme_lines("publish", "t", "--linger", "10s",
                        stdin="".join(f"{i}\n" for i in range(40)))
        refused = self.acme("publish", "t", "--data", "x", timeout="2s")
        self.assertEqual(refused.returncode, 4, refused.stderr)
        self.assertIn("publish_events_per_s", refused.stderr)
        # The client waits as long as it is told, and is let in.
        self.assertEqual(len(self.acme_lines("publish", "t", "--data", "waited")), 1)
        # Others are not concerned.
        lines(self.broker, self.root, "publish", "default", stdin="x\n" * 20)
        self.assertEqual(len(self.acme_lines("consume", "t", "--from", "earliest",
                                             "--wait", "2s")), 41)
        status, page = http(self.broker, "GET", "/metrics", self.root)
        self.assertEqual(status, 200)
        self.assertIn('headrace_tenant_quota_denials_total{', page)
        self.assertIn('tenant="acme"', page)
        # Without the quota nothing is refused.
        self.assertEqual(self.update("--publish-events-per-s", "none")["quotas"], {"weight": 1})
        self.acme_lines("publish", "t", stdin="x\n" * 50)

    def test_many_batches_wait_in_order_and_none_is_lost(self):
        self.acme_lines("topics", "create", "t")
        self.update("--publish-bytes-per-s", "20KiB")
        wanted = [f"{i:04d}" + "x" * 96 for i in range(400)]
        acks = self.acme_lines("publish", "t", "--batch", "2KiB", "--linger", "0ms",
                               stdin="".join(line + "\n" for line in wanted))
        self.assertEqual([ack["offset"] for ack in acks], list(range(400)))
        got = self.acme_lines("consume", "t", "--from", "earliest", "--count", "400")
        self.assertEqual([event["data"] for event in got], wanted)

    def test_what_is_stored_is_counted_again_after_a_restart(self):
        self.acme_lines("topics", "create", "t", "--partitions", "3")
        self.acme_lines("topics", "create", "u")
        self.acme_lines("publish", "t", stdin=("y" * 500 + "\n") * 30)
        self.update("--stored-bytes", "16KiB", "--weight", "3", "--connections", "20")
        stored = wait_until(lambda: self.acme_lines("quotas")[0]["use"]["stored_bytes"], "a count")
        self.assertGreater(stored, 15_000)
        # `$sys` is stored, too.
        for _ in range(10):
            refused = self.acme("publish", "u", "--data", "z" * 2_000)
            if refused.returncode != 0:
                break
        self.assertEqual(refused.returncode, 4, refused.stderr)
        self.assertIn("stored_bytes is 16KiB", refused.stderr)
        before = self.acme_lines("quotas")[0]
        self.broker.kill()
        self.broker.start()
        refused = self.acme("publish", "u", "--data", "more")
        self.assertEqual(refused.returncode, 4, refused.stderr)
        after = self.acme_lines("quotas")[0]
        self.assertEqual(after["quotas"], before["quotas"])
        self.assertEqual(after["use"]["stored_bytes"], before["use"]["stored_bytes"])
        self.assertEqual(after["quotas"], {"stored_bytes": 16384, "connections": 20, "weight": 3})
        # Space comes back with what is deleted.
        self.acme_lines("topics", "delete", "t")
        self.acme_lines("publish", "u", "--data", "more")

    def test_counts(self):
        self.update("--topics", "1", "--groups", "1")
        self.acme_lines("topics", "create", "t")
        refused = self.acme("topics", "create", "u")
        self.assertEqual(refused.returncode, 4, refused.stderr)
        self.assertIn("topics is 1", refused.stderr)
        status, problem = http(self.broker, "POST", "/v1/topics", self.key, {"topic": "u"})
        self.assertEqual((status, problem["code"]), (429, "quota_reached"))
        self.acme_lines("groups", "create", "g", "--topic", "t", "--from", "earliest")
        self.assertEqual(self.acme("groups", "create", "h", "--topic", "t").returncode, 4)
        self.assertEqual(self.acme("consume", "t", "--group", "k", "--wait", "100ms").returncode, 4)
        use = self.acme_lines("quotas")[0]["use"]
        self.assertEqual((use["topics"], use["groups"]), (1, 1))
        self.assertEqual((use["denials"]["topics"], use["denials"]["groups"]), (2, 2))

    def test_connections(self):
        self.update("--connections", "1")
        self.acme_lines("topics", "create", "t")
        waiting = Waiting(self, "consume", "t", "--wait", "20s", "--count", "1")
        wait_until(lambda: self.described()["use"]["connections"] == 1, "the consumer")
        refused = self.acme("topics", "ls")
        self.assertEqual(refused.returncode, 4, refused.stderr)
        self.assertIn("connections is 1", refused.stderr)
        # Who looks after the tenant gets in all the same.
        lines(self.broker, self.root, "publish", "t", "--data", "x", "--as-tenant", "acme",
              "--reason", "help")
        self.assertEqual(waiting.finish(), 0)
        wait_until(lambda: self.described()["use"]["connections"] == 0, "its end")
        self.acme_lines("topics", "ls")

    def test_in_flight(self):
        self.acme_lines("topics", "create", "t")
        self.acme_lines("groups", "create", "g", "--topic", "t", "--from", "earliest")
        self.acme_lines("groups", "create", "h", "--topic", "t", "--from", "earliest")
        self.acme_lines("publish", "t", stdin="x\n" * 20)
        self.update("--in-flight", "3")
        slow = Waiting(self, "subscribe", "g", "--window", "10", "--count", "20",
                       "--exec", "sleep 0.2")
        wait_until(lambda: self.described()["use"]["in_flight"] == 3, "deliveries")
        # Another group gets its turn when one of the three is settled; nothing is lost.
        handled = self.acme_lines("subscribe", "h", "--count", "20")
        self.assertEqual(len(handled), 20)
        self.assertLessEqual(self.described()["use"]["in_flight"], 3)
        self.assertEqual(slow.finish(), 0)
        self.assertEqual(self.described()["use"]["in_flight"], 0)

    def test_who_may_set_and_see_them(self):
        refused = self.acme("tenants", "update", "acme", "--topics", "5")
        self.assertEqual(refused.returncode, 4)
        self.assertEqual(run(self.broker, self.root, "tenants", "update", "acme").returncode, 2)
        wrong = run(self.broker, self.root, "tenants", "update", "acme", "--stored-bytes", "much")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("--stored-bytes", wrong.stderr)
        self.assertEqual(run(self.broker, self.root, "tenants", "update", "acme", "--weight",
                             "1001").returncode, 1)
        self.assertEqual(run(self.broker, self.root, "tenants", "update", "none", "--weight",
                             "2").returncode, 4)
        status, changed = http(self.broker, "PATCH", "/v1/tenants/acme", self.root,
                               {"quotas": {"topics": 7, "weight": 2}, "reason": "over HTTP"})
        self.assertEqual((status, changed["quotas"]), (200, {"topics": 7, "weight": 2}))
        self.assertEqual(http(self.broker, "PATCH", "/v1/tenants/acme", self.key,
                              {"quotas": {"topics": 8}})[0], 403)
        status, problem = http(self.broker, "PATCH", "/v1/tenants/acme", self.root,
                               {"quotas": {"topic": 8}})
        self.assertEqual(status, 422)
        self.assertIn("quotas.topic", problem["detail"])
        status, own = http(self.broker, "GET", "/v1/quotas", self.key)
        self.assertEqual((status, own["tenant"], own["quotas"]["topics"]), (200, "acme", 7))
        trail = lines(self.broker, self.root, "audit", "ls")
        changes = [entry for entry in trail if entry["action"] == "tenant.quotas"]
        self.assertEqual(changes[-1]["reason"], "over HTTP")
        self.assertIn({"field": "topics", "before": "0", "after": "7"}, changes[-1]["changes"])

    def described(self):
        return lines(self.broker, self.root, "tenants", "describe", "acme")[0]


class Waiting:
    """A verb that runs meanwhile."""

    def __init__(self, test, *args):
        environment = dict(os.environ, HEADRACE_API_KEY=test.key)
        self.process = subprocess.Popen(
            [HEADRACE, *args, "--server", test.broker.listen, "--http", test.broker.http],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        test.addCleanup(self.process.kill)

    def finish(self):
        return self.process.wait(timeout=90)


if __name__ == "__main__":
    unittest.main()
