#!/usr/bin/env python3
"""What happened to each event type in 24 hours: counts that survive a restart in order."""

import json
import unittest
import urllib.request

from broker import Broker


class Types(unittest.TestCase):
    def test_published_processed_failed_and_dead_by_type(self):
        with Broker() as broker:
            broker.json("groups", "create", "mail", "--topic", "default", "--from", "earliest",
                        "--max-retries", "0")
            for kind, count in (("a.ok", 3), ("a.bad", 2)):
                broker.json("publish", "default", "--type", kind,
                            stdin="".join(f"{kind}{i}\n" for i in range(count)))
            broker.json("subscribe", "mail", "--count", "5", "--exec", "! grep -q bad")
            rows = {row["type"]: row for row in broker.json("types", "ls", "--topic", "default")}
            self.assertEqual({kind: (row["published"], row["processed"], row["failed"],
                                     row["dead_lettered"]) for kind, row in rows.items()},
                             {"a.ok": (3, 3, 0, 0), "a.bad": (2, 0, 2, 2)})
            self.assertGreater(rows["a.ok"]["handler_p95_us"], 0)
            with urllib.request.urlopen(broker.http + "/v1/topics/default/types") as reply:
                self.assertEqual({row["type"] for row in json.load(reply)["types"]},
                                 {"a.ok", "a.bad"})
            refused = broker.cli("types", "ls", "--from", "2030-01-01T00:00:00Z", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("from: ", refused.stderr)
            self.assertIn("TYPE", broker.cli("types", "ls").stdout)

    def test_a_clean_stop_loses_no_count_and_no_position(self):
        with Broker() as broker:
            broker.json("groups", "create", "mail", "--topic", "default", "--from", "earliest",
                        "--filter", "early")
            broker.json("publish", "default", "--type", "early", "--data", "x")
            broker.json("subscribe", "mail", "--count", "1")
            broker.json("publish", "default", "--type", "late", "--data", "x")
            self.assertEqual(broker.json("groups", "describe", "mail")[0]["lag_events"], 0)
            broker.terminate()
            broker.start()
            self.assertEqual({row["type"]: row["published"] for row in broker.json("types", "ls")},
                             {"early": 1, "late": 1})
            self.assertEqual(broker.json("groups", "describe", "mail")[0]["lag_events"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
