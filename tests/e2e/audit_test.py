#!/usr/bin/env python3
"""The audit trail and system events: who did what, over restarts, and whether it is whole."""

import json
import tempfile
import unittest
import urllib.request

from broker import Broker, wait_until


def make_history(broker):
    broker.json("topics", "create", "orders")
    broker.json("groups", "create", "mail", "--topic", "orders")
    broker.json("groups", "update", "mail", "--ack-deadline", "90s")
    broker.json("groups", "disable", "mail", "--reason", "maintenance")


class Trail(unittest.TestCase):
    def test_changes_are_listed_newest_first_and_survive_a_kill(self):
        with Broker() as broker:
            make_history(broker)
            broker.kill()
            broker.start()
            entries = broker.json("audit", "ls", "--object", "group mail")
            self.assertEqual([entry["action"] for entry in entries],
                             ["group.disabled", "group.updated", "group.created"])
            self.assertEqual({entry["actor"] for entry in entries}, {"anonymous"})
            self.assertEqual(entries[0]["reason"], "maintenance")
            self.assertEqual(entries[1]["changes"],
                             [{"field": "ack_deadline", "before": "30s", "after": "90s"}])
            self.assertEqual(broker.json("audit", "ls", "--count", "1", "--action", "topic.")[0]
                             ["action"], "topic.created")
            self.assertEqual(broker.json("audit", "ls", "--to", "2020-01-01T00:00:00Z"), [])

    def test_it_verifies_and_is_there_over_http(self):
        with Broker() as broker:
            make_history(broker)
            checks = broker.json("audit", "verify")
            self.assertEqual({check["result"] for check in checks}, {"PASS"})
            total = sum(check["entries"] for check in checks)
            seen, cursor = [], ""
            while cursor is not None:
                with urllib.request.urlopen(
                        f"{broker.http}/v1/audit?limit=1" + cursor) as reply:
                    page = json.load(reply)
                seen += page["entries"]
                cursor = page["next_cursor"] and "&cursor=" + page["next_cursor"]
            self.assertGreaterEqual(len(seen), total)
            self.assertIn("group.disabled", [entry["action"] for entry in seen])

    def test_an_export_finds_a_trail_that_was_made_anew(self):
        with tempfile.TemporaryDirectory() as scratch:
            kept = scratch + "/audit.jsonl"
            with Broker() as broker:
                make_history(broker)
                with open(kept, "w") as file:
                    file.write(broker.cli("audit", "export").stdout)
                broker.json("topics", "create", "later")
                checks = broker.json("audit", "verify", "--export", kept)
                self.assertEqual({check["result"] for check in checks}, {"PASS"})
                with open(kept) as file:
                    rows = [json.loads(line) for line in file]
                self.assertEqual({row["action"] for row in rows} >= {"group.disabled"}, True)
            # Another broker with the same history: whole chains, and not what was exported.
            with Broker() as broker:
                make_history(broker)
                self.assertEqual(broker.cli("audit", "verify").returncode, 0)
                found = broker.cli("audit", "verify", "--export", kept, check=False)
                self.assertEqual(found.returncode, 1)
                self.assertIn("not the one that was exported", found.stdout)
            with Broker() as broker:
                found = broker.cli("audit", "verify", "--export", kept, check=False)
                self.assertEqual(found.returncode, 1)
                self.assertIn("the newest are gone", found.stdout)
                alone = ("audit", "verify", "--offline", "--export", kept)
                self.assertEqual(broker.cli(*alone).returncode, 0)
                rows[0]["entry"], rows[1]["entry"] = rows[1]["entry"], rows[0]["entry"]
                with open(kept, "w") as file:
                    file.writelines(json.dumps(row) + "\n" for row in rows)
                found = broker.cli(*alone, check=False)
                self.assertEqual(found.returncode, 1)
                self.assertIn("is not what was written", found.stdout)
                with open(kept, "a") as file:
                    file.write("{}\n")
                wrong = broker.cli(*alone, check=False)
                self.assertEqual(wrong.returncode, 2)
                self.assertIn(f"audit.jsonl:{len(rows) + 1} is no line", wrong.stderr)

    def test_what_an_export_says_is_what_was_hashed(self):
        with tempfile.TemporaryDirectory() as scratch, Broker() as broker:
            kept = scratch + "/audit.jsonl"
            make_history(broker)
            rows = broker.json("audit", "export")

            def verify(lines, *args):
                with open(kept, "w") as file:
                    file.writelines(line + "\n" for line in lines)
                return broker.cli("audit", "verify", "--export", kept, *args, check=False)

            at = [row["action"] for row in rows].index("group.disabled")
            self.assertEqual(verify([json.dumps(row) for row in rows]).returncode, 0)
            for field, value in (("actor", "somebody"), ("reason", ""), ("action", "group.enabled"),
                                 ("time", "2020-01-01T00:00:00.000000Z"), ("note", "new")):
                forged = [dict(row) for row in rows]
                forged[at][field] = value
                for args in ((), ("--offline",)):
                    with self.subTest(field, args=args):
                        found = verify([json.dumps(row) for row in forged], *args)
                        self.assertEqual(found.returncode, 1)
                        self.assertIn(f"'{field}' is not what the hashed entry says", found.stdout)
            # A reader takes the first of two, another one the last.
            twice = [json.dumps(row) for row in rows]
            twice[at] = '{"actor": "somebody", ' + twice[at][1:]
            self.assertIn("is no line", verify(twice, "--offline").stderr)
            for lines in ([], ["no json"], ['{"event": "of something else"}']):
                for args in ((), ("--offline",)):
                    with self.subTest(lines, args=args):
                        foreign = verify(lines, *args)
                        self.assertEqual(foreign.returncode, 2)
                        self.assertIn("audit export", foreign.stderr)

    def test_bad_bounds_are_named(self):
        with Broker() as broker:
            refused = broker.cli("audit", "ls", "--from", "yesterday", check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("--from: 'yesterday'", refused.stderr)


class SystemEvents(unittest.TestCase):
    def test_what_happens_to_a_group_wakes_a_subscriber(self):
        with Broker() as broker:
            self.assertEqual(broker.cli("consume", "$sys", check=False).returncode, 1)
            make_history(broker)
            topics = lambda: [topic["topic"] for topic in broker.json("topics", "ls")]
            wait_until(lambda: "$sys" in topics(), "$sys")
            events = broker.json("consume", "$sys", "--from", "earliest", "--count", "5")
            disabled = [event for event in events if event["type"] == "headrace.group.disabled"]
            self.assertEqual(len(disabled), 1)
            self.assertEqual(disabled[0]["key"], "group mail")
            self.assertEqual(json.loads(disabled[0]["data"])["reason"], "maintenance")
            self.assertRegex(disabled[0]["id"], r"^audit-\d+-\d+$")
            broker.json("groups", "create", "watch", "--topic", "$sys", "--filter",
                        "headrace.group.*", "--from", "earliest")
            told = broker.json("subscribe", "watch", "--count", "4")
            self.assertIn("headrace.group.updated", [event["type"] for event in told])

    def test_only_the_broker_publishes_to_it(self):
        with Broker() as broker:
            make_history(broker)
            for args in [("publish", "$sys", "--data", "x"), ("topics", "delete", "$sys")]:
                refused = broker.cli(*args, check=False)
                self.assertEqual(refused.returncode, 1, refused.stdout)
                self.assertIn("$sys", refused.stderr)
            self.assertNotEqual(broker.cli("topics", "create", "$sys", check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
