#!/usr/bin/env python3
"""The history with the real binary: search by type, id, correlation id, key and time, in pages."""

import unittest

from broker import Broker


def ids(events):
    return [event["id"] for event in events]


class History(unittest.TestCase):
    def test_events_are_found_by_what_they_were_published_with(self):
        with Broker() as broker:
            broker.json("topics", "create", "orders", "--partitions", "3")
            first = broker.json("publish", "orders", "--type", "order.made", "--id", "o-1",
                                "--key", "ada", "--data", "one")[0]
            broker.json("publish", "orders", "--type", "order.paid", "--id", "o-2", "--key", "ada",
                        "--header", "ce_correlationid=o-1", "--data", "two")
            broker.json("publish", "orders", "--type", "order.made", "--id", "o-3", "--key", "ben",
                        "--header", "grade=90", "--data", "three")
            broker.json("publish", "default", "--type", "user.made", "--data", "four")

            def found(*args):
                return ids(broker.json("events", "ls", *args))

            self.assertEqual(found("--topic", "orders"), ["o-3", "o-2", "o-1"])
            self.assertEqual(found("--type", "order.made"), ["o-3", "o-1"])
            self.assertEqual(found("--correlation-id", "o-1"), ["o-2", "o-1"])
            self.assertEqual(found("--id", "o-2"), ["o-2"])
            self.assertEqual(found("--key", "ada"), ["o-2", "o-1"])
            self.assertEqual(found("--where", "grade >= 80"), ["o-3"])
            self.assertEqual(found("--topic", "orders", "--count", "1"), ["o-3"])
            self.assertEqual(found("--to", first["time"]), [])
            self.assertEqual(len(found()), 4)
            whole = broker.json("events", "get", "o-2")[0]
            self.assertEqual((whole["data"], whole["correlation_id"], whole["topic"]),
                             ("two", "o-1", "orders"))

    def test_an_event_without_an_id_is_found_by_its_computed_one(self):
        with Broker() as broker:
            acked = broker.json("publish", "default", "--type", "a", stdin="x\ny\nz\n")
            for line, data in zip(acked, "xyz"):
                self.assertEqual(broker.json("events", "get", line["id"])[0]["data"], data)
            missing = broker.cli("events", "get", "t1-0-99", check=False)
            self.assertEqual(missing.returncode, 1)
            self.assertIn("no event has the id 't1-0-99'", missing.stderr)

    def test_pages_go_through_everything_newest_first_also_after_a_restart(self):
        with Broker() as broker:
            broker.json("topics", "create", "many", "--partitions", "4")
            broker.cli("publish", "many", "--type", "n",
                       stdin="".join(f"{i}\n" for i in range(950)))
            broker.terminate()
            broker.start()
            events = broker.json("events", "ls", "--topic", "many", "--count", "2000")
            self.assertEqual(sorted(int(event["data"]) for event in events), list(range(950)))
            times = [event["append_time"] for event in events]
            self.assertEqual(times, sorted(times, reverse=True))

    def test_what_makes_no_sense_is_refused_by_name(self):
        with Broker() as broker:
            for args, said in ((("--type", "a..b"), "patterns[0]"),
                               (("--where", "grade >="), "conditions[0]"),
                               (("--topic", "nobody"), "nobody"),
                               (("--from", "yesterday"), "--from"),
                               (("--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"),
                                "to_us")):
                refused = broker.cli("events", "ls", *args, check=False)
                self.assertNotEqual(refused.returncode, 0, args)
                self.assertIn(said, refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
