#!/usr/bin/env python3
"""Principals with passwords: SCRAM-SHA-256 by the command line and byte by byte, what strangers and
liars get, rotation, and what is kept of a password."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import unittest

from access import http, identity, lines, make, run
from broker import Broker, HEADRACE, wait_until
from wire import AUTHENTICATE, HELLO, ME, PING, Refused, Wire, fields, message

MECHANISM = "SCRAM-SHA-256"
PASSWORD = "correct horse battery"


def give(broker, key, name, password, *flags):
    """A principal with this password; (name, password)."""
    made = run(broker, key, "principals", "create", name, "--password-stdin", *flags,
               stdin=password + "\n")
    assert made.returncode == 0, made.stderr
    return name, password


class Scram:
    """The client's side of RFC 5802, step by step and as wrong as is wanted."""

    def __init__(self, broker, user, password=PASSWORD, tenant="", header="n,,", hello=()):
        self.wire = Wire(broker, hello=((7, MECHANISM), (2, tenant), *hello))
        self.password, self.header = password.encode(), header
        self.bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
        self.challenge = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.__exit__()

    def say(self, data):
        """What the broker answers: its message and, in the end, its welcome."""
        answer = fields(self.wire.ask(AUTHENTICATE, message((1, data)))[1])
        return answer.get(1, [b""])[0], answer.get(2, [None])[0]

    def first(self):
        self.challenge = self.say(self.header + self.bare)[0]
        parts = dict(part.split("=", 1) for part in self.challenge.decode().split(","))
        self.nonce, self.salt, self.iterations = parts["r"], parts["s"], int(parts["i"])
        return self.salt, self.iterations

    def final(self):
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(self.salt),
                                     self.iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        bound = base64.b64encode(self.header.encode()).decode()
        without_proof = f"c={bound},r={self.nonce}"
        said = f"{self.bare},{self.challenge.decode()},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), said, "sha256")
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        return f"{without_proof},p={proof}"

    def log_in(self):
        self.first()
        proven, welcome = self.say(self.final())
        assert proven == b"v=" + base64.b64encode(self.signature), proven
        return fields(welcome)


