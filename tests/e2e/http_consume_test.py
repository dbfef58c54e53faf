#!/usr/bin/env python3
"""Consuming over HTTP: reading from a position, long polls, and deliveries of acked groups that are
settled by their handle."""

import socket
import threading
import unittest

from access import http, lines, make
from broker import Broker, wait_until
from http_routes_test import QUICK, Api, publish


class ReadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()
        cls.api = Api(cls.broker)

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def test_pages_follow_each_other_without_gaps(self):
        self.broker.json("topics", "create", "pages")
        publish(self.broker, "pages", range(120), "--type", "a.b", "--key", "k")
        path, seen, at = "/topics/pages/partitions/0/events", [], "earliest"
        while True:
            status, page = self.api.get(path, **{"from": at, "limit": 50})
            self.assertEqual((status, page["log_start"], page["visible_end"]), (200, 0, 120))
            if not page["events"]:
                break
            seen += page["events"]
            at = page["next_offset"]
        self.assertEqual(at, 120)
        self.assertEqual(seen, self.broker.json("consume", "pages", "--from", "earliest",
                                                "--count", "120"))

    def test_positions_are_offsets_times_and_ends(self):
        acks = publish(self.broker, "default", range(5))
        path, end = "/topics/default/partitions/0/events", acks[-1]["offset"] + 1
        page = self.api.get(path, **{"from": acks[2]["offset"], "limit": 1})[1]
        self.assertEqual([e["offset"] for e in page["events"]], [acks[2]["offset"]])
        page = self.api.get(path, **{"from": "latest"})[1]
        self.assertEqual((page["events"], page["next_offset"]), ([], end))
        time = self.broker.json("consume", "default", "--from", str(acks[3]["offset"]),
                                "--count", "1")[0]["append_time"]
        page = self.api.get(path, **{"from": time})[1]
        self.assertLessEqual(page["events"][0]["offset"], acks[3]["offset"])

    def test_a_long_poll_ends_with_the_first_event(self):
        self.broker.json("topics", "create", "poll")
        answers = []
        path = "/topics/poll/partitions/0/events"
        waits = threading.Thread(target=lambda: answers.append(
            Api(self.broker).get(path, **{"from": "latest", "wait": "20s"})))
        waits.start()
        # Whenever it comes, before the wait began or after: it is the one that is read.
        self.broker.json("publish", "poll", "--data", "now")
        waits.join(timeout=60)
        status, page = answers[0]
        self.assertEqual(status, 200)
        if page["events"]:
            self.assertEqual([e["data"] for e in page["events"]], ["now"])
        else:  # `latest` was looked up behind it
            self.assertEqual(page["next_offset"], 1)
        self.assertEqual(self.api.get(path, **{"from": 7, "wait": "0s"})[1]["code"],
                         "offset_out_of_range")

    def test_what_is_wrong_is_named(self):
        path = "/topics/default/partitions/0/events"
        for name, query in (("from: ", {"from": "soon"}), ("limit: ", {"limit": 101}),
                            ("wait: ", {"wait": "20001ms"}), ("x: ", {"x": 1})):
            status, problem = self.api.get(path, **query)
            self.assertEqual((status, problem["code"]), (422, "invalid_request"))
            self.assertIn(name, problem["detail"])
        self.assertEqual(self.api.get("/topics/default/partitions/9/events")[1]["code"],
                         "unknown_partition")
        self.assertEqual(self.api.get("/topics/default/partitions/x/events")[0], 422)
        self.assertEqual(self.api.get("/topics/none/partitions/0/events")[0], 404)

    def test_waiting_requests_leave_room_for_others(self):
        with Broker(args=["--set", "http.max_in_flight=8"]) as broker:
            api = Api(broker)
            path = "/topics/default/partitions/0/events"
            answers = []

            def wait():
                while (got := Api(broker).get(path, **{"from": 0, "wait": "20s"}))[0] == 503:
                    pass  # the one that looks whether both wait was waiting
                answers.append(got)

            waits = [threading.Thread(target=wait) for _ in range(2)]
            for one in waits:
                one.start()
            refused = wait_until(
                lambda: (got := api.get(path, **{"from": 0, "wait": "1ms"}))[0] == 503 and got,
                "both to wait")
            self.assertEqual(refused[1]["code"], "busy")
            self.assertIn("Retry-After", api.headers)
            self.assertEqual(api.get("/topics")[0], 200)
            self.assertEqual(api.get(path)[0], 200)
            broker.json("publish", "default", "--data", "x")
            for one in waits:
                one.join(timeout=60)
            self.assertEqual([len(page["events"]) for _, page in answers], [1, 1])


class DeliveryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()
        cls.api = Api(cls.broker)
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def setUp(self):
        DeliveryTest.count += 1
        self.topic = self.group = f"g{DeliveryTest.count}"
        self.broker.json("topics", "create", self.topic)

    def make(self, **options):
        status, _ = self.api.post("/groups", {"group": self.group, "topic": self.topic,
                                              "options": {**QUICK, **options}})
        self.assertEqual(status, 201)

    def receive(self, most=10, wait="20s", status=200):
        got, answer = self.api.post(f"/groups/{self.group}/receive?max={most}&wait={wait}")
        self.assertEqual(got, status, answer)
        return answer["deliveries"] if got == 200 else answer

    def settle(self, *outcomes, status=200):
        got, answer = self.api.post(f"/groups/{self.group}/settle", {"outcomes": [
            {"delivery": delivery["delivery"], **outcome} for delivery, outcome in outcomes]})
        self.assertEqual(got, status, answer)
        return answer["results"] if "results" in answer else answer

    def described(self):
        return self.api.get(f"/groups/{self.group}")[1]

    def test_events_are_received_and_acked(self):
        self.make()
        publish(self.broker, self.topic, range(5), "--type", "a.b", "--key", "k")
        deliveries = self.receive(3) + self.receive(10)
        self.assertEqual([(d["data"], d["attempt"]) for d in deliveries],
                         [(str(i), 1) for i in range(5)])
        wanted = self.broker.json("consume", self.topic, "--from", "earliest", "--count", "5")
        shown = [{k: v for k, v in d.items() if k not in ("delivery", "attempt")}
                 for d in deliveries]
        self.assertEqual(shown, wanted)
        self.assertEqual(self.described()["in_flight"], 5)
        results = self.settle(*((d, {"outcome": "ack"}) for d in deliveries))
        self.assertEqual([(r["delivery"], r["settled"]) for r in results],
                         [(d["delivery"], True) for d in deliveries])
        now = self.described()
        self.assertEqual((now["acked"], now["lag_events"], now["in_flight"]), (5, 0, 0))
        self.assertEqual(self.receive(wait="0"), [])

    def test_one_member_serves_call_after_call(self):
        self.make()
        publish(self.broker, self.topic, range(4))
        for _ in range(4):
            self.receive(1)
        self.assertEqual(self.described()["members"], 1)

    def test_a_nack_is_tried_again_and_a_reject_is_a_letter(self):
        self.make()
        publish(self.broker, self.topic, ["a", "b"])
        first, second = self.receive(2)
        self.settle((first, {"outcome": "nack", "error": "not now"}),
                    (second, {"outcome": "reject", "error": "never"}))
        again = self.receive(2)
        self.assertEqual([(d["data"], d["attempt"]) for d in again], [("a", 2)])
        letter = self.api.get(f"/groups/{self.group}/dlq")[1]["letters"][0]
        self.assertEqual((letter["event"]["data"], letter["reason"], letter["error"]),
                         ("b", "rejected", "never"))
        self.settle((again[0], {"outcome": "nack", "delay": "1h"}))
        self.assertEqual((self.receive(wait="0"), self.described()["retry"]), ([], 1))

    def test_release_and_extend(self):
        self.make()
        publish(self.broker, self.topic, ["a"])
        one = self.receive()[0]
        self.settle((one, {"outcome": "extend"}))
        self.settle((one, {"outcome": "release"}))
        again = self.receive()[0]
        self.assertEqual((again["data"], again["attempt"]), ("a", 1))
        self.settle((again, {"outcome": "ack"}))

    def test_what_a_vanished_caller_received_fails_at_its_deadline(self):
        self.make(ack_deadline="3s")
        publish(self.broker, self.topic, ["a"])
        lost = self.receive()[0]
        again = self.receive()[0]  # waits for it
        self.assertEqual((again["data"], again["attempt"]), ("a", 2))
        results = self.settle((lost, {"outcome": "ack"}), status=207)
        self.assertEqual((results[0]["settled"], results[0]["code"]), (False, "stale_delivery"))
        stats = self.described()
        self.assertEqual(stats["failed"], 1)

    def test_a_settled_delivery_is_over(self):
        self.make()
        publish(self.broker, self.topic, ["a", "b"])
        one, two = self.receive()
        self.settle((one, {"outcome": "ack"}))
        results = self.settle((one, {"outcome": "nack"}), (two, {"outcome": "ack"}), status=207)
        self.assertEqual([r["settled"] for r in results], [False, True])

    def test_a_wait_ends_with_the_first_delivery(self):
        self.make()
        answers = []
        waits = threading.Thread(target=lambda: answers.append(Api(self.broker).post(
            f"/groups/{self.group}/receive?wait=20s")))
        waits.start()
        wait_until(lambda: self.described()["members"] == 1, "the wait")
        publish(self.broker, self.topic, ["a"])
        waits.join(timeout=60)
        self.assertEqual([d["data"] for d in answers[0][1]["deliveries"]], ["a"])

    def test_what_comes_for_a_caller_that_hung_up_goes_to_the_next(self):
        self.make(ack_deadline="10m")
        host, port = self.broker.http.removeprefix("http://").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=30) as gone:
            gone.sendall(f"POST /v1/groups/{self.group}/receive?wait=20s HTTP/1.1\r\n"
                         "Host: localhost\r\nContent-Type: application/json\r\n"
                         "Content-Length: 0\r\n\r\n".encode())
            wait_until(lambda: self.described()["members"] == 1, "the wait")
        publish(self.broker, self.topic, ["a"])
        again = wait_until(self.receive, "the event to be given back")
        self.assertEqual([(d["data"], d["attempt"]) for d in again], [("a", 1)])

    def test_callers_share_the_events(self):
        self.make()
        publish(self.broker, self.topic, range(200))
        seen, lock = [], threading.Lock()

        def work():
            api = Api(self.broker)
            while True:
                got = api.post(f"/groups/{self.group}/receive?max=7")[1]["deliveries"]
                if not got:
                    return
                api.post(f"/groups/{self.group}/settle", {"outcomes": [
                    {"delivery": d["delivery"], "outcome": "ack"} for d in got]})
                with lock:
                    seen.extend(d["data"] for d in got)

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=60)
        self.assertEqual(sorted(seen, key=int), [str(i) for i in range(200)])

    def test_what_is_wrong_is_named(self):
        self.make()
        for query, name in (("max=0", "max: "), ("max=101", "max: "), ("wait=21s", "wait: "),
                            ("wait=soon", "wait: "), ("colour=1", "colour: ")):
            status, problem = self.api.post(f"/groups/{self.group}/receive?{query}")
            self.assertEqual((status, problem["code"]), (422, "invalid_request"))
            self.assertIn(name, problem["detail"])
        path = f"/groups/{self.group}/settle"
        handle = "4294967297.0.0.0.1"
        for body, name in (({}, "outcomes: "), ({"outcomes": 7}, "outcomes: "),
                           ({"outcomes": [7]}, "outcomes[0]: "),
                           ({"outcomes": [{"outcome": "ack"}]}, "outcomes[0].delivery: "),
                           ({"outcomes": [{"delivery": "x", "outcome": "ack"}]},
                            "outcomes[0].delivery: "),
                           ({"outcomes": [{"delivery": handle + ".9", "outcome": "ack"}]},
                            "outcomes[0].delivery: "),
                           ({"outcomes": [{"delivery": handle, "outcome": "eat"}]},
                            "outcomes[0].outcome: "),
                           ({"outcomes": [{"delivery": handle, "outcome": "ack", "delay": "1s"}]},
                            "outcomes[0].delay: "),
                           ({"outcomes": [{"delivery": handle, "outcome": "nack", "why": "x"}]},
                            "outcomes[0].why: ")):
            status, problem = self.api.post(path, body)
            self.assertEqual((status, problem["code"]), (422, "invalid_request"), body)
            self.assertIn(name, problem["detail"])
        self.assertEqual(self.api.post("/groups/nobody/receive")[1]["code"], "unknown_group")
        self.broker.json("consume", self.topic, "--group", self.group + "p", "--wait", "0s")
        self.assertEqual(self.api.post(f"/groups/{self.group}p/receive")[1]["code"], "group_kind")

    def test_after_a_restart_a_new_member_goes_on(self):
        with Broker() as broker:
            self.broker, shared, old = broker, self.broker, self.api
            self.api, self.topic = Api(broker), "default"
            try:
                self.make()
                publish(broker, "default", ["a", "b"])
                first = self.receive()[0]
                self.settle((first, {"outcome": "ack"}))
                broker.kill()
                broker.start()
                self.api = Api(broker)
                again = self.receive()
                self.assertEqual([d["data"] for d in again], ["b"])
                self.settle((again[0], {"outcome": "ack"}))
            finally:
                self.broker, self.api = shared, old


