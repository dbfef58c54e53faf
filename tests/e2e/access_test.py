#!/usr/bin/env python3
"""Who is let in, and what they may: keys, roles, tenants, the first owner, on both listeners."""

import json
import os
import stat
import subprocess
import tempfile
import unittest

from access import http, lines, make, run
from broker import Broker, HEADRACE, wait_until
from month_file import MONTH, MonthFile, values


class AccessTest(unittest.TestCase):
    def test_a_newcomer_needs_nothing_until_an_owner_has_a_key(self):
        with Broker() as broker:
            me = lines(broker, None, "me")[0]
            self.assertEqual((me["tenant"], me["roles"], me["platform"], me["anonymous"]),
                             ("default", ["owner"], True, True))
            root = make(broker, None, "root", "--role", "owner", "--platform")
            refused = run(broker, None, "topics", "ls")
            self.assertEqual(refused.returncode, 4, refused.stderr)
            self.assertIn("HEADRACE_API_KEY", refused.stderr)
            self.assertEqual(http(broker, "GET", "/v1/topics")[0], 401)
            self.assertEqual(http(broker, "GET", "/healthz")[0], 200)
            self.assertEqual(http(broker, "GET", "/readyz")[0], 200)
            self.assertEqual(lines(broker, root, "me")[0]["principal"], "root")
            self.assertEqual(http(broker, "GET", "/v1/me", root)[1]["principal"], "root")
            with tempfile.TemporaryDirectory() as scratch:  # as the shell's > makes it
                with open(scratch + "/root.key", "w") as file:
                    os.fchmod(file.fileno(), 0o644)
                    subprocess.run([HEADRACE, "keys", "create", "root", "--server", broker.listen],
                                   stdout=file, stderr=subprocess.DEVNULL, check=True,
                                   env={**os.environ, "HEADRACE_API_KEY": root})
                self.assertEqual(os.stat(scratch + "/root.key").st_mode & 0o777, 0o600)
            # Without a key only series without names.
            self.assertNotIn("topic=", http(broker, "GET", "/metrics")[1])
            self.assertIn('topic="default"', http(broker, "GET", "/metrics", root)[1])

    def test_roles_say_what_a_key_may(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            lines(broker, root, "topics", "create", "orders.eu")
            lines(broker, root, "topics", "create", "mail")
            writer = make(broker, root, "writer", "--role", "producer:orders.")
            reader = make(broker, root, "reader", "--role", "consumer")
            lines(broker, writer, "publish", "orders.eu", "--data", "x")
            for args in (["publish", "mail", "--data", "x"], ["publish", "none", "--data", "x"],
                         ["consume", "orders.eu", "--count", "1"], ["topics", "create", "orders.x"],
                         ["principals", "ls"], ["audit", "ls"], ["tenants", "ls"]):
                done = run(broker, writer, *args)
                self.assertEqual(done.returncode, 4, (args, done.stderr))
                self.assertIn("may not", done.stderr)
            self.assertEqual([t["topic"] for t in lines(broker, writer, "topics", "ls")],
                             ["orders.eu"])
            event = lines(broker, reader, "consume", "orders.eu", "--count", "1")[0]
            self.assertEqual(event["data"], "x")
            self.assertEqual(run(broker, reader, "publish", "mail", "--data", "x").returncode, 4)
            # The audit trail is no topic for everybody.
            self.assertEqual(run(broker, reader, "consume", "$sys", "--count", "1").returncode, 4)
            self.assertTrue(lines(broker, root, "consume", "$sys", "--count", "1"))
            self.assertEqual(http(broker, "GET", "/v1/topics/orders.eu/events", writer)[0], 403)
            self.assertEqual(http(broker, "GET", "/v1/topics/mail", writer)[0], 403)
            self.assertEqual(http(broker, "GET", "/v1/topics/none", writer)[0], 403)

    def test_a_revoked_key_ends_open_connections(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            reader = make(broker, root, "reader", "--role", "consumer")
            environment = dict(os.environ, HEADRACE_API_KEY=reader)
            consumer = subprocess.Popen(
                [HEADRACE, "consume", "default", "--json", "--server", broker.listen],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
            run(broker, root, "publish", "default", "--data", "x")
            self.assertEqual(json.loads(consumer.stdout.readline())["data"], "x")
            key = lines(broker, root, "keys", "ls", "reader")[0]
            self.assertIsNotNone(key["last_used"])
            lines(broker, root, "keys", "revoke", key["key"])
            _, told = consumer.communicate(timeout=30)
            self.assertEqual(consumer.returncode, 4, told)
            self.assertEqual(lines(broker, root, "keys", "ls", "reader"), [])

    def test_tenants_see_nothing_of_each_other(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            keys = {}
            for tenant in ("acme", "umbrella"):
                lines(broker, root, "tenants", "create", tenant)
                cross = ["--as-tenant", tenant, "--reason", "set-up"]
                lines(broker, root, *cross, "principals", "create", "boss", "--role", "owner")
                keys[tenant] = lines(broker, root, *cross, "keys", "create", "boss")[0]["secret"]
                lines(broker, keys[tenant], "topics", "create", "orders")
                lines(broker, keys[tenant], "publish", "orders", "--data", tenant)
            for tenant, key in keys.items():
                event = lines(broker, key, "consume", "orders", "--count", "1")[0]
                self.assertEqual(event["data"], tenant)
            # The other's tenant and one that does not exist: the same answer, to the letter, but
            # for the name that was asked for.
            answers = {run(broker, keys["acme"], "--tenant", name, "topics", "ls").stderr
                       .replace(f"'{name}'", "NAME")
                       for name in ("umbrella", "nobody")}
            self.assertEqual(len(answers), 1)
            answers = {json.dumps(http(broker, "GET", "/v1/topics", keys["acme"],
                                       headers=[("Headrace-Tenant", name)]))
                       .replace(f"'{name}'", "NAME")
                       for name in ("umbrella", "nobody")}
            self.assertEqual(len(answers), 1)
            trail = lines(broker, keys["acme"], "audit", "ls")
            entered = [row for row in trail if row["action"] == "tenant.entered"]
            self.assertTrue(entered)
            self.assertEqual({(row["actor"], row["reason"]) for row in entered},
                             {("default/root", "set-up")})
            scraped = http(broker, "GET", "/metrics", keys["acme"])[1]
            self.assertIn('tenant="acme"', scraped)
            self.assertNotIn("umbrella", scraped)

            lines(broker, root, "tenants", "suspend", "acme", "--reason", "unpaid")
            self.assertEqual(run(broker, keys["acme"], "topics", "ls").returncode, 4)
            self.assertEqual(http(broker, "GET", "/v1/me", keys["acme"])[0], 403)
            lines(broker, root, "tenants", "resume", "acme")
            self.assertEqual(run(broker, keys["acme"], "topics", "ls").returncode, 0)

            unsure = run(broker, root, "tenants", "delete", "acme")
            self.assertEqual(unsure.returncode, 2)
            receipt = lines(broker, root, "tenants", "delete", "acme", "--confirm", "acme")[0]
            self.assertEqual((receipt["topics"], receipt["principals"]), (2, 1))  # orders and $sys
            self.assertGreaterEqual(receipt["events"], 1)
            self.assertEqual(run(broker, keys["acme"], "me").returncode, 4)
            self.assertEqual([t["tenant"] for t in lines(broker, root, "tenants", "ls")],
                             ["default", "umbrella"])
            event = lines(broker, keys["umbrella"], "consume", "orders", "--count", "1")[0]
            self.assertEqual(event["data"], "umbrella")
            deleted = [row for row in lines(broker, root, "audit", "ls")
                       if row["action"] == "tenant.deleted"]
            self.assertEqual(len(deleted), 1)

    def test_everything_over_http(self):
        with Broker() as broker:
            made = http(broker, "POST", "/v1/principals", body={
                "principal": "root", "roles": ["owner"], "platform": True})
            self.assertEqual(made[0], 201, made)
            status, key = http(broker, "POST", "/v1/keys", body={"principal": "root"})
            self.assertEqual((status, key["anonymous_ends"]), (201, True))
            root = key["secret"]
            wrong = http(broker, "POST", "/v1/principals", root, {
                "principal": "x", "roles": ["king"]})
            self.assertEqual(wrong[0], 422)
            self.assertIn("roles[0]", wrong[1]["detail"])
            http(broker, "POST", "/v1/principals", root, {
                "principal": "ops", "roles": ["operator:orders."]})
            status, changed = http(broker, "PATCH", "/v1/principals/ops", root, {"disabled": True})
            self.assertEqual((status, changed["disabled"], changed["roles"]),
                             (200, True, ["operator:orders."]))
            self.assertEqual([p["principal"] for p in
                              http(broker, "GET", "/v1/principals", root)[1]["principals"]],
                             ["ops", "root"])
            self.assertEqual(http(broker, "DELETE", "/v1/principals/ops", root)[0], 200)
            self.assertEqual(http(broker, "GET", "/v1/principals/ops", root)[0], 404)
            self.assertEqual(http(broker, "POST", "/v1/tenants", root, {"tenant": "acme"})[0], 201)
            self.assertEqual(http(broker, "POST", "/v1/tenants/acme/suspend", root)[1]["state"],
                             "suspended")
            no_reason = http(broker, "GET", "/v1/topics", root,
                             headers=[("Headrace-As-Tenant", "acme")])
            self.assertEqual(no_reason[0], 422)
            crossing = [("Headrace-As-Tenant", "acme"), ("Headrace-Reason", "ticket 7")]
            self.assertEqual(http(broker, "GET", "/v1/topics", root, headers=crossing)[0], 200)
            trail = http(broker, "GET", "/v1/audit", root, headers=crossing)[1]["entries"]
            # Of itself the broker makes $sys, a moment after the first entry.
            self.assertEqual({row["reason"] for row in trail if row["actor"] != "broker"},
                             {"ticket 7"})
            self.assertEqual(http(broker, "DELETE", "/v1/tenants/acme", root, {})[0], 422)
            gone = http(broker, "DELETE", "/v1/tenants/acme", root, {"confirm": "acme"})
            self.assertEqual(gone[0], 200, gone)
            self.assertEqual(
                http(broker, "DELETE", "/v1/keys/" + key["key"], root)[1]["principal"], "root")
            self.assertEqual(http(broker, "GET", "/v1/me", root)[0], 401)
            self.assertEqual(http(broker, "GET", "/v1/me")[1]["anonymous"], True)  # once more
            for given in ("Basic eDp5", "Bearer", "Bearer ", "Bearer x y"):
                answer = http(broker, "GET", "/v1/me", headers=[("Authorization", given)])
                self.assertEqual(answer[0], 401, given)

    def test_the_first_owner_finds_the_key_in_the_data_directory(self):
        with tempfile.TemporaryDirectory() as scratch:
            data = scratch + "/data"
            closed = ["--set", "auth.anonymous=false"]
            with Broker(data, closed) as broker:
                path = data + "/owner.key"
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
                self.assertEqual(run(broker, None, "me").returncode, 4)
                me = json.loads(run(broker, None, "me", "--json", "--api-key-file", path).stdout)
                self.assertEqual((me["principal"], me["platform"]), ("owner", True))
                with open(path) as file:
                    first = file.read().strip()
                os.unlink(path)
            with Broker(data, closed) as broker:
                self.assertFalse(os.path.exists(path))
                self.assertEqual(run(broker, first, "me").returncode, 0)
            with Broker(data, closed + ["--set", "auth.new_owner_key=true"]) as broker:
                with open(path) as file:
                    second = file.read().strip()
                self.assertNotEqual(first, second)
                self.assertEqual(run(broker, second, "me").returncode, 0)

    def test_keys_that_are_no_good(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            good = make(broker, root, "ada", "--role", "owner")
            revoked = lines(broker, root, "keys", "create", "ada")[0]
            self.assertEqual(run(broker, revoked["secret"], "me").returncode, 0)
            lines(broker, root, "keys", "revoke", revoked["key"])
            expired = lines(broker, root, "keys", "create", "ada", "--expires", "1ms")[0]
            lines(broker, root, "tenants", "create", "acme")
            cross = ["--as-tenant", "acme", "--reason", "set-up"]
            lines(broker, root, *cross, "principals", "create", "ada", "--role", "owner")
            foreign = lines(broker, root, *cross, "keys", "create", "ada")[0]["secret"]
            wait_until(lambda: run(broker, expired["secret"], "me").returncode == 4, "the expiry")
            for what, key, said in (
                    ("expired", expired["secret"], "has expired"),
                    ("replayed after its end", revoked["secret"], "not known"),
                    ("truncated", good[:-1], "not known"), ("half", good[:30], "not known"),
                    ("longer", good + "A", "not known"), ("its id only", good[:16], "not known"),
                    ("another's secret", good[:16] + root[16:], "not known"),
                    ("huge", good * 80, "not known")):
                done = run(broker, key, "topics", "ls")
                self.assertEqual(done.returncode, 4, (what, done.stderr))
                self.assertIn(said, done.stderr, what)
                self.assertNotIn(key, done.stderr)
                status, problem = http(broker, "GET", "/v1/topics", key)
                self.assertEqual((status, problem["code"]), (401, "unauthenticated"), what)
                self.assertIn(said, problem["detail"], what)
            # A good one of another tenant finds nothing here.
            done = run(broker, foreign, "--tenant", "default", "topics", "ls")
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertEqual(http(broker, "GET", "/v1/keys", foreign)[1]["keys"][0]["principal"],
                             "ada")
            self.assertEqual(http(broker, "DELETE", "/v1/keys/" + good[3:15], foreign)[0], 404)
            self.assertEqual(run(broker, good, "me").returncode, 0)
            # Strangers fill no audit trail; they are counted.
            self.assertNotIn("unauthenticated", json.dumps(lines(broker, root, "audit", "ls")))
            counted = [line for line in http(broker, "GET", "/metrics", root)[1].splitlines()
                       if line.startswith("headrace_access_refused_total ")]
            self.assertGreaterEqual(float(counted[0].split()[1]), 16)

    def test_metrics_have_credentials_of_their_own(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            scraper = make(broker, root, "prometheus", "--role", "monitor")
            scraped = http(broker, "GET", "/metrics", scraper)
            self.assertIn('topic="default"', scraped[1])
            # Over HTTP a key is used, too.
            wait_until(lambda: lines(broker, root, "keys", "ls", "prometheus")[0]["last_used"],
                       "its last use")
            for path in ("/v1/topics", "/v1/groups", "/v1/audit", "/v1/keys", "/v1/tenants"):
                self.assertEqual(http(broker, "GET", path, scraper)[0], 403, path)
            self.assertEqual(run(broker, scraper, "consume", "default", "--count", "1").returncode,
                             4)
            reader = make(broker, root, "reader", "--role", "consumer")
            self.assertEqual(http(broker, "GET", "/metrics", reader)[0], 403)
            self.assertEqual(http(broker, "GET", "/metrics", scraper[:-1] + "_")[0], 401)
            self.assertNotIn("topic=", http(broker, "GET", "/metrics")[1])

    def test_keys_are_nowhere_to_be_read(self):
        with Broker() as broker:
            root = make(broker, None, "root", "--role", "owner", "--platform")
            run(broker, root[:-1] + ("A" if root[-1] != "A" else "B"), "me")
            http(broker, "GET", "/v1/me", root[:-1] + "_")
            told = json.dumps(lines(broker, root, "audit", "ls"))
            told += http(broker, "GET", "/metrics", root)[1]
            secret = root.split("_", 2)[2]
            data = broker.data
            broker.terminate()
            told += subprocess.run(["grep", "-rl", secret, data], capture_output=True,
                                   text=True).stdout
            self.assertNotIn(secret, told)
            broker.start()
            wait_until(lambda: run(broker, root, "me").returncode == 0, "the key after a restart")

    def test_months_are_for_admins_of_the_tenant(self):
        with Broker() as broker, tempfile.TemporaryDirectory() as scratch:
            path = scratch + "/month"
            with open(path, "wb") as file:
                file.write(MonthFile({"orders": {0: (0, values(3))}}).bytes)
            root = make(broker, None, "root", "--role", "owner", "--platform")
            lines(broker, root, "tenants", "create", "other")
            operator = make(broker, root, "operator", "--role", "operator")
            lines(broker, root, "months", "import", path)
            for verb in (("import", path), ("drop", str(MONTH), "--confirm", str(MONTH)),
                         ("export", str(MONTH), "--file", scratch + "/refused")):
                self.assertEqual(run(broker, operator, "months", *verb).returncode, 4, verb)
            self.assertFalse(os.path.exists(scratch + "/refused"))
            lines(broker, root, "months", "export", str(MONTH), "--file", scratch + "/saved")
            other = ("--as-tenant", "other", "--reason", "moving")
            lines(broker, root, "months", "import", path, *other)
            self.assertEqual(lines(broker, root, "months", "drop", str(MONTH), "--confirm",
                                   str(MONTH), *other)[0]["events"], 6)
            self.assertEqual([row["month"] for row in
                              lines(broker, root, "months", "ls", "--topic", "orders", *other)], [])
            self.assertEqual(lines(broker, root, "months", "ls")[0]["events"], 6)


if __name__ == "__main__":
    unittest.main()
