#!/usr/bin/env python3
"""Jobs of acked groups with the real binary: replay and redrive, kill -9 in the middle of both, and
what is said to ranges and ids that make no sense."""

import unittest

from broker import Broker

JOB_FIELDS = {"job", "state", "scanned", "matched", "delivered", "failed", "percent",
              "eta_seconds"}
QUICK = ("--retry-base", "10ms", "--retry-jitter", "0", "--retry-factor", "1")


def publish(broker, values, *args, topic="default"):
    return broker.json("publish", topic, *args, stdin="".join(f"{value}\n" for value in values))


def create(broker, group, *args):
    return broker.json("groups", "create", group, "--topic", "default", "--from", "earliest", *args)


def status(broker, job):
    return broker.json("replay", "status", job)[0]


class Replay(unittest.TestCase):
    def test_a_replay_survives_kills_and_neither_skips_nor_starts_over(self):
        with Broker() as broker:
            create(broker, "g")
            first = publish(broker, range(300), "--type", "a.b")
            broker.json("subscribe", "g", "--count", "300")
            job = broker.json("replay", "start", "--group", "g", "--offsets", "100-249")[0]
            self.assertLessEqual(JOB_FIELDS, set(job))
            self.assertEqual(job["job"], "g/1")
            seen = []
            for _ in range(3):
                seen += broker.json("subscribe", "g", "--count", "50")
                broker.kill()
                broker.start()
            self.assertEqual([event["data"] for event in seen], [str(i) for i in range(100, 250)])
            self.assertEqual({(event["replayed"], event["job"]) for event in seen},
                             {(True, "g/1")})
            ids = {event["offset"]: event["id"] for event in first}
            self.assertEqual([ids[event["offset"]] for event in seen],
                             [event["id"] for event in seen])
            done = status(broker, "g/1")
            self.assertEqual((done["state"], done["scanned"], done["matched"], done["delivered"],
                              done["failed"], done["percent"]),
                             ("completed", 150, 150, 150, 0, 100))
            self.assertEqual(broker.json("subscribe", "g", "--wait", "300ms"), [])

    def test_a_dry_run_counts_what_a_replay_would_deliver(self):
        with Broker() as broker:
            create(broker, "g", "--filter", "a.*")
            publish(broker, range(10), "--type", "a.one")
            publish(broker, range(20), "--type", "a.two")
            publish(broker, range(30), "--type", "b.one")
            broker.json("subscribe", "g", "--count", "30")
            counted = broker.json("replay", "start", "--group", "g", "--from",
                                  "2020-01-01T00:00:00Z", "--filter", "*.two", "--dry-run")[0]
            self.assertEqual((counted["state"], counted["scanned"], counted["matched"]),
                             ("completed", 60, 20))
            self.assertEqual(broker.json("subscribe", "g", "--wait", "300ms"), [])
            self.assertIn("replay (dry run)", broker.cli("replay", "ls").stdout)
            self.assertIn("replay (dry run)",
                          broker.cli("replay", "status", counted["job"]).stdout)

    def test_a_job_is_paused_resumed_and_cancelled(self):
        with Broker() as broker:
            create(broker, "g")
            publish(broker, range(10))
            broker.json("subscribe", "g", "--count", "10")
            broker.json("replay", "start", "--group", "g", "--offsets", "0-9")
            self.assertEqual(broker.json("replay", "pause", "g/1")[0]["state"], "paused")
            self.assertEqual(broker.json("subscribe", "g", "--wait", "300ms"), [])
            broker.kill()
            broker.start()
            self.assertEqual(status(broker, "g/1")["state"], "paused")
            self.assertEqual(broker.json("replay", "resume", "g/1")[0]["state"], "running")
            command = 'test "$HEADRACE_REPLAYED" = true && test "$HEADRACE_JOB" = g/1'
            lines = broker.json("subscribe", "g", "--count", "4", "--exec", command)
            self.assertEqual([line["outcome"] for line in lines], ["ack"] * 4)
            self.assertIn('headrace_job_progress_ratio{tenant="default",group="g",job="1"} 0.4',
                          broker.get("/metrics")[1])
            self.assertEqual(broker.json("replay", "cancel", "g/1")[0]["state"], "cancelled")
            self.assertEqual(broker.json("subscribe", "g", "--wait", "300ms"), [])
            self.assertEqual([job["job"] for job in broker.json("replay", "ls")], ["g/1"])

    def test_what_makes_no_sense_is_refused_by_name(self):
        with Broker() as broker:
            create(broker, "g")
            publish(broker, range(3))
            for words, args in (
                    ("from_offset", ("--offsets", "9-10")),
                    ("to_offset", ("--offsets", "2-1")),
                    ("partition", ("--offsets", "7:0-1")),
                    ("to:", ("--from", "2024-01-02T00:00:00Z", "--to", "2024-01-01T00:00:00Z")),
                    ("rate", ("--offsets", "0-1", "--rate", "-1")),
                    ("patterns", ("--offsets", "0-1", "--filter", "a..b"))):
                with self.subTest(args):
                    refused = broker.cli("replay", "start", "--group", "g", *args, check=False)
                    self.assertEqual(refused.returncode, 1, refused.stderr)
                    self.assertIn(words, refused.stderr)
            self.assertEqual(broker.json("replay", "ls"), [])
            for job in ("g/1", "g", "nobody/1"):
                self.assertEqual(broker.cli("replay", "status", job, check=False).returncode, 1)


