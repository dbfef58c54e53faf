#!/usr/bin/env python3
"""TLS on both listeners with certificates made by openssl: who is let in, what the others are told,
and new certificates without a restart."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest
import warnings

from broker import HEADRACE, Broker, Publisher, read_to_end, wait_until
from certificates import Authority

SAN = "IP:127.0.0.1,DNS:localhost"


class Folder(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="headrace-tls-")
        self.addCleanup(self.scratch.cleanup)
        self.authority = Authority(self.scratch.name)
        self.certificate, self.key = self.authority.sign("broker", "/CN=broker/O=Example", SAN)

    def broker(self, *settings, certificate=None, key=None):
        """A broker with TLS on both listeners, and the flags and the context to talk to it."""
        args = ["--set", "tls.certificate=" + (certificate or self.certificate),
                "--set", "tls.key=" + (key or self.key)]
        for setting in settings:
            args += ["--set", setting]
        broker = Broker(args=args)
        broker.flags = ["--tls", "--ca-file", self.authority.certificate]
        broker.ssl_context = ssl.create_default_context(cafile=self.authority.certificate)
        return broker

    def verb(self, broker, *args):
        """A verb with exactly these flags; CompletedProcess."""
        return subprocess.run(
            [HEADRACE, *args, "--server", broker.listen, "--http", broker.http,
             "--timeout", "20s"], capture_output=True, text=True, timeout=60)


class Verbs(Folder):
    def test_publish_consume_subscribe_and_http(self):
        with self.broker() as broker:
            self.assertTrue(broker.http.startswith("https://"), broker.http)
            broker.cli("groups", "create", "g", "--topic", "default", "--from", "earliest")
            lines = [f"event {i} " + "x" * (i % 5000) for i in range(2000)]
            broker.cli("publish", "default", stdin="".join(line + "\n" for line in lines))
            broker.cli("publish", "default", stdin="y" * (1 << 20) + "\n")
            read = broker.json("consume", "default", "--count", "2001")
            self.assertEqual([event["data"] for event in read], lines + ["y" * (1 << 20)])
            pushed = broker.json("consume", "default", "--push", "--count", "2001")
            self.assertEqual(len(pushed), 2001)
            acked = broker.json("subscribe", "g", "--count", "2001")
            self.assertEqual(len(acked), 2001)
            sample = 'headrace_topic_events{tenant="default",topic="default"} 2001'
            counted = sample in broker.get("/metrics")[1]
            self.assertTrue(counted)
            topics = json.loads(broker.get("/v1/topics")[1])
            self.assertIn("default", json.dumps(topics))
            self.assertNotIn("FAIL", broker.cli("doctor").stdout)
            bench = broker.json("bench", "publish", "--events", "20000")
            self.assertTrue(bench)

    def test_a_password_inside(self):
        with self.broker() as broker:
            broker.cli("principals", "create", "ada", "--role", "owner", "--password-stdin",
                       stdin="correct horse\n")
            path = self.scratch.name + "/password"
            for password, code in (("correct horse", 0), ("battery staple", 4)):
                with open(path, "w") as file:
                    file.write(password + "\n")
                done = broker.cli("me", "--user", "ada", "--password-file", path, check=False)
                self.assertEqual(done.returncode, code, done.stderr)

    def test_the_environment_says_the_same_as_the_flags(self):
        with self.broker() as broker:
            variables = {"HEADRACE_TLS": "true", "HEADRACE_SERVER": broker.listen,
                         "HEADRACE_CA_FILE": self.authority.certificate}
            done = subprocess.run([HEADRACE, "topics", "ls"], capture_output=True, text=True,
                                  timeout=60, env={**os.environ, **variables})
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_one_listener_may_stay_plain(self):
        with self.broker("tls.listeners=native") as broker:
            self.assertTrue(broker.http.startswith("http://"), broker.http)
            broker.cli("topics", "ls")
            self.assertEqual(broker.get("/healthz")[0], 200)
        with self.broker("tls.listeners=http") as broker:
            broker.flags = []
            broker.cli("topics", "ls")
            self.assertEqual(broker.get("/healthz")[0], 200)


class Strangers(Folder):
    def test_each_side_without_tls_is_told_what_to_do(self):
        with self.broker() as broker:
            plain = self.verb(broker, "topics", "ls")
            self.assertEqual(plain.returncode, 3, plain.stderr)
            self.assertIn("speaks TLS: use --tls", plain.stderr)
            with broker.connect() as connection:
                connection.sendall(b"HR\x01\x00" + bytes(20))
                self.assertEqual(read_to_end(connection)[:1], b"\x15")
            host, port = broker.http.removeprefix("https://").rsplit(":", 1)
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"https://", read_to_end(connection))
            broker.process.send_signal(signal.SIGTERM)
            log = broker.log_text()
            self.assertIn("does not speak TLS, which this port expects", log)
        with Broker() as broker:
            tls = self.verb(broker, "topics", "ls", "--tls")
            self.assertEqual(tls.returncode, 3, tls.stderr)
            self.assertIn("does not speak TLS here", tls.stderr)
            broker.http = broker.http.replace("http:", "https:")
            self.assertIn("does not speak TLS here", self.verb(broker, "doctor").stdout)

    def test_certificates_that_do_not_fit_are_refused_in_words(self):
        other = Authority(self.scratch.name, "other")
        with self.broker() as broker:
            for verb in (("topics", "ls", "--tls"), ("doctor", "--tls")):
                done = self.verb(broker, *verb, "--ca-file", other.certificate)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("--ca-file", done.stdout + done.stderr)
            done = self.verb(broker, "topics", "ls", "--tls")  # the system's CAs
            self.assertEqual(done.returncode, 3, done.stderr)
            done = self.verb(broker, "topics", "ls", "--tls", "--ca-file", "/no/such/file")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("/no/such/file", done.stderr)
        certificate, key = self.authority.sign("named", "/CN=named", "DNS:broker.example")
        with self.broker(certificate=certificate, key=key) as broker:
            flags = ("--tls", "--ca-file", self.authority.certificate)
            done = self.verb(broker, "topics", "ls", *flags)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("--server-name", done.stderr)
            done = self.verb(broker, "topics", "ls", *flags, "--server-name", "broker.example")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_client_certificates(self):
        certificate, key = self.authority.sign("mail", "/CN=mail")
        other = Authority(self.scratch.name, "other")
        foreign, foreign_key = other.sign("foreign", "/CN=mail")
        with self.broker("tls.client_ca=" + self.authority.certificate) as broker:
            missing = self.verb(broker, "topics", "ls", *broker.flags)
            self.assertEqual(missing.returncode, 3, missing.stderr)
            self.assertIn("--cert", missing.stderr)
            refused = self.verb(broker, "topics", "ls", *broker.flags,
                                "--cert", foreign, "--cert-key", foreign_key)
            self.assertEqual(refused.returncode, 3, refused.stderr)
            with self.assertRaises(OSError):
                broker.get("/healthz")
            broker.flags += ["--cert", certificate, "--cert-key", key]
            broker.cli("topics", "ls")
            self.assertNotIn("FAIL", broker.cli("doctor").stdout)
            broker.ssl_context.load_cert_chain(certificate, key)
            self.assertEqual(broker.get("/healthz")[0], 200)
        with self.broker("tls.client_ca=" + self.authority.certificate,
                         "tls.client_certificates=optional") as broker:
            broker.cli("topics", "ls")
            self.assertEqual(broker.get("/healthz")[0], 200)

    def test_a_certificate_is_its_principals(self):
        certificate, key = self.authority.sign("mail", "/O=Example/CN=mail")
        with self.broker("tls.client_ca=" + self.authority.certificate) as broker:
            broker.flags += ["--cert", certificate, "--cert-key", key]
            broker.cli("principals", "create", "mail", "--role", "consumer",
                       "--subject", "CN=mail,O=Example")
            me = broker.json("me")[0]
            self.assertEqual((me["principal"], me["roles"], me["anonymous"]),
                             ("mail", ["consumer"], False))
            refused = broker.cli("publish", "default", "--data", "x", check=False)
            self.assertEqual(refused.returncode, 4, refused.stderr)
            broker.ssl_context.load_cert_chain(certificate, key)
            self.assertEqual(json.loads(broker.get("/v1/me")[1])["principal"], "mail")

    def test_tls_before_1_2_is_refused(self):
        warnings.simplefilter("ignore", DeprecationWarning)  # of the versions to be refused
        with self.broker() as broker:
            for address in (broker.listen, broker.http.removeprefix("https://")):
                context = ssl.create_default_context(cafile=self.authority.certificate)
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = ssl.TLSVersion.TLSv1_1
                context.set_ciphers("ALL:@SECLEVEL=0")
                host, port = address.rsplit(":", 1)
                with socket.create_connection((host, int(port)), timeout=30) as raw:
                    with self.assertRaises(ssl.SSLError):
                        context.wrap_socket(raw, server_hostname=host)
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                with socket.create_connection((host, int(port)), timeout=30) as raw:
                    with context.wrap_socket(raw, server_hostname=host) as connection:
                        self.assertEqual(connection.version(), "TLSv1.2")

    def test_slow_handshakes_are_closed_and_a_byte_at_a_time_is_let_in(self):
        with self.broker("limits.handshake=500ms") as broker:
            for address in (broker.listen, broker.http.removeprefix("https://")):
                host, port = address.rsplit(":", 1)
                with socket.create_connection((host, int(port)), timeout=30) as silent, \
                        socket.create_connection((host, int(port)), timeout=30) as half:
                    half.sendall(b"\x16\x03\x01\x02\x00\x01")
                    self.assertEqual(read_to_end(silent), b"")
                    self.assertEqual(read_to_end(half), b"")
        with self.broker("limits.handshake=20s") as broker:
            for address in (broker.listen, broker.http.removeprefix("https://")):
                self.shake_hands_bytewise(address)

    def shake_hands_bytewise(self, address):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=self.authority.certificate)
        tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        connection.sendall(bytes([byte]))
                    incoming.write(connection.recv(65536))
            self.assertIsNotNone(tls.cipher())


class Files(Folder):
    def refused(self, *settings):
        args = []
        for setting in settings:
            args += ["--set", setting]
        done = subprocess.run(
            [HEADRACE, "serve", "--data", self.scratch.name + "/data", "--listen", "127.0.0.1:0",
             "--http-listen", "127.0.0.1:0", *args], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_the_start_names_setting_and_file(self):
        _, other = self.authority.sign("other", "/CN=other", SAN)
        certificate, key = "tls.certificate=" + self.certificate, "tls.key=" + self.key
        self.assertIn("tls.certificate and tls.key belong together", self.refused(certificate))
        self.assertIn("tls.client_ca needs tls.certificate", self.refused("tls.client_ca=/x"))
        self.assertIn("tls.key: /no/key: No such file",
                      self.refused(certificate, "tls.key=/no/key"))
        self.assertIn("does not belong to the certificate",
                      self.refused(certificate, "tls.key=" + other))
        self.assertIn("tls.client_ca: /no/ca", self.refused(certificate, key,
                                                            "tls.client_ca=/no/ca"))

    def serial(self, broker, address):
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=30) as raw:
            with broker.ssl_context.wrap_socket(raw, server_hostname=host) as connection:
                return connection.getpeercert()["serialNumber"]

    def test_reload_under_load(self):
        with self.broker() as broker:
            addresses = (broker.listen, broker.http.removeprefix("https://"))
            before = self.serial(broker, broker.listen)
            load = Publisher(broker, "default", [str(i) for i in range(200_000)], timeout="30s")
            acks = iter(load)
            first = next(acks)
            for name in ("second", "third"):
                fresh, key = self.authority.sign(name, "/CN=broker/O=Example", SAN)
                shutil.copy(fresh, self.certificate)
                shutil.copy(key, self.key)
                broker.process.send_signal(signal.SIGHUP)
                for address in addresses:
                    wait_until(lambda: self.serial(broker, address) != before, "the new one")
                after = {self.serial(broker, address) for address in addresses}
                self.assertEqual(len(after), 1)
                before = after.pop()
            offsets = [first["offset"]] + [ack["offset"] for ack in acks]
            load.finish()
            self.assertEqual(load.process.returncode, 0)
            self.assertEqual(len(set(offsets)), 200_000)

            with open(self.certificate, "w") as file:
                file.write("half a certif")
            broker.process.send_signal(signal.SIGHUP)
            broker.process.send_signal(signal.SIGHUP)
            broker.cli("topics", "ls")
            self.assertEqual(self.serial(broker, broker.listen), before)
            broker.process.send_signal(signal.SIGTERM)
            log = broker.log_text()
            self.assertIn("the certificate in use stays", log)
            self.assertIn(self.certificate, log)


if __name__ == "__main__":
    unittest.main(verbosity=2)
