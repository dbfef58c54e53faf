#!/usr/bin/env python3
"""kill -9 while a group trips into quarantine and while it blocks on full dead letters: what a
failure did is there wholly or not at all - its retry, dead letter, count, state and audit entry."""

import itertools
import json
import random
import subprocess
import unittest

from broker import HEADRACE, Broker

ROUNDS = 6
FAILURES_TO_QUARANTINE = 5


def prng():
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed, flush=True)
    return random.Random(seed)


def publish(broker, count):
    broker.json("publish", "default", stdin="".join(f"{i}\n" for i in range(count)))


def fail_until_killed(broker, group, command, outcomes):
    """A member whose broker is killed after so many outcomes; how many it told at the least."""
    member = subprocess.Popen(
        [HEADRACE, "subscribe", group, "--json", "--window", "1", "--exec", command, "--server",
         broker.listen, "--timeout", "1s"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = list(itertools.islice(member.stdout, outcomes))
    broker.kill()
    member.stdout.close()
    member.kill()
    member.wait()
    broker.start()
    return [json.loads(line)["outcome"] for line in lines]


def describe(broker, group):
    return broker.json("groups", "describe", group)[0]


class KillHealth(unittest.TestCase):
    def test_a_quarantine_is_whole(self):
        random_numbers = prng()
        for round_number in range(ROUNDS):
            with Broker() as broker:
                broker.json("groups", "create", "g", "--topic", "default", "--from", "earliest",
                            "--retry-base", "1h", "--cooldown", "10m")
                publish(broker, 20)
                outcomes = random_numbers.randrange(FAILURES_TO_QUARANTINE - 1,
                                                    FAILURES_TO_QUARANTINE + 1)
                fail_until_killed(broker, "g", "exit 1", outcomes)
                group = describe(broker, "g")
                told = (round_number, group)
                # A line is printed before its outcome is sent: the last one may be missing. And
                # the next event comes when an outcome has arrived, not when it is durable: the
                # one before may have been on its way to the disk.
                self.assertGreaterEqual(group["failed"], outcomes - 2, told)
                self.assertEqual(group["retry"], group["failed"], told)
                self.assertEqual(group["consecutive_failures"], group["failed"], told)
                stopped = group["failed"] >= FAILURES_TO_QUARANTINE
                self.assertEqual(group["state"] == "quarantined", stopped, told)
                trips = broker.json("audit", "ls", "--action", "group.quarantined")
                self.assertEqual(len(trips), 1 if stopped else 0, told)
                self.assertEqual({check["result"] for check in broker.json("audit", "verify")},
                                 {"PASS"})

    def test_a_block_is_whole(self):
        random_numbers = prng()
        odd_fails = 'read -r n; [ $((n % 2)) -eq 0 ]'
        for round_number in range(ROUNDS):
            with Broker() as broker:
                broker.json("groups", "create", "g", "--topic", "default", "--from", "earliest",
                            "--max-retries", "0", "--dlq-entries", "2")
                publish(broker, 20)
                # Two letters and two blocked events stop the group behind its eighth outcome.
                fail_until_killed(broker, "g", odd_fails, random_numbers.randrange(3, 9))
                group = describe(broker, "g")
                told = (round_number, group)
                self.assertEqual(group["lag_events"], 20 - group["acked"] - group["dlq"], told)
                self.assertEqual(group["failed"], group["dlq"] + group["retry"], told)
                self.assertEqual(group["state"] == "blocked", group["retry"] == 2, told)
                levels = broker.json("audit", "ls", "--action", "dlq.level")
                self.assertEqual(bool(levels), group["dlq"] == 2, told)
                broker.json("groups", "update", "g", "--dlq-entries", "100")
                left = 20 - group["acked"] - group["dlq"] - group["retry"]
                broker.json("subscribe", "g", "--count", str(left), "--exec", odd_fails)
                letters = broker.json("dlq", "ls", "g")
                self.assertEqual(sorted(int(letter["event"]["data"]) for letter in letters),
                                 list(range(1, 20, 2)), told)
                self.assertEqual(describe(broker, "g")["acked"], 10, told)
                self.assertNotIn("FAIL", [check["result"] for check in broker.json("doctor")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
