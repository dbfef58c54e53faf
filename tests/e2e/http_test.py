#!/usr/bin/env python3
"""The HTTP side: metrics that promtool accepts, health, topics and groups."""

import json
import shutil
import subprocess
import unittest

from broker import Broker, wait_until


class Http(unittest.TestCase):
    def test_metrics_tell_what_waits_for_another_attempt(self):
        with Broker() as broker:
            broker.json("groups", "create", "g", "--topic", "default", "--from", "earliest")
            broker.cli("publish", "default", stdin="1\n2\n3\n")
            broker.json("subscribe", "g", "--count", "2", "--exec", "exit 1")
            text = broker.get("/metrics")[1]
            for line in ('headrace_group_retry_events{tenant="default",group="g"} 2',
                         'headrace_group_in_flight_events{tenant="default",group="g"} 0',
                         "headrace_retry_events 2", "headrace_in_flight_events 0"):
                self.assertIn(line, text.splitlines())

    def test_metrics_satisfy_promtool_and_count_what_happened(self):
        with Broker() as broker:
            broker.cli("publish", "default", stdin="".join(f"{i}\n" for i in range(100)))
            # Before there is a group: $sys tells of it, and its events are published, too.
            self.assertIn("headrace_publish_events_total 100\n", broker.get("/metrics")[1])
            broker.json("consume", "default", "--group", "g", "--from", "earliest", "--count", "40")
            status, text, headers = broker.get("/metrics")
            self.assertEqual(status, 200)
            self.assertIn("text/plain", headers["Content-Type"])
            self.assertIn('headrace_topic_events{tenant="default",topic="default"} 100', text)
            self.assertIn('headrace_group_lag_events{tenant="default",group="g"} 60', text)
            self.assertIn("event_bus_consumer_lag 60", text)
            self.assertIn("headrace_lag_events 60", text)
            promtool = shutil.which("promtool")
            self.assertIsNotNone(promtool, "promtool comes with the package prometheus")
            checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True,
                                     capture_output=True)
            said = (checked.stdout + checked.stderr).splitlines()
            # That name is asked for; everything else satisfies promtool.
            self.assertEqual([line for line in said
                              if "event_processing_duration_histogram" not in line], [])

    def test_the_names_of_event_buses_are_there_from_the_first_scrape(self):
        with Broker() as broker:
            text = broker.get("/metrics")[1]
            for name in ("event_bus_throughput", "event_bus_consumer_lag", "event_bus_dlq_size",
                         "handler_failure_rate"):
                self.assertIn(f"# TYPE {name} gauge", text)
                self.assertIn(f"\n{name} 0\n", text)
            self.assertIn("# TYPE event_processing_duration_histogram histogram", text)
            self.assertIn("event_processing_duration_histogram_count 0", text)

    def test_health_and_readiness(self):
        with Broker() as broker:
            self.assertEqual(broker.get("/healthz")[0], 200)
            status, text, _ = broker.get("/readyz")
            self.assertEqual(status, 200)
            parts = json.loads(text)["parts"]
            self.assertEqual(parts["disk"]["state"], "ok")
            self.assertEqual(parts["committer"]["crc32c"], "hardware")

    def test_topics_and_groups_in_pages(self):
        with Broker() as broker:
            for i in range(5):
                broker.cli("topics", "create", f"t{i}")
            wait_until(lambda: "$sys" in broker.get("/v1/topics")[1], "the topic of system events")
            status, text, _ = broker.get("/v1/topics?limit=2")
            self.assertEqual(status, 200)
            page = json.loads(text)
            self.assertEqual([row["topic"] for row in page["topics"]], ["$sys", "default"])
            _, text, _ = broker.get("/v1/topics?limit=100&cursor=" + page["next_cursor"])
            self.assertEqual([row["topic"] for row in json.loads(text)["topics"]],
                             ["t0", "t1", "t2", "t3", "t4"])
            broker.cli("publish", "t0", stdin="a\nb\n")
            broker.json("consume", "t0", "--group", "g", "--from", "earliest", "--count", "1")
            group = json.loads(broker.get("/v1/groups")[1])["groups"][0]
            self.assertEqual((group["group"], group["topic"]), ("g", "t0"))
            self.assertEqual(group["lag_events"], 1)
            self.assertEqual((group["state"], group["membership"]), ("healthy", "empty"))

    def test_errors_are_problem_json(self):
        with Broker() as broker:
            for path, status in (("/v1/topics?limit=101", 422), ("/nowhere", 404)):
                code, text, headers = broker.get(path)
                self.assertEqual(code, status)
                self.assertIn("application/problem+json", headers["Content-Type"])
                self.assertEqual(json.loads(text)["status"], status)


if __name__ == "__main__":
    unittest.main(verbosity=2)
