#!/usr/bin/env python3
"""Backups of a broker that serves, and what is restored of them."""

import glob
import os
import tempfile
import threading
import unittest

from access import http, lines, make, run
from broker import Broker, HEADRACE
import subprocess


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


if __name__ == "__main__":
    unittest.main()