class AccessTest(unittest.TestCase):
    def test_roles_and_prefixes_hold(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            sender = make(broker, root, "sender", "--role", "producer:in.")
            reader = make(broker, root, "reader", "--role", "consumer:in.")
            for topic in ("in.a", "out.b"):
                lines(broker, root, "topics", "create", topic)
                lines(broker, root, "groups", "create", topic, "--topic", topic, "--from",
                      "earliest")
            lines(broker, root, "publish", "out.b", "--data", "theirs")

            def status(key, method, path):
                return http(broker, method, path, key)[0]

            events = "/v1/topics/{}/events"
            self.assertEqual(status(sender, "POST", events.format("in.a")), 201)
            # Whether it exists is not told.
            for topic in ("out.b", "out.none"):
                self.assertEqual(status(sender, "POST", events.format(topic)), 403)
            self.assertEqual(status(reader, "POST", events.format("in.a")), 403)
            read = "/v1/topics/{}/partitions/0/events"
            self.assertEqual(http(broker, "GET", read.format("in.a"), reader)[1]["events"][0]
                             ["data"], "{}")
            for key, topic in ((reader, "out.b"), (sender, "in.a")):
                self.assertEqual(status(key, "GET", read.format(topic)), 403)
            received = http(broker, "POST", "/v1/groups/in.a/receive", reader)[1]["deliveries"]
            self.assertEqual([d["data"] for d in received], ["{}"])
            for key, group in ((reader, "out.b"), (sender, "in.a")):
                self.assertEqual(status(key, "POST", f"/v1/groups/{group}/receive"), 403)
                self.assertEqual(http(broker, "POST", f"/v1/groups/{group}/settle", key, {
                    "outcomes": [{"delivery": received[0]["delivery"], "outcome": "ack"}]})[0],
                    403)
            stats = http(broker, "GET", "/admin/events/stats", reader)[1]
            self.assertEqual((stats["topics"], stats["groups"], stats["events"]), (1, 1, 1))


if __name__ == "__main__":
    unittest.main()
