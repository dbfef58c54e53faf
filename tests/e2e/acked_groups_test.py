#!/usr/bin/env python3
"""Acked groups with the real binary: deliver, ack, retry, dead letters, members that come and go,
restarts, and what is said to options that make no sense."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

from broker import HEADRACE, Broker

STATE_FIELDS = {"group", "kind", "topic", "state", "lag_events", "lag_seconds", "in_flight",
                "retry", "dlq", "consecutive_failures"}
EVENT_FIELDS = {"topic", "partition", "offset", "id", "type", "source", "key", "time",
                "correlation_id", "headers", "data"}
QUICK = ("--retry-base", "10ms", "--retry-jitter", "0", "--retry-factor", "1")


def publish(broker, topic, values, *args):
    return broker.json("publish", topic, *args, stdin="".join(f"{value}\n" for value in values))


def create(broker, group, *args, topic="default"):
    return broker.json("groups", "create", group, "--topic", topic, "--from", "earliest", *args)[0]


class Member:
    """`headrace subscribe` running beside the test; iterating gives its lines as they come."""

    def __init__(self, broker, group, *args):
        self.process = subprocess.Popen(
            [HEADRACE, "subscribe", group, "--json", "--server", broker.listen, *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def __iter__(self):
        for line in self.process.stdout:
            yield json.loads(line)

    def finish(self, timeout_s=60):
        """The remaining lines, once it has ended by itself."""
        out, err = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 0, err
        return [json.loads(line) for line in out.splitlines()]

    def kill(self):
        """With the command it runs, which holds the pipes open otherwise."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


class Deliveries(unittest.TestCase):
    def test_every_event_is_delivered_once_and_acked(self):
        with Broker() as broker:
            made = create(broker, "mail")
            self.assertLessEqual(STATE_FIELDS, set(made))
            self.assertEqual((made["kind"], made["state"]), ("acked", "healthy"))
            publish(broker, "default", range(300), "--type", "user.created",
                    "--header", "tier=gold")
            events = broker.json("subscribe", "mail", "--count", "300")
            self.assertEqual([event["data"] for event in events], [str(i) for i in range(300)])
            self.assertLessEqual(EVENT_FIELDS | {"attempt", "outcome"}, set(events[0]))
            self.assertEqual({(e["attempt"], e["outcome"]) for e in events}, {(1, "ack")})
            self.assertEqual(events[0]["headers"], {"tier": "gold"})
            group = broker.json("groups", "describe", "mail")[0]
            self.assertEqual((group["lag_events"], group["in_flight"], group["acked"]), (0, 0, 300))
            self.assertEqual(broker.json("subscribe", "mail", "--wait", "300ms"), [])

    def test_only_matching_events_come_however_few_they_are(self):
        with Broker() as broker:
            create(broker, "rare", "--filter", "a.rare", "--where", "grade >= 80")
            for i in range(5):
                publish(broker, "default", range(200), "--type", "a.common")
                publish(broker, "default", [f"low{i}"], "--type", "a.rare", "--header", "grade=79")
                publish(broker, "default", [f"high{i}"], "--type", "a.rare", "--header", "grade=80")
            events = broker.json("subscribe", "rare", "--count", "5")
            self.assertEqual([event["data"] for event in events], [f"high{i}" for i in range(5)])
            stored = {event["offset"]: event["id"]
                      for event in broker.json("consume", "default", "--count", "1010")}
            self.assertEqual([stored[event["offset"]] for event in events],
                             [event["id"] for event in events],
                             "an event has one id, whoever reads it")

    def test_exec_gets_the_payload_and_the_attributes(self):
        with Broker() as broker, tempfile.TemporaryDirectory() as scratch:
            create(broker, "g")
            publish(broker, "default", ["hello"], "--type", "a.b", "--key", "k", "--header",
                    "grade-level=7")
            path = os.path.join(scratch, "seen")
            command = f'cat > "{path}"; env | grep ^HEADRACE_ >> "{path}"; echo noise'
            lines = broker.json("subscribe", "g", "--count", "1", "--exec", command)
            self.assertEqual((lines[0]["outcome"], lines[0]["attempt"]), ("ack", 1))
            with open(path, encoding="utf-8") as file:
                seen = file.read()
            self.assertTrue(seen.startswith("hello"))
            for line in ("HEADRACE_TYPE=a.b", "HEADRACE_KEY=k", "HEADRACE_ATTEMPT=1",
                         "HEADRACE_GROUP=g", "HEADRACE_OFFSET=0", "HEADRACE_HEADER_GRADE_LEVEL=7"):
                self.assertIn(line, seen)

    def test_declaring_a_group_again_is_a_success_only_if_it_is_equal(self):
        with Broker() as broker:
            create(broker, "g", "--max-retries", "1")
            create(broker, "g", "--max-retries", "1", "--if-missing")
            other = broker.cli("groups", "create", "g", "--topic", "default", "--max-retries", "2",
                               "--if-missing", "--from", "earliest", check=False)
            self.assertEqual(other.returncode, 1)
            self.assertIn("exists already: 'g': max_retries 1, asked 2", other.stderr)
            self.assertIn("--if-missing", other.stderr)
            equal = broker.cli("groups", "create", "g", "--topic", "default", "--max-retries", "1",
                               "--from", "earliest", check=False)
            self.assertEqual(equal.returncode, 1)
            self.assertIn("just as it was asked for", equal.stderr)
            nothing = broker.cli("groups", "update", "g", check=False)
            self.assertEqual(nothing.returncode, 2)
            self.assertIn("nothing to change", nothing.stderr)
            updated = broker.json("groups", "update", "g", "--max-retries", "5")[0]
            self.assertEqual(updated["options"]["max_retries"], 5)
            self.assertEqual(updated["options"]["from"], "earliest")
            self.assertIn("g", [row["group"] for row in broker.json("groups", "ls")])
            broker.cli("groups", "delete", "g")
            self.assertNotIn("g", [row["group"] for row in broker.json("groups", "ls")])

    def test_latest_is_fixed_when_the_group_is_made(self):
        with Broker() as broker:
            publish(broker, "default", ["before"])
            broker.json("groups", "create", "g", "--topic", "default")
            publish(broker, "default", ["after"])
            events = broker.json("subscribe", "g", "--count", "1")
            self.assertEqual(events[0]["data"], "after")


