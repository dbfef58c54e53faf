#!/usr/bin/env python3
"""Backups of a broker that serves, and what is restored of them."""

import glob
import os
import subprocess
import tempfile
import threading
import unittest

from access import http, lines, make, run
from broker import Broker, HEADRACE, wait_until


def restore(*args):
    return subprocess.run([HEADRACE, "restore", *args], capture_output=True, text=True, timeout=120)


class BackupTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="headrace-backup-")
        self.addCleanup(self.scratch.cleanup)
        self.kept = self.scratch.name + "/backups"
        self.data = self.scratch.name + "/restored"

    def broker(self, *args):
        return Broker(args=["--set", "backup.dir=" + self.kept, *args])

    def test_everything_of_one_instant_comes_back(self):
        with self.broker() as broker:
            lines(broker, None, "topics", "create", "orders", "--partitions", "2")
            lines(broker, None, "groups", "create", "mail", "--topic", "orders", "--from",
                  "earliest", "--max-retries", "1", "--retry-base", "7d")
            text = "".join("event %d\n" % number for number in range(1000))
            acked = lines(broker, None, "publish", "orders", stdin=text)
            # One is parked for a week, the others are settled but for those that nobody had.
            lines(broker, None, "subscribe", "mail", "--count", "1", "--exec", "exit 1")
            lines(broker, None, "subscribe", "mail", "--count", "500")
            lines(broker, None, "consume", "orders", "--group", "reader", "--from", "earliest",
                  "--count", "700")
            before = lines(broker, None, "groups", "describe", "mail")[0]
            broker.terminate()
            broker.start()  # what was in the write-ahead log is in table and blob files now
            self.assertNotEqual(glob.glob(broker.data + "/db/*.blob"), [])
            made = lines(broker, None, "backup")[0]
            self.assertEqual(made["id"], 1)
            self.assertNotEqual(glob.glob(self.kept + "/shared_checksum/*.blob"), [])
            later = lines(broker, None, "publish", "orders", "--data", "after the backup")
        done = restore("--from", self.kept, "--data", self.data)
        self.assertEqual(done.returncode, 0, done.stderr)
        with Broker(data=self.data) as broker:
            found = lines(broker, None, "consume", "orders", "--from", "earliest", "--count",
                          "1000")
            self.assertEqual({(one["partition"], one["offset"], one["data"]) for one in found},
                             {(one["partition"], one["offset"], text.splitlines()[index])
                              for index, one in enumerate(acked)})
            self.assertEqual({one["id"] for one in found}, {one["id"] for one in acked})
            after = lines(broker, None, "groups", "describe", "mail")[0]
            for field in ("lag_events", "retry", "dlq", "consecutive_failures", "state"):
                self.assertEqual(after[field], before[field], field)
            rest = lines(broker, None, "consume", "orders", "--group", "reader", "--count", "300")
            self.assertEqual(len(rest), 300)
            # The same place as the lost event, and another id.
            place = (later[0]["partition"], later[0]["offset"])
            for _ in range(100):  # a client without a key draws its partition
                one = lines(broker, None, "publish", "orders", "--data", "new")[0]
                if (one["partition"], one["offset"]) == place:
                    break
            self.assertEqual((one["partition"], one["offset"]), place)
            self.assertNotEqual(one["id"], later[0]["id"])
            self.assertEqual({row["result"] for row in lines(broker, None, "doctor")}, {"PASS"})

    def test_under_load_nothing_acked_before_is_missing(self):
        with self.broker() as broker:
            lines(broker, None, "topics", "create", "load")
            acked = lines(broker, None, "publish", "load",
                          stdin="".join("%d\n" % number for number in range(2000)))
            done = threading.Event()
            loads = []

            def publish():
                while not done.is_set():
                    bench = run(broker, None, "bench", "publish", "--events", "20000")
                    loads.append(bench.returncode)
            load = threading.Thread(target=publish)
            load.start()
            try:
                ids = [lines(broker, None, "backup")[0]["id"] for _ in range(3)]
            finally:
                done.set()
                load.join()
            self.assertEqual(set(loads), {0})
            self.assertEqual(ids, [1, 2, 3])
            broker.kill()
        for number in (1, 3):
            data = self.data + str(number)
            self.assertEqual(restore("--from", self.kept, "--id", str(number), "--data",
                                     data).returncode, 0)
            with Broker(data=data) as restored:
                found = lines(restored, None, "consume", "load", "--from", "earliest", "--count",
                              "2000")
                self.assertEqual([one["id"] for one in found], [one["id"] for one in acked])
                checks = lines(restored, None, "doctor")
                self.assertEqual([row for row in checks if row["result"] != "PASS"], [])

    def test_so_many_are_kept_and_listed(self):
        with self.broker("--set", "backup.keep=2") as broker:
            for _ in range(4):
                lines(broker, None, "backup")
            self.assertEqual([row["id"] for row in lines(broker, None, "backup", "--list")], [3, 4])
            self.assertEqual([row["id"] for row in
                              http(broker, "GET", "/v1/backups")[1]["backups"]], [3, 4])
            root = make(broker, None, "root", "--role", "owner", "--platform")
            owner = make(broker, root, "owner-of-default", "--role", "owner")
            self.assertEqual(run(broker, owner, "backup").returncode, 4)
            self.assertIn("backup.started",
                          [row["action"] for row in lines(broker, root, "audit", "ls")])

    def test_damage_and_wrong_places_are_named(self):
        with Broker() as broker:
            refused = run(broker, None, "backup")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("backup.dir is not set", refused.stderr)
        none = restore("--from", self.scratch.name, "--check")
        self.assertEqual((none.returncode, "there are none" in none.stderr), (1, True))
        with self.broker() as broker:
            lines(broker, None, "publish", "default", "--data", "x" * 1000)
            lines(broker, None, "backup")
        self.assertEqual(restore("--from", self.kept, "--check").returncode, 0)
        missing = restore("--from", self.kept, "--id", "9", "--check")
        self.assertIn("none is whole with id 9", missing.stderr)
        self.assertEqual(restore("--from", self.kept).returncode, 2)
        full = restore("--from", self.kept, "--data", self.kept)
        self.assertEqual(full.returncode, 1)
        self.assertIn("is not empty", full.stderr)
        largest = max((path for path in glob.glob(self.kept + "/**", recursive=True)
                       if os.path.isfile(path)), key=os.path.getsize)
        with open(largest, "r+b") as file:
            file.seek(os.path.getsize(largest) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        damaged = restore("--from", self.kept, "--data", self.data)
        self.assertEqual(damaged.returncode, 1)
        self.assertIn("damaged", damaged.stderr)
        self.assertFalse(os.path.exists(self.data))


class TenantRestoreTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="headrace-restore-")
        self.addCleanup(self.scratch.cleanup)
        self.kept = self.scratch.name + "/backups"

    def broker(self):
        return Broker(args=["--set", "backup.dir=" + self.kept])

    def fill(self, broker, root):
        """Two tenants with the same names in them; a key of each, and what acme has."""
        keys = {}
        for tenant in ("acme", "other"):
            lines(broker, root, "tenants", "create", tenant)
            into = ("--as-tenant", tenant, "--reason", "test")
            lines(broker, root, "principals", "create", "boss", "--role", "owner", *into)
            keys[tenant] = lines(broker, root, "keys", "create", "boss", *into)[0]["secret"]
            key = keys[tenant]
            lines(broker, key, "topics", "create", "orders", "--partitions", "2")
            lines(broker, key, "groups", "create", "mail", "--topic", "orders", "--from",
                  "earliest", "--max-retries", "1", "--retry-base", "7d")
            lines(broker, key, "schemas", "register", "order.placed", "--file",
                  self.write('{"type": "object"}'))
            lines(broker, key, "publish", "orders", "--type", "order.placed", "--delay", "7d",
                  "--data", "{}")
            lines(broker, key, "publish", "orders",
                  stdin="".join("%s %d\n" % (tenant, number) for number in range(500)))
            lines(broker, key, "subscribe", "mail", "--count", "1", "--exec", "exit 1")
            lines(broker, key, "subscribe", "mail", "--count", "99")
            lines(broker, key, "consume", "orders", "--group", "reader", "--from", "earliest",
                  "--count", "100")
        lines(broker, root, "tenants", "update", "acme", "--topics", "9")
        return keys

    def write(self, text):
        path = self.scratch.name + "/file"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def state(self, broker, key):
        """What a tenant has, as far as it does not change by looking at it."""
        events = lines(broker, key, "consume", "orders", "--from", "earliest", "--count", "1000",
                       "--wait", "3s")
        group = lines(broker, key, "groups", "describe", "mail")[0]
        reader = lines(broker, key, "groups", "describe", "reader")[0]
        quotas = lines(broker, key, "quotas")[0]
        return {"events": sorted((one["partition"], one["offset"], one["id"], one["data"],
                                  one["append_time"]) for one in events),
                "mail": {name: group[name] for name in ("lag_events", "retry", "dlq", "state",
                                                        "consecutive_failures", "acked",
                                                        "version")},
                "reader": reader["partition_details"][0]["committed"],
                "delayed": [(one["id"], one["due"]) for one in
                            lines(broker, key, "topics", "delayed", "orders")],
                "schemas": lines(broker, key, "schemas", "ls"),
                "quota": quotas.get("quotas")}

    def written(self, data):
        """Bytes that were written ahead."""
        return sum(os.path.getsize(path) for path in glob.glob(data + "/db/*.log"))

    def passes(self, data):
        checks = subprocess.run([HEADRACE, "doctor", "--data", data], capture_output=True,
                                text=True, timeout=120)
        self.assertEqual(checks.returncode, 0, checks.stdout + checks.stderr)

    def one(self, broker, *args):
        return restore("--from", self.kept, "--data", broker.data, "--tenant", "acme", *args)

    def test_one_tenant_comes_back_beside_the_others(self):
        with self.broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            keys = self.fill(broker, root)
            before = self.state(broker, keys["acme"])
            lines(broker, root, "backup")
            # Afterwards: both go on, one is lost.
            lines(broker, keys["other"], "publish", "orders", "--data", "later")
            lines(broker, keys["other"], "subscribe", "mail", "--count", "10")
            other = self.state(broker, keys["other"])
            trail = len(lines(broker, keys["other"], "audit", "ls", "--count", "1000"))
            lines(broker, root, "tenants", "delete", "acme", "--confirm", "acme")
            busy = self.one(broker)
            self.assertEqual(busy.returncode, 1)
            self.assertIn("stop it first", busy.stderr)
            broker.terminate()
            done = self.one(broker, "--reason", "deleted by mistake", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('"tenant":"acme"', done.stdout)
            self.passes(broker.data)
            broker.start()
            self.assertEqual(self.state(broker, keys["acme"]), before)
            self.assertEqual(self.state(broker, keys["other"]), other)
            self.assertEqual(len(lines(broker, keys["other"], "audit", "ls", "--count", "1000")),
                             trail)
            for key in keys.values():
                self.assertEqual({row["result"] for row in lines(broker, key, "audit", "verify")},
                                 {"PASS"})
            told = [row for row in lines(broker, keys["acme"], "audit", "ls")
                    if row["action"] == "tenant.restored"]
            self.assertEqual([row["reason"] for row in told], ["deleted by mistake"])
            again = lines(broker, keys["acme"], "publish", "orders", "--data", "new")[0]
            self.assertNotIn(again["id"], [event[2] for event in before["events"]])
            lines(broker, keys["acme"], "topics", "create", "another")
            lines(broker, keys["acme"], "subscribe", "mail", "--count", "5")
            broker.terminate()
            self.passes(broker.data)
            broker.start()

    def test_what_is_there_goes_only_when_it_is_said(self):
        with self.broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            keys = self.fill(broker, root)
            before = self.state(broker, keys["acme"])
            lines(broker, root, "backup")
            lines(broker, keys["acme"], "publish", "orders", stdin="1\n2\n3\n")
            lines(broker, keys["acme"], "subscribe", "mail", "--count", "50")
            lines(broker, keys["acme"], "topics", "create", "later")
            broker.terminate()
            refused = self.one(broker)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("--replace", refused.stderr)
            self.assertEqual(self.one(broker, "--replace").returncode, 0)
            self.passes(broker.data)
            missing = restore("--from", self.kept, "--data", broker.data, "--tenant", "nobody")
            self.assertIn("has no tenant 'nobody'", missing.stderr)
            self.assertEqual(restore("--from", self.kept, "--tenant", "acme").returncode, 2)
            broker.start()
            self.assertEqual(self.state(broker, keys["acme"]), before)
            self.assertNotIn("later", [row["topic"] for row in
                                       lines(broker, keys["acme"], "topics", "ls")])
            self.assertEqual({row["result"] for row in
                              lines(broker, keys["acme"], "audit", "verify")}, {"PASS"})
        with Broker() as elsewhere:
            elsewhere.terminate()
            foreign = self.one(elsewhere)
            self.assertIn("another cluster", foreign.stderr)
            elsewhere.start()

    def test_killed_on_the_way_it_is_done_again(self):
        with self.broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            keys = self.fill(broker, root)
            lines(broker, keys["acme"], "topics", "create", "bulk")
            lines(broker, keys["acme"], "publish", "bulk",
                  stdin="".join("x" * 1000 + "\n" for _ in range(20_000)))
            bulk = lines(broker, keys["acme"], "topics", "describe", "bulk")
            before = self.state(broker, keys["acme"])
            other = self.state(broker, keys["other"])
            lines(broker, root, "backup")
            broker.terminate()
            seen = []
            for more in (-1, 0, 2_000_000, 6_000_000, 12_000_000, 18_000_000):
                size = self.written(broker.data)
                copying = subprocess.Popen(
                    [HEADRACE, "restore", "--from", self.kept, "--data", broker.data, "--tenant",
                     "acme", "--replace"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                wait_until(lambda: copying.poll() is not None or
                           self.written(broker.data) > size + more, "the restore")
                copying.kill()
                copying.wait()
                with Broker(data=broker.data) as between:
                    self.assertEqual(self.state(between, keys["other"]), other)
                    seen.append("acme" in [row["tenant"] for row in
                                           lines(between, root, "tenants", "ls")])
            self.assertIn(False, seen, "none was cut off in the middle")
            self.assertEqual(self.one(broker, "--replace").returncode, 0)
            self.assertFalse(os.path.exists(broker.data + "/restore-scratch"))
            self.passes(broker.data)
            broker.start()
            self.assertEqual(self.state(broker, keys["acme"]), before)
            self.assertEqual(lines(broker, keys["acme"], "topics", "describe", "bulk"), bulk)
            self.assertEqual(self.state(broker, keys["other"]), other)


if __name__ == "__main__":
    unittest.main()
