#!/usr/bin/env python3
"""What the command line can do, over HTTP: the same objects, and errors that name the field."""

import http.client
import json
import unittest
from urllib.parse import quote, urlencode

from broker import Broker, wait_until

QUICK = {"retry_base": "10ms", "retry_jitter": 0, "retry_factor": 1, "from": "earliest"}


class Api:
    """Requests to /v1 of one broker; answers are (status, object)."""

    def __init__(self, broker):
        self.address = broker.http.removeprefix("http://")

    def call(self, method, path, body=None, content_type="application/json"):
        """Of a body that is no text the JSON is sent."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        sends = content_type and (body is not None or method == "POST")
        headers = {"Content-Type": content_type} if sends else {}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        connection.request(method, "/v1" + path, body, headers)
        reply = connection.getresponse()
        self.headers = reply.headers
        text = reply.read()
        connection.close()
        return reply.status, json.loads(text)

    def get(self, path, **parameters):
        query = "?" + urlencode(parameters, doseq=True) if parameters else ""
        return self.call("GET", path + query)

    def post(self, path, body=None):
        return self.call("POST", path, body)


def publish(broker, topic, values, *args):
    """In one batch, however slow this is: a member is given events of one batch at a time."""
    return broker.json("publish", topic, "--linger", "10s", *args,
                       stdin="".join(f"{value}\n" for value in values))


def make_letters(broker, api, group, count):
    """An enabled group of `default` whose first `count` events have become dead letters."""
    api.post("/groups", {"group": group, "topic": "default",
                         "options": {**QUICK, "max_retries": 0}})
    publish(broker, "default", range(count), "--type", "a.b", "--key", "k")
    broker.json("subscribe", group, "--exec", "echo no >&2; exit 1", "--count", str(count))
    # Five failures in a row stop a group.
    api.post(f"/groups/{group}/enable", {"reason": "its letters are what this is about"})


class Topics(unittest.TestCase):
    def test_a_topic_is_made_seen_searched_and_deleted(self):
        with Broker() as broker:
            api = Api(broker)
            status, made = api.post("/topics", {"topic": "t", "partitions": 2, "retention": "7d",
                                                "dedup_window_ms": 60_000})
            self.assertEqual((status, made["created"], made["retention"]), (201, True, "7d"))
            self.assertEqual(api.headers["Location"], "/v1/topics/t")
            self.assertEqual(api.post("/topics", {"topic": "t"})[0], 409)
            publish(broker, "t", range(5), "--type", "a.b", "--key", "k")
            status, seen = api.get("/topics/t")
            self.assertEqual((status, seen), (200, broker.json("topics", "describe", "t")[0]))
            listed = {row["topic"]: row for row in api.get("/topics")[1]["topics"]}
            self.assertLessEqual({"default", "t"}, set(listed))
            self.assertEqual(listed["t"], seen)
            self.assertEqual(api.call("DELETE", "/topics/t"),
                             (200, {"topic": "t", "id": made["id"], "deleted": True}))
            self.assertIn(api.get("/topics/t")[0], (404, 409))

    def test_events_are_found_by_what_they_have(self):
        with Broker() as broker:
            api = Api(broker)
            publish(broker, "default", range(7), "--type", "a.b", "--header", "grade=90")
            broker.json("publish", "default", "--data", "other", "--type", "c.d", "--id", "x/1 ü")
            events = "/topics/default/events"
            self.assertEqual(api.get(events)[1]["events"], broker.json("events", "ls"))
            cursor, found = {}, []
            while cursor is not None:
                status, page = api.get(events, type="a.*", where=["grade >= 80", "grade < 95"],
                                       limit=3, **cursor)
                self.assertEqual(status, 200)
                found += page["events"]
                cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
            self.assertEqual([event["data"] for event in found], list("6543210"))
            self.assertEqual(api.get(events, id="x/1 ü")[1]["events"][0]["data"], "other")

            for wanted in (found[2], api.get(events, type="c.d")[1]["events"][0]):
                status, event = api.get(events + "/" + quote(wanted["id"], safe=""))
                self.assertEqual((status, event), (200, wanted))
                self.assertEqual(event, broker.json("events", "get", wanted["id"])[0])
            self.assertEqual(api.get(events + "/t1-0-900")[0], 404)
            self.assertEqual(api.get(events + "/nothing")[1]["code"], "unknown_event")


class Groups(unittest.TestCase):
    def test_a_group_is_made_changed_stopped_and_deleted(self):
        with Broker() as broker:
            api = Api(broker)
            options = {**QUICK, "filters": ["a.*"], "conditions": ["grade >= 80"],
                       "retry_delays": ["1s", "2m"], "ack_deadline": "5s", "priority": 3}
            wanted = {"group": "g", "topic": "default", "options": options, "if_missing": True}
            status, made = api.post("/groups", wanted)
            self.assertEqual((status, api.headers["Location"]), (201, "/v1/groups/g"))
            self.assertEqual({name: made["options"][name] for name in options}, options)
            self.assertEqual(api.post("/groups", wanted)[0], 200)
            self.assertEqual(api.get("/groups/g"),
                             (200, broker.json("groups", "describe", "g")[0]))
            self.assertEqual(api.get("/groups")[1]["groups"], [made])

            status, changed = api.call("PATCH", "/groups/g", {"options": {"ack_deadline": "7s"}})
            self.assertEqual(status, 200)
            self.assertEqual(changed["options"], {**made["options"], "ack_deadline": "7s"})
            status, problem = api.call("PATCH", "/groups/g",
                                       {"options": {"priority": 4}, "version": made["version"]})
            self.assertEqual((status, problem["code"]), (409, "version_conflict"))

            for action, state in (("disable", "disabled"), ("enable", "healthy")):
                self.assertEqual(api.post("/groups/g/" + action, {"reason": "because"}),
                                 (200, {"group": "g", "state": state}))
            self.assertEqual(api.call("DELETE", "/groups/g"),
                             (200, {"group": "g", "deleted": True}))
            self.assertEqual(api.get("/groups/g")[1]["code"], "unknown_group")

    def test_a_group_that_only_fails_is_probed(self):
        with Broker() as broker:
            api = Api(broker)
            api.post("/groups", {"group": "g", "topic": "default",
                                 "options": {**QUICK, "max_retries": 0}})
            publish(broker, "default", range(5))
            broker.json("subscribe", "g", "--exec", "exit 1", "--count", "5")
            self.assertEqual(api.get("/groups/g")[1]["state"], "quarantined")
            self.assertEqual(api.post("/groups/g/probe", {"reason": "it is repaired"}),
                             (200, {"group": "g", "state": "probing"}))


class DeadLetters(unittest.TestCase):
    def test_letters_in_pages_one_by_one_and_purged_in_two_steps(self):
        with Broker() as broker:
            api = Api(broker)
            make_letters(broker, api, "g", 5)
            lines = broker.json("dlq", "ls", "g")
            status, page = api.get("/groups/g/dlq", limit=2, reason="nack")
            self.assertEqual((status, page["total"], page["letters"]), (200, 5, lines[:2]))
            page = api.get("/groups/g/dlq", where="reason == nack", cursor=page["next_cursor"])[1]
            self.assertEqual((page["letters"], page["next_cursor"]), (lines[2:], None))
            one = "/groups/g/dlq/" + quote(lines[0]["id"])
            self.assertEqual(api.get(one), (200, lines[0]))

            self.assertEqual(api.call("DELETE", one)[1]["deleted"], 1)
            self.assertEqual(api.get(one)[1]["code"], "unknown_dead_letter")
            status, counted = api.post("/groups/g/dlq/purge", {"where": ["type == a.b"]})
            self.assertEqual((status, counted["matched"], counted["deleted"]), (200, 4, 0))
            confirmed = {"where": ["type == a.b"], "token": counted["token"]}
            self.assertEqual(api.post("/groups/g/dlq/purge", confirmed),
                             (200, {"group": "g", "matched": 4, "deleted": 4, "token": None}))
            self.assertEqual(api.get("/groups/g/dlq")[1]["total"], 0)


class Jobs(unittest.TestCase):
    def ended(self, api, job):
        """The job once it has."""
        path = "/groups/{}/jobs/{}".format(*job["job"].split("/"))
        return wait_until(lambda: (now := api.get(path)[1])["state"] in
                          ("completed", "cancelled") and now, "the job's end")

    def test_letters_are_redriven_after_a_dry_run(self):
        with Broker() as broker:
            api = Api(broker)
            make_letters(broker, api, "g", 3)
            status, dry = api.post("/groups/g/dlq/redrive", {"all": True, "dry_run": True})
            self.assertEqual((status, dry["kind"], dry["dry_run"]), (201, "redrive", True))
            self.assertEqual(self.ended(api, dry)["matched"], 3)
            ids = [letter["id"] for letter in api.get("/groups/g/dlq")[1]["letters"]]
            status, job = api.post("/groups/g/dlq/redrive", {"ids": ids[:2], "rate": 1000})
            self.assertEqual(status, 201)
            broker.json("subscribe", "g", "--count", "2")
            self.assertEqual(self.ended(api, job)["acked"], 2)
            states = [letter["state"] for letter in api.get("/groups/g/dlq")[1]["letters"]]
            self.assertEqual(states, ["redriven", "redriven", "dead"])

    def test_a_replay_is_paused_resumed_listed_and_cancelled(self):
        with Broker() as broker:
            api = Api(broker)
            api.post("/groups", {"group": "g", "topic": "default", "options": QUICK})
            publish(broker, "default", range(10))
            status, job = api.post("/groups/g/replay", {"from_offset": 2, "to_offset": 5,
                                                        "dry_run": True})
            self.assertEqual((status, self.ended(api, job)["matched"]), (201, 4))
            job = api.post("/groups/g/replay", {"from": "2020-01-01T00:00:00Z"})[1]
            path = "/groups/g/jobs/" + job["job"].split("/")[1]
            for action, state in (("pause", "paused"), ("resume", "running"),
                                  ("cancel", "cancelled")):
                status, now = api.post(path + "/" + action)
                self.assertEqual((status, now["state"]), (200, state))
            status, listed = api.get("/groups/g/jobs")
            self.assertEqual((status, listed["jobs"]),
                             (200, broker.json("replay", "ls", "--group", "g")))
            self.assertEqual(listed["jobs"][0], api.get(path)[1])


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(args=["--set", "http.max_body=4KiB"])
        cls.broker.__enter__()
        cls.api = Api(cls.broker)
        cls.api.post("/groups", {"group": "g", "topic": "default"})

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def refused(self, status, code, detail, method, path, *body):
        got, problem = self.api.call(method, path, *body)
        self.assertEqual((got, problem["status"], problem["code"]), (status, status, code), path)
        self.assertIn(detail, problem["detail"], path)
        self.assertEqual(self.api.headers["Content-Type"], "application/problem+json")

    def test_paths_methods_and_types(self):
        self.refused(404, "unknown_path", "", "GET", "/nowhere")
        self.refused(405, "method_not_allowed", "", "PUT", "/groups", {})
        self.assertEqual(self.api.headers["Allow"], "GET, HEAD, POST")
        self.refused(415, "unsupported_media_type", "", "POST", "/topics", "topic=t", "text/plain")
        self.refused(415, "unsupported_media_type", "", "POST", "/groups/g/enable", None, None)
        self.refused(413, "too_large", "", "POST", "/topics", {"topic": "t" * 5000})
        self.refused(400, "malformed_message", "", "POST", "/topics", "{")

    def test_fields_are_named_by_their_path(self):
        bad = "invalid_request"
        post = [("/topics", {}, "topic: is missing"),
                ("/topics", {"topic": "t", "partitions": -1}, "partitions: "),
                ("/topics", {"topic": "t", "retention": "soon"}, "retention: "),
                ("/topics", {"topic": "t", "colour": 1}, "colour: "),
                ("/topics", '{"topic":"t","topic":"u"}', "topic: is given more than once"),
                ("/groups", {"group": "h", "topic": "default", "options": {"retry_base": "soon"}},
                 "options.retry_base: "),
                ("/groups", {"group": "h", "topic": "default", "options": {"priority": 77}},
                 "options.priority: "),
                ("/groups", {"group": "h", "topic": "default", "options": {"max_retries": 1000}},
                 "options.max_retries: "),
                ("/groups", {"group": "h", "topic": "default", "options": {"conditions": ["x ="]}},
                 "options.conditions[0]: "),
                ("/groups", {"group": "h", "topic": "default", "options": {"filters": ["a..b"]}},
                 "options.filters[0]: "),
                ("/groups/g/enable", {"reason": 7}, "reason: "),
                ("/groups/g/disable", {"reason": "x" * 2000}, "reason: "),
                ("/groups/g/probe", {"why": "x"}, "why: "),
                ("/groups/g/dlq/purge", {}, "where: "),
                ("/groups/g/dlq/purge", {"all": "yes"}, "all: "),
                ("/groups/g/dlq/redrive", {}, "ids: "),
                ("/groups/g/dlq/redrive", {"ids": ["h@1"]}, "ids[0]: "),
                ("/groups/g/dlq/redrive", {"where": ["x ="]}, "where[0]: "),
                ("/groups/g/replay", {}, "from: "),
                ("/groups/g/replay", {"from": "today"}, "from: "),
                ("/groups/g/replay", {"from": "2020-01-01T00:00:00Z", "partition": 0},
                 "partition: "),
                ("/groups/g/replay", {"from": "2020-01-01T00:00:00Z", "filters": ["a..b"]},
                 "filters[0]: "),
                ("/groups/g/replay", {"from": "2020-01-01T00:00:00Z", "where": ["x ="]},
                 "where[0]: "),
                ("/groups/g/jobs/1/pause", {"x": 1}, "x: "),
                ("/groups/g/jobs/one/resume", {}, "job: "),
                ("/groups/g/jobs/0/cancel", {}, "job: ")]
        for path, body, detail in post:
            self.refused(422, bad, detail, "POST", path, body)
        self.refused(422, bad, "options.cooldown: ", "PATCH", "/groups/g",
                     {"options": {"cooldown": "1ms"}})
        self.refused(422, bad, "version: ", "PATCH", "/groups/g", {"version": 0})
        get = [("/topics?limit=101", "limit: "), ("/groups?limit=0", "limit: "),
               ("/groups/g/dlq?limit=x", "limit: "), ("/groups/g/dlq?cursor=x", "cursor: "),
               ("/groups/g/dlq?where=x%20%3D", "where[0]: "), ("/groups/g/dlq/7", "id: "),
               ("/groups/g?x=1", "x: "), ("/groups/g/jobs?x=1", "x: "),
               ("/groups/g/jobs/one", "job: "), ("/doctor?x=1", "x: "),
               ("/topics/default?x=1", "x: "), ("/topics/default/events?from=now", "from: "),
               ("/topics/default/events?type=a..b", "type[0]: "),
               ("/topics/default/events?key=a&key=b", "key: "),
               ("/topics/default/events?cursor=x", "cursor: ")]
        for path, detail in get:
            self.refused(422, bad, detail, "GET", path)
        self.refused(422, bad, "id: ", "DELETE", "/groups/g/dlq/7")

    def test_what_is_not_there_is_named(self):
        for path, code in (("/topics/nothing", "unknown_topic"),
                           ("/topics/nothing/events", "unknown_topic"),
                           ("/groups/nothing", "unknown_group"),
                           ("/groups/nothing/dlq", "unknown_group"),
                           ("/groups/g/dlq/g@7", "unknown_dead_letter"),
                           ("/groups/g/dlq/h@7", "unknown_dead_letter"),
                           ("/groups/g/jobs/7", "unknown_job")):
            self.refused(404, code, "", "GET", path)
        self.refused(404, "unknown_topic", "", "DELETE", "/topics/nothing")
        self.refused(404, "unknown_group", "", "DELETE", "/groups/nothing")
        self.refused(404, "unknown_topic", "", "POST", "/groups", {"group": "h", "topic": "no"})
        self.refused(422, "bad_name", "", "GET", "/topics/a%2Fb")
        self.broker.json("consume", "default", "--group", "p", "--wait", "100ms")
        self.refused(409, "group_kind", "positional", "GET", "/groups/p/dlq")


class Doctor(unittest.TestCase):
    def test_the_doctor_looks_at_every_topic_and_group(self):
        with Broker() as broker:
            api = Api(broker)
            api.post("/groups", {"group": "g", "topic": "default"})
            wait_until(lambda: "$sys" in str(api.get("/topics")[1]), "the topic of system events")
            status, found = api.get("/doctor")
            self.assertEqual((status, found["result"]), (200, "PASS"))
            checks = [check["check"] for check in found["checks"]]
            self.assertEqual([check.split(":")[0] for check in checks],
                             ["topic $sys", "topic default", "group g"])
            lines = broker.json("doctor")
            self.assertLessEqual(set(checks), {line["check"] for line in lines})


if __name__ == "__main__":
    unittest.main(verbosity=2)
