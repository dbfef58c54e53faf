#!/usr/bin/env python3
"""A tenant's months: dropped by hand, written to files and brought back."""

import os
import subprocess
import tempfile
import unittest

from access import http
from broker import Broker, HEADRACE, wait_until
from month_file import digest_of, kept_back, MONTH, MonthFile, START_US, values
from wire import message, Refused, Wire

BEGIN_IMPORT, IMPORT_BATCHES = 105, 106


def written(data):
    """Bytes of the database's files, the log that is written ahead among them."""
    with os.scandir(data + "/db") as files:
        return sum(file.stat().st_size for file in files if file.name.endswith((".log", ".sst")))


class MonthsTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="headrace-months-")
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name

    def write(self, content, called="month"):
        path = os.path.join(self.scratch, called)
        with open(path, "wb") as file:
            file.write(content.bytes if isinstance(content, MonthFile) else content)
        return path

    def data(self, broker, topic, count):
        found = broker.json("consume", topic, "--from", "earliest", "--count", str(count),
                            "--wait", "20s")
        self.assertEqual((len(found), self.left(broker, topic)), (count, count))
        return [(one["partition"], one["offset"], one["data"], one["append_time"], one["id"])
                for one in found]

    def left(self, broker, topic):
        described = broker.json("topics", "describe", topic)[0]
        return sum(one["visible_end"] - one["log_start"] for one in
                   described["partition_details"])

    def events(self, broker, month=MONTH):
        return sum(row["events"] for row in broker.json("months", "ls") if row["month"] == month)

    def doctor(self, broker):
        broker.terminate()
        checks = subprocess.run([HEADRACE, "doctor", "--data", broker.data], capture_output=True,
                                text=True)
        self.assertEqual(checks.returncode, 0, checks.stdout + checks.stderr)
        broker.start()

    def test_out_and_in_again_it_is_what_it_was(self):
        old = self.write(MonthFile({"orders": {0: (40, values(30)), 1: (7, values(3, 50))}}))
        with Broker() as broker:
            done = broker.json("months", "import", old)
            self.assertEqual([(row["partition"], row["first_offset"], row["end_offset"],
                               row["result"]) for row in done],
                             [(0, 40, 100, "imported"), (1, 7, 13, "imported")])
            new = broker.json("publish", "orders", stdin="".join("%d\n" % i for i in range(20)))
            before = sorted(self.data(broker, "orders", 86))
            self.assertEqual(before[0][:4], (0, 40, "event 0", "2025-01-02T00:00:00.000000Z"))
            self.doctor(broker)
            listed = {row["month"]: row for row in broker.json("months", "ls")}
            self.assertEqual((listed[MONTH]["events"], listed[MONTH]["partitions"],
                              listed[MONTH]["over"]), (66, 2, True))
            self.assertEqual(http(broker, "GET", "/v1/months")[1]["months"],
                             [listed[month] for month in sorted(listed)])
            saved = os.path.join(self.scratch, "saved")
            made = broker.json("months", "export", str(MONTH), "--file", saved)[0]
            self.assertEqual((made["events"], made["partitions"]), (66, 2))
            self.assertEqual(broker.cli("months", "export", str(MONTH), "--file", saved,
                                        check=False).returncode, 2)
            receipt = broker.json("months", "drop", str(MONTH), "--confirm", str(MONTH))[0]
            self.assertEqual((receipt["events"], receipt["partitions"], receipt["bytes"]),
                             (66, 2, made["bytes"]))
            self.assertEqual(self.left(broker, "orders"), len(new))
            self.assertNotIn(MONTH, [row["month"] for row in broker.json("months", "ls")])
            self.doctor(broker)
            done = broker.json("months", "import", saved)
            self.assertEqual({(row["result"], row["same_topic"]) for row in done},
                             {("imported", True)})
            self.assertEqual(sorted(self.data(broker, "orders", 86)), before)
            self.doctor(broker)
            self.assertEqual(sorted(self.data(broker, "orders", 86)), before)
            again = broker.json("months", "import", saved)
            self.assertEqual({row["result"] for row in again}, {"present"})
            self.assertEqual(self.left(broker, "orders"), 86)
            trail = [(row["action"], row["object"]) for row in broker.json("audit", "ls")]
            self.assertEqual(trail.count(("month.exported", "month %d" % MONTH)), 1)
            self.assertEqual(trail.count(("month.removed", "month %d" % MONTH)), 1)
            self.assertEqual(len([one for one in trail if one[0] == "month.imported"]), 4)
            self.assertEqual(len([one for one in trail if one[0] == "month.dropped"]), 2)
            found = broker.json("events", "ls", "--topic", "orders", "--to",
                                "2025-02-01T00:00:00Z", "--count", "3")
            self.assertEqual([row["offset"] for row in found][:1], [99])

    def test_what_was_kept_from_handlers_still_is(self):
        with Broker() as broker:
            why = kept_back(1, "/total: is no number")
            old = self.write(MonthFile({"orders": {0: (0, values(1))}}, violations=why))
            broker.cli("months", "import", old)
            saved = os.path.join(self.scratch, "saved")
            broker.cli("months", "export", str(MONTH), "--file", saved)
            with open(saved, "rb") as file:
                self.assertIn(why, file.read())
            broker.cli("months", "import", saved, "--topic", "orders", "--into", "again")
            for topic in ("orders", "again"):
                broker.cli("groups", "create", "g." + topic, "--topic", topic, "--from", "earliest")
                handled = broker.json("subscribe", "g." + topic, "--exec", "true", "--count", "1",
                                      "--wait", "5s")
                self.assertEqual([one["offset"] for one in handled], [0])
                letter = wait_until(lambda group="g." + topic: broker.json("dlq", "ls", group),
                                    "the dead letter")[0]
                self.assertEqual(letter["offset"], 1)
            wrong = self.write(MonthFile({"other": {0: (0, values(1))}},
                                         violations=kept_back(2, "there is no third event")))
            told = broker.cli("months", "import", wrong, check=False)
            self.assertEqual(told.returncode, 1)
            self.assertIn("violations of a batch are damaged", told.stderr)
            self.doctor(broker)

    def test_a_partition_of_which_nothing_else_is_left(self):
        old = self.write(MonthFile({"orders": {0: (0, values(5))}}))
        with Broker() as broker:
            broker.json("months", "import", old)
            before = self.data(broker, "orders", 10)
            broker.json("months", "drop", str(MONTH), "--confirm", str(MONTH))
            self.assertEqual(self.left(broker, "orders"), 0)
            self.doctor(broker)
            self.assertEqual({row["result"] for row in broker.json("months", "import", old)},
                             {"imported"})
            self.assertEqual(self.data(broker, "orders", 10), before)
            broker.json("months", "drop", str(MONTH), "--confirm", str(MONTH))
            after = broker.json("publish", "orders", "--data", "new")[0]
            self.assertEqual(after["offset"], 10)
            self.doctor(broker)

    def test_what_is_not_whole_is_refused_and_nothing_is_imported(self):
        whole = MonthFile({"orders": {0: (0, values(4))}}).bytes
        with Broker() as broker:
            for cut in (0, 7, 30, len(whole) // 2, len(whole) - 1):
                refused = broker.cli("months", "import", self.write(whole[:cut]), check=False)
                self.assertEqual(refused.returncode, 1, cut)
                self.assertIn("nothing was imported", refused.stderr)
            flipped = bytearray(whole)
            flipped[len(whole) - 60] ^= 1
            checked = broker.cli("months", "import", "--check", self.write(bytes(flipped)),
                                 check=False)
            self.assertEqual(checked.returncode, 1)
            self.assertEqual([row["topic"] for row in broker.json("topics", "ls")], ["default"])
            self.assertEqual(broker.json("months", "import", "--check",
                                         self.write(whole))[0]["events"], 8)

    def test_places_that_are_taken_and_months_that_are_not_over(self):
        two = self.write(MonthFile({"orders": {0: (0, values(5))}}), "two")
        other = self.write(MonthFile({"orders": {0: (0, values(5, 100))}}), "other")
        older = self.write(MonthFile({"orders": {0: (0, values(5))}}, 202412,
                                     START_US - 20 * 86_400_000_000), "older")
        with Broker() as broker:
            broker.json("months", "import", two)
            for path in (other, older):
                refused = broker.cli("months", "import", path, check=False)
                self.assertEqual(refused.returncode, 1)
                self.assertIn("no free place", refused.stderr)
            into = broker.json("months", "import", other, "--topic", "orders", "--into", "copy")
            self.assertEqual((into[0]["topic"], into[0]["same_topic"]), ("copy", False))
            self.assertEqual(self.data(broker, "copy", 10)[0][2], "event 100")
            broker.json("publish", "orders", "--data", "now")
            now = max(row["month"] for row in broker.json("months", "ls"))
            refused = broker.cli("months", "drop", str(now), "--confirm", str(now), check=False)
            self.assertIn("the month is not over", refused.stderr)
            self.assertEqual(broker.cli("months", "drop", str(MONTH), check=False).returncode, 2)
            self.assertEqual(broker.cli("months", "export", "202502", "--file",
                                        self.scratch + "/none", check=False).returncode, 1)
            self.assertEqual(os.path.exists(self.scratch + "/none.part"), False)

    def test_the_oldest_month_goes_first(self):
        orders = self.write(MonthFile({"orders": {0: (10, values(5))}}), "newer")
        older = self.write(MonthFile({"orders": {0: (0, values(5))}}, 202412,
                                     START_US - 20 * 86_400_000_000), "older")
        with Broker() as broker:
            broker.json("months", "import", orders)
            broker.json("months", "import", older)
            self.assertEqual([row[1] for row in self.data(broker, "orders", 20)], list(range(20)))
            refused = broker.cli("months", "drop", str(MONTH), "--confirm", str(MONTH),
                                 check=False)
            self.assertIn("there are older months", refused.stderr)
            for month in ("202412", str(MONTH)):
                self.assertEqual(broker.json("months", "drop", month, "--confirm",
                                             month)[0]["events"], 10)
            self.assertEqual(broker.json("months", "ls", "--topic", "orders"), [])

    def test_acked_groups_are_asked_first(self):
        old = self.write(MonthFile({"orders": {0: (0, values(5))}}))
        with Broker() as broker:
            broker.json("months", "import", old)
            broker.json("groups", "create", "mail", "--topic", "orders", "--from", "earliest",
                        "--retry-base", "7d")
            broker.json("subscribe", "mail", "--count", "1", "--exec", "exit 1")
            refused = broker.cli("months", "drop", str(MONTH), "--confirm", str(MONTH),
                                 check=False)
            self.assertIn("still owe events", refused.stderr)
            self.assertEqual(self.left(broker, "orders"), 10)
            broker.json("months", "drop", str(MONTH), "--confirm", str(MONTH), "--force")
            self.assertEqual(self.left(broker, "orders"), 0)
            letters = broker.json("dlq", "ls", "mail")
            self.assertEqual({one["reason"] for one in letters}, {"expired"})
            self.assertIn(0, [one["offset"] for one in letters])
            told = [row for row in broker.json("audit", "ls") if row["action"] == "group.skipped"]
            self.assertEqual(int(told[0]["changes"][-1]["before"]) + len(letters), 10)
            self.doctor(broker)

    def test_a_kill_in_the_middle_leaves_nothing_half(self):
        made = MonthFile({"orders": {0: (0, values(400))}})
        path = self.write(made)
        _, _, _, end, batches = made.ranges[0]
        with Broker() as broker:
            broker.json("topics", "create", "orders")
            with Wire(broker) as wire:
                wire.ask(BEGIN_IMPORT, message((1, "orders"), (3, MONTH), (5, end),
                                               (6, digest_of(batches))))
                sizes = b"".join(message((3, len(one))) for one in batches[:300])
                times = b"".join(message((4, START_US + at)) for at in range(300))
                wire.ask(IMPORT_BATCHES, message((1, "orders")) + sizes + times,
                         b"".join(batches[:300]))
            broker.kill()
            checks = subprocess.run([HEADRACE, "doctor", "--data", broker.data],
                                    capture_output=True, text=True)
            self.assertEqual(checks.returncode, 0, checks.stdout)
            broker.start()
            self.assertEqual(self.left(broker, "orders"), 0)
            with Wire(broker) as wire, self.assertRaises(Refused) as refused:
                wire.ask(IMPORT_BATCHES, message((1, "orders"), (3, len(batches[300])),
                                                 (4, START_US)), batches[300])
            self.assertEqual(refused.exception.name, "import_lost")
            self.assertEqual(broker.json("months", "import", path)[0]["result"], "imported")
            self.assertEqual([row[1] for row in self.data(broker, "orders", end)],
                             list(range(end)))
            self.doctor(broker)

    def test_kills_at_any_moment(self):
        path = self.write(MonthFile({"orders": {0: (0, values(6000)), 1: (5, values(6000))}}))
        with Broker() as broker:
            for more in (0, 50_000, 150_000, 350_000):
                before = written(broker.data)
                importing = subprocess.Popen(
                    [HEADRACE, "months", "import", path, "--rate", "200KiB", "--server",
                     broker.listen, "--timeout", "1s"], stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
                wait_until(lambda: importing.poll() is not None or
                           written(broker.data) > before + more, "the import")
                broker.kill()
                importing.wait()
                broker.start()
                self.assertIn(self.events(broker), (0, 12000, 24000))
            self.assertEqual(len(broker.json("months", "import", path)), 2)
            self.assertEqual(self.events(broker), 24000)
            self.doctor(broker)
            broker.json("topics", "delete", "orders")
            self.doctor(broker)


if __name__ == "__main__":
    unittest.main()