class Failures(unittest.TestCase):
    def test_failures_are_retried_and_end_in_the_dead_letters(self):
        with Broker() as broker:
            create(broker, "g", *QUICK, "--max-retries", "2")
            publish(broker, "default", ["poison"], "--type", "a.b", "--key", "k")
            lines = broker.json("subscribe", "g", "--count", "3", "--exec", "echo boom >&2; exit 1")
            self.assertEqual([line["attempt"] for line in lines], [1, 2, 3])
            self.assertEqual({line["outcome"] for line in lines}, {"nack"})
            letters = broker.json("dlq", "ls", "g")
            self.assertEqual(len(letters), 1)
            letter = letters[0]
            self.assertLessEqual({"id", "reason", "error", "attempts", "event"}, set(letter))
            self.assertEqual((letter["reason"], letter["error"]), ("nack", "boom"))
            self.assertEqual([one["error"] for one in letter["attempts"]], ["boom"] * 3)
            self.assertEqual((letter["event"]["data"], letter["event"]["key"],
                              letter["event"]["type"]), ("poison", "k", "a.b"))
            self.assertEqual(broker.json("dlq", "get", letter["id"]), letters)
            group = broker.json("groups", "describe", "g")[0]
            self.assertEqual((group["dlq"], group["retry"], group["lag_events"]), (1, 0, 0))
            self.assertEqual(group["last_error"], "boom")

    def test_full_dead_letters_block_the_group_until_there_is_space(self):
        with Broker() as broker:
            create(broker, "g", *QUICK, "--max-retries", "0", "--dlq-entries", "2")
            publish(broker, "default", ["a", "b", "c", "d"])
            publish(broker, "default", ["e"])
            broker.json("subscribe", "g", "--count", "4", "--exec", "exit 1")
            group = broker.json("groups", "describe", "g")[0]
            self.assertEqual((group["state"], group["dlq"], group["retry"]), ("blocked", 2, 2))
            self.assertEqual((group["dlq_state"]["level"], group["dlq_state"]["blocked"]),
                             ("full", 2))
            self.assertEqual(broker.json("subscribe", "g", "--wait", "300ms"), [])
            broker.kill()
            broker.start()
            self.assertEqual(broker.json("groups", "describe", "g")[0]["state"], "blocked")
            done = broker.json("dlq", "delete", "g", "g@1")[0]
            self.assertEqual((done["deleted"], done["token"]), (1, None))
            events = broker.json("subscribe", "g", "--count", "1")  # when a blocked one has moved
            self.assertEqual(events[0]["data"], "e")
            self.assertEqual([one["event"]["data"] for one in broker.json("dlq", "ls", "g")],
                             ["b", "c"])
            broker.json("groups", "update", "g", "--dlq-entries", "10")
            done = broker.json("dlq", "delete", "g", "g@2", "g@3", "g@99")[0]
            self.assertEqual(done["deleted"], 2)

    def test_a_purge_says_what_it_would_delete_first(self):
        with Broker() as broker:
            create(broker, "g", *QUICK, "--max-retries", "0")
            publish(broker, "default", ["a", "b"], "--header", "grade=80")
            publish(broker, "default", ["c"], "--header", "grade=79")
            broker.json("subscribe", "g", "--count", "3", "--exec", "exit 1")
            high = ("--where", "grade >= 80", "--reason", "nack")
            self.assertEqual([one["event"]["data"] for one in broker.json("dlq", "ls", "g", *high)],
                             ["a", "b"])
            self.assertEqual(broker.json("dlq", "ls", "g", "--reason", "timeout"), [])
            counted = broker.json("dlq", "purge", "g", *high)[0]
            self.assertEqual((counted["matched"], counted["deleted"]), (2, 0))
            self.assertEqual(len(broker.json("dlq", "ls", "g")), 3)
            self.assertIn("token", self.refused(broker, "dlq", "purge", "g", "--all", "--token",
                                                counted["token"]))
            done = broker.json("dlq", "purge", "g", *high, "--token", counted["token"])[0]
            self.assertEqual((done["deleted"], done["token"]), (2, None))
            self.assertEqual([one["event"]["data"] for one in broker.json("dlq", "ls", "g")], ["c"])
            self.assertEqual(broker.json("dlq", "purge", "g", "--all", "--yes")[0]["deleted"], 1)
            self.assertEqual(broker.json("dlq", "purge", "g", "--all", "--yes")[0]["matched"], 0)
            self.assertIn("g@1", self.refused(broker, "dlq", "delete", "g", "g@1"))
            self.assertIn("conditions", self.refused(broker, "dlq", "purge", "g"))

    def refused(self, broker, *args):
        done = subprocess.run([HEADRACE, *args, "--server", broker.listen], capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0, args)
        return done.stderr

    def test_a_handler_that_recovers_acks_the_retry(self):
        with Broker() as broker, tempfile.TemporaryDirectory() as scratch:
            create(broker, "g", *QUICK)
            publish(broker, "default", ["x"])
            mark = os.path.join(scratch, "mark")
            command = f'test -e "{mark}" || {{ touch "{mark}"; exit 1; }}'
            lines = broker.json("subscribe", "g", "--count", "2", "--exec", command)
            self.assertEqual([(line["attempt"], line["outcome"]) for line in lines],
                             [(1, "nack"), (2, "ack")])
            self.assertEqual(broker.json("dlq", "ls", "g"), [])

    def test_retries_and_dead_letters_survive_a_kill(self):
        with Broker() as broker:
            create(broker, "g", *QUICK, "--max-retries", "1")
            publish(broker, "default", ["a", "b"])
            broker.json("subscribe", "g", "--count", "2", "--exec", "echo first >&2; exit 1")
            broker.kill()
            broker.start()
            lines = broker.json("subscribe", "g", "--count", "2", "--exec",
                                "echo second >&2; exit 1")
            self.assertEqual([line["attempt"] for line in lines], [2, 2])
            broker.kill()
            broker.start()
            letters = broker.json("dlq", "ls", "g")
            self.assertEqual(sorted(letter["event"]["data"] for letter in letters), ["a", "b"])
            for letter in letters:
                self.assertEqual([one["error"] for one in letter["attempts"]],
                                 ["first", "second"])
            self.assertEqual(broker.json("subscribe", "g", "--wait", "300ms"), [])

    def test_a_delivery_without_an_outcome_fails_at_its_deadline(self):
        with Broker() as broker, tempfile.TemporaryDirectory() as scratch:
            # However late the other one comes: until then the slow one is given each attempt.
            create(broker, "g", *QUICK, "--ack-deadline", "200ms", "--max-retries", "100")
            publish(broker, "default", ["x"])
            # The first run outlasts its deadline: it waits until the second has ended.
            begun, fifo = os.path.join(scratch, "begun"), os.path.join(scratch, "fifo")
            os.mkfifo(begun)
            os.mkfifo(fifo)
            slow = Member(broker, "g", "--count", "1", "--exec", f'test $HEADRACE_ATTEMPT != 1 || '
                          f'{{ echo > "{begun}"; cat "{fifo}"; }}')
            with open(begun, encoding="utf-8") as file:
                file.readline()
            other = Member(broker, "g", "--count", "1")
            lines = other.finish()
            with open(fifo, "w", encoding="utf-8"):
                pass
            self.assertGreaterEqual(lines[0]["attempt"], 2)
            slow.kill()

    def test_what_waits_behind_a_slow_command_does_not_fail(self):
        with Broker() as broker:
            create(broker, "g", *QUICK, "--ack-deadline", "2s")
            publish(broker, "default", [str(i) for i in range(12)])
            # All of them are taken at once, and take three deadlines together.
            lines = broker.json("subscribe", "g", "--count", "12", "--window", "12",
                                "--exec", "sleep 0.5")
            self.assertEqual([(one["attempt"], one["outcome"]) for one in lines],
                             [(1, "ack")] * 12)

    def test_disabled_groups_deliver_nothing_until_they_are_enabled(self):
        with Broker() as broker:
            create(broker, "g")
            disabled = broker.json("groups", "disable", "g", "--reason", "maintenance")[0]
            self.assertEqual(disabled["state"], "disabled")
            publish(broker, "default", ["x"])
            empty = broker.cli("subscribe", "g", "--wait", "300ms")
            self.assertEqual(empty.stdout, "")
            self.assertIn("group g is disabled (maintenance)", empty.stderr)
            self.assertIn("`headrace groups enable g`", empty.stderr)
            unhealthy = broker.json("groups", "ls", "--unhealthy")
            self.assertEqual([row["group"] for row in unhealthy], ["g"])
            self.assertEqual(unhealthy[0]["state_reason"], "maintenance")
            self.assertEqual(broker.json("groups", "enable", "g")[0]["state"], "healthy")
            self.assertEqual(broker.json("subscribe", "g", "--count", "1")[0]["attempt"], 1)


    def test_a_member_is_told_once_that_its_group_is_quarantined(self):
        with Broker() as broker:
            create(broker, "g", "--cooldown", "10m", "--max-retries", "0")
            publish(broker, "default", [str(i) for i in range(6)])
            # It is stopped while it subscribes, and was when the next one comes.
            first = broker.cli("subscribe", "g", "--exec", "exit 1", "--wait", "3s")
            second = broker.cli("subscribe", "g", "--wait", "3s")
            self.assertEqual(second.stdout, "")
            for member in (first, second):
                told = [line for line in member.stderr.splitlines() if "is quarantined" in line]
                self.assertEqual(len(told), 1, member.stderr)
                self.assertIn("`headrace groups probe g`", told[0])
            described = broker.cli("groups", "describe", "g").stdout
            ends = broker.json("groups", "describe", "g")[0]["cooldown_ends"]
            self.assertIn("cool-down ends " + ends, described)
            self.assertIn("\n  cooldown: 10m\n", described)
            self.assertLessEqual(max(map(len, described.splitlines())), 100)
            self.assertIn("until " + ends, second.stderr)


