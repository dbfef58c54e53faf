#!/usr/bin/env python3
"""doctor --data: what a broker left behind is right, damage is found, and nothing is changed."""

import glob
import hashlib
import json
import os
import random
import subprocess
import unittest

from broker import HEADRACE, Broker


def doctor(data):
    """(exit code, lines as objects, standard error)"""
    done = subprocess.run([HEADRACE, "doctor", "--data", data, "--json"], capture_output=True,
                          text=True, timeout=120)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def files(data):
    """Every file's content and time of change."""
    found = {}
    for folder, _, names in os.walk(data):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[path] = (os.stat(path).st_mtime_ns, hashlib.sha256(file.read()).digest())
    return found


class Doctor(unittest.TestCase):
    def fill(self, broker):
        broker.cli("topics", "create", "t", "--partitions", "3")
        broker.cli("publish", "t", "--type", "a.b", "--key", "k",
                   stdin="".join(f"{i}" + "x" * 900 + "\n" for i in range(3_000)))
        broker.cli("publish", "t", "--codec", "zstd", stdin="".join(f"{i}\n" for i in range(500)))
        broker.json("consume", "t", "--group", "g", "--from", "earliest", "--count", "1000")
        broker.cli("topics", "create", "gone")
        broker.cli("publish", "gone", "--data", "x")
        broker.cli("topics", "delete", "gone")

    def check_healthy(self, data):
        before = files(data)
        code, rows, errors = doctor(data)
        self.assertEqual(code, 0, (rows, errors))
        self.assertEqual({row["check"] for row in rows},
                         {"catalog", "months", "log", "producers", "groups", "delivery",
                          "beside the log", "audit"})
        self.assertEqual({row["result"] for row in rows}, {"PASS"})
        self.assertEqual(files(data), before, "the doctor must not change anything")

    def test_what_a_broker_leaves_behind_is_right(self):
        with Broker() as broker:
            self.fill(broker)
            code, _, errors = doctor(broker.data)
            self.assertEqual(code, 1)
            self.assertIn("running headrace", errors)
            broker.kill()  # what only the write-ahead log has is looked at, too
            self.check_healthy(broker.data)
            broker.start()
            self.fill_more(broker)
            self.assertEqual(broker.terminate(), 0)
            self.check_healthy(broker.data)
            broker.start()

    def fill_more(self, broker):
        broker.cli("publish", "t", stdin="".join(f"more {i}\n" for i in range(2_000)))
        broker.json("consume", "t", "--group", "g", "--from", "earliest", "--count", "4000")

    def test_a_flipped_bit_is_found_where_it_is(self):
        seed = random.SystemRandom().randrange(1 << 32)
        print("seed", seed, flush=True)
        prng = random.Random(seed)
        with Broker() as broker:
            self.fill(broker)
            broker.terminate()
            broker.start()  # brings the write-ahead log into its files
            broker.terminate()
            blobs = glob.glob(broker.data + "/db/*.blob")
            self.assertTrue(blobs, "there are files of batches")
            path = max(blobs, key=os.path.getsize)
            with open(path, "r+b") as file:
                size = os.path.getsize(path)
                at = prng.randrange(size // 4, size * 3 // 4)
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 1 << prng.randrange(8)]))
            before = files(broker.data)
            code, rows, errors = doctor(broker.data)
            self.assertEqual(files(broker.data), before)
            self.assertEqual(code, 1, (rows, errors))
            failed = [row for row in rows if row["result"] == "FAIL"]
            self.assertEqual({row["check"] for row in failed}, {"log"}, failed)
            self.assertIn("behind month", failed[0]["where"])
            self.assertIn("log batch", failed[0]["where"])
            self.assertIn("Corruption", failed[0]["detail"])
            self.assertTrue(all(row["advice"] for row in failed))
            self.assertEqual({row["check"] for row in rows if row["result"] == "PASS"},
                             {"catalog", "months", "producers", "groups", "delivery",
                              "beside the log", "audit"})

    def test_what_is_no_data_directory_is_said(self):
        code, _, errors = doctor("/proc/self")
        self.assertEqual(code, 1)
        self.assertIn("FORMAT", errors)


if __name__ == "__main__":
    unittest.main(verbosity=2)
