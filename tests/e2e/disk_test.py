#!/usr/bin/env python3
"""A disk that is full, read-only or not ours: nothing acked is lost, and the reason is said."""

import json
import os
import subprocess
import tempfile
import unittest

from access import http
from broker import HEADRACE, Broker, Publisher, wait_until
from tmpfs import Tmpfs
from wire import Refused, Wire

MIB = 1 << 20
SMALL = ["--set", "storage.direct_io=false", "--set", "storage.max_wal=64MiB",
         "--set", "storage.write_buffers=64MiB"]
FLOOR = [*SMALL, "--set", "storage.disk_low=48MiB", "--set", "storage.disk_critical=16MiB",
         "--set", "storage.ballast=32MiB"]
NO_FLOOR = [*SMALL, "--set", "storage.disk_low=2", "--set", "storage.disk_critical=1",
            "--set", "storage.ballast=0"]
NOBODY = 65534


def serve_failing(data, **options):
    """A `serve` that is expected to fail; CompletedProcess."""
    return subprocess.run(
        [HEADRACE, "serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--http-listen",
         "127.0.0.1:0", *SMALL], capture_output=True, text=True, timeout=60, **options)


def publish(broker, values, acked):
    """Publishes lines; what was acked goes to `acked`: offset → value."""
    publisher = Publisher(broker, "default", values)
    for count, ack in enumerate(publisher):
        acked[ack["offset"]] = values[count]
    publisher.finish()


class FullDisk(unittest.TestCase):
    def disk(self, broker):
        return json.loads(broker.get("/readyz")[1])["parts"]["disk"]["state"]

    def check_acked(self, broker, acked):
        end = max(acked) + 1
        events = broker.json("consume", "default", "--from", "earliest", "--count", str(end))
        by_offset = {event["offset"]: event["data"] for event in events}
        self.assertEqual(sorted(by_offset), list(range(end)), "offsets are dense")
        lost = [offset for offset, value in acked.items() if by_offset[offset] != value]
        self.assertEqual(lost, [], "acked events that are lost or changed")

    def test_a_full_disk_refuses_publishes_and_nothing_else(self):
        with Tmpfs(192) as disk, Broker(disk.path + "/data", FLOOR) as broker, \
                Wire(broker) as wire:
            acked = {}
            publish(broker, [f"before {i}" for i in range(2_000)], acked)
            self.assertEqual(len(acked), 2_000)
            wait_until(lambda: os.path.exists(broker.data + "/ballast"), "the ballast")
            disk.fill()
            wait_until(lambda: self.disk(broker) == "low", "the ballast to be given up")
            with self.assertRaises(Refused) as refused:
                wire.publish("default", b"no room")
            self.assertEqual(refused.exception.name, "disk_full")
            self.assertTrue(refused.exception.retryable)
            self.assertGreater(refused.exception.retry_after_ms, 0)
            status, problem = http(broker, "POST", "/v1/topics/default/events")
            self.assertEqual((status, problem["code"]), (507, "disk_full"))
            told = broker.cli("publish", "default", "--data", "x", "--timeout", "1s", check=False)
            self.assertEqual(told.returncode, 1)
            self.assertIn("disk", told.stderr)
            # Reading and committing go on.
            read = broker.json("consume", "default", "--group", "g", "--from", "earliest",
                               "--count", "500")
            self.assertEqual([event["data"] for event in read],
                             [f"before {i}" for i in range(500)])
            self.assertEqual(broker.json("groups", "describe", "g")[0]["lag_events"], 1_500)
            disk.clear()
            wait_until(lambda: self.disk(broker) == "ok", "the space to be noticed")
            publish(broker, [f"after {i}" for i in range(100)], acked)
            self.assertEqual(len(acked), 2_100)
            self.check_acked(broker, acked)
            self.assertEqual(broker.terminate(), 0)
            broker.start()
            self.check_acked(broker, acked)

    def test_a_log_that_finds_no_space_ends_the_broker_with_its_own_exit_code(self):
        with Tmpfs(192) as disk, Broker(disk.path + "/data", NO_FLOOR) as broker:
            acked = {}
            publish(broker, [f"before {i}" for i in range(100)], acked)
            disk.fill(leave=8 * MIB)
            round_number = 0
            while broker.process.poll() is None:
                round_number += 1
                self.assertLess(round_number, 200, "the disk does not fill up")
                values = [f"{round_number}:{i}:" + "x" * 1_000 for i in range(4_000)]
                publish(broker, values, acked)
            log = broker.log_text()
            self.assertEqual(broker.process.returncode, 71, log)
            fatal = [json.loads(line) for line in log.splitlines() if '"fatal"' in line]
            self.assertTrue(fatal, log)
            self.assertIn(broker.data + "/db/", fatal[0]["cause"])
            self.assertIn(".log", fatal[0]["cause"])
            self.assertIn("No space left", fatal[0]["cause"])
            self.assertEqual(fatal[0]["exit_name"], "store_disk_full")
            self.assertGreater(len(acked), 100)
            broker.forget()
            disk.clear()
            broker.start()
            self.check_acked(broker, acked)
            publish(broker, ["it goes on"], acked)
            self.check_acked(broker, acked)


class DataDirectory(unittest.TestCase):
    def test_a_read_only_file_system_is_named(self):
        with Tmpfs(192) as disk:
            with Broker(disk.path + "/data", FLOOR) as broker:
                broker.cli("publish", "default", "--data", "x")
            disk.make_read_only()
            for path in (disk.path + "/data", disk.path + "/other"):
                refused = serve_failing(path)
                self.assertEqual(refused.returncode, 1, refused.stderr)
                self.assertIn(path, refused.stderr)
                self.assertIn("ead-only file system", refused.stderr)

    def test_a_directory_of_another_user_is_named(self):
        with tempfile.TemporaryDirectory() as scratch:
            os.chmod(scratch, 0o755)
            os.mkdir(scratch + "/data", 0o755)
            refused = serve_failing(scratch + "/data", user=NOBODY, group=NOBODY,
                                    extra_groups=[])
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn(scratch + "/data", refused.stderr)
            self.assertIn("not writable", refused.stderr)


class Stalls(unittest.TestCase):
    def test_publishing_goes_on_when_the_store_falls_behind(self):
        # Buffers so small that RocksDB stops its writer now and then. It once stopped for good.
        args = ["--set", "storage.max_wal=64MiB", "--set", "storage.write_buffers=64MiB"]
        with Broker(args=args) as broker:
            done = broker.json("bench", "publish", "--events", "4000000", timeout_s=200)
            self.assertGreaterEqual(done[-1]["events"], 4_000_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
