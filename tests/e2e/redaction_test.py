#!/usr/bin/env python3
"""What people are not shown of events: fields of payloads over HTTP, secrets in error texts."""

import json
import os
import unittest

from access import http, lines
from broker import Broker

PAYLOAD = json.dumps({"user": {"email": "ann@example.org", "password": "hunter2"}, "n": 1})


def holds(directory, text):
    """Whether any file below it does."""
    for folder, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                if text.encode() in file.read():
                    return True
    return False


class RedactionTest(unittest.TestCase):
    def publish(self, broker):
        lines(broker, None, "topics", "create", "people")
        lines(broker, None, "groups", "create", "mail", "--topic", "people", "--max-retries", "0",
              "--from", "earliest")
        lines(broker, None, "publish", "people", "--id", "one", "--header", "X-Api-Key=swordfish",
              "--header", "plain=yes", "--data", PAYLOAD)

    def test_history_and_dead_letters_over_http(self):
        with Broker(args=["--set", "redact.pointers=/user/email"]) as broker:
            self.publish(broker)
            wanted = {"user": {"email": "[redacted]", "password": "[redacted]"}, "n": 1}
            lines(broker, None, "subscribe", "mail", "--count", "1", "--exec", "exit 1")
            listed = http(broker, "GET", "/v1/topics/people/events")[1]["events"][0]
            one = http(broker, "GET", "/v1/topics/people/events/one")[1]
            letters = http(broker, "GET", "/v1/groups/mail/dlq")[1]["letters"]
            letter = http(broker, "GET", "/v1/groups/mail/dlq/" + letters[0]["id"])[1]
            for event in (listed, one, letters[0]["event"], letter["event"]):
                self.assertEqual(json.loads(event["data"]), wanted)
                self.assertEqual(event["headers"], {"X-Api-Key": "[redacted]", "plain": "yes"})
                self.assertIs(event["redacted"], True)
            # Consumers get everything.
            consumed = lines(broker, None, "consume", "people", "--from", "earliest", "--count",
                             "1")[0]
            self.assertEqual(consumed["data"], PAYLOAD)
            self.assertEqual(consumed["headers"]["X-Api-Key"], "swordfish")
            self.assertNotIn("redacted", consumed)

    def test_error_texts_lose_secrets_before_they_are_stored(self):
        with Broker() as broker:
            self.publish(broker)
            lines(broker, None, "subscribe", "mail", "--count", "1", "--exec",
                  "echo 'smtp_password=opensesame for postgres://ann:s3cr3tpw@db refused' >&2; "
                  "exit 1")
            error = lines(broker, None, "dlq", "ls", "mail")[0]["error"]
            self.assertEqual(error.strip(),
                             "smtp_password=[redacted] for postgres://[redacted]@db refused")
            broker.terminate()
            self.assertFalse(holds(broker.data, "opensesame"))
            self.assertFalse(holds(broker.data, "s3cr3tpw"))
            self.assertTrue(holds(broker.data, "hunter2"), "the payload is stored as it is")

    def test_it_can_be_switched_off(self):
        with Broker(args=["--set", "redact.keys="]) as broker:
            self.publish(broker)
            event = http(broker, "GET", "/v1/topics/people/events/one")[1]
            self.assertEqual(event["data"], PAYLOAD)
            self.assertNotIn("redacted", event)


if __name__ == "__main__":
    unittest.main()