class PasswordTest(unittest.TestCase):
    def test_a_password_lets_in_and_says_so(self):
        with Broker() as broker:
            boss = give(broker, None, "boss", PASSWORD, "--role", "owner", "--platform")
            self.assertEqual(run(broker, None, "topics", "ls").returncode, 4)
            me = lines(broker, boss, "me")[0]
            self.assertEqual((me["principal"], me["password"], me["key"], me["platform"]),
                             ("boss", True, None, True))
            reader = give(broker, boss, "reader", "pässwörd mit ü", "--role", "consumer")
            self.assertIn("default", [row["topic"] for row in
                                      lines(broker, reader, "topics", "ls")])
            self.assertEqual(run(broker, reader, "publish", "default", "--data", "x").returncode, 4)
            row = lines(broker, boss, "principals", "describe", "reader")[0]
            self.assertEqual(row["keys"], 0)
            self.assertIsNotNone(row["password_set"])
            used = lines(broker, boss, "keys", "ls", "reader")
            self.assertEqual([key["key"] for key in used], ["password"])
            self.assertIsNotNone(used[0]["last_used"])
            # From a file, with the name as a flag; never from the command line.
            path = broker.data + "/../password"
            with open(path, "w") as file:
                file.write(PASSWORD + "\n")
            done = run(broker, None, "--user", "boss", "--password-file", path, "me", "--json")
            self.assertEqual(json.loads(done.stdout)["principal"], "boss")
            self.assertEqual(run(broker, None, "--user", "boss", "--password", PASSWORD,
                                 "me").returncode, 2)
            actions = [row["action"] for row in lines(broker, boss, "audit", "ls")]
            self.assertEqual(actions.count("password.set"), 2)
            broker.terminate()
            broker.start()
            wait_until(lambda: run(broker, boss, "me").returncode == 0, "the password again")

    def test_who_is_not_let_in_learns_nothing(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            reader = give(broker, root, "reader", PASSWORD, "--role", "consumer")
            leaver = give(broker, root, "leaver", PASSWORD, "--role", "consumer")
            lines(broker, root, "principals", "update", "leaver", "--disabled", "true")
            answers = {run(broker, who, "me").stderr
                       for who in (("reader", "another password"), ("nobody", PASSWORD),
                                   ("root", PASSWORD), ("Reader", PASSWORD))}
            self.assertEqual(len(answers), 1, answers)
            self.assertIn("do not go together", answers.pop())
            self.assertEqual(run(broker, leaver, "me").returncode, 4)
            self.assertEqual(run(broker, reader, "--tenant", "acme", "me").returncode, 4)
            refused = [row for row in lines(broker, root, "audit", "ls")
                       if row["action"] == "password.refused"]
            self.assertEqual([row["object"] for row in refused], ["principal reader"])
            # Tenants have their own people.
            lines(broker, root, "tenants", "create", "acme")
            cross = ["--as-tenant", "acme", "--reason", "set-up"]
            other = run(broker, root, *cross, "principals", "create", "reader", "--role", "owner",
                        "--password-stdin", stdin="another tenant's password\n")
            self.assertEqual(other.returncode, 0, other.stderr)
            self.assertEqual(run(broker, reader, "--tenant", "acme", "me").returncode, 4)
            me = lines(broker, ("reader", "another tenant's password"), "--tenant", "acme", "me")[0]
            self.assertEqual((me["tenant"], me["roles"]), ("acme", ["owner"]))
            self.assertEqual(lines(broker, reader, "me")[0]["tenant"], "default")
            self.assertEqual(run(broker, reader, *cross, "me").returncode, 4)

    def test_a_new_password_ends_what_the_old_one_opened(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            reader = give(broker, root, "reader", PASSWORD, "--role", "consumer")
            for change in (["password", "reader", "--password-stdin"],
                           ["update", "reader", "--disabled", "true"],
                           ["password", "reader", "--remove"], ["delete", "reader"]):
                consumer = subprocess.Popen(
                    [HEADRACE, "consume", "default", "--json", "--server", broker.listen],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=identity(reader))
                published = lines(broker, root, "publish", "default", "--data", "x")[0]
                while json.loads(consumer.stdout.readline())["offset"] != published["offset"]:
                    pass
                done = run(broker, root, "principals", *change, stdin="another password\n")
                self.assertEqual(done.returncode, 0, done.stderr)
                _, told = consumer.communicate(timeout=30)
                self.assertEqual(consumer.returncode, 4, told)
                self.assertEqual(run(broker, reader, "me").returncode, 4)
                reader = ("reader", "another password")
                lines(broker, root, "principals", "create", "reader", "--role", "consumer",
                      "--if-missing")
                lines(broker, root, "principals", "update", "reader", "--disabled", "false")
                if "--remove" not in change and change[0] != "delete":
                    self.assertEqual(run(broker, reader, "me").returncode, 0)
                run(broker, root, "principals", "password", "reader", "--password-stdin",
                    stdin="another password\n")
            self.assertIn("password.deleted",
                          [row["action"] for row in lines(broker, root, "audit", "ls")])

    def test_a_consumer_comes_back_after_a_restart(self):
        with Broker() as broker:
            boss = give(broker, None, "boss", PASSWORD, "--role", "owner", "--platform")
            consumer = subprocess.Popen(
                [HEADRACE, "consume", "default", "--count", "2", "--json", "--server",
                 broker.listen], stdout=subprocess.PIPE, text=True, env=identity(boss))
            for value in "ab":
                lines(broker, boss, "publish", "default", "--data", value)
                self.assertEqual(json.loads(consumer.stdout.readline())["data"], value)
                if value == "a":
                    broker.kill()
                    broker.start(listen=broker.listen)
                    wait_until(lambda: run(broker, boss, "me").returncode == 0, "the broker")
            self.assertEqual(consumer.wait(timeout=30), 0)
            consumer.stdout.close()

    def test_over_http_passwords_are_set_and_do_not_log_in(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            make(broker, root, "ada", "--role", "admin")
            path = "/v1/principals/ada/password"
            status, ada = http(broker, "PUT", path, root, {"password": PASSWORD})
            self.assertEqual((status, ada["anonymous_ends"]), (200, False), ada)
            self.assertIsNotNone(ada["password_set"])
            self.assertEqual(lines(broker, ("ada", PASSWORD), "me")[0]["principal"], "ada")
            for wrong in ("short", "x" * 257, "tab\there, and long", ""):
                status, problem = http(broker, "PUT", path, root, {"password": wrong})
                self.assertEqual((status, problem["code"]), (422, "invalid_request"), wrong)
                self.assertIn("password", problem["detail"])
                self.assertNotIn(wrong or "none", problem["detail"])
            self.assertEqual(http(broker, "PUT", path, root, {})[0], 422)
            self.assertEqual(http(broker, "PUT", "/v1/principals/none/password", root,
                                  {"password": PASSWORD})[0], 404)
            basic = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
            self.assertEqual(http(broker, "GET", "/v1/me",
                                  headers=[("Authorization", "Basic " + basic)])[0], 401)
            refused = run(broker, ("ada", PASSWORD), "reload")
            self.assertIn("HTTP, which this verb speaks, takes API keys only", refused.stderr)
            # An admin sets no owner's password.
            admin = lines(broker, root, "keys", "create", "ada")[0]["secret"]
            self.assertEqual(http(broker, "PUT", "/v1/principals/root/password", admin,
                                  {"password": PASSWORD})[0], 403)
            status, ada = http(broker, "DELETE", path, root)
            self.assertEqual((status, ada["password_set"]), (200, None))
            self.assertEqual(run(broker, ("ada", PASSWORD), "me").returncode, 4)

    def test_passwords_are_nowhere_to_be_read(self):
        with Broker() as broker:
            secret = "unmistakable-password"
            boss = give(broker, None, "boss", secret, "--role", "owner", "--platform")
            run(broker, ("boss", secret + "2"), "me")
            told = json.dumps(lines(broker, boss, "audit", "ls"))
            broker.process.terminate()
            told += broker.log_text()
            told += subprocess.run(["grep", "-rl", secret, broker.data], capture_output=True,
                                   text=True).stdout
            self.assertNotIn(secret, told)
            broker.forget()


class ExchangeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.broker.start()
        cls.root = make(cls.broker, None, "root", "--role", "owner", "--platform")
        give(cls.broker, cls.root, "ada", PASSWORD, "--role", "consumer")

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def refused(self, name, scram, call):
        """One error, then the connection ends."""
        with scram:
            with self.assertRaises(Refused) as caught:
                call(scram)
            self.assertEqual(caught.exception.name, name, caught.exception)
            self.assertFalse(caught.exception.retryable)
            with self.assertRaises((EOFError, ConnectionError)):
                scram.wire.ask(PING)

    def test_by_the_book(self):
        for header in ("n,,", "y,,", "n,a=ada,"):
            with Scram(self.broker, "ada", header=header) as ada:
                self.assertEqual(fields(ada.wire.hello), {10: [1]})  # nothing else is told
                welcome = ada.log_in()
                self.assertEqual(welcome[9], [b"default"])
                self.assertEqual(fields(ada.wire.ask(ME)[1])[2], [b"ada"])

    def test_downgrades_and_other_mechanisms(self):
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "PLAIN", "scram-sha-256", "x" * 500):
            with self.assertRaises(Refused) as caught:
                Wire(self.broker, hello=((7, mechanism),))
            self.assertEqual(caught.exception.name, "bad_authentication")
            self.assertIn(MECHANISM, str(caught.exception))
        with self.assertRaises(Refused) as caught:
            Wire(self.broker, hello=((7, MECHANISM), (4, self.root)))
        self.assertEqual(caught.exception.name, "bad_authentication")
        for header in ("p=tls-unique,,", "p=tls-exporter,,", "p=x,,"):
            self.refused("bad_authentication", Scram(self.broker, "ada", header=header),
                         Scram.first)
        # What was said of channels at first cannot be taken back.
        ada = Scram(self.broker, "ada", header="y,,")
        ada.first()
        ada.header = "n,,"
        self.refused("unauthenticated", ada, lambda it: it.say(it.final()))
        self.refused("bad_authentication", Scram(self.broker, "ada", header="n,a=root,"),
                     Scram.log_in)

    def test_replays(self):
        with Scram(self.broker, "ada") as ada:
            ada.log_in()
            proof = ada.final()
            with self.assertRaises(Refused) as caught:
                ada.say(proof)  # it is over
            self.assertEqual(caught.exception.name, "bad_authentication")
        again = Scram(self.broker, "ada")
        again.first()
        self.refused("unauthenticated", again, lambda it: it.say(proof))
        guessed = Scram(self.broker, "ada")
        guessed.first()
        guessed.nonce = guessed.nonce[:24]  # only the client's half
        self.refused("unauthenticated", guessed, lambda it: it.say(it.final()))

    def test_truncated_overlong_and_garbage(self):
        for first in ("", "n", "n,,", "n,,n=ada", "n,,n=,r=x", "n,,r=x,n=ada", "\0" * 8, "{}",
                      "n,,n=ada,r=" + "x" * 1024, "n,,m=must,n=ada,r=x"):
            self.refused("bad_authentication", Scram(self.broker, "ada"),
                         lambda it: it.say(first))
        for last in ("", "c=biws", "p=AAAA", "x" * 2000):
            ada = Scram(self.broker, "ada")
            ada.first()
            self.refused("bad_authentication", ada, lambda it: it.say(last))
        ada = Scram(self.broker, "ada")
        ada.first()
        self.refused("unauthenticated", ada, lambda it: it.say(it.final()[:-8] + "AAAAAAA="))
        self.refused("bad_authentication", Scram(self.broker, "ada"),
                     lambda it: it.wire.ask(AUTHENTICATE, b"\xff\xff"))
        # More than any message of a stranger may have.
        huge = Scram(self.broker, "ada")
        with huge, self.assertRaises((Refused, EOFError, ConnectionError)):
            huge.say("n" * (8 << 20))

    def test_out_of_turn(self):
        self.refused("bad_authentication", Scram(self.broker, "ada"), lambda it: it.wire.ask(ME))
        self.refused("bad_authentication", Scram(self.broker, "ada"),
                     lambda it: it.wire.ask(HELLO, message((1, "e2e"))))
        half = Scram(self.broker, "ada")
        half.first()
        self.refused("bad_authentication", half, lambda it: it.wire.ask(ME))
        with Wire(self.broker, hello=((4, self.root),)) as root:
            with self.assertRaises(Refused) as caught:
                root.ask(AUTHENTICATE, message((1, "n,,n=ada,r=x")))
            self.assertEqual(caught.exception.name, "bad_authentication")

    def test_names_are_not_told_by_salts(self):
        def challenge(user, tenant=""):
            with Scram(self.broker, user, tenant=tenant) as scram:
                return scram.first()
        ada = challenge("ada")
        for unknown in (("eve", ""), ("root", ""), ("ada", "acme"), ("Ada", "")):
            salt, iterations = challenge(*unknown)
            self.assertEqual((salt, iterations), challenge(*unknown))
            self.assertNotEqual(salt, ada[0])
            self.assertEqual((len(salt), iterations), (len(ada[0]), ada[1]))
            self.refused("unauthenticated", Scram(self.broker, unknown[0], tenant=unknown[1]),
                         Scram.log_in)
        self.assertEqual(challenge("ada"), ada)
        before = challenge("eve")
        self.broker.terminate()
        self.broker.start()
        wait_until(lambda: run(self.broker, self.root, "me").returncode == 0, "a restart")
        self.assertEqual(challenge("eve"), before)
        self.assertEqual(challenge("ada"), ada)

    def test_half_an_exchange_holds_nothing(self):
        waiting = [Scram(self.broker, "ada") for _ in range(50)]
        for scram in waiting[::2]:
            scram.first()
        self.assertEqual(run(self.broker, ("ada", PASSWORD), "me").returncode, 0)
        for scram in waiting:  # told that it took too long, then closed
            with self.assertRaises(Refused) as caught:
                scram.wire.read()
            self.assertEqual(caught.exception.name, "timed_out")
            scram.wire.__exit__()


if __name__ == "__main__":
    unittest.main()
