#!/usr/bin/env python3
"""docs/examples with the real binary: modules that know nothing of each other work together."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import jsonschema

from broker import HEADRACE, Broker

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples"
ACADEMY = EXAMPLES / "academy"


def events_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def payload_types():
    rows = (EXAMPLES / "schemas" / "types.txt").read_text().splitlines()
    return dict(row.split() for row in rows if not row.startswith("#"))


def schema(payload):
    return json.loads((EXAMPLES / "schemas" / f"{payload}.schema.json").read_text())


class Academy:
    """The example's groups and one member for each, with an outbox of its own."""

    def __init__(self, broker):
        self.broker = broker
        self.scratch = tempfile.TemporaryDirectory(prefix="headrace-academy-")
        self.outbox = pathlib.Path(self.scratch.name)
        self.environment = {**os.environ, "HEADRACE": os.path.abspath(HEADRACE),
                            "HEADRACE_SERVER": broker.listen, "HEADRACE_HTTP": broker.http,
                            "ACADEMY_OUTBOX": str(self.outbox)}

    def __enter__(self):
        self.declare()
        self.members = subprocess.Popen([ACADEMY / "run"], env=self.environment,
                                        stdout=subprocess.DEVNULL, start_new_session=True)
        return self

    def __exit__(self, *_):
        os.killpg(self.members.pid, signal.SIGKILL)
        self.members.wait()
        self.scratch.cleanup()

    def declare(self):
        subprocess.run([ACADEMY / "declare"], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL, timeout=60)

    def lines(self, name):
        path = self.outbox / name
        return sorted(path.read_text().splitlines()) if path.exists() else []

    def until(self, group, condition):
        """Polls the group's description; the deadline only ends a test that has failed."""
        deadline = time.monotonic() + 60
        while True:
            state = self.broker.json("groups", "describe", group)[0]
            if condition(state):
                return state
            if time.monotonic() > deadline:
                raise AssertionError(f"{group} did not get there: {state}")
            time.sleep(0.05)


def settled(count):
    return lambda state: state["acked"] == count and state["lag_events"] == 0


class AcademyTest(unittest.TestCase):
    def test_graduates_become_candidates_and_mail_that_fails_is_sent_later(self):
        with Broker() as broker, Academy(broker) as academy:
            (academy.outbox / "mail-is-down").touch()
            broker.cli("publish", "academy", "--cloudevents",
                       stdin=(ACADEMY / "events.jsonl").read_text())
            academy.until("welcome-email", lambda state: state["failed"] >= 3)
            academy.until("audit-users", settled(3))  # waits for nobody's mail
            (academy.outbox / "mail-is-down").unlink()
            academy.until("welcome-email", settled(3))
            academy.until("candidate-profiles", settled(2))
            academy.until("notify-recruiters", settled(2))

            self.assertEqual(academy.lines("mails"),
                             ["u-1 to=ada@example.org subject=Welcome, Ada",
                              "u-2 to=ben@example.org subject=Welcome, Ben",
                              "u-3 to=cy@example.org subject=Welcome, Cy"])
            self.assertEqual(academy.lines("audit")[0],
                             "u-1 2026-03-02T09:00:00.000Z user.created user=ada source=/accounts")
            self.assertEqual(academy.lines("candidates"),
                             ["g-1 user=ada role=candidate grade=93.5",
                              "g-3 user=cy role=candidate grade=80"])
            self.assertEqual(academy.lines("notices"),
                             ["candidate-of-g-1 channel=#recruiting candidate=ada because=g-1",
                              "candidate-of-g-3 channel=#recruiting candidate=cy because=g-3"])
            self.assertEqual(broker.json("dlq", "ls", "welcome-email"), [])
            academy.declare()  # at every start of a program

    def test_what_is_published_satisfies_the_schemas(self):
        types = payload_types()
        self.assertGreaterEqual(len(types), 20)
        events = events_of(EXAMPLES / "schemas" / "events.jsonl") + events_of(
            ACADEMY / "events.jsonl")
        seen = set()
        for event in events:
            jsonschema.validate(event["data"], schema(types[event["type"]]))
            seen.add(types[event["type"]])
        self.assertLessEqual({"ApprovalRequested", "ApprovalDecision", "ApprovalEscalated",
                              "ApprovalExpired", "AgentRunStarted", "AgentRunCompleted",
                              "AgentRunFailed", "AgentConfirmation"}, seen)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({"approval_id": "a"}, schema("ApprovalDecision"))

    def test_approvals_and_agents_are_told_apart_by_their_types(self):
        with Broker() as broker:
            for group, pattern in (("approvals", "approval.*"), ("failures", "agent.run.failed"),
                                   ("everything", "*")):
                broker.json("groups", "create", group, "--topic", "default", "--from", "earliest",
                            "--filter", pattern)
            broker.cli("publish", "default", "--cloudevents",
                       stdin=(EXAMPLES / "schemas" / "events.jsonl").read_text())
            ids = {group: [event["id"] for event in
                           broker.json("subscribe", group, "--count", str(count))]
                   for group, count in (("approvals", 4), ("failures", 1), ("everything", 8))}
            self.assertEqual(ids["approvals"], ["a-1", "a-2", "a-3", "a-4"])
            self.assertEqual(ids["failures"], ["r-3"])
            self.assertEqual(len(ids["everything"]), 8)


if __name__ == "__main__":
    unittest.main(verbosity=2)
