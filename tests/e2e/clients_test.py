#!/usr/bin/env python3
"""Clients that are slow, silent or half gone, batches that explode, and a kernel that forbids
io_uring: each gets its answer or its end, and nobody else notices."""

import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import wire
from broker import HEADRACE, Broker
from wire import Refused, Wire

MIB = 1 << 20
IDLE_S = 1


def memory_mib(broker):
    with open(f"/proc/{broker.process.pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) // 1024
    raise AssertionError("no VmRSS")


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(args=["--set", f"limits.idle={IDLE_S}s", "--set",
                                  "limits.handshake=1s"])
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def setUp(self):
        self.broker.cli("topics", "create", self.topic())

    def topic(self):
        return self.id().rsplit(".", 1)[1][:200]

    def check_others(self):
        """Somebody else publishes and reads, now."""
        with Wire(self.broker) as other:
            offset = other.publish("default", b"still here")
            self.assertIn(b"still here", other.fetch("default", offset)[0])

    def test_a_silent_connection_is_closed_and_told_why(self):
        with Wire(self.broker) as silent, Wire(self.broker) as pinging:
            start = time.monotonic()
            closed = threading.Event()

            def ping():
                while not closed.wait(IDLE_S / 4):
                    pinging.ask(wire.PING)

            thread = threading.Thread(target=ping)
            thread.start()
            try:
                with self.assertRaises(Refused) as told:
                    silent.read()
                self.assertEqual(told.exception.name, "timed_out")
                self.assertGreaterEqual(time.monotonic() - start, IDLE_S)
                with self.assertRaises(EOFError):
                    silent.read()
            finally:
                closed.set()
                thread.join()
            pinging.publish(self.topic(), b"pings keep a connection open")

    def test_a_sender_of_single_bytes_is_understood(self):
        with Wire(self.broker) as slow:
            slow.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            event = wire.message((2, 5))
            body = wire.message((1, self.topic()), (2, 0), (8, event))
            for byte in wire.frame(wire.PUBLISH, body, b"bytes"):
                slow.socket.sendall(bytes([byte]))
            kind, _, _ = slow.read()
            self.assertEqual(kind, wire.PUBLISH)
            self.assertIn(b"bytes", slow.fetch(self.topic(), 0)[0])
        self.check_others()

    def test_a_reader_that_does_not_read_holds_nobody_and_little_memory(self):
        with Wire(self.broker) as slow:
            value = os.urandom(MIB)
            for _ in range(16):
                slow.publish(self.topic(), value)
            before = memory_mib(self.broker)
            body = wire.message((1, self.topic()), (3, 0), (4, 16 * MIB))
            requests = wire.frame(wire.FETCH, body) * 400  # 6 GiB of answers, if it read them
            slow.socket.settimeout(1)
            try:
                slow.socket.sendall(requests)
            except TimeoutError:
                pass  # the broker has stopped receiving: as it should
            for _ in range(20):
                self.check_others()
            self.assertLess(memory_mib(self.broker) - before, 256)

    def test_half_closed_clients_get_their_answers(self):
        with Wire(self.broker) as half:
            event = wire.message((2, 4))
            body = wire.message((1, self.topic()), (2, 0), (8, event))
            half.socket.sendall(wire.frame(wire.PUBLISH, body, b"last"))
            half.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(half.read()[0], wire.PUBLISH)
            with self.assertRaises(EOFError):
                half.read()
        self.check_others()

    def test_connections_that_break_inside_a_frame_harm_nobody(self):
        for _ in range(50):
            with Wire(self.broker) as broken:
                body = wire.message((1, self.topic()), (2, 0), (8, wire.message((2, MIB))))
                broken.socket.sendall(wire.frame(wire.PUBLISH, body, bytes(MIB))[:70_000])
                linger = b"\x01\0\0\0\0\0\0\0"  # on, 0 s: closing resets
                broken.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.check_others()

    def test_a_batch_with_a_lying_count_is_refused(self):
        with Wire(self.broker) as liar:
            one = wire.record(0, b"x")
            for count in (0, 2, 1 << 30):
                with self.assertRaises(Refused) as refused:
                    liar.publish_batch(self.topic(), wire.batch(one, count))
                self.assertEqual(refused.exception.name, "invalid_batch", count)
        self.check_others()

    def test_a_bomb_is_stored_as_it_is_and_never_inflated_for_anybody(self):
        bomb = wire.gzip_bomb(1, 1 << 30)  # 1 MiB that becomes 1 GiB
        self.assertLess(len(bomb), 2 * MIB)
        with Wire(self.broker) as attacker:
            before = memory_mib(self.broker)
            self.assertEqual(attacker.publish_batch(self.topic(), bomb), 0)
            raw = attacker.fetch(self.topic(), 0)
            self.assertEqual(raw[0][61:], bomb[61:], "bytes are the producer's")
            # Who asks the broker to decode gets an error, not a gigabyte.
            subscribe = wire.message((1, 1), (2, self.topic()), (4, wire.message((1, 1))),
                                     (5, 64 * MIB), (6, 1))
            attacker.ask(wire.SUBSCRIBE, subscribe)
            with self.assertRaises(Refused) as refused:
                attacker.read()
            self.assertEqual(refused.exception.name, "undecodable")
            self.assertLess(memory_mib(self.broker) - before, 64)
        told = self.broker.cli("consume", self.topic(), "--from", "earliest", "--count", "1",
                               check=False)
        self.assertEqual(told.returncode, 1)
        self.assertIn("decompresses to more", told.stderr)
        self.check_others()


class Kernel(unittest.TestCase):
    def test_a_forbidden_io_uring_is_explained(self):
        with tempfile.TemporaryDirectory() as scratch:
            refused = subprocess.run(
                ["tools/with_seccomp.py", "--deny", "io_uring_setup", "deploy/seccomp.json",
                 HEADRACE, "serve", "--json", "--data", scratch + "/data", "--listen",
                 "127.0.0.1:0", "--http-listen", "127.0.0.1:0"],
                capture_output=True, text=True, timeout=60)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("io_uring is forbidden here", refused.stderr)
            self.assertIn("seccomp", refused.stderr)
            self.assertIn("deploy/seccomp.json", refused.stderr)

    def test_the_profile_we_ship_is_enough(self):
        with tempfile.TemporaryDirectory() as scratch:
            served = subprocess.Popen(
                ["tools/with_seccomp.py", "deploy/seccomp.json", HEADRACE, "serve", "--json",
                 "--data", scratch + "/data", "--listen", "127.0.0.1:0", "--http-listen",
                 "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self.assertIn('"ready"', served.stdout.readline())
            served.terminate()
            self.assertEqual(served.wait(timeout=60), 0)
            served.stdout.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
