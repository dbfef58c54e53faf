#!/usr/bin/env python3
"""Publish, consume, groups, restart: the main job, with the real binary and its command line."""

import os
import pty
import subprocess
import unittest

from broker import HEADRACE, Broker


class PublishConsume(unittest.TestCase):
    def test_what_is_published_is_consumed_with_its_attributes(self):
        with Broker() as broker:
            acks = broker.json("publish", "default", "--type", "user.created", "--key", "u1",
                               "--header", "tier=gold", "--id", "e-1", "--data", "hello")
            self.assertEqual(acks[0]["topic"], "default")
            self.assertEqual(acks[0]["offset"], 0)
            self.assertEqual(acks[0]["id"], "e-1")
            self.assertEqual(acks[0]["durability"], "durable")
            event = broker.json("consume", "default", "--from", "earliest", "--count", "1")[0]
            self.assertEqual(event["data"], "hello")
            self.assertEqual(event["type"], "user.created")
            self.assertEqual(event["key"], "u1")
            self.assertEqual(event["id"], "e-1")
            self.assertEqual(event["correlation_id"], "e-1")
            self.assertEqual(event["headers"].get("tier"), "gold")

    def test_standard_input_is_an_event_a_line_in_order_and_survives_a_restart(self):
        lines = [f"line {i}" for i in range(20_000)]
        with Broker() as broker:
            broker.cli("topics", "create", "orders", "--partitions", "1")
            acks = broker.json("publish", "orders", stdin="\n".join(lines) + "\n")
            self.assertEqual([ack["offset"] for ack in acks], list(range(len(lines))))
            self.assertEqual(broker.terminate(), 0)
            broker.start()
            events = broker.json("consume", "orders", "--from", "earliest",
                                 "--count", str(len(lines)))
            self.assertEqual([event["data"] for event in events], lines)
            computed = broker.json("publish", "orders", "--data", "after")[0]
            self.assertEqual(computed["offset"], len(lines))
            last = broker.json("consume", "orders", "--from", str(len(lines)), "--count", "1")[0]
            self.assertEqual(last["id"], computed["id"], "the ack and the reader agree on the id")

    def test_a_group_goes_on_where_it_committed(self):
        with Broker() as broker:
            broker.cli("topics", "create", "t", "--partitions", "3")
            stdin = "".join(f"{i}\n" for i in range(300))
            broker.cli("publish", "t", stdin=stdin)
            first = broker.json("consume", "t", "--group", "g", "--from", "earliest",
                                "--count", "100")
            rest = broker.json("consume", "t", "--group", "g", "--from", "earliest",
                               "--count", "200", "--wait", "20s")
            seen = [event["data"] for event in first + rest]
            self.assertEqual(len(first), 100)
            self.assertEqual(sorted(map(int, seen)), list(range(300)))
            group = broker.json("groups", "describe", "g")[0]
            self.assertEqual(group["lag_events"], 0)
            self.assertEqual(group["kind"], "positional")
            for row in (group, broker.json("groups", "ls")[0]):
                self.assertEqual((row["state"], row["membership"]), ("healthy", "empty"))
            self.assertEqual(broker.json("groups", "ls", "--unhealthy"), [])

    def test_null_and_empty_and_binary_data_stay_apart(self):
        with Broker() as broker:
            stdin = "\n".join([
                '{"specversion":"1.0","id":"1","source":"s","type":"a.b"}',
                '{"specversion":"1.0","id":"2","source":"s","type":"a.b","data":""}',
                '{"specversion":"1.0","id":"3","source":"s","type":"a.b","data_base64":"/wA="}',
            ]) + "\n"
            broker.cli("publish", "default", "--cloudevents", stdin=stdin)
            null, empty, binary = broker.json("consume", "default", "--from", "earliest",
                                              "--count", "3")
            self.assertIsNone(null["data"])
            self.assertIsNotNone(empty["data"])
            self.assertEqual(binary["data_base64"], "/wA=")

    def test_topics_are_created_listed_described_and_deleted(self):
        with Broker() as broker:
            self.assertEqual(broker.json("topics", "create", "x", "--partitions", "4")[0]
                             ["partitions"], 4)
            names = [row["topic"] for row in broker.json("topics", "ls")]
            self.assertIn("x", names)
            self.assertIn("default", names)
            other = broker.cli("topics", "create", "x", "--partitions", "8", "--retention", "7d",
                               "--if-missing", check=False)
            self.assertEqual(other.returncode, 1)
            self.assertIn("'x': partitions 4, asked 8; retention by age none, asked 7d",
                          other.stderr)
            equal = broker.cli("topics", "create", "x", "--partitions", "4", check=False)
            self.assertEqual(equal.returncode, 1)
            self.assertIn("'x', just as it was asked for", equal.stderr)
            self.assertIn("--if-missing makes an equal one a success", equal.stderr)
            broker.cli("publish", "x", "--data", "1")
            broker.cli("topics", "delete", "x")
            self.assertNotIn("x", [row["topic"] for row in broker.json("topics", "ls")])
            gone = broker.cli("consume", "x", "--count", "1", check=False)
            self.assertEqual(gone.returncode, 1)
            self.assertIn("no such topic", gone.stderr)
            # The name can be used again, and begins empty.
            broker.cli("topics", "create", "x")
            self.assertEqual(broker.json("publish", "x", "--data", "2")[0]["offset"], 0)

    def test_a_person_at_a_terminal_is_asked_before_a_topic_goes(self):
        with Broker() as broker:
            broker.cli("topics", "create", "x")
            there = lambda: "x" in [row["topic"] for row in broker.json("topics", "ls")]

            def delete(answer, *flags):
                ours, its = pty.openpty()
                os.write(ours, answer)
                done = subprocess.run(
                    [HEADRACE, "topics", "delete", "x", "--server", broker.listen, *flags],
                    stdin=its, capture_output=True, text=True, timeout=60)
                os.close(ours)
                os.close(its)
                return done

            refused = delete(b"yes\n")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("type 'x'", refused.stderr)
            self.assertTrue(there())
            self.assertEqual(delete(b"x\n").returncode, 0)
            self.assertFalse(there())
            broker.cli("topics", "create", "x")
            self.assertEqual(delete(b"", "--yes").stderr, "")
            self.assertFalse(there())

    def test_smoke_and_doctor_pass(self):
        with Broker() as broker:
            broker.cli("smoke")
            self.assertEqual(broker.json("groups", "ls"), [], "it leaves nothing behind")
            rows = broker.json("doctor")
            self.assertTrue(rows)
            self.assertEqual({row["result"] for row in rows}, {"PASS"})

    def test_two_reactors_serve_like_one(self):
        with Broker(args=["--reactors", "2"]) as broker:
            broker.cli("topics", "create", "t", "--partitions", "4")
            for i in range(4):
                broker.cli("publish", "t", stdin="".join(f"{i}-{n}\n" for n in range(50)))
            events = broker.json("consume", "t", "--from", "earliest", "--count", "200")
            self.assertEqual(len({event["data"] for event in events}), 200)
            self.assertEqual(broker.terminate(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
