#!/usr/bin/env python3
"""What keeps HTTP requests safe: idempotency keys, If-Match, Host, no CORS, and bounds for requests
that mean harm. And the paths that dashboards know."""

import http.client
import json
import select
import socket
import threading
import unittest
from urllib.parse import quote

from access import lines, make
from broker import Broker, read_to_end, wait_until
from http_routes_test import QUICK, Api, make_letters, publish

JSON = {"Content-Type": "application/json"}


class Raw:
    """Requests with headers of one's own; answers are (status, object)."""

    def __init__(self, broker, **headers):
        self.broker = broker
        self.always = headers

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.broker.http.removeprefix("http://"),
                                                timeout=60)
        named = {name.replace("_", "-"): value for name, value in
                 {**JSON, **self.always, **headers}.items()}
        connection.request(method, path, None if body is None else json.dumps(body), named)
        reply = connection.getresponse()
        text = reply.read()
        self.headers = reply.headers
        connection.close()
        return reply.status, json.loads(text) if text else None


class IdempotencyTest(unittest.TestCase):
    def test_what_is_sent_again_is_done_once(self):
        with Broker() as broker:
            raw = Raw(broker, Idempotency_Key="k-1")
            path = "/v1/topics/default/events"
            first = raw.call("POST", path, {"n": 1})
            self.assertNotIn("Idempotency-Replayed", raw.headers)
            again = raw.call("POST", path, {"n": 1})
            self.assertEqual(raw.headers["Idempotency-Replayed"], "true")
            self.assertEqual((first[0], again), (201, first))
            self.assertEqual(len(broker.json("events", "ls")), 1)
            for other in ((path, {"n": 2}), (path + "?type=x", {"n": 1}), ("/v1/topics", {})):
                self.assertEqual(raw.call("POST", *other)[1]["code"], "idempotency_mismatch")
            other = raw.call("POST", path, {"n": 1}, Idempotency_Key="k-2")
            self.assertEqual((other[0], other[1]["offset"]), (201, 1))

    def test_what_was_refused_may_be_sent_again(self):
        with Broker() as broker:
            raw = Raw(broker, Idempotency_Key="k-1")
            self.assertEqual(raw.call("POST", "/v1/topics/later/events", {})[0], 404)
            broker.json("topics", "create", "later")
            self.assertEqual(raw.call("POST", "/v1/topics/later/events", {})[0], 201)

    def test_bad_keys_are_refused(self):
        with Broker() as broker:
            for key in ("", "x" * 256, "a b", '"\t"'):
                status, problem = Raw(broker).call("POST", "/v1/topics", {}, Idempotency_Key=key)
                self.assertEqual(status, 422)
                self.assertIn("Idempotency-Key: ", problem["detail"])

    def test_two_at_once_are_one(self):
        with Broker() as broker:
            api = Api(broker)
            api.post("/groups", {"group": "g", "topic": "default", "options": QUICK})
            answers = []
            path = "/v1/groups/g/receive?wait=20s"
            waits = threading.Thread(target=lambda: answers.append(
                Raw(broker, Idempotency_Key="k").call("POST", path)))
            waits.start()
            wait_until(lambda: api.get("/groups/g")[1]["members"] == 1, "the first to wait")
            raw = Raw(broker, Idempotency_Key="k")
            status, problem = raw.call("POST", path)
            self.assertEqual((status, problem["code"]), (409, "idempotency_pending"))
            self.assertIn("Retry-After", raw.headers)
            publish(broker, "default", ["a"])
            waits.join(timeout=60)
            self.assertEqual([d["data"] for d in answers[0][1]["deliveries"]], ["a"])
            self.assertEqual(raw.call("POST", path), answers[0])

    def test_secrets_are_not_kept_and_access_comes_first(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            boss = Raw(broker, Authorization="Bearer " + root, Idempotency_Key="k")
            boss.call("POST", "/v1/principals", {"principal": "p", "roles": ["admin"]},
                      Idempotency_Key="p")
            status, key = boss.call("POST", "/v1/keys", {"principal": "p"})
            self.assertEqual(status, 201)
            status, problem = boss.call("POST", "/v1/keys", {"principal": "p"})
            self.assertEqual((status, problem["code"]), (409, "idempotency_spent"))
            self.assertNotIn(key["secret"], json.dumps(problem))
            self.assertEqual(len(boss.call("GET", "/v1/keys?principal=p")[1]["keys"]), 1)

            admin = Raw(broker, Authorization="Bearer " + key["secret"], Idempotency_Key="mine")
            made = admin.call("POST", "/v1/topics", {"topic": "t"})
            self.assertEqual((made[0], admin.call("POST", "/v1/topics", {"topic": "t"})),
                             (201, made))
            # Another caller's key is another key.
            self.assertEqual(boss.call("POST", "/v1/topics", {"topic": "u"},
                                       Idempotency_Key="mine")[0], 201)
            nobody = Raw(broker, Idempotency_Key="mine")
            self.assertEqual(nobody.call("POST", "/v1/topics", {"topic": "t"})[0], 401)
            lines(broker, root, "principals", "update", "p", "--role", "monitor")
            self.assertEqual(admin.call("POST", "/v1/topics", {"topic": "t"})[0], 403)


class MatchTest(unittest.TestCase):
    def test_changes_and_deletions_are_of_the_version_that_was_seen(self):
        with Broker() as broker:
            raw = Raw(broker)
            raw.call("POST", "/v1/groups", {"group": "g", "topic": "default"})
            seen = raw.headers["ETag"]
            raw.call("GET", "/v1/groups/g")
            self.assertEqual(raw.headers["ETag"], seen)
            status, _ = raw.call("PATCH", "/v1/groups/g", {"options": {"priority": 3}},
                                 If_Match=f'"other", {seen}')
            self.assertEqual(status, 200)
            now = raw.headers["ETag"]
            self.assertNotEqual(now, seen)
            for method, body in (("PATCH", {"options": {"priority": 4}}), ("DELETE", None)):
                status, problem = raw.call(method, "/v1/groups/g", body, If_Match=seen)
                self.assertEqual((status, problem["code"]), (412, "precondition_failed"))
            self.assertEqual(raw.call("DELETE", "/v1/groups/g", If_Match=now)[0], 200)

            raw.call("POST", "/v1/principals", {"principal": "p", "roles": ["monitor"]})
            seen = raw.headers["ETag"]
            change = {"roles": ["auditor"]}
            self.assertEqual(raw.call("PATCH", "/v1/principals/p", change, If_Match=seen)[0], 200)
            self.assertEqual(raw.call("PATCH", "/v1/principals/p", change, If_Match=seen)[0], 412)
            self.assertEqual(raw.call("DELETE", "/v1/principals/p", If_Match=seen)[0], 412)
            self.assertEqual(raw.call("DELETE", "/v1/principals/p", If_Match="*")[0], 200)

            raw.call("POST", "/v1/topics", {"topic": "t"})
            raw.call("GET", "/v1/topics/t")
            self.assertEqual(raw.call("DELETE", "/v1/topics/t", If_Match='"0"')[0], 412)
            raw.call("GET", "/v1/topics/t")
            self.assertEqual(raw.call("DELETE", "/v1/topics/t",
                                      If_Match=raw.headers["ETag"])[0], 200)


class StrangersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def send(self, *parts):
        """Everything that comes back for these bytes."""
        host, port = self.broker.http.removeprefix("http://").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            try:
                for part in parts:
                    connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has said no already
            return read_to_end(connection)

    def get(self, path, *headers, host="localhost"):
        """The status of a GET with these header lines."""
        head = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        return int(self.send("\r\n".join(head).encode() + b"\r\n\r\n").split()[1])

    def test_a_name_that_was_pointed_here_gets_nothing(self):
        for host in ("localhost", "localhost:7480", "127.0.0.1", "127.0.0.1:7480", "[::1]:7480",
                     "some.localhost"):
            self.assertEqual(self.get("/v1/topics", host=host), 200, host)
        for host in ("evil.example", "evil.example:7480", "localhost.evil.example",
                     "127.0.0.1.evil.example", ""):
            self.assertEqual(self.get("/v1/topics", host=host), 421, host)
        self.assertEqual(self.get("/healthz", host="evil.example"), 200)
        # Whoever has a key came by purpose.
        self.assertEqual(self.get("/v1/topics", "Authorization: Bearer x", host="evil.example"),
                         401)

    def test_cors_is_off(self):
        raw = Raw(self.broker, Origin="https://evil.example")
        self.assertEqual(raw.call("GET", "/v1/topics")[0], 200)
        self.assertFalse([name for name in raw.headers if name.startswith("Access-Control")])
        status, _ = raw.call("OPTIONS", "/v1/topics", Access_Control_Request_Method="POST")
        self.assertEqual(status, 405)
        self.assertFalse([name for name in raw.headers if name.startswith("Access-Control")])

    def test_headers_that_are_there_twice(self):
        for header in ("Authorization: Bearer x", "Content-Type: application/json",
                       "Headrace-Tenant: a", "Headrace-As-Tenant: a", "If-Match: x"):
            self.assertEqual(self.get("/v1/topics", header, header.replace(": ", ": y")), 422)
        self.assertEqual(self.get("/v1/topics", "Host: other"), 400)
        self.assertIn(b" 400 ", self.send(b"GET /v1/topics HTTP/1.1\r\n\r\n"))

    def test_requests_that_two_servers_would_read_differently(self):
        post = b"POST /v1/topics HTTP/1.1\r\nHost: localhost\r\n"
        for trick in (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                      b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n1234",
                      b"Content-Length: -4\r\n\r\n", b"Content-Length: 4x\r\n\r\n1234",
                      b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                      b"Transfer-Encoding: gzip\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                      b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                      b"Na\0me: x\r\n\r\n", b"Name: a\0b\r\n\r\n"):
            answer = self.send(post + trick)
            self.assertRegex(answer, rb"^HTTP/1.1 (400|501) ", trick)
            self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
        self.assertEqual(self.get("/v1/topics", "Content-Encoding: gzip"), 415)

    def test_paths_do_not_leave_their_segments(self):
        for path in ("/v1/../metrics", "/v1/topics/..%2f..%2fmetrics", "/v1//topics",
                     "/v1/topics/", "/v1/topics/%2e%2e/default", "/v1/topics/a%2Fb"):
            self.assertIn(self.get(path), (404, 422), path)
        for path in ("/v1/topics?", "/v1/topics?&", "/v1/topics?limit=1&"):
            self.assertEqual(self.get(path), 200, path)
        for path in ("/v1/topics/%00", "/v1/topics/%ff", "/v1/topics/%zz", "v1"):
            self.assertEqual(self.get(path), 400, path)

    def test_a_hundred_megabytes_of_json_are_not_read(self):
        head = (b"POST /v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 104857600\r\n\r\n")
        self.assertIn(b" 413 ", self.send(head))
        # Without a length: cut off at the bound.
        chunk = b"10000\r\n" + b"[" * 65536 + b"\r\n"
        head = (b"POST /v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n")
        answer = self.send(head, *[chunk] * 1600)
        self.assertTrue(answer == b"" or b" 413 " in answer, answer[:100])
        self.assertEqual(self.get("/v1/topics"), 200)

    def test_a_slow_sender_holds_nobody(self):
        address = self.broker.http.removeprefix("http://").rsplit(":", 1)
        begins = (b"", b"GET /v1/topics HTTP/1.1\r\nHost: loc",
                  b"GET /v1/topics HTTP/1.1\r\nHost: localhost\r\nName: ")
        slow = [socket.create_connection((address[0], int(address[1])), timeout=60)
                for _ in range(30)]
        for i, connection in enumerate(slow):
            connection.sendall(begins[i % 3])
        ended = 0
        while ended < len(slow):  # a byte of a header now and then is no sign of life
            self.assertEqual(self.get("/v1/topics"), 200)
            for connection in slow:
                if connection.fileno() < 0:
                    continue
                try:
                    if select.select([connection], [], [], 0.02)[0] and not connection.recv(1):
                        raise ConnectionError
                    connection.sendall(b"x")
                except OSError:
                    connection.close()
                    ended += 1

    def test_deep_json_is_bounded(self):
        raw = Raw(self.broker)
        for deep in ("[" * 500_000, "[" * 400_000 + "]" * 400_000, '{"a":' * 150_000):
            connection = http.client.HTTPConnection(self.broker.http.removeprefix("http://"))
            connection.request("POST", "/v1/topics", deep, JSON)
            self.assertIn(connection.getresponse().status, (400, 422))
            connection.close()
        self.assertEqual(raw.call("GET", "/v1/topics")[0], 200)


class DashboardTest(unittest.TestCase):
    def test_stats_and_letters_of_all_groups(self):
        with Broker() as broker:
            api, raw = Api(broker), Raw(broker)
            make_letters(broker, api, "a", 5)
            api.post("/groups", {"group": "b", "topic": "default",
                                 "options": {**QUICK, "max_retries": 0}})
            broker.json("subscribe", "b", "--exec", "exit 1", "--count", "5")
            stats = raw.call("GET", "/admin/events/stats")[1]
            self.assertEqual((stats["topics"], stats["groups"], stats["events"], stats["failed"],
                              stats["dead_letters"]), (1, 2, 5, 10, 10))
            self.assertEqual(stats["unhealthy_groups"], 1)

            wanted = broker.json("dlq", "ls", "a") + broker.json("dlq", "ls", "b")
            seen, cursor = [], ""
            while cursor is not None:
                page = raw.call("GET", "/admin/events/dlq?limit=2" + cursor)[1]
                self.assertLessEqual(len(page["letters"]), 2)
                seen += page["letters"]
                cursor = page["next_cursor"] and "&cursor=" + quote(page["next_cursor"])
            self.assertEqual(seen, wanted)
            of_b = raw.call("GET", "/admin/events/dlq?group=b")[1]["letters"]
            self.assertEqual(of_b, wanted[5:])

            # By an event's id: its letters in both groups.
            event = wanted[0]["event"]["id"]
            status, answer = raw.call("POST", f"/admin/events/dlq/{quote(event)}/retry", {})
            self.assertEqual((status, [job["group"] for job in answer["jobs"]]), (201, ["a", "b"]))
            status, answer = raw.call("DELETE", "/admin/events/dlq/a@2")
            self.assertEqual((status, answer), (200, {"eventId": "a@2", "deleted": 1}))
            self.assertEqual(raw.call("DELETE", "/admin/events/dlq/a@2")[0], 404)
            self.assertEqual(raw.call("POST", "/admin/events/dlq/nothing/retry", {})[1]["code"],
                             "unknown_dead_letter")
            event = quote(wanted[2]["event"]["id"])
            self.assertEqual(raw.call("DELETE", f"/admin/events/dlq/{event}")[1]["deleted"], 2)

    def test_published_ids_with_any_characters(self):
        with Broker() as broker:
            api, raw = Api(broker), Raw(broker)
            api.post("/groups", {"group": "g", "topic": "default",
                                 "options": {**QUICK, "max_retries": 0}})
            ids = ['a "b" \\ c', "g@x", "ü", "x@1"]
            for one in ids:
                broker.json("publish", "default", "--id", one, "--data", "x")
            broker.json("subscribe", "g", "--exec", "exit 1", "--count", "4")
            for one in ids:
                status, answer = raw.call("DELETE", "/admin/events/dlq/" + quote(one, safe=""))
                self.assertEqual((status, answer), (200, {"eventId": one, "deleted": 1}))


if __name__ == "__main__":
    unittest.main()
