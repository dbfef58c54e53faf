#!/usr/bin/env python3
"""What an administrator asks, with many tenants: `bench/tenants.py --data DIR`.

Adds tenants to the data (that of `bench/history.py --keep` has ten million events), in each a
topic, a consumer group, an acked group, a principal, quotas and a few events; starts the broker
again and asks over one HTTP connection, as a platform admin and with keys of tenants drawn at random.
Per question: the median and the 95th percentile of the answers. Also how long the start took, and
the resident memory.
"""

import argparse
import http.client
import json
import os
import random
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests", "e2e"))
from broker import Broker  # noqa: E402

TENANTS_THAT_ASK = 50
QUOTAS = {"publish_events_per_s": 1_000_000, "stored_bytes": 1 << 30}
REASON = {"Headrace-Reason": "bench/tenants.py"}


class Admin:
    def __init__(self, broker):
        where = urllib.parse.urlsplit(broker.http)
        self.key = None  # of an owner of the platform
        self.http = http.client.HTTPConnection(where.hostname, where.port, timeout=120)

    def ask(self, method, path, body=None, tenant=None, key=None):
        """(status, answer, seconds)"""
        headers = dict(REASON)
        if key or self.key:
            headers["Authorization"] = "Bearer " + (key or self.key)
        if tenant:
            headers["Headrace-As-Tenant"] = tenant
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        begun = time.perf_counter()
        self.http.request(method, path, body, headers)
        answer = self.http.getresponse()
        text = answer.read()
        return answer.status, json.loads(text), time.perf_counter() - begun

    def make(self, path, body, tenant=None, method="POST"):
        status, answer, _ = self.ask(method, path, body, tenant)
        assert status in (200, 201), (path, status, answer)
        return answer


def tenant_name(number):
    return f"bench-{number:05}"


def fill(admin, tenants):
    for number in range(tenants):
        name = tenant_name(number)
        admin.make("/v1/tenants", {"tenant": name})
        admin.make(f"/v1/tenants/{name}", {"quotas": QUOTAS, "reason": "bench"}, method="PATCH")
        admin.make("/v1/topics", {"topic": "orders", "partitions": 1}, name)
        admin.make("/v1/groups", {"group": "mail", "topic": "orders",
                                  "options": {"filters": ["order.*"]}}, name)
        admin.make("/v1/principals", {"principal": "app", "roles": ["owner"]}, name)
        for event in range(3):
            admin.make(f"/v1/topics/orders/events?type=order.placed&id={name}-{event}",
                       {"total": event}, name)


def all_questions(draw, tenants, keys, platform):
    def somebody():
        return draw.choice(keys)

    def tenant():
        return tenant_name(draw.randrange(tenants))
    yield "tenants, first page", lambda: ("/v1/tenants?limit=50", platform)
    yield "one tenant", lambda: (f"/v1/tenants/{tenant()}", platform)
    yield "audit trail of the platform", lambda: ("/v1/audit?limit=50", platform)
    yield "topics of a tenant", lambda: ("/v1/topics", somebody())
    yield "a topic", lambda: ("/v1/topics/orders", somebody())
    yield "groups of a tenant", lambda: ("/v1/groups", somebody())
    yield "a group", lambda: ("/v1/groups/mail", somebody())
    yield "principals of a tenant", lambda: ("/v1/principals", somebody())
    yield "quotas of a tenant", lambda: ("/v1/quotas", somebody())
    yield "schemas of a tenant", lambda: ("/v1/schemas", somebody())
    yield "newest events of a tenant", lambda: ("/v1/topics/orders/events?limit=50", somebody())
    yield "types of a tenant", lambda: ("/v1/topics/orders/types", somebody())
    yield "dead letters of a tenant", lambda: ("/v1/groups/mail/dlq?limit=50", somebody())
    yield "audit trail of a tenant", lambda: ("/v1/audit?limit=50", somebody())
    yield "statistics of a tenant", lambda: ("/admin/events/stats", somebody())


def make_keys(admin, draw, tenants):
    """Of some tenants."""
    keys = []
    for number in draw.sample(range(tenants), min(tenants, TENANTS_THAT_ASK)):
        keys.append(admin.make("/v1/keys", {"principal": "app", "expires": "1h"},
                               tenant_name(number))["secret"])
    return keys


def ask_all(admin, tenants, times, seed):
    draw = random.Random(seed)
    keys = make_keys(admin, draw, tenants)
    print(f"{'question':34} {'p50 ms':>8} {'p95 ms':>8}")
    results = {}
    for name, question in all_questions(draw, tenants, keys, admin.key):
        took = []
        for _ in range(times):
            path, key = question()
            status, answer, seconds = admin.ask("GET", path, key=key)
            assert status == 200, (path, status, answer)
            took.append(seconds)
        took.sort()
        results[name] = [round(1e3 * took[len(took) // 2], 2),
                         round(1e3 * took[min(len(took) - 1, len(took) * 95 // 100)], 2)]
        print(f"{name:34}" + "".join(f" {figure:8.2f}" for figure in results[name]), flush=True)
    return results


def resident_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="data directory; made if it is not there")
    parser.add_argument("--tenants", type=int, default=1_000)
    parser.add_argument("--times", type=int, default=200, help="how often each question is asked")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    broker = Broker(given.data)
    key_file = given.data + ".key"  # with it nobody else is let in
    if not os.path.exists(key_file):
        with broker:
            admin = Admin(broker)
            admin.make("/v1/principals", {"principal": "admin", "roles": ["owner"],
                                          "platform": True})
            admin.key = admin.make("/v1/keys", {"principal": "admin"})["secret"]
            begun = time.monotonic()
            fill(admin, given.tenants)
            print(f"filled in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        with open(key_file, "w") as file:
            file.write(admin.key)
    begun = time.monotonic()
    with broker:
        print(f"started in {time.monotonic() - begun:.2f} s, "
              f"{resident_mib(broker.process.pid):.0f} MiB resident")
        admin = Admin(broker)
        with open(key_file) as file:
            admin.key = file.read()
        ask_all(admin, given.tenants, given.times, given.seed)
        print(f"{resident_mib(broker.process.pid):.0f} MiB resident at the end")


if __name__ == "__main__":
    main()
