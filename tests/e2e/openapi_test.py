#!/usr/bin/env python3
"""The OpenAPI document: it has every route and no other, and every real answer is as it says.

Whoever adds a route adds it to broker/admin/openapi/*.json, to docs/http.md, and calls it in
Walk.walk(); what is missing is named."""

import http.client
import json
import re
import tempfile
import unittest
from urllib.parse import quote, urlencode

import jsonschema
from broker import Broker

METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"


def listed_routes():
    """(METHOD, path) → permission; a unit test compares docs/http.md with the route table."""
    with open("docs/http.md", encoding="utf-8") as page:
        rows = re.findall(r"^\| ([A-Z]+) \| `(/[^`]*)` \| (\w+) \|", page.read(), re.M)
    return {(method, path): permission for method, path, permission in rows}


def operations(document):
    return {(method.upper(), path): operation for path, item in document["paths"].items()
            for method, operation in item.items() if method in METHODS}


def closed(schema):
    """The schema, with every object that names its properties having no others."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {name: closed(value) for name, value in schema.items()}
    if isinstance(copy.get("properties"), dict) and "additionalProperties" not in copy:
        copy["additionalProperties"] = False
    return copy


class Checker:
    """Calls routes and compares what they take and answer with the document."""

    def __init__(self, broker, document):
        self.address = broker.http.removeprefix("http://")
        self.operations = operations(document)
        self.components = closed(document["components"])
        self.seen = set()  # (operationId, status)

    def operation_of(self, method, path):
        """Literal segments before parameters, as the broker itself matches."""
        for (has, template), operation in sorted(self.operations.items(),
                                                 key=lambda item: item[0][1].count("{")):
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            if has == method and re.fullmatch(pattern, path):
                return operation
        raise AssertionError(f"{method} {path} is not in the document")

    def check(self, schema, value, what):
        validator = jsonschema.Draft202012Validator(
            {"allOf": [closed(schema)], "components": self.components})
        errors = [f"{what} at /{'/'.join(map(str, e.absolute_path))}: {e.message}"
                  for e in validator.iter_errors(value)]
        assert not errors, "\n".join(errors)

    def schema_of(self, operation, status, media):
        """Of the answer; None: the document knows no body there."""
        answers = operation["responses"]
        answer = answers.get(str(status))
        if answer is None:
            assert status >= 400, f"{operation['operationId']}: {status} is not in the document"
            answer = answers["default"]
        if "$ref" in answer:
            answer = self.components["responses"][answer["$ref"].rsplit("/", 1)[1]]
        if "content" not in answer:
            return None
        assert media in answer["content"], (operation["operationId"], status, media)
        return answer["content"][media]["schema"]

    def call(self, method, path, body=None, headers=(), **query):
        operation = self.operation_of(method, path)
        headers = dict(headers)
        if method == "POST" or body is not None:
            headers.setdefault("Content-Type", JSON)
        if isinstance(body, (dict, list)):
            media = headers["Content-Type"]
            self.check(operation["requestBody"]["content"][media]["schema"], body,
                       operation["operationId"] + " takes")
            body = json.dumps(body)
        named = {p["name"] for p in operation.get("parameters", ()) if p.get("in") == "query"}
        named |= {p["$ref"].rsplit("/", 1)[1] for p in operation.get("parameters", ())
                  if "$ref" in p}
        assert set(query) <= named, f"{operation['operationId']}: {set(query) - named}"
        return self.send(operation, method, path, body, headers, query)

    def send(self, operation, method, path, body, headers, query):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        target = path + ("?" + urlencode(query, doseq=True) if query else "")
        connection.request(method, target, body, headers)
        reply = connection.getresponse()
        text = reply.read().decode()
        self.headers = reply.headers
        connection.close()
        media = reply.headers.get("Content-Type", "").split(";")[0]
        what = f"{operation['operationId']} answers {reply.status}"
        value = json.loads(text) if "json" in media and text else text
        schema = self.schema_of(operation, reply.status, media)
        assert schema is not None or not text, what
        if schema is not None:
            self.check(schema, value, what)
        self.seen.add((operation["operationId"], reply.status))
        return reply.status, value


class Walk:
    """Calls every route so that it succeeds."""

    def __init__(self, broker, checker):
        self.broker = broker
        self.checker = checker

    def done(self, method, path, body=None, headers=(), **query):
        status, value = self.checker.call(method, path, body, headers, **query)
        assert status < 400, (method, path, status, value)
        return value

    def walk(self):
        for part in (self.health, self.config, self.topics, self.events, self.groups,
                     self.deliveries, self.letters, self.jobs, self.compatible, self.access,
                     self.tenants, self.schemas):
            part()

    def health(self):
        for path in ("/metrics", "/healthz", "/readyz", "/v1/openapi.json"):
            self.done("GET", path)
        tag = self.checker.headers["ETag"]
        self.done("GET", "/v1/openapi.json", headers={"If-None-Match": tag})

    def config(self):
        self.done("GET", "/v1/config")
        self.done("PUT", "/v1/log/level", {"level": "warn"})
        self.done("POST", "/v1/config/reload", {})
        self.done("POST", "/v1/backups", {})
        self.done("GET", "/v1/backups")

    def topics(self):
        new = {"topic": "t", "partitions": 2, "retention": "7d", "dedup_window_ms": 60_000,
               "dedup_max_ids": 100, "if_missing": True}
        self.done("POST", "/v1/topics", new)
        self.done("POST", "/v1/topics", new)
        self.done("POST", "/v1/topics", {"topic": "gone"})
        self.done("DELETE", "/v1/topics/gone")

    def events(self):
        path = "/v1/topics/t/events"
        event = {"specversion": "1.0", "id": "e-1", "source": "/s", "type": "a.b", "data": {"x": 1},
                 "partitionkey": "k", "extension": True}
        structured = {"Content-Type": "application/cloudevents+json"}
        batch = {"Content-Type": "application/cloudevents-batch+json"}
        self.done("POST", path, event, structured)
        self.done("POST", path, event, structured)  # it is there: 200
        self.done("POST", path, [{**event, "id": str(i)} for i in range(3)], batch,
                  durability="written")
        self.done("POST", path, {"any": "thing"}, type="plain", key="k", header="a=b")
        self.done("POST", path, b"\xff", {"Content-Type": "image/png", "ce-specversion": "1.0",
                                          "ce-id": "p", "ce-type": "c", "ce-source": "/s"})
        self.done("POST", path, {}, delay="1h")
        refused = [{**event, "id": "again"}, event | {"type": ""}]
        del refused[1]["type"]
        status, _ = self.checker.send(self.checker.operation_of("POST", path), "POST", path,
                                      json.dumps(refused), batch, {})
        assert status == 207
        page = self.done("GET", path, limit=100)
        assert len(page["events"]) == 7, page
        self.done("GET", path + "/e-1")
        self.done("GET", "/v1/topics/t/partitions/0/events", **{"from": "earliest"})
        for seen in ("/v1/topics", "/v1/topics/t", "/v1/topics/t/types"):
            self.done("GET", seen)

    def groups(self):
        options = {"from": "earliest", "max_retries": 0, "filters": ["a.*"], "retry_jitter": 0,
                   "conditions": ["extension exists"], "retry_delays": ["1s"]}
        new = {"group": "g", "topic": "t", "options": options, "if_missing": True}
        self.done("POST", "/v1/groups", new)
        self.done("POST", "/v1/groups", new)
        self.broker.json("consume", "t", "--group", "p", "--wait", "0s")
        self.done("PATCH", "/v1/groups/g", {"options": {"ack_deadline": "20s"}})
        for action in ("disable", "enable"):
            self.done("POST", f"/v1/groups/g/{action}", {"reason": "walk"})
        for path in ("/v1/groups", "/v1/groups/g", "/v1/groups/p", "/v1/doctor"):
            self.done("GET", path)
        self.done("DELETE", "/v1/groups/p")

    def deliveries(self):
        received = self.done("POST", "/v1/groups/g/receive", {}, max=2, wait="20s")
        first, *rest = received["deliveries"]
        outcomes = [{"delivery": first["delivery"], "outcome": "ack"}]
        outcomes += [{"delivery": d["delivery"], "outcome": "reject", "error": "walk"}
                     for d in rest]
        self.done("POST", "/v1/groups/g/settle", {"outcomes": outcomes})
        self.done("POST", "/v1/groups/g/settle", {"outcomes": outcomes})  # over: 207
        while deliveries := self.done("POST", "/v1/groups/g/receive", {})["deliveries"]:
            self.done("POST", "/v1/groups/g/settle", {"outcomes": [
                {"delivery": d["delivery"], "outcome": "reject"} for d in deliveries]})
        self.stop_a_group()

    def stop_a_group(self):
        """By five failures in a row, so that there is something to probe."""
        self.done("POST", "/v1/groups", {"group": "h", "topic": "t",
                                         "options": {"from": "earliest", "max_retries": 0}})
        while self.done("GET", "/v1/groups/h")["state"] != "quarantined":
            for delivery in self.done("POST", "/v1/groups/h/receive", {}, wait="20s")["deliveries"]:
                self.done("POST", "/v1/groups/h/settle", {"outcomes": [
                    {"delivery": delivery["delivery"], "outcome": "nack", "error": "walk"}]})
        self.done("POST", "/v1/groups/h/probe", {"reason": "walk"})

    def letters(self):
        page = self.done("GET", "/v1/groups/g/dlq", limit=100)
        self.ids = [letter["id"] for letter in page["letters"]]
        assert len(self.ids) >= 3, page
        self.done("GET", "/v1/groups/g/dlq/" + quote(self.ids[0]))
        self.done("DELETE", "/v1/groups/g/dlq/" + quote(self.ids.pop()))
        self.done("POST", "/v1/groups/g/dlq/purge", {"where": ["id == nothing"]})

    def jobs(self):
        self.done("POST", "/v1/groups/g/dlq/redrive", {"all": True, "dry_run": True})
        job = self.done("POST", "/v1/groups/g/replay", {"from": "2020-01-01T00:00:00Z"})
        path = "/v1/groups/g/jobs/" + job["job"].split("/")[1]
        for action in ("pause", "resume", "cancel"):
            self.done("POST", f"{path}/{action}", {})
        self.done("GET", path)
        self.done("GET", "/v1/groups/g/jobs")

    def compatible(self):
        self.done("GET", "/admin/events/stats")
        page = self.done("GET", "/admin/events/dlq", limit=1)
        self.done("GET", "/admin/events/dlq", cursor=page["next_cursor"])
        letter = quote(self.ids.pop())
        self.done("POST", f"/admin/events/dlq/{letter}/retry", {})
        self.done("DELETE", f"/admin/events/dlq/{letter}")

    def access(self):
        self.done("GET", "/v1/me")
        new = {"principal": "reader", "roles": ["consumer:t"], "if_missing": True}
        self.done("POST", "/v1/principals", new)
        self.done("POST", "/v1/principals", new)
        self.done("PATCH", "/v1/principals/reader", {"roles": ["auditor"]})
        self.done("PUT", "/v1/principals/reader/password", {"password": "correct horse"})
        key = self.done("POST", "/v1/keys", {"principal": "reader", "expires": "30d"})
        self.done("GET", "/v1/keys", principal="reader")
        for path in ("/v1/principals", "/v1/principals/reader"):
            self.done("GET", path)
        self.done("DELETE", "/v1/keys/" + key["key"], {"after": "1h"})
        self.done("DELETE", "/v1/principals/reader/password")
        self.done("DELETE", "/v1/principals/reader")
        self.done("GET", "/v1/audit", limit=100)

    def tenants(self):
        new = {"tenant": "acme", "if_missing": True}
        self.done("POST", "/v1/tenants", new)
        self.done("POST", "/v1/tenants", new)
        self.done("GET", "/v1/tenants")
        for action in ("suspend", "resume"):
            self.done("POST", f"/v1/tenants/acme/{action}", {"reason": "walk"})
        self.done("GET", "/v1/tenants/acme")
        self.done("GET", "/v1/quotas")
        self.done("GET", "/v1/months")
        self.done("PATCH", "/v1/tenants/acme",
                  {"quotas": {"topics": 3, "weight": 2}, "reason": "walk"})
        self.done("DELETE", "/v1/tenants/acme", {"confirm": "acme"})

    def schemas(self):
        new = {"type": "w", "schema": '{"type": "object"}', "mode": "advisory"}
        self.done("POST", "/v1/schemas", new)
        self.done("POST", "/v1/schemas", new)
        self.done("POST", "/v1/schemas", {"type": "w", "compatibility": "none", "dry_run": True,
                                          "schema": '{"type": "string"}'})
        self.done("POST", "/v1/schemas", {"type": "w", "compatibility": "none",
                                          "schema": '{"type": "string"}'})
        self.done("PATCH", "/v1/schemas/w", {"mode": "enforce", "compatibility": "full-transitive"})
        self.done("GET", "/v1/schemas/w/diff", **{"from": 1, "to": 2})
        self.done("POST", "/v1/schemas/w/check", {"data": "17"})
        for path in ("/v1/schemas", "/v1/schemas/w", "/v1/schemas/w/versions/1"):
            self.done("GET", path)
        self.done("DELETE", "/v1/schemas/w/versions/1")
        self.done("DELETE", "/v1/schemas/w")


def real_path(template):
    """Where the walk's things are, or would be."""
    names = {"topic": "t", "group": "g", "id": "x", "job": "1", "principal": "reader",
             "key": "000000000000", "tenant": "acme", "partition": "0", "eventId": "g@1",
             "type": "w", "version": "1"}
    if "/dlq/{id}" in template:
        names["id"] = "g@1"
    return re.sub(r"\{(\w+)\}", lambda m: names.get(m[1], "x"), template)


class OpenApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()
        cls.document = json.loads(cls.broker.get("/v1/openapi.json")[1])

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def test_it_has_every_route_and_no_other(self):
        served = operations(self.document)
        wanted = listed_routes()
        self.assertEqual(sorted(wanted.keys() - served.keys()), [], "add to broker/admin/openapi")
        self.assertEqual(sorted(served.keys() - wanted.keys()), [], "not a route")
        self.assertEqual({route: operation["x-permission"] for route, operation in served.items()},
                         wanted)

    def test_it_holds_together(self):
        self.assertEqual(self.document["openapi"], "3.1.0")
        version = self.broker.cli("version").stdout.split()[-1]
        self.assertIn(self.document["info"]["version"], version)
        text = json.dumps(self.document)
        for ref in set(re.findall(r'"\$ref": "(#[^"]+)"', text)):
            at = self.document
            for name in ref.removeprefix("#/").split("/"):
                self.assertIn(name, at, ref)
                at = at[name]
        for name, schema in self.document["components"]["schemas"].items():
            jsonschema.Draft202012Validator.check_schema(schema)
            self.assertIn(f'"#/components/schemas/{name}"', text, "nobody uses it")
        tags = {tag["name"] for tag in self.document["tags"]}
        seen = set()
        for (method, path), operation in operations(self.document).items():
            with self.subTest(method=method, path=path):
                self.assertNotIn(operation["operationId"], seen)
                seen.add(operation["operationId"])
                self.assertLessEqual(set(operation["tags"]), tags)
                parameters = self.document["paths"][path].get("parameters", [])
                parameters = parameters + operation.get("parameters", [])
                self.assertEqual({p["name"] for p in parameters if p.get("in") == "path"},
                                 set(re.findall(r"\{(\w+)\}", path)))
                self.assertIn("default", operation["responses"])

    def test_every_real_answer_is_as_it_says(self):
        with tempfile.TemporaryDirectory() as backups, \
                Broker(args=["--set", "backup.dir=" + backups]) as broker:
            checker = Checker(broker, self.document)
            Walk(broker, checker).walk()
            answered = {operation for operation, status in checker.seen if status < 400}
            wanted = {one["operationId"] for one in operations(self.document).values()}
            self.assertEqual(sorted(wanted - answered), [], "call them in Walk")
            for status in ("200", "201", "202", "207", "304"):
                told = {(operation["operationId"], int(status))
                        for operation in operations(self.document).values()
                        if status in operation["responses"]}
                self.assertEqual(sorted(told - checker.seen), [], "no call was answered so")

    def test_what_nobody_knows_is_refused_by_every_route(self):
        lenient = ("/metrics", "/healthz", "/readyz")  # scrapers and probes add what they like
        with Broker() as broker:
            checker = Checker(broker, self.document)
            walk = Walk(broker, checker)
            walk.topics()
            walk.groups()
            for (method, template), operation in operations(self.document).items():
                path = real_path(template)
                headers = {"Content-Type": JSON} if method != "GET" else {}
                with self.subTest(method=method, path=path):
                    if template in lenient:
                        continue
                    status, problem = checker.send(operation, method, path, None, headers,
                                                   {"nobody": "knows"})
                    self.assertEqual((status, problem["code"]), (422, "invalid_request"))
                    self.assertIn("nobody: ", problem["detail"])
                    if method == "GET" or operation["operationId"] == "publish_event":
                        continue  # any JSON is an event's data
                    status, problem = checker.send(operation, method, path, '{"nobody":"knows"}',
                                                   headers, {})
                    self.assertEqual((status, problem["code"]), (422, "invalid_request"))
                    self.assertRegex(problem["detail"], "nobody: |is missing")


if __name__ == "__main__":
    unittest.main()
