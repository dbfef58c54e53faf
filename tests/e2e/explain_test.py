#!/usr/bin/env python3
"""What became of an event, with the real binary: why a group has it not yet, that it was tried and
when it is tried again, that it is dead, and all groups of a topic at once; also after a kill."""

import json
import unittest
import urllib.parse

from broker import Broker


def publish(broker, *args):
    return broker.json("publish", "default", "--data", "x", *args)[0]["id"]


def create(broker, group, *args):
    broker.json("groups", "create", group, "--topic", "default", *args)


def explain(broker, event, group):
    return broker.json("explain", event, "--group", group)[0]


class Explain(unittest.TestCase):
    def test_an_event_is_followed_from_waiting_to_its_dead_letter(self):
        with Broker() as broker:
            create(broker, "mail", "--from", "earliest", "--filter", "order.*", "--where",
                   "grade >= 80", "--max-retries", "1", "--retry-base", "1h")
            first = publish(broker, "--type", "order.paid", "--header", "grade=90")
            event = publish(broker, "--type", "order.paid", "--id", "o-1", "--header", "grade=80")
            told = explain(broker, event, "mail")
            self.assertEqual((told["status"], told["events_before"], told["held_by"],
                              told["matches"], told["topic"], told["offset"]),
                             ("waiting", 1, ["no_members"], True, "default", 1))
            broker.json("subscribe", "mail", "--count", "1")
            self.assertEqual(explain(broker, first, "mail")["status"], "settled")
            fails = ("--count", "1", "--exec", "echo no such address >&2; exit 1")
            broker.json("subscribe", "mail", *fails)
            broker.kill()
            broker.start()
            told = explain(broker, event, "mail")
            self.assertEqual((told["status"], told["attempt"], told["dead_letter"]),
                             ("retry", 2, None))
            self.assertGreater(told["due"], told["attempts"][0]["ended"])
            self.assertIn("no such address", told["attempts"][0]["error"])
            broker.json("groups", "disable", "mail", "--reason", "the mail server moves")
            told = explain(broker, event, "mail")
            self.assertEqual((told["held_by"], told["state"], told["state_reason"]),
                             (["disabled", "no_members"], "disabled", "the mail server moves"))

    def test_every_attempt_of_a_group_that_keeps_them(self):
        with Broker() as broker:
            create(broker, "mail", "--from", "earliest", "--max-retries", "1", "--retry-base",
                   "10ms", "--keep-attempts", "all")
            create(broker, "plain", "--from", "earliest")
            event = publish(broker, "--id", "o-1")
            publish(broker, "--id", "o-2")
            broker.json("subscribe", "plain", "--count", "2")
            broker.json("subscribe", "mail", "--count", "3", "--exec",
                        "test $HEADRACE_ID = o-2 || test $HEADRACE_ATTEMPT = 2")
            broker.kill()
            broker.start()
            told = explain(broker, event, "mail")
            self.assertEqual(told["status"], "settled")
            self.assertEqual([(one["attempt"], one["outcome"]) for one in told["attempts"]],
                             [(1, "nack"), (2, "acked")])
            self.assertTrue(told["attempts"][1]["member"])
            self.assertGreater(told["attempts"][1]["ended"], told["attempts"][0]["ended"])
            told = explain(broker, "o-2", "mail")
            self.assertEqual([(one["attempt"], one["outcome"], one["lane"])
                              for one in told["attempts"]], [(1, "acked", 0)])
            self.assertEqual(explain(broker, event, "plain")["attempts"], [])

    def test_the_history_of_a_group_is_searched_by_status(self):
        with Broker() as broker:
            create(broker, "mail", "--from", "earliest", "--filter", "order.*", "--max-retries",
                   "0")
            ids = [publish(broker, "--type", kind)
                   for kind in ("order.paid", "user.made", "order.paid", "order.sent",
                                "order.paid")]
            broker.json("subscribe", "mail", "--count", "1", "--exec", "exit 1")
            broker.json("subscribe", "mail", "--count", "2")
            history = ("events", "ls", "--group", "mail")
            wanted = [(ids[4], "waiting"), (ids[3], "settled"), (ids[2], "settled"),
                      (ids[1], "not_matched"), (ids[0], "dead")]
            broker.kill()  # of what a member had and did not answer nobody knows
            broker.start()
            told = broker.json(*history)
            self.assertEqual([(row["id"], row["status"]) for row in told], wanted)
            for given, statuses in ((("--status", "dead"), {"dead"}),
                                    (("--status", "settled", "--type", "order.sent"), {"settled"}),
                                    (("--status", "dead", "--status", "waiting"),
                                     {"dead", "waiting"})):
                rows = [(row["id"], row["status"]) for row in broker.json(*history, *given)]
                of_type = "order.sent" in given
                self.assertEqual(rows, [row for row in wanted if row[1] in statuses and
                                        (row[0] == ids[3] or not of_type)])
                query = [("group", "mail")] + [
                    (name[2:], value) for name, value in zip(given[::2], given[1::2])]
                page = json.loads(
                    broker.get("/v1/topics/default/events?" + urllib.parse.urlencode(query))[1])
                self.assertEqual([(row["id"], row["status"]) for row in page["events"]], rows)
            said = broker.cli(*history, "--status", "lost", check=False)
            self.assertEqual(said.returncode, 1)
            self.assertIn("statuses[0]: there is no 'lost', but not_matched, ", said.stderr)
            said = broker.cli("events", "ls", "--status", "dead", check=False)
            self.assertIn("statuses: name the group", said.stderr)

    def test_a_dead_letter_is_named(self):
        with Broker() as broker:
            create(broker, "mail", "--from", "earliest", "--max-retries", "0")
            event = publish(broker)
            broker.json("subscribe", "mail", "--count", "1", "--exec", "exit 1")
            told = explain(broker, event, "mail")
            self.assertEqual((told["status"], told["dead_letter"]["id"], len(told["attempts"])),
                             ("dead", "mail@1", 1))
            said = broker.cli("explain", event, "--group", "mail").stdout
            self.assertIn("mail: dead\n", said)
            self.assertIn("dead letter: mail@1", said)

    def test_what_a_filter_does_not_let_through_and_why(self):
        with Broker() as broker:
            early = publish(broker, "--type", "order.paid")
            create(broker, "late", "--filter", "order.*", "--where", "grade >= 80")
            user = publish(broker, "--type", "user.made")
            poor = publish(broker, "--type", "order.paid", "--header", "grade=79")
            self.assertEqual(explain(broker, early, "late")["status"], "before_start")
            told = explain(broker, user, "late")
            self.assertEqual((told["status"], told["matches"]), ("not_matched", False))
            self.assertIn("the type 'user.made' matches none of 'order.*'", told["mismatch"])
            told = explain(broker, poor, "late")
            self.assertEqual((told["status"], told["mismatch"]),
                             ("not_matched", "conditions[0]: 'grade >= 80' does not hold"))

    def test_one_event_with_all_groups_of_its_topic(self):
        with Broker() as broker:
            create(broker, "a", "--from", "earliest")
            create(broker, "b", "--from", "earliest", "--filter", "other.*")
            broker.json("topics", "create", "orders")
            broker.json("groups", "create", "c", "--topic", "orders")
            event = publish(broker, "--id", "e-1")
            broker.json("consume", "default", "--group", "positional", "--count", "1")
            broker.json("subscribe", "a", "--count", "1")
            whole = broker.json("events", "get", event, "--attempts")[0]
            self.assertEqual((whole["id"], whole["data"]), ("e-1", "x"))
            self.assertEqual([(group["group"], group["status"]) for group in whole["groups"]],
                             [("a", "settled"), ("b", "not_matched")])
            self.assertNotIn("groups", broker.json("events", "get", event)[0])

    def test_what_makes_no_sense_is_refused_by_name(self):
        with Broker() as broker:
            create(broker, "mail")
            event = publish(broker)
            broker.json("consume", "default", "--group", "positional", "--count", "1")
            broker.json("topics", "create", "orders")
            broker.json("groups", "create", "other", "--topic", "orders")
            for arguments, said in (((event, "--group", "nobody"), "nobody"),
                                    ((event, "--group", "positional"), "positional"),
                                    ((event, "--group", "other"), "'other' is of 'orders'"),
                                    (("e-9", "--group", "mail"), "no event with the id 'e-9'"),
                                    (("t1-0-99", "--group", "mail"), "not in the log")):
                refused = broker.cli("explain", *arguments, check=False)
                self.assertNotEqual(refused.returncode, 0, arguments)
                self.assertIn(said, refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
