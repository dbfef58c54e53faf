#!/usr/bin/env python3
"""Clients that are slow, silent or half gone, batches that explode, and a kernel that forbids
io_uring: each gets its answer or its end, and nobody else notices."""

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import wire
from broker import HEADRACE, Broker, read_to_end, wait_until
from wire import Refused, Wire

MIB = 1 << 20
IDLE_S = 3  # a publish that waits for the disk sends nothing


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
                                  "limits.handshake=2s"])
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

    def large_publish(self, size):
        """The frame of a publish of one event of `size` bytes."""
        body = wire.message((1, self.topic()), (2, 0), (8, wire.message((2, size))))
        return wire.frame(wire.PUBLISH, body, bytes(size))

    def test_a_large_frame_over_a_slow_link_is_received(self):
        with Wire(self.broker) as slow:
            start = time.monotonic()
            data = self.large_publish(12 * MIB)
            while data:
                slow.socket.sendall(data[:MIB // 4])
                data = data[MIB // 4:]
                time.sleep(0.15)  # the link: 1.7 MiB a second
            self.assertGreater(time.monotonic() - start, 2 * IDLE_S)
            self.assertEqual(slow.read()[0], wire.PUBLISH)

    def test_a_trickle_is_no_sign_of_life(self):
        with Wire(self.broker) as trickle:
            data = self.large_publish(MIB)
            trickle.socket.settimeout(0.05)
            received = b""
            for byte in data[:2_000]:
                try:
                    trickle.socket.sendall(bytes([byte]))
                    received += trickle.socket.recv(4096)
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
                if b"timed_out" in received:
                    break
            self.assertIn(b"timed_out", received)

    def test_a_hello_is_small(self):
        with self.broker.connect() as connection:
            header = wire.HEADER.pack(0x4852, 1, 0, wire.HELLO, 0, 1, 16, 16 * MIB)
            connection.sendall(header + bytes(4))
            self.assertIn(b"hello_required", read_to_end(connection))

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


class ReceiveMemory(unittest.TestCase):
    def test_large_frames_wait_their_turn_and_small_ones_pass(self):
        connections = 12  # of 15 MiB each: 180 MiB, if all had their memory
        size = 15 * MIB
        body = wire.message((1, "default"), (2, 0), (8, wire.message((2, size))))
        frame = wire.frame(wire.PUBLISH, body, bytes(size))
        with Broker(args=["--set", "limits.receive=32MiB", "--reactors", "1"]) as broker, \
                contextlib.ExitStack() as stack:
            before = memory_mib(broker)
            large = [stack.enter_context(Wire(broker)) for _ in range(connections)]
            for each in large:
                each.socket.settimeout(280)  # the disk takes one after the other
                each.socket.sendall(frame[:20_000])
            wait_until(lambda: self.metric(broker, "headrace_receive_waits_total") ==
                       connections - 2, "all but two to wait")
            self.assertLess(self.metric(broker, "headrace_receive_bytes"), 32 * MIB)
            with Wire(broker) as small:
                for i in range(100):
                    self.assertEqual(small.publish("default", b"small"), i)
            self.assertLess(memory_mib(broker) - before, 64)
            large.pop(0).socket.shutdown(socket.SHUT_RDWR)  # its memory is the third one's
            senders = [threading.Thread(target=each.socket.sendall, args=(frame[20_000:],))
                       for each in large]
            for sender in senders:
                sender.start()
            for each in large:
                self.assertEqual(each.read()[0], wire.PUBLISH)
            for sender in senders:
                sender.join()
            self.assertEqual(self.metric(broker, "headrace_receive_bytes"), 0)

    def metric(self, broker, name):
        for line in broker.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError("no " + name)


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

    def test_a_kernel_that_is_too_old_is_named(self):
        with tempfile.TemporaryDirectory() as scratch:
            refused = subprocess.run(
                ["setarch", "--uname-2.6", HEADRACE, "serve", "--data", scratch + "/data",
                 "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"],
                capture_output=True, text=True, timeout=60)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            self.assertIn("the kernel is 2.6", refused.stderr)
            self.assertIn("Headrace needs Linux 6.1 or newer", refused.stderr)

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
