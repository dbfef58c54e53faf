#!/usr/bin/env python3
"""Publishing over HTTP: every mode of the CloudEvents binding, what is asked of a publish beside
the event, and what is refused."""

import http.client
import json
import unittest
from urllib.parse import urlencode

from broker import Broker

CE = {"ce-specversion": "1.0", "ce-id": "a-1", "ce-type": "order.placed", "ce-source": "/shop"}
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def cloud_event(**attributes):
    return {"specversion": "1.0", "id": "a-1", "type": "order.placed", "source": "/shop",
            **attributes}


class PublishTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(args=["--set", "http.max_body=64KiB"])
        cls.broker.start()
        cls.topics = 0

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def setUp(self):
        PublishTest.topics += 1
        self.topic = f"t{PublishTest.topics}"
        self.broker.json("topics", "create", self.topic)

    def post(self, body, headers, **query):
        """(status, object) of a publish to the test's topic."""
        connection = http.client.HTTPConnection(self.broker.http.removeprefix("http://"),
                                                timeout=30)
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        path = f"/v1/topics/{self.topic}/events"
        connection.request("POST", path + "?" + urlencode(query, doseq=True), body, headers)
        reply = connection.getresponse()
        self.headers = reply.headers
        text = reply.read()
        connection.close()
        return reply.status, json.loads(text)

    def plain(self, body, **query):
        return self.post(body, {"Content-Type": "application/json"}, **query)

    def structured(self, event, **query):
        return self.post(event, {"Content-Type": STRUCTURED}, **query)

    def consumed(self, count=1):
        events = self.broker.json("consume", self.topic, "--from", "earliest", "--count",
                                  str(count), "--wait", "10s")
        self.assertEqual(len(events), count)
        return events

    # ---- the modes

    def test_plain_json_is_the_data_of_one_event(self):
        status, ack = self.plain('{"total": 12}', type="order.placed", key="alice", id="i-1",
                                 source="/till", header=["grade=90", "a=b=c"])
        self.assertEqual(status, 201)
        event = self.consumed()[0]
        self.assertEqual({name: event[name] for name in ack if name != "durability"},
                         {name: ack[name] for name in ack if name != "durability"})
        self.assertEqual((ack["topic"], ack["partition"], ack["offset"], ack["durability"]),
                         (self.topic, 0, 0, "durable"))
        self.assertEqual((event["id"], event["type"], event["source"], event["key"]),
                         ("i-1", "order.placed", "/till", "alice"))
        self.assertEqual(event["data"], '{"total": 12}')
        self.assertEqual(event["headers"], {"content-type": "application/json", "grade": "90",
                                            "a": "b=c"})

    def test_an_event_without_an_id_gets_the_computed_one(self):
        ack = self.plain("{}")[1]
        self.assertEqual(self.consumed()[0]["id"], ack["id"])
        self.assertRegex(ack["id"], r"^t\d+-0-0")

    def test_binary_mode_takes_any_type_and_percent_decodes(self):
        headers = {**CE, "ce-source": "/%E2%82%AC%20shop", "ce-correlationid": "c-1",
                   "ce-partitionkey": "k", "CE-Subject": '"quoted \\"x\\""',
                   "ce-time": "2026-01-31T23:59:59.123456Z", "Content-Type": "image/png"}
        status, ack = self.post(b"\x89PNG\xff", headers)
        self.assertEqual((status, ack["id"]), (201, "a-1"))
        self.assertEqual(ack["time"], "2026-01-31T23:59:59.123Z")
        event = self.consumed()[0]
        self.assertEqual((event["id"], event["type"], event["source"], event["key"]),
                         ("a-1", "order.placed", "/€ shop", "k"))
        self.assertEqual((event["correlation_id"], event["time"]), ("c-1", ack["time"]))
        self.assertEqual(event["data_base64"], "iVBOR/8=")
        self.assertEqual(event["headers"]["content-type"], "image/png")
        self.assertEqual(event["headers"]["ce_subject"], 'quoted "x"')

    def test_binary_mode_without_a_type_or_a_body(self):
        self.assertEqual(self.post("", CE)[0], 201)
        event = self.consumed()[0]
        self.assertEqual((event["data"], event["headers"]), ("", {}))

    def test_structured_mode(self):
        status, ack = self.structured(cloud_event(
            data={"b": 1, "a": [2.5]}, datacontenttype="application/json", partitionkey="k",
            traceparent="00-1-2-03", number=7, flag=True))
        self.assertEqual((status, ack["id"], ack["offset"]), (201, "a-1", 0))
        event = self.consumed()[0]
        self.assertEqual((event["key"], event["data"]), ("k", '{"b":1,"a":[2.5]}'))
        self.assertEqual(event["headers"], {"content-type": "application/json",
                                            "traceparent": "00-1-2-03", "ce_number": "7",
                                            "ce_flag": "true"})

    def test_a_batch_has_a_result_for_each_event(self):
        status, answer = self.post([cloud_event(id=f"b-{i}", data=i) for i in range(50)],
                                   {"Content-Type": BATCH + "; charset=utf-8"})
        self.assertEqual(status, 201)
        self.assertEqual([(r["id"], r["offset"]) for r in answer["results"]],
                         [(f"b-{i}", i) for i in range(50)])
        self.assertEqual([e["data"] for e in self.consumed(50)], [str(i) for i in range(50)])
        self.assertEqual(self.post([], {"Content-Type": BATCH}), (200, {"results": []}))

    def test_bad_events_of_a_batch_are_told_and_the_others_published(self):
        events = [cloud_event(id="x"), {**cloud_event(), "type": 7}, cloud_event(id="y"), 5]
        status, answer = self.post(events, {"Content-Type": BATCH})
        self.assertEqual(status, 207)
        told = [r.get("id") or (r["status"], r["code"]) for r in answer["results"]]
        self.assertEqual(told, ["x", (422, "invalid_request"), "y", (422, "invalid_request")])
        self.assertIn("type: ", answer["results"][1]["detail"])
        self.assertEqual([e["id"] for e in self.consumed(2)], ["x", "y"])
        status, problem = self.post(events, {"Content-Type": BATCH}, atomic="true")
        self.assertEqual(status, 422)
        self.assertIn("events[1].type: ", problem["detail"])

    def test_an_atomic_batch_is_one(self):
        status, answer = self.post([cloud_event(id=str(i)) for i in range(3)],
                                   {"Content-Type": BATCH}, atomic="true", durability="written")
        self.assertEqual(status, 201)
        self.assertEqual([(r["offset"], r["durability"]) for r in answer["results"]],
                         [(0, "written"), (1, "written"), (2, "written")])

    # ---- beside the event

    def test_keys_and_partitions_choose_the_lane(self):
        self.broker.json("topics", "create", self.topic + "p", "--partitions", "4")
        self.topic += "p"
        native = self.broker.json("publish", self.topic, "--key", "alice", "--data", "x")[0]
        self.assertEqual(self.plain("1", key="alice")[1]["partition"], native["partition"])
        self.assertEqual(self.structured(cloud_event(partitionkey="bob"), key="alice")[1]
                         ["partition"], native["partition"])
        self.assertEqual(self.plain("1", partition=3)[1]["partition"], 3)
        self.assertEqual({self.plain("1")[1]["partition"] for _ in range(4)}, {0, 1, 2, 3})
        self.assertEqual(self.plain("1", partition=4)[1]["code"], "unknown_partition")

    def test_a_delayed_event_waits(self):
        status, ack = self.plain("1", delay="1h", id="later")
        self.assertEqual((status, ack["offset"], ack["id"]), (202, None, "later"))
        self.assertIn("due", ack)
        waiting = self.broker.json("topics", "delayed", self.topic)
        self.assertEqual([event["id"] for event in waiting], ["later"])
        self.assertEqual(self.plain("2", deliver_at="2020-01-01T00:00:00Z")[0], 201)
        self.assertEqual(self.plain("3", delay="50ms")[0], 202)
        self.assertEqual([event["data"] for event in self.consumed(2)], ["2", "3"])

    def test_a_repeated_event_is_stored_once(self):
        self.topic += "d"
        self.broker.json("topics", "create", self.topic, "--dedup-window", "1h")
        first = self.structured(cloud_event())
        status, again = self.structured(cloud_event())
        self.assertEqual((first[0], status, again["duplicate"]), (201, 200, True))
        self.assertEqual(again["offset"], first[1]["offset"])

    # ---- what is refused

    def refused(self, status, code, detail, answer):
        self.assertEqual((answer[0], answer[1]["code"]), (status, code), answer)
        self.assertIn(detail, answer[1]["detail"])
        self.assertEqual(self.headers["Content-Type"], "application/problem+json")

    def test_media_types_that_a_foreign_page_could_send(self):
        for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                      "application/cloudevents+xml",
                      "application/cloudevents+json; charset=utf-16"):
            self.refused(415, "unsupported_media_type", "",
                         self.post("x", {"Content-Type": media}))

    def test_bad_attributes_are_named(self):
        without = {name: value for name, value in CE.items() if name != "ce-source"}
        for name, headers in (
                ("ce-source: ", without), ("ce-id: ", {**CE, "ce-id": ""}),
                ("ce-specversion: ", {**CE, "ce-specversion": "0.3"}),
                ("ce-time: ", {**CE, "ce-time": "today"}),
                ("ce-type: ", {**CE, "ce-type": "100%"}),
                ("ce-type: ", {**CE, "ce-type": "%ff"}),
                ("ce-type: ", {**CE, "ce-type": "a%0d%0ab"}),
                ("ce-type: ", {**CE, "ce-type": '"open'}),
                ("ce-hr_tenant: ", {**CE, "ce-hr_tenant": "other"}),
                ("ce-datacontenttype: ", {**CE, "ce-datacontenttype": "text/plain"})):
            self.refused(422, "invalid_request", name, self.post("x", headers))
        for name, event in (
                ("source: ", {**cloud_event(), "source": ""}),
                ("specversion: ", {**cloud_event(), "specversion": "2.0"}),
                ("ext: ", cloud_event(ext={})), ("ext: ", cloud_event(ext=1.5)),
                ("Ext: ", cloud_event(Ext="x")), ("hr_x: ", cloud_event(hr_x="y")),
                ("time: ", cloud_event(time="today")),
                ("data_base64: ", cloud_event(data_base64="*")),
                ("data_base64: ", cloud_event(data_base64="AA==", data=1))):
            self.refused(422, "invalid_request", name, self.structured(event))
        self.refused(422, "invalid_request", "id: is given more than once", self.structured(
            '{"specversion":"1.0","id":"1","id":"2","type":"t","source":"s"}'))

    def test_bad_parameters_are_named(self):
        for name, query in (("colour: ", {"colour": 1}), ("delay: ", {"delay": "soon"}),
                            ("delay", {"delay": "1s", "deliver_at": "2030-01-01T00:00:00Z"}),
                            ("delay: ", {"delay": "400d"}), ("durability: ", {"durability": "x"}),
                            ("deliver_at: ", {"deliver_at": "2199-01-01T00:00:00Z"}),
                            ("partition: ", {"partition": "-1"}), ("atomic: ", {"atomic": "yes"}),
                            ("key: ", {"key": ["a", "b"]}), ("header: ", {"header": "novalue"})):
            self.refused(422, "invalid_request", name, self.plain("1", **query))
        self.refused(422, "invalid_request", "type: ", self.structured(cloud_event(), type="x"))
        self.refused(422, "reserved_header", "", self.plain("1", header="hr_tenant=other"))

    def test_what_is_too_large_or_too_deep(self):
        self.refused(413, "too_large", "", self.plain("x" * 70_000))
        deep = '{"specversion":"1.0","id":"1","type":"t","source":"s","data":' + "[" * 30_000
        self.refused(422, "invalid_request", "", self.structured(deep))
        self.refused(422, "invalid_request", "deep", self.structured(deep + "]" * 30_000 + "}"))
        self.refused(422, "invalid_request", "1000", self.post(
            "[" + "1," * 1000 + "1]", {"Content-Type": BATCH}))

    def test_topics_that_are_not_there_or_not_for_everybody(self):
        self.topic = "nowhere"
        self.refused(404, "unknown_topic", "nowhere", self.plain("1"))
        self.topic = "$sys"
        self.refused(422, "invalid_request", "topic: ", self.plain("1"))

    def test_an_acked_event_survives_a_kill(self):
        with Broker() as broker:
            self.broker, shared = broker, self.broker
            try:
                self.topic = "default"
                acks = [self.plain(str(i))[1]["offset"] for i in range(20)]
                broker.kill()
                broker.start()
                self.assertEqual([e["offset"] for e in self.consumed(20)], acks)
            finally:
                self.broker = shared


if __name__ == "__main__":
    unittest.main()
