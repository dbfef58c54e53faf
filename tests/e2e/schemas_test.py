#!/usr/bin/env python3
"""Schemas against a real broker: registered, held to, compared, and kept over a kill -9."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

from broker import HEADRACE, Broker, wait_until

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs/examples/schemas"
USER = json.dumps({"user_id": "u-1", "name": "Ada", "email": "ada@example.org"})
ORDER = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
         "required": ["total"], "properties": {"total": {"type": "number", "minimum": 0}}}


def metric(broker, name):
    for line in broker.get("/metrics")[1].splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


class Schemas(unittest.TestCase):

    def setUp(self):
        self.scratch = self.enterContext(tempfile.TemporaryDirectory(prefix="headrace-e2e-"))
        self.broker = self.enterContext(Broker())

    def file(self, schema):
        path = self.scratch + "/schema.json"
        pathlib.Path(path).write_text(schema if isinstance(schema, str) else json.dumps(schema))
        return path

    def register(self, event_type, schema, *flags, check=True):
        done = self.broker.cli("schemas", "register", event_type, "--file", self.file(schema),
                               *flags, "--json", check=check)
        return json.loads(done.stdout) if done.returncode == 0 else done

    def publish(self, event_type, data, *flags, check=True):
        return self.broker.cli("publish", "default", "--type", event_type, "--data", data, *flags,
                               check=check)

    def request(self, method, path, body=None):
        """(status, answer) of an HTTP request with a JSON body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.broker.http + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def count(self):
        return sum(row["visible_end"] for row in
                   self.broker.json("topics", "describe", "default")[0]["partition_details"])

    def test_advisory_stores_counts_and_warns(self):
        made = self.register("user.created", (EXAMPLES / "User.schema.json").read_text())
        self.assertEqual((made["version"], made["created"], made["mode"]), (1, True, "advisory"))
        self.publish("user.created", USER)
        self.assertEqual(metric(self.broker, "headrace_schema_violations_total"), 0)
        self.publish("user.created", '{"email": "nobody"}', "--id", "e-7")
        self.publish("other.type", "not even JSON")
        self.assertEqual(self.count(), 3)
        self.assertEqual(metric(self.broker, "headrace_schema_validated_total"), 2)
        self.assertEqual(metric(self.broker, "headrace_schema_violations_total"), 1)
        series = 'headrace_schema_type_%s_total{tenant="default",type="user.created"}'
        self.assertEqual(metric(self.broker, series % "validated"), 2)
        self.assertEqual(metric(self.broker, series % "violations"), 1)
        self.broker.process.terminate()
        warned = [line for line in self.broker.log_text().splitlines() if "e-7" in line]
        self.assertEqual(len(warned), 1)
        self.assertIn("user.created", warned[0])
        self.assertIn("Missing required property 'user_id'", warned[0])
        self.assertNotIn("nobody", warned[0])

    def test_enforced_it_is_refused_and_nothing_else(self):
        self.register("user.created", (EXAMPLES / "User.schema.json").read_text(),
                      "--mode", "enforce")
        self.publish("user.created", USER)
        refused = self.publish("user.created", '{"user_id": "", "name": "A", "email": "a@b"}',
                               check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("/user_id", refused.stderr)
        self.assertEqual(self.count(), 1)
        # Batches, of lines of which one is wrong: whole, compressed as well, whatever they state.
        lines = [USER] * 20 + ["{}"]
        for codec in ("none", "zstd"):
            batch = self.broker.cli("publish", "default", "--type", "user.created", "--codec",
                                    codec, "--linger", "10s", stdin="\n".join(lines),
                                    check=False)
            self.assertNotEqual(batch.returncode, 0)
            self.assertIn("events[20]", batch.stderr)
            self.assertEqual(self.count(), 1)
        self.broker.cli("publish", "default", "--type", "user.created", "--codec", "zstd",
                        stdin="\n".join(lines[:-1]))
        self.assertEqual(self.count(), 21)
        self.broker.json("schemas", "mode", "user.created", "off")
        self.publish("user.created", "{}")
        self.assertEqual(self.count(), 22)

    def test_one_connection_keeps_its_order(self):
        self.register("a", {"type": "integer"})
        lines = [json.dumps({"specversion": "1.0", "id": str(i), "source": "/s",
                             "type": "a" if i % 3 == 0 else "b", "data": i})
                 for i in range(3000)]
        self.broker.cli("publish", "default", "--cloudevents", "--batch", "1KiB",
                        stdin="\n".join(lines))
        read = self.broker.json("consume", "default", "--count", "3000", "--wait", "20s")
        self.assertEqual([event["id"] for event in read], [str(i) for i in range(3000)])

    def test_versions_are_compatible_or_refused(self):
        self.register("order.placed", ORDER, "--compatibility", "backward-transitive")
        again = self.register("order.placed", ORDER)
        self.assertEqual((again["version"], again["created"]), (1, False))
        wider = dict(ORDER, properties={"total": {"type": ["number", "string"]}})
        self.assertEqual(self.register("order.placed", wider)["version"], 2)
        narrower = dict(ORDER, required=["total", "currency"])
        refused = self.register("order.placed", narrower, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("/properties/currency is required now", refused.stderr)
        self.assertIn("'order.placed', backward-transitive, with version 2", refused.stderr)
        trial = self.register("order.placed", narrower, "--dry-run", "--compatibility", "none")
        self.assertEqual((trial["version"], trial["created"]), (3, False))
        self.assertEqual(len(self.broker.json("schemas", "ls")[0]["versions"]), 2)
        diff = self.broker.json("schemas", "diff", "order.placed", "1", "2")[0]
        self.assertEqual((diff["backward"], diff["forward"]), (True, False))
        self.assertIn("type was", diff["differences"][0]["text"])
        self.broker.json("schemas", "delete", "order.placed", "--version", "2")
        self.assertEqual(self.register("order.placed", wider)["version"], 3)

    def test_an_event_is_held_to_its_version(self):
        self.register("v", {"type": "integer"}, "--mode", "enforce", "--compatibility", "none")
        self.register("v", {"type": "string"})
        self.publish("v", "7")
        self.publish("v", '"x"', "--header", "ce_schemaversion=2")
        self.publish("v", '"x"', "--header", "ce_schemaversion=2.7")
        for data, version in (('"x"', "1"), ("7", "2"), ("7", "3"), ("7", "newest")):
            refused = self.publish("v", data, "--header", "ce_schemaversion=" + version,
                                   check=False)
            self.assertNotEqual(refused.returncode, 0, version)
        self.assertEqual(self.count(), 3)

    def test_groups_take_a_range_of_versions(self):
        self.broker.cli("groups", "create", "old", "--topic", "default", "--from", "earliest",
                        "--schema-to", "1")
        self.broker.cli("groups", "create", "new", "--topic", "default", "--from", "earliest",
                        "--schema-from", "2", "--schema-to", "3")
        for number, version in enumerate((None, "1", "2", "3.1", "4", "x")):
            flags = [] if version is None else ["--header", "ce_schemaversion=" + version]
            self.publish("t", str(number), "--id", "e%d" % number, *flags)
        read = {group: [event["id"] for event in
                        self.broker.json("subscribe", group, "--wait", "3s")]
                for group in ("old", "new")}
        self.assertEqual(read, {"old": ["e0", "e1"], "new": ["e2", "e3"]})
        told = self.broker.json("explain", "e4", "--group", "new")[0]
        self.assertEqual(told["status"], "not_matched")
        self.assertIn("schema_from", json.dumps(told))

    def test_versions_out_of_range_become_dead_letters(self):
        create = ("groups", "create", "g", "--topic", "default", "--from", "earliest",
                  "--filter", "t")
        refused = self.broker.cli(*create, "--version-mismatch", "dead-letter", check=False)
        self.assertIn("version_mismatch", refused.stderr)
        self.broker.cli(*create, "--schema-from", "2", "--version-mismatch", "dead-letter")
        for number, flags in enumerate(([], ["--header", "ce_schemaversion=2"],
                                        ["--header", "ce_schemaversion=x"])):
            self.publish("t", str(number), "--id", "e%d" % number, *flags)
        self.publish("u", "other", "--id", "e3")
        read = self.broker.json("subscribe", "g", "--wait", "3s")
        self.assertEqual([event["id"] for event in read], ["e1"])
        letters = self.broker.json("dlq", "ls", "g", "--reason", "schema_version")
        self.assertEqual([(letter["event"]["id"], letter["attempts"]) for letter in letters],
                         [("e0", []), ("e2", [])])
        self.assertIn("version x is not 2 to any", letters[1]["error"])
        told = self.broker.json("explain", "e0", "--group", "g")[0]
        self.assertEqual((told["status"], told["dead_letter"]["reason"], told["matches"]),
                         ("dead", "schema_version", False))
        status, group = self.request("GET", "/v1/groups/g")
        self.assertEqual((status, group["options"]["version_mismatch"], group["state"]),
                         (200, "dead-letter", "healthy"))
        status, group = self.request("PATCH", "/v1/groups/g",
                                     {"options": {"version_mismatch": "skip"}})
        self.assertEqual(status, 200, group)
        self.publish("t", "4", "--id", "e4")
        self.broker.json("subscribe", "g", "--wait", "3s")
        self.assertEqual(self.broker.json("explain", "e4", "--group", "g")[0]["status"],
                         "not_matched")

    def test_what_does_not_match_becomes_a_dead_letter(self):
        """Accepted and acknowledged; no handler gets it before somebody redrives it."""
        self.register("user.created", (EXAMPLES / "User.schema.json").read_text(),
                      "--mode", "dead-letter")
        for group in ("mail", "audit"):
            self.broker.cli("groups", "create", group, "--topic", "default", "--from", "earliest",
                            "--max-retries", "0")
        self.publish("user.created", USER, "--id", "good")
        self.publish("user.created", '{"user_id": "u-2"}', "--id", "bad")
        for codec in ("none", "zstd"):
            self.broker.cli("publish", "default", "--type", "user.created", "--codec", codec,
                            stdin="\n".join([USER, "{}", USER]))
        self.assertEqual(self.count(), 8)
        self.assertEqual(metric(self.broker, "headrace_schema_kept_back_total"), 3)
        # More than a batch may have of them: none is stored.
        many = self.broker.cli("publish", "default", "--type", "user.created", "--codec", "zstd",
                               "--batch", "8MiB", "--linger", "10s", stdin="{}\n" * 10001,
                               check=False)
        self.assertNotEqual(many.returncode, 0)
        self.assertIn("more than 10000 events", many.stderr)
        self.assertEqual(self.count(), 8)
        self.assertEqual(metric(self.broker, "headrace_schema_refused_total"), 0)
        self.broker.kill()
        self.broker.start()
        read = self.broker.json("subscribe", "mail", "--wait", "3s")
        self.assertEqual([event["offset"] for event in read], [0, 2, 4, 5, 7])
        letters = self.broker.json("dlq", "ls", "mail")
        self.assertEqual([(letter["offset"], letter["reason"], letter["attempts"])
                          for letter in letters],
                         [(offset, "schema_violation", []) for offset in (1, 3, 6)])
        self.assertIn("Missing required property 'name'", letters[0]["error"])
        self.assertEqual(letters[0]["event"]["id"], "bad")
        told = self.broker.json("explain", "bad", "--group", "mail")[0]
        self.assertEqual((told["status"], told["dead_letter"]["reason"]),
                         ("dead", "schema_violation"))
        self.assertIn("'name'", told["schema_violation"])
        group = self.broker.json("groups", "describe", "mail")[0]
        self.assertEqual((group["state"], group["failed"], group["dead"], group["lag_events"]),
                         ("healthy", 0, 3, 0))
        # Positional consumers read the log as it is, and the history says what is the matter.
        self.assertEqual(len(self.broker.json("consume", "default", "--count", "8")), 8)
        found = {row["offset"]: row.get("schema_violation", "")
                 for row in self.broker.json("events", "ls")}
        self.assertEqual([offset for offset in range(8) if found[offset]], [1, 3, 6])
        page = self.request("GET", "/v1/topics/default/events?id=bad")[1]
        self.assertIn("'name'", page["events"][0]["schema_violation"])
        page = self.request("GET", "/v1/groups/mail/dlq?reason=schema_violation")[1]
        self.assertEqual(len(page["letters"]), 3)
        # The redrive gives it to the handler; the other group has its own letters.
        self.broker.json("dlq", "redrive", "mail", "--id", letters[0]["id"])
        again = self.broker.json("subscribe", "mail", "--count", "1", "--wait", "5s")
        self.assertEqual((again[0]["id"], again[0]["outcome"]), ("bad", "ack"))
        read = self.broker.json("subscribe", "audit", "--wait", "3s")
        self.assertEqual(len(read), 5)
        self.assertEqual(len(self.broker.json("dlq", "ls", "audit")), 3)
        self.broker.kill()
        self.assertEqual(self.broker.cli("doctor", "--data", self.broker.data).returncode, 0)

    def test_protobuf(self):
        descriptors = self.scratch + "/events.pb"
        subprocess.run(["protoc", "--descriptor_set_out=" + descriptors, "--include_imports",
                        "--proto_path=" + str(EXAMPLES), "events.proto"], check=True)
        self.broker.json("schemas", "register", "user.created", "--file", descriptors, "--message",
                         "headrace.examples.User", "--mode", "enforce")
        encoded = subprocess.run(
            ["protoc", "--encode=headrace.examples.User", "--proto_path=" + str(EXAMPLES),
             str(EXAMPLES / "events.proto")],
            input=b'user_id: "u-1"', capture_output=True, check=True).stdout
        self.publish("user.created", encoded.decode())
        refused = self.publish("user.created", USER, check=False)
        self.assertIn("does not parse as headrace.examples.User", refused.stderr)
        got = subprocess.run(
            [HEADRACE, "schemas", "get",
             "user.created", "--server", self.broker.listen], capture_output=True, check=True)
        self.assertEqual(got.stdout, pathlib.Path(descriptors).read_bytes())
        other = self.broker.cli("schemas", "register", "user.created", "--file", descriptors,
                                "--message", "headrace.examples.Course", check=False)
        self.assertIn("breaks what the type's compatibility promises", other.stderr)

    def test_it_survives_a_kill(self):
        self.register("user.created", (EXAMPLES / "User.schema.json").read_text(),
                      "--mode", "enforce")
        self.register("user.created", '{"type": "object"}', "--compatibility", "none")
        before = self.broker.json("schemas", "ls")
        self.broker.kill()
        self.broker.start()
        self.assertEqual(wait_until(lambda: self.broker.json("schemas", "ls"), "the catalog"),
                         before)
        self.assertNotEqual(self.publish("user.created", "{}", check=False).returncode, 0)
        self.publish("user.created", "{}", "--header", "ce_schemaversion=2")
        self.broker.terminate()
        self.assertIn("PASS", self.doctor())
        self.broker.start()

    def doctor(self):
        return subprocess.run([HEADRACE, "doctor",
                               "--data", self.broker.data], capture_output=True, text=True,
                              check=True).stdout

    def test_hostile_schemas_are_refused_and_the_broker_lives(self):
        hostile = ['{"$ref": "#"}', '{"allOf": [{"$ref": "#"}]}', '{"pattern": "(a{999}){999}"}',
                   '{"multipleOf": 0}', '{"$schema": "http://json-schema.org/schema#"}', "[",
                   '{"not":' * 50_000, "[" * 200_000, '"' + "x" * 300_000 + '"']
        for schema in hostile:
            refused = self.register("x", schema, check=False)
            self.assertNotEqual(refused.returncode, 0, schema[:40])
        self.register("x", {"pattern": "^(a+)+$"}, "--mode", "enforce")
        self.publish("x", '"' + "a" * 60_000 + '"')
        self.assertNotEqual(self.publish("x", '"' + "a" * 60_000 + 'b"', check=False).returncode, 0)
        self.assertNotEqual(self.publish("x", "[" * 60_000, check=False).returncode, 0)
        self.assertEqual(self.count(), 1)

    def test_the_examples_are_held_to_their_schemas(self):
        for _ in range(2):  # again is a success
            subprocess.run([EXAMPLES / "declare", "--mode", "enforce"], check=True,
                           stdout=subprocess.DEVNULL,
                           env={**os.environ, "HEADRACE": os.path.abspath(HEADRACE),
                                "HEADRACE_SERVER": self.broker.listen})
        types = {row["type"]: row for row in self.broker.json("schemas", "ls")}
        self.assertEqual(len(types), 23)
        self.assertEqual({len(row["versions"]) for row in types.values()}, {1})
        for name in ("schemas/events.jsonl", "academy/events.jsonl"):
            self.broker.cli("publish", "default", "--cloudevents",
                            stdin=(EXAMPLES.parent / name).read_text())
        self.assertEqual(metric(self.broker, "headrace_schema_violations_total"), 0)
        self.assertGreater(metric(self.broker, "headrace_schema_validated_total"), 10)

    def test_check_and_delete(self):
        self.register("order.placed", ORDER)
        good = self.broker.cli("schemas", "check", "order.placed", "--file", "-",
                               stdin='{"total": 1}', check=False)
        self.assertEqual(good.returncode, 0)
        bad = self.broker.cli("schemas", "check", "order.placed", "--file", "-", "--json",
                              stdin='{"total": -1}', check=False)
        self.assertEqual(bad.returncode, 1)
        self.assertEqual(json.loads(bad.stdout)["issues"][0]["path"], "/total")
        self.broker.json("schemas", "delete", "order.placed", "--all")
        self.assertEqual(self.broker.json("schemas", "ls"), [])
        gone = self.broker.cli("schemas", "get", "order.placed", check=False)
        self.assertIn("no such schema", gone.stderr)

    def test_over_http(self):
        status, made = self.request("POST", "/v1/schemas",
                                    {"type": "order.placed", "schema": json.dumps(ORDER)})
        self.assertEqual((status, made["version"]), (201, 1))
        status, one = self.request("GET", "/v1/schemas/order.placed/versions/1")
        self.assertEqual((status, json.loads(one["schema"])), (200, ORDER))
        status, page = self.request("GET", "/v1/schemas")
        self.assertEqual((status, page["schemas"][0]["type"]), (200, "order.placed"))
        status, changed = self.request("PATCH", "/v1/schemas/order.placed", {"mode": "enforce"})
        self.assertEqual((status, changed["mode"], changed["revision"]), (200, "enforce", 2))
        status, problem = self.request("PATCH", "/v1/schemas/order.placed",
                                       {"mode": "off", "revision": 1})
        self.assertEqual((status, problem["code"]), (409, "version_conflict"))
        status, checked = self.request("POST", "/v1/schemas/order.placed/check", {"data": "{}"})
        self.assertEqual((status, checked["valid"]), (200, False))
        status, problem = self.request("POST", "/v1/schemas",
                                       {"type": "order.placed", "schema": "false"})
        self.assertEqual((status, problem["code"]), (409, "incompatible_schema"))
        status, diff = self.request("GET", "/v1/schemas/order.placed/diff?from=1&to=1")
        self.assertEqual((status, diff["differences"]), (200, []))
        status, problem = self.request("GET", "/v1/schemas/order.placed/versions/x")
        self.assertEqual((status, problem["code"]), (422, "invalid_request"))
        status, problem = self.request("PATCH", "/v1/schemas/order.placed",
                                       {"mode": "dead-letter"})
        self.assertEqual((status, problem["mode"]), (200, "dead-letter"))
        status, problem = self.request("PATCH", "/v1/schemas/order.placed", {"mode": "perhaps"})
        self.assertEqual((status, problem["code"]), (422, "invalid_request"))
        status, gone = self.request("DELETE", "/v1/schemas/order.placed")
        self.assertEqual((status, gone["deleted"]), (200, 1))
        self.assertEqual(self.request("GET", "/v1/schemas/order.placed")[0], 404)


if __name__ == "__main__":
    unittest.main()
