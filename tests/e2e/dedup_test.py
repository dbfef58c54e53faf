#!/usr/bin/env python3
"""Topics that look for repeated event ids, with the real binary."""

import json
import unittest

from broker import Broker


def once(broker, data, event_id):
    return broker.json("publish", "orders", "--data", data, "--id", event_id)[0]


def lines(*ids):
    return "".join(json.dumps({"specversion": "1.0", "id": i, "source": "s", "type": "t",
                               "data": i}) + "\n" for i in ids)


def consumed(broker):
    return [event["id"] for event in broker.json("consume", "orders", "--wait", "2s")]


class Dedup(unittest.TestCase):
    def test_an_id_is_appended_once_also_after_a_kill(self):
        with Broker() as broker:
            made = broker.json("topics", "create", "orders", "--dedup-window", "10m")[0]
            self.assertEqual((made["dedup_window_ms"], made["dedup_max_ids"]), (600_000, 100_000))
            first = once(broker, "one", "a")
            self.assertNotIn("duplicate", first)
            again = once(broker, "two", "a")
            self.assertEqual((again["offset"], again["duplicate"]), (first["offset"], True))
            broker.kill()
            broker.start()
            again = once(broker, "three", "a")
            self.assertEqual((again["offset"], again["duplicate"]), (first["offset"], True))
            self.assertEqual(once(broker, "four", "b")["offset"], 1)
            self.assertEqual(consumed(broker), ["a", "b"])

    def test_compressed_batches_are_looked_into(self):
        with Broker() as broker:
            broker.json("topics", "create", "orders", "--dedup-max-ids", "1000")
            for codec in ("none", "zstd", "lz4"):
                args = ("publish", "orders", "--cloudevents", "--codec", codec)
                acks = broker.json(*args, stdin=lines("a", "b", "c"))
                self.assertEqual([ack["offset"] for ack in acks], [0, 1, 2], codec)
            mixed = broker.cli("publish", "orders", "--cloudevents", "--codec", "zstd",
                               "--linger", "10s", stdin=lines("c", "d"), check=False)
            self.assertEqual(mixed.returncode, 1)
            self.assertIn("'c'", mixed.stderr)
            self.assertEqual(consumed(broker), ["a", "b", "c"])

    def test_bounds_are_named(self):
        with Broker() as broker:
            for args in (("--dedup-window", "8d"), ("--dedup-max-ids", "2000000")):
                done = broker.cli("topics", "create", "orders", *args, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("dedup.", done.stderr)


if __name__ == "__main__":
    unittest.main()
