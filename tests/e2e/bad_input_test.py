#!/usr/bin/env python3
"""What strangers, broken clients and bad surroundings get: a clear error that names the cause,
while everybody else goes on."""

import json
import os
import socket
import struct
import subprocess
import tempfile
import unittest

from broker import HEADRACE, Broker, Publisher, read_to_end


def serve(*args, env=None):
    """A `serve` that is expected to fail; CompletedProcess."""
    return subprocess.run([HEADRACE, "serve", "--json", *args], capture_output=True, text=True,
                          timeout=60, env={**os.environ, **(env or {})})


class Strangers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def tearDown(self):
        # Whatever the stranger did, the next client does not notice.
        ack = self.broker.json("publish", "default", "--data", "still here")[0]
        event = self.broker.json("consume", "default", "--from", str(ack["offset"]),
                                 "--count", "1")[0]
        self.assertEqual(event["data"], "still here")

    def answer_to(self, data):
        with self.broker.connect() as connection:
            connection.sendall(data)
            return read_to_end(connection)

    def test_garbage_is_told_that_it_is_no_frame(self):
        self.assertIn(b"bad_frame", self.answer_to(b"\x00\x01\x02garbage" * 10))

    def test_http_is_told_the_other_port(self):
        reply = self.answer_to(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"HTTP", reply)

    def test_tls_is_recognised(self):
        self.assertIn(b"TLS", self.answer_to(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 4))

    def test_a_frame_that_claims_4_gigabytes_is_refused_by_its_header(self):
        header = struct.pack(">HBBHHIII", 0x4852, 1, 0, 10, 0, 1, 16, 0xFFFFFFFF)
        self.assertIn(b"too_large", self.answer_to(header + b"\0\0\0\0"))

    def test_a_wrong_frame_checksum_is_refused(self):
        header = struct.pack(">HBBHHIII", 0x4852, 1, 0, 1, 0, 1, 0, 0)
        self.assertIn(b"bad_frame", self.answer_to(header + b"\xde\xad\xbe\xef"))

    def test_a_truncated_frame_costs_only_its_connection(self):
        with self.broker.connect() as connection:
            connection.sendall(struct.pack(">HBBHHIII", 0x4852, 1, 0, 1, 0, 1, 100, 0))
            connection.shutdown(socket.SHUT_WR)
            read_to_end(connection)

    def test_a_connection_that_never_says_hello_is_closed(self):
        with self.broker.connect() as connection:
            self.assertIn(b"timed_out", read_to_end(connection))

    def test_unknown_topics_and_bad_names_are_named(self):
        unknown = self.broker.cli("publish", "no-such-topic", "--data", "x", check=False)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("no such topic: 'no-such-topic'", unknown.stderr)
        bad = self.broker.cli("topics", "create", "sp ace", check=False)
        self.assertNotEqual(bad.returncode, 0)
        self.assertIn("name", bad.stderr)
        many = self.broker.cli("topics", "create", "many", "--partitions", "5000", check=False)
        self.assertNotEqual(many.returncode, 0)
        self.assertIn("1024", many.stderr)

    def test_reserved_headers_are_refused(self):
        refused = self.broker.cli("publish", "default", "--header", "hr_tenant=other", "--data",
                                  "x", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("hr_", refused.stderr)

    def test_an_unreachable_broker_is_exit_code_3(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            done = subprocess.run(
                [HEADRACE, "publish", "default", "--data", "x", "--timeout", "500ms", "--server",
                 f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=60)
            http = subprocess.run(
                [HEADRACE, "reload", "--timeout", "500ms", "--http", f"http://127.0.0.1:{port}"],
                capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("--server HOST:PORT", done.stderr)
        self.assertEqual(http.returncode, 3, http.stderr)
        self.assertIn(f"http://127.0.0.1:{port}", http.stderr)
        self.assertIn("--http URL (HEADRACE_HTTP)", http.stderr)
        self.assertNotIn("--server", http.stderr)

    def test_flags_that_would_be_ignored_are_bad_usage(self):
        for flag in ("--type", "--source", "--id", "--content-type", "--correlation-id"):
            with self.subTest(flag):
                refused = self.broker.cli("publish", "default", "--cloudevents", flag, "x",
                                          stdin="", check=False)
                self.assertEqual(refused.returncode, 2)
                self.assertIn("leave out " + flag, refused.stderr)
        for flag in ("--dedup-max-ids", "--dedup-window"):
            with self.subTest(flag):
                refused = self.broker.cli("topics", "create", "d", flag, "0", check=False)
                self.assertEqual(refused.returncode, 2)
                self.assertIn(flag, refused.stderr)

    def test_an_unknown_tenant_is_named(self):
        for flags in (("--tenant", "nobody"), ("--as-tenant", "nobody", "--reason", "x")):
            with self.subTest(flags):
                refused = self.broker.cli("topics", "ls", *flags, check=False)
                self.assertEqual(refused.returncode, 4)
                self.assertIn("no such tenant: 'nobody'", refused.stderr)
        described = self.broker.cli("tenants", "describe", "nobody", check=False)
        self.assertIn("no such tenant: 'nobody'", described.stderr)


class Surroundings(unittest.TestCase):
    def test_a_locked_data_directory_is_named(self):
        with Broker() as broker:
            second = serve("--data", broker.data, "--listen", "127.0.0.1:0", "--http-listen",
                           "127.0.0.1:0")
            self.assertEqual(second.returncode, 1)
            self.assertIn(broker.data, second.stderr)
            self.assertIn("another", second.stderr)

    def test_ports_in_use_are_named(self):
        with Broker() as broker, tempfile.TemporaryDirectory() as scratch:
            native = serve("--data", scratch + "/a", "--listen", broker.listen, "--http-listen",
                           "127.0.0.1:0")
            self.assertEqual(native.returncode, 1)
            self.assertIn(broker.listen, native.stderr)
            http = serve("--data", scratch + "/b", "--listen", "127.0.0.1:0", "--http-listen",
                         broker.http.removeprefix("http://"))
            self.assertEqual(http.returncode, 1)
            self.assertIn("port", http.stderr)

    def test_a_newer_format_is_refused(self):
        with Broker() as broker:
            self.assertEqual(broker.terminate(), 0)
            path = broker.data + "/FORMAT"
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write("".join(c if not c.isdigit() else "9" for c in text))
            newer = serve("--data", broker.data, "--listen", "127.0.0.1:0", "--http-listen",
                          "127.0.0.1:0")
            self.assertEqual(newer.returncode, 1)
            self.assertIn("newer", newer.stderr)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            broker.start()

    def test_the_configuration_as_json_is_an_object_a_line(self):
        done = subprocess.run([HEADRACE, "config", "--json", "--set", "limits.handshake=2s"],
                              capture_output=True, text=True, timeout=60, check=True)
        settings = {row["setting"]: row for row in map(json.loads, done.stdout.splitlines())}
        self.assertEqual(settings["limits.handshake"],
                         {"setting": "limits.handshake", "value": "2s", "live": False,
                          "environment": "HEADRACE_LIMITS_HANDSHAKE"})
        self.assertIn("broker.data", settings)

    def test_a_wrong_setting_is_named_with_its_range(self):
        with tempfile.TemporaryDirectory() as scratch:
            wrong = serve("--data", scratch, env={"HEADRACE_LIMITS_HANDSHAKE": "3 fortnights"})
            self.assertEqual(wrong.returncode, 2)
            self.assertIn("limits.handshake", wrong.stderr)

    def test_sigterm_under_load_loses_nothing_and_exits_0(self):
        with Broker() as broker:
            publisher = Publisher(broker, "default", map(str, range(200_000)))
            acked = 0
            for _ in publisher:
                acked += 1
                if acked == 2_000:
                    self.assertEqual(broker.terminate(), 0)
            publisher.finish()
            if broker.process is not None:
                self.assertEqual(broker.terminate(), 0)
            broker.start()
            events = broker.json("consume", "default", "--from", "earliest", "--count", str(acked))
            self.assertEqual([event["data"] for event in events], [str(i) for i in range(acked)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
