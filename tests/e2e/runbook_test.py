#!/usr/bin/env python3
"""deploy/runbook.md as it stands: each section's blocks, against a broker that has the trouble."""

import os
import re
import subprocess
import tempfile
import unittest

from access import identity, lines, make
from broker import Broker, HEADRACE, wait_until

QUICK = ("--retry-base", "10ms", "--retry-jitter", "0", "--retry-factor", "1")


def sections():
    """{title: script}"""
    with open("deploy/runbook.md") as page:
        parts = re.split(r"^## ", page.read(), flags=re.M)[1:]
    return {part.split("\n", 1)[0]: "".join(re.findall(r"^```sh\n(.*?)^```$", part, re.M | re.S))
            for part in parts}


class RunbookTest(unittest.TestCase):
    done = set()

    @classmethod
    def tearDownClass(cls):
        assert cls.done == set(sections()), set(sections()) - cls.done

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="headrace-runbook-")
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        os.mkdir(self.directory + "/bin")
        os.symlink(os.path.abspath(HEADRACE), self.directory + "/bin/headrace")
        self.broker = Broker(args=["--set", f"backup.dir={self.directory}/backups"])
        self.broker.start()
        self.addCleanup(self.broker.__exit__)
        self.root = make(self.broker, None, "root", "--role", "owner", "--platform")
        self.json("topics", "create", "orders")

    def json(self, *args, **kwargs):
        return lines(self.broker, self.root, *args, **kwargs)

    def follow(self, title, **variables):
        """Runs the section; what it printed. Any verb that fails ends it."""
        environment = identity(self.root)
        environment.update(HEADRACE_SERVER=self.broker.listen, HEADRACE_HTTP=self.broker.http,
                           DIRECTORY=self.directory, **variables)
        environment["PATH"] = self.directory + "/bin:" + environment["PATH"]
        ran = subprocess.run(["bash", "-euo", "pipefail", "-c", sections()[title]],
                             capture_output=True, text=True, timeout=120, env=environment)
        self.assertEqual(ran.returncode, 0, ran.stderr + ran.stdout)
        self.done.add(title)
        return ran.stdout

    def fail_in(self, group, count, *args):
        """A group whose handler fails on so many events; their ids."""
        self.json("groups", "create", group, "--topic", "orders", "--from", "earliest",
                  "--max-retries", "0", *QUICK, *args)
        events = self.json("publish", "orders", "--type", "order.placed",
                           stdin="".join(f"{n}\n" for n in range(count)))
        self.json("subscribe", group, "--exec", "echo no >&2; exit 1", "--count", str(count))
        return [event["id"] for event in events]

    def group(self, name):
        return self.json("groups", "describe", name)[0]

    def test_dead_letters(self):
        event = self.fail_in("mail", 3)[0]
        printed = self.follow("Dead letters are to be cleared by hand", GROUP="mail", EVENT=event)
        self.assertIn("nack", printed)
        self.assertEqual(self.group("mail")["dlq"], 0)
        self.assertIn("dlq.purged", printed)

    def test_replays(self):
        self.json("groups", "create", "mail", "--topic", "orders", "--from", "earliest")
        self.json("publish", "orders", stdin="".join(f"{n}\n" for n in range(5)))
        self.json("subscribe", "mail", "--count", "5")
        printed = self.follow("Events are to be replayed", GROUP="mail", JOB="2",
                              SINCE="2020-01-01T00:00:00Z")
        self.assertIn('"matched":5', printed)
        self.assertEqual(self.json("replay", "status", "mail/2")[0]["state"], "cancelled")

    def test_a_consumer_that_falls_behind(self):
        self.fail_in("mail", 5)
        self.assertEqual(self.group("mail")["state"], "quarantined")
        self.follow("A consumer falls behind", GROUP="mail", TOPIC="orders")
        mail = self.group("mail")
        self.assertEqual((mail["state"], mail["options"]["max_in_flight"]), ("disabled", 4000))
        self.assertEqual(self.group("mail-2")["lag_events"], 0)

    def test_a_handler(self):
        printed = self.follow("A handler is added", GROUP="billing", TOPIC="orders")
        self.assertIn("billing-handler in tenant default: consumer:orders", printed)
        billing = self.group("billing")
        self.assertEqual((billing["state"], billing["acked"], billing["lag_events"]),
                         ("healthy", 1, 0))

    def test_a_leak(self):
        leaked = make(self.broker, self.root, "ada", "--role", "admin")
        self.json("topics", "ls")
        lines(self.broker, leaked, "topics", "create", "by-a-thief")
        printed = self.follow("A key or a password has leaked", PRINCIPAL="ada", KEY=leaked[3:15])
        self.assertIn("by-a-thief", printed)
        self.assertIn("password.set", printed)
        new = {}
        for name in ("new.key", "password"):
            with open(self.directory + "/" + name) as file:
                new[name] = file.read().strip()
        for key in (leaked, new["new.key"], ("ada", new["password"])):
            with self.assertRaises(AssertionError):
                lines(self.broker, key, "me")

    def test_a_disaster(self):
        self.fail_in("mail", 2)
        lost = self.directory + "/new"
        printed = self.follow("The machine or the disk is lost", NEW=lost,
                              BACKUPS=self.directory + "/backups")
        self.assertNotIn("FAIL", printed)
        self.broker.kill()
        with Broker(lost) as again:
            wait_until(lambda: again.get("/readyz")[0] == 200, "the restored broker")
            self.assertEqual(lines(again, self.root, "groups", "describe", "mail")[0]["dlq"], 2)


if __name__ == "__main__":
    unittest.main()
