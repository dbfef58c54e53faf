#!/usr/bin/env python3
"""Clients that cannot inflate what others published get it plain: whole, in order, bounded."""

import gzip
import os
import unittest

import wire
from broker import Broker
from wire import Refused, Wire

MIB = 1 << 20
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def read_varint_signed(data, at):
    value, at = wire.read_varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def values_of(batch):
    """(offset, value) of the records of an uncompressed batch."""
    base = int.from_bytes(batch[:8], "big")
    assert int.from_bytes(batch[21:23], "big") & 7 == 0, "compressed"
    assert int.from_bytes(batch[17:21], "big") == wire.crc32c(batch[21:]), "wrong checksum"
    assert int.from_bytes(batch[8:12], "big") + 12 == len(batch), "wrong length"
    at, out = 61, []
    while at < len(batch):
        _, at = read_varint_signed(batch, at)
        _, at = read_varint_signed(batch, at + 1)
        delta, at = read_varint_signed(batch, at)
        size, at = read_varint_signed(batch, at)
        at += max(size, 0)
        size, at = read_varint_signed(batch, at)
        out.append((base + delta, batch[at:at + size]))
        at += size
        headers, at = read_varint_signed(batch, at)
        for _ in range(headers):
            for _ in range(2):
                size, at = read_varint_signed(batch, at)
                at += max(size, 0)
    return out


class Codecs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()
        cls.broker.cli("topics", "create", "mixed")
        cls.sent = []
        for round_number in range(3):
            for codec in CODECS:
                lines = [f"{round_number} {codec} {i}" for i in range(1_000)]
                cls.broker.cli("publish", "mixed", "--codec", codec, "--batch", "4KiB",
                               "--linger", "10s", stdin="".join(line + "\n" for line in lines))
                cls.sent += lines

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def check(self, events):
        self.assertEqual([offset for offset, _ in events], list(range(len(self.sent))))
        self.assertEqual([value.decode() for _, value in events], self.sent)

    def fetch_all(self):
        events = []
        with Wire(self.broker, codecs=()) as plain:
            while len(events) < len(self.sent):
                for batch in plain.fetch("mixed", len(events), max_bytes=20_000):
                    events += [event for event in values_of(batch) if event[0] >= len(events)]
        return events

    def test_fetch_from_memory_and_from_disk(self):
        self.check(self.fetch_all())
        self.assertEqual(self.broker.terminate(), 0)
        self.broker.start()
        self.check(self.fetch_all())

    def subscribe(self, plain, decoded):
        body = wire.message((1, 1), (2, "mixed"), (4, wire.message((1, 1))), (5, 64 * MIB),
                            (6, int(decoded)))
        plain.send(wire.SUBSCRIBE, body)

    def test_push_of_batches(self):
        events = []
        with Wire(self.broker, codecs=("gzip",)) as plain:
            self.subscribe(plain, False)
            while len(events) < len(self.sent):
                kind, body, payload = plain.read()
                if kind != wire.DELIVERY:
                    continue
                at = 0
                for size in wire.numbers(wire.fields(body)[5][0]):
                    batch, at = payload[at:at + size], at + size
                    if int.from_bytes(batch[21:23], "big") & 7 == wire.CODECS["gzip"]:
                        count = int.from_bytes(batch[57:61], "big")
                        base = int.from_bytes(batch[:8], "big")
                        self.assertEqual(base, len(events))
                        events += [(base + i, self.sent[base + i].encode()) for i in range(count)]
                    else:
                        events += values_of(batch)
        self.check(events)

    def test_push_of_decoded_events(self):
        events, end = [], 0
        with Wire(self.broker, codecs=()) as plain:
            self.subscribe(plain, True)
            while len(events) < len(self.sent):
                kind, body, payload = plain.read()
                if kind != wire.DELIVERY:
                    continue
                delivery, at = wire.fields(body), 0
                self.assertEqual(delivery.get(2, [0])[0], end, "deliveries follow each other")
                end = delivery[3][0] + 1
                for event in map(wire.fields, delivery[7]):
                    size = event[5][0]
                    events.append((event.get(1, [0])[0], payload[at:at + size]))
                    at += size
        self.check(events)

    def test_a_client_that_reads_the_codec_gets_the_producers_bytes(self):
        with Wire(self.broker) as full:
            packed = sum(map(len, full.fetch("mixed", 0, max_bytes=8 * MIB)))
        with Wire(self.broker, codecs=()) as plain:
            self.assertLess(packed, sum(map(len, plain.fetch("mixed", 0, max_bytes=8 * MIB))))

    def test_a_bomb_is_refused_and_a_client_that_does_not_read_costs_little(self):
        self.broker.cli("topics", "create", "bombs")
        with Wire(self.broker, codecs=()) as plain:
            plain.publish_batch("bombs", wire.gzip_bomb(1, 64 * MIB))
            with self.assertRaises(Refused) as refused:
                plain.fetch("bombs", 0)
            self.assertEqual(refused.exception.name, "undecodable")
        # 15 MiB each, from 75 KiB of random bytes repeated: within what may be inflated.
        self.broker.cli("topics", "create", "large")
        with Wire(self.broker, codecs=()) as plain:
            noise = os.urandom(4 * 1024)
            value = b"".join(noise[:1024] + bytes(40 * 1024) for _ in range(380))
            record = wire.record(0, value)
            batch = wire.batch(gzip.compress(record, 9), 1, "gzip")
            self.assertLess(len(batch), MIB)
            plain.publish_batch("large", batch)
            before = memory_mib(self.broker)
            body = wire.message((1, "large"), (3, 0), (4, 8 * MIB))
            plain.socket.sendall(wire.frame(wire.FETCH, body) * 200)  # 3 GiB, if all were inflated
            with Wire(self.broker) as other:
                for _ in range(50):
                    other.publish("default", b"others go on")
            self.assertLess(memory_mib(self.broker) - before, 256)
            for _ in range(20):
                self.assertEqual(plain.read()[0], wire.FETCH)


def memory_mib(broker):
    with open(f"/proc/{broker.process.pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) // 1024
    raise AssertionError("no VmRSS")


if __name__ == "__main__":
    unittest.main(verbosity=2)
