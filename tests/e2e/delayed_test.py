#!/usr/bin/env python3
"""Delayed publishing with the real binary: due times, cancelling, crashes, the command line."""

import json
import unittest
from datetime import datetime, timedelta, timezone

from broker import Broker, wait_until


def at(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def delay(broker, value, by, *args, topic="default"):
    return broker.json("publish", topic, "--data", value, "--delay", by, *args)[0]


def waiting(broker, topic="default"):
    return [event["id"] for event in broker.json("topics", "delayed", topic)]


class Delayed(unittest.TestCase):
    def test_an_event_comes_when_it_is_due(self):
        with Broker() as broker:
            before = datetime.now(timezone.utc)
            ack = delay(broker, "later", "20s", "--type", "a.b", "--durability", "memory")
            self.assertIsNone(ack["offset"])
            self.assertEqual(ack["durability"], "durable")
            due = at(ack["due"])
            self.assertGreaterEqual(due, before + timedelta(seconds=20))
            now = broker.json("publish", "default", "--data", "now")[0]
            self.assertEqual(now["offset"], 0)
            self.assertEqual(waiting(broker), [ack["id"]])
            details = broker.json("topics", "describe", "default")[0]["partition_details"]
            self.assertEqual([one["delayed"] for one in details], [1])
            events = broker.json("consume", "default", "--count", "2")
            self.assertGreaterEqual(datetime.now(timezone.utc), due)
            self.assertEqual([event["data"] for event in events], ["now", "later"])
            self.assertEqual((events[1]["id"], events[1]["type"]), (ack["id"], "a.b"))
            self.assertEqual(waiting(broker), [])

    def test_a_past_time_is_no_delay(self):
        with Broker() as broker:
            ack = broker.json("publish", "default", "--data", "x",
                              "--deliver-at", "2020-01-01T00:00:00Z")[0]
            self.assertEqual(ack["offset"], 0)
            self.assertNotIn("due", ack)

    def test_lines_are_delayed_in_order_and_listed_in_pages(self):
        with Broker() as broker:
            acks = broker.json("publish", "default", "--delay", "1h", "--cloudevents",
                               stdin="".join(json.dumps({
                                   "specversion": "1.0", "id": f"e{i}", "source": "s",
                                   "type": "t", "data": i}) + "\n" for i in range(250)))
            self.assertEqual([ack["id"] for ack in acks], [f"e{i}" for i in range(250)])
            self.assertTrue(all(ack["offset"] is None for ack in acks))
            self.assertEqual(sorted(waiting(broker)), sorted(ack["id"] for ack in acks))

    def test_what_is_cancelled_never_comes(self):
        with Broker() as broker:
            delay(broker, "one", "20s", "--id", "first")
            delay(broker, "two", "20s")
            gone = broker.json("topics", "cancel-delayed", "default", "first")[0]
            self.assertEqual(gone["cancelled"], 1)
            again = broker.cli("topics", "cancel-delayed", "default", "first", check=False)
            self.assertEqual(again.returncode, 1)
            self.assertIn("no such event waits", again.stderr)
            events = broker.json("consume", "default", "--count", "1")
            self.assertEqual([event["data"] for event in events], ["two"])

    def test_bad_delays_are_refused_with_their_bound(self):
        with Broker() as broker:
            for args in (("--delay", "32d"), ("--deliver-at", "2099-01-01T00:00:00Z")):
                done = broker.cli("publish", "default", "--data", "x", *args, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("31 days", done.stderr)

    def test_a_killed_broker_appends_once(self):
        with Broker() as broker:
            ids = [delay(broker, str(i), f"{1000 + 150 * i}ms")["id"] for i in range(12)]
            for _ in range(4):
                broker.kill()
                broker.start()
                left = len(waiting(broker))  # some become due while it is down
                wait_until(lambda left=left: len(waiting(broker)) < max(left, 1), "the next one")
            wait_until(lambda: not waiting(broker), "everything to be due")
            events = broker.json("consume", "default", "--count", "12", "--wait", "5s")
            self.assertEqual([event["id"] for event in events], ids)
            end = broker.json("topics", "describe", "default")[0]["partition_details"][0]
            self.assertEqual(end["visible_end"], 12)


if __name__ == "__main__":
    unittest.main()