class Members(unittest.TestCase):
    def test_a_failed_event_holds_those_of_its_key_and_no_others(self):
        with Broker() as broker:
            create(broker, "g", "--ordering", "key", *QUICK)
            options = broker.json("groups", "describe", "g")[0]["options"]
            self.assertEqual(options["ordering"], "key")
            for i in range(1, 4):
                publish(broker, "default", [f"a{i}"], "--key", "a")
                publish(broker, "default", [f"b{i}"], "--key", "b")
            once = '[ "$(cat)$HEADRACE_ATTEMPT" != a11 ] || { echo broken >&2; exit 1; }'
            lines = broker.json("subscribe", "g", "--count", "7", "--exec", once)
            of = {key: [(line["data"], line["attempt"], line["outcome"]) for line in lines
                        if line["key"] == key] for key in "ab"}
            self.assertEqual(of["a"], [("a1", 1, "nack"), ("a1", 2, "ack"), ("a2", 1, "ack"),
                                       ("a3", 1, "ack")])
            self.assertEqual(of["b"], [(f"b{i}", 1, "ack") for i in range(1, 4)])
            self.assertEqual(broker.json("groups", "describe", "g")[0]["lag_events"], 0)
            changed = broker.cli("groups", "update", "g", "--ordering", "none", check=False)
            self.assertEqual(changed.returncode, 1)
            self.assertIn("ordering: is fixed", changed.stderr)

    def test_two_members_share_the_events(self):
        with Broker() as broker:
            create(broker, "g")
            publish(broker, "default", range(400))
            members = [Member(broker, "g", "--window", "10", "--wait", "5s") for _ in range(2)]
            shares = [member.finish() for member in members]
            seen = sorted(int(line["data"]) for share in shares for line in share)
            self.assertEqual(seen, list(range(400)), "each event once, to one of them")

    def test_a_member_whose_reader_is_slower_than_its_wait_leaves_nothing_behind(self):
        with Broker() as broker:
            create(broker, "g")
            publish(broker, "default", range(2000))
            member = Member(broker, "g", "--window", "10", "--wait", "4s")

            def acked():
                return broker.json("groups", "describe", "g")[0]["acked"]

            # Nobody reads: its pipe fills up, and it stands still for longer than its wait.
            before, since = acked(), time.monotonic()
            while before == 0 or time.monotonic() - since < 5:
                if (now := acked()) != before:
                    before, since = now, time.monotonic()
            self.assertLess(before, 2000)
            seen = [int(line["data"]) for line in member.finish()]
            self.assertEqual(seen, list(range(2000)))

    def test_what_a_killed_member_held_goes_to_another(self):
        with Broker() as broker, tempfile.TemporaryDirectory() as scratch:
            create(broker, "g", "--ack-deadline", "10m")
            publish(broker, "default", range(20))
            started = os.path.join(scratch, "started")
            os.mkfifo(started)
            # It takes all of them and hangs in the first.
            victim = Member(broker, "g", "--exec", f'echo > "{started}"; exec sleep 600')
            with open(started, encoding="utf-8") as file:
                file.readline()
            victim.kill()
            events = broker.json("subscribe", "g", "--count", "20")
            self.assertEqual(sorted(int(event["data"]) for event in events), list(range(20)))
            self.assertEqual({event["attempt"] for event in events}, {1},
                             "what is released is no failed attempt")

    def test_a_member_outlives_a_restart_of_the_broker(self):
        with Broker() as broker:
            create(broker, "g")
            publish(broker, "default", range(50))
            host_port = broker.listen
            # An ack whose confirmation died with the broker is not counted: hence also the wait.
            member = Member(broker, "g", "--count", "100", "--wait", "20s")
            lines = iter(member)
            first = [next(lines) for _ in range(50)]
            broker.kill()
            broker.start(listen=host_port)
            publish(broker, "default", range(50, 100))
            rest = member.finish()
            seen = {int(line["data"]) for line in first + rest}
            self.assertEqual(seen, set(range(100)))
            self.assertEqual(broker.json("groups", "describe", "g")[0]["lag_events"], 0)


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def refused(self, *args):
        done = self.broker.cli(*args, check=False)
        self.assertNotEqual(done.returncode, 0, args)
        return done.stderr

    def test_options_out_of_range_name_their_field(self):
        for flag, value, field in (
                ("--priority", "32", "priority"),
                ("--ack-deadline", "1ms", "ack_deadline"),
                ("--max-in-flight", "0", "max_in_flight"),
                ("--max-retries", "101", "max_retries"),
                ("--retry-base", "40d", "retry.base"),
                ("--retry-factor", "0.5", "retry.factor"),
                ("--retry-jitter", "2", "retry.jitter"),
                ("--cooldown", "1h", "cooldown"),
                ("--dlq-entries", "0", "dlq_entries"),
                ("--dlq-overflow", "explode", "dlq_overflow"),
                ("--ordering", "random", "ordering"),
                ("--where", "grade >=", "condition"),
                ("--filter", "a..b", "a..b")):
            with self.subTest(flag):
                self.assertIn(field, self.refused("groups", "create", "bad", "--topic", "default",
                                                  flag, value))
        self.assertNotIn("bad", [row["group"] for row in self.broker.json("groups", "ls")])

    def test_what_is_not_there_is_named(self):
        self.assertIn("nowhere", self.refused("groups", "create", "g", "--topic", "nowhere"))
        self.assertIn("nobody", self.refused("subscribe", "nobody"))
        self.assertIn("nobody", self.refused("dlq", "ls", "nobody"))
        self.assertIn("id", self.refused("dlq", "get", "no-number"))
        create(self.broker, "there")
        self.assertIn("there@9", self.refused("dlq", "get", "there@9"))
        for verb in ("ls", "purge"):
            reason = self.broker.cli("dlq", verb, "there", "--reason", "bored", check=False)
            self.assertEqual(reason.returncode, 2)
            self.assertIn("lost_members", reason.stderr)

    def test_the_two_kinds_of_group_are_kept_apart(self):
        publish(self.broker, "default", ["x"])
        self.broker.json("consume", "default", "--group", "positional", "--count", "1")
        create(self.broker, "acked")
        for args in (("subscribe", "positional"), ("dlq", "ls", "positional"),
                     ("groups", "disable", "positional"),
                     ("consume", "default", "--group", "acked", "--count", "1")):
            with self.subTest(args):
                self.assertIn("kind", self.refused(*args))


if __name__ == "__main__":
    unittest.main(verbosity=2)
