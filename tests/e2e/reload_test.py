#!/usr/bin/env python3
"""Settings of a running broker: taken over by SIGHUP and when asked, the log level, the address of
its own that /metrics may have."""

import json
import signal
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from access import http, lines, make, run
from broker import Broker


def until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class ReloadTest(unittest.TestCase):
    def setUp(self):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".toml")
        self.addCleanup(self.file.close)

    def configure(self, text):
        self.file.seek(0)
        self.file.truncate()
        self.file.write(text)
        self.file.flush()

    def test_what_may_change_changes_and_the_rest_is_told(self):
        self.configure("[topics]\npartitions = 2\n")
        with Broker(args=["--config", self.file.name]) as broker:
            self.assertEqual(lines(broker, None, "topics", "create", "a")[0]["partitions"], 2)
            self.configure("[topics]\npartitions = 3\n[storage]\nworkers = 5\n")
            report = lines(broker, None, "reload")[0]
            self.assertEqual(report["taken"], [
                {"setting": "topics.partitions", "before": "2", "now": "3"}])
            self.assertEqual(report["restart"], [
                {"setting": "storage.workers", "before": "2", "now": "5"}])
            self.assertFalse(report["certificate"])
            # On both listeners.
            names = ("b%d" % number for number in range(10_000))

            def with_three():
                made = lines(broker, None, "topics", "create", next(names))
                return made[0]["partitions"] == 3
            until(with_three, "the new default of the native protocol")
            made = http(broker, "POST", "/v1/topics", body={"topic": "over-http"})
            self.assertEqual((made[0], made[1]["partitions"]), (201, 3))
            settings = {row["setting"]: row for row in
                        http(broker, "GET", "/v1/config")[1]["settings"]}
            self.assertEqual(settings["topics.partitions"]["value"], "3")
            self.assertEqual(settings["storage.workers"]["value"], "2")
            self.assertTrue(settings["topics.partitions"]["live"])
            self.assertFalse(settings["storage.workers"]["live"])
            audit = [row for row in lines(broker, None, "audit", "ls")
                     if row["action"] == "config.reloaded"]
            self.assertEqual(len(audit), 1)
            self.assertIn("topics.partitions", json.dumps(audit[0]))
            self.assertEqual(lines(broker, None, "reload")[0]["taken"], [])

    def test_a_wrong_file_changes_nothing(self):
        self.configure("[limits]\nconnections = 100\n")
        with Broker(args=["--config", self.file.name]) as broker:
            self.configure("[limits]\nconnections = 3\nfoo = 1\n[log]\nlevel = \"loud\"\n")
            refused = run(broker, None, "reload")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("limits.foo", refused.stderr)
            self.assertIn("log.level", refused.stderr)
            settings = {row["setting"]: row["value"] for row in
                        http(broker, "GET", "/v1/config")[1]["settings"]}
            self.assertEqual(settings["limits.connections"], "100")

    def test_the_signal_does_the_same(self):
        self.configure("")
        with Broker(args=["--config", self.file.name]) as broker:
            self.configure("[metrics]\nmax_series = 77\n")
            broker.process.send_signal(signal.SIGHUP)

            def taken():
                return {row["setting"]: row["value"] for row in
                        http(broker, "GET", "/v1/config")[1]["settings"]
                        }["metrics.max_series"] == "77"
            until(taken, "the signal's reload")

    def test_the_log_level_at_run_time(self):
        with Broker() as broker:
            self.assertEqual(lines(broker, None, "log-level", "debug"),
                             [{"before": "info", "level": "debug"}])
            self.assertEqual(http(broker, "GET", "/v1/config")[1]["log_level"], "debug")
            wrong = run(broker, None, "log-level", "loud")
            self.assertEqual(wrong.returncode, 1)
            self.assertIn("debug, info, warn, error or fatal", wrong.stderr)
            self.assertIn("log.level", [row["action"] for row in
                                        lines(broker, None, "audit", "ls")])

    def test_only_platform_admins_may(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            admin = make(broker, root, "admin", "--role", "admin")
            self.assertEqual(run(broker, admin, "reload").returncode, 4)
            self.assertEqual(run(broker, admin, "log-level", "debug").returncode, 4)
            self.assertEqual(http(broker, "GET", "/v1/config", admin)[0], 403)
            self.assertEqual(run(broker, root, "reload").returncode, 0)

    def test_metrics_have_an_address_of_their_own(self):
        with Broker(args=["--set", "metrics.listen=127.0.0.1:0"]) as broker:
            def status(path, key=None):
                request = urllib.request.Request(broker.metrics + path)
                if key:
                    request.add_header("Authorization", "Bearer " + key)
                try:
                    with urllib.request.urlopen(request, timeout=10) as reply:
                        return reply.status, reply.read().decode()
                except urllib.error.HTTPError as error:
                    return error.code, error.read().decode()

            lines(broker, None, "topics", "create", "named")
            self.assertIn('topic="named"', status("/metrics")[1])
            self.assertEqual(status("/healthz")[0], 200)
            self.assertEqual(status("/readyz")[0], 200)
            self.assertEqual(status("/v1/topics")[0], 404)
            root = make(broker, None, "root", "--role", "owner", "--platform")
            scraper = make(broker, root, "scraper", "--role", "monitor")
            stranger = status("/metrics")
            self.assertEqual(stranger[0], 200)
            self.assertNotIn("named", stranger[1])
            self.assertIn('topic="named"', status("/metrics", scraper)[1])
            self.assertEqual(status("/metrics", scraper[:-1] + "x")[0], 401)


if __name__ == "__main__":
    unittest.main()