class Redrive(unittest.TestCase):
    def make_letters(self, broker, values):
        create(broker, "g", *QUICK, "--max-retries", "0")
        publish(broker, values, "--type", "a.b")
        broker.json("subscribe", "g", "--count", str(len(values)), "--exec", "exit 1")
        # Five failures in a row stop the group; its letters are what this is about.
        broker.json("groups", "enable", "g")

    def test_a_redrive_survives_kills_and_marks_the_letters(self):
        with Broker() as broker:
            self.make_letters(broker, ["a", "b", "c", "d"])
            counted = broker.json("dlq", "redrive", "g", "--all", "--dry-run")[0]
            self.assertEqual((counted["state"], counted["matched"]), ("completed", 4))
            broker.json("dlq", "redrive", "g", "--where", "reason == nack")
            seen = []
            for _ in range(2):
                broker.kill()
                broker.start()
                seen += broker.json("subscribe", "g", "--count", "2")
            self.assertEqual(sorted(event["data"] for event in seen), ["a", "b", "c", "d"])
            self.assertEqual({event["job"] for event in seen}, {"g/2"})
            letters = broker.json("dlq", "ls", "g")
            self.assertEqual([(one["state"], one["redriven_by"]) for one in letters],
                             [("redriven", "g/2")] * 4)
            self.assertEqual(broker.json("replay", "status", "g/2")[0]["state"], "completed")

    def test_what_fails_again_is_a_new_letter_that_names_the_old_one(self):
        with Broker() as broker:
            self.make_letters(broker, ["a", "b"])
            broker.json("dlq", "redrive", "g", "--id", "g@2")
            broker.json("subscribe", "g", "--count", "1", "--exec", "exit 1")
            letters = {one["id"]: one for one in broker.json("dlq", "ls", "g")}
            self.assertEqual({name: one["state"] for name, one in letters.items()},
                             {"g@1": "dead", "g@2": "redriven", "g@3": "dead"})
            self.assertEqual(letters["g@3"]["redrive_of"], "g@2")
            self.assertEqual(letters["g@3"]["event"]["data"], letters["g@2"]["event"]["data"])

    def test_ids_that_do_not_exist_are_refused_by_name(self):
        with Broker() as broker:
            self.make_letters(broker, ["a"])
            for words, ids in (("ids[1]", ("g@1", "g@9")), ("ids[0]", ("x@1",)),
                               ("ids[0]", ("nonsense",))):
                args = [word for one in ids for word in ("--id", one)]
                refused = broker.cli("dlq", "redrive", "g", *args, check=False)
                self.assertEqual(refused.returncode, 1)
                self.assertIn(words, refused.stderr)
            self.assertEqual([one["state"] for one in broker.json("dlq", "ls", "g")], ["dead"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
