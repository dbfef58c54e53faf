#!/usr/bin/env python3
"""Publishers that are held to events of some types: on every way into a topic."""

import gzip
import unittest

from access import http, lines, make, run
from broker import Broker
from wire import PUBLISH, Refused, Wire, batch, fields, message, record

FORBIDDEN = 105
GOOD, OTHER = "order.placed", "mail.sent"


def records(*types):
    return b"".join(record(i, b"x", [(b"ce_type", kind.encode())] if kind else [])
                    for i, kind in enumerate(types))


class PublishTypesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()
        cls.root = make(cls.broker, None, "root", "--role", "owner", "--platform")
        for topic in ("orders.eu", "mail"):
            lines(cls.broker, cls.root, "topics", "create", topic)
        cls.typed = make(cls.broker, cls.root, "typed", "--role", "producer:orders.:order.",
                         "--role", "producer:mail")

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def wire(self, key=None):
        return Wire(self.broker, hello=((4, key or self.typed),))

    def stored(self):
        return [event["type"] for event in
                lines(self.broker, self.root, "events", "ls", "--topic", "orders.eu",
                      "--count", "1000")]

    def test_the_command_line_says_what_may_not_be(self):
        publish = ["publish", "orders.eu", "--data", "x"]
        self.assertEqual(lines(self.broker, self.typed, "me")[0]["roles"],
                         ["producer:orders.:order.", "producer:mail"])
        lines(self.broker, self.typed, *publish, "--type", GOOD)
        lines(self.broker, self.typed, "publish", "mail", "--data", "x", "--type", OTHER)
        for flags, named in ((["--type", OTHER], OTHER), ([], "without a type"),
                             (["--type", "order"], "'order'"),
                             (["--type", OTHER, "--delay", "1h"], OTHER),
                             (["--type", OTHER, "--durability", "memory"], OTHER)):
            done = run(self.broker, self.typed, *publish, *flags)
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn("may not publish", done.stderr)
            self.assertIn(named, done.stderr)
        self.assertIn(GOOD, self.stored())
        self.assertNotIn(OTHER, self.stored())
        # Not for roles that it would be no bound of.
        for role in ("consumer::order.", "owner::order.", "producer::", "producer:a:b:c"):
            done = run(self.broker, self.root, "principals", "create", "x", "--role", role)
            self.assertIn(done.returncode, (1, 2), role)

    def test_events_of_one_publish_are_told_apart(self):
        events = [message((2, 1), (5, kind)) for kind in (GOOD, OTHER, GOOD)]
        body = [(1, "orders.eu"), (2, 0), *((8, event) for event in events)]
        with self.wire() as wire:
            _, answer, _ = wire.ask(PUBLISH, message(*body), b"xxx")
            errors = [fields(row).get(3, [0])[0] for row in fields(answer)[1]]
            self.assertEqual(errors, [0, FORBIDDEN, 0])

    def test_batches_whatever_is_said_of_them(self):
        with self.wire() as wire:
            wire.publish_batch("orders.eu", batch(records(GOOD, GOOD), 2))
            wire.publish_batch("orders.eu", batch(gzip.compress(records(GOOD)), 1, "gzip"),
                               [(GOOD, 1)])
            before = len(self.stored())
            many = [f"order.{n}" for n in range(100)] + [OTHER]  # more than a summary tells
            for data in (batch(records(GOOD, OTHER), 2), batch(records(OTHER), 1),
                         batch(records(GOOD, ""), 2), batch(records(*many), len(many)),
                         batch(gzip.compress(records(GOOD, OTHER)), 2, "gzip")):
                for summary in ([(GOOD, 2)], [(GOOD, 1), (OTHER, 1)]):
                    with self.assertRaises(Refused) as caught:
                        wire.publish_batch("orders.eu", data, summary)
                    self.assertEqual(caught.exception.name, "forbidden")
            self.assertEqual(len(self.stored()), before)
            wire.publish_batch("orders.eu", batch(records(*many[:-1]), 100))
            self.assertEqual(len(self.stored()), before + 100)

    def test_over_http(self):
        path = "/v1/topics/orders.eu/events"
        self.assertEqual(http(self.broker, "POST", path + "?type=" + GOOD, self.typed, {})[0], 201)
        before = len(self.stored())
        status, problem = http(self.broker, "POST", path + "?type=" + OTHER, self.typed, {})
        self.assertEqual((status, problem["code"]), (403, "forbidden"))
        self.assertEqual(http(self.broker, "POST", path, self.typed, {})[0], 403)
        self.assertEqual(len(self.stored()), before)

    def test_what_waits_is_not_taken_back_by_who_is_held_to_types(self):
        lines(self.broker, self.root, "publish", "orders.eu", "--data", "x", "--type", OTHER,
              "--delay", "1h", "--id", "later")
        done = run(self.broker, self.typed, "topics", "cancel-delayed", "orders.eu", "later")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("may not publish", done.stderr)
        done = run(self.broker, self.root, "topics", "cancel-delayed", "orders.eu", "later")
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
