#!/usr/bin/env python3
"""Questions about the past, with ten million events: `bench/history.py --data DIR`.

Fills one partition (20 common types, one type of 1 in 10,000, an id each, ten events of a
correlation id and fifty of a key all over the log), lets a group ack, park and give up one event
in 500, starts the broker again and asks over one HTTP connection. Per question: the median and
the 95th percentile of the answers, and the CPU time of the broker, which other programs on the
machine disturb less. The first answers of the new process are part of it: nothing is warmed up.

`--keep` leaves the data; with a directory that is there already only the questions are asked.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests", "e2e"))
from broker import Broker, HEADRACE  # noqa: E402

TOPIC = "history"
GROUP = "workers"
TYPES = 20
RARE_EVERY = 10_000
WORK_EVERY = 500
GIVE_UP_SHARE = 0.75  # of the work: acked or given up; then acked or parked, and the rest waits
PARK_SHARE = 0.2
CORRELATED = 10
EVENTS_OF_A_KEY = 50
# What a work event's last digit says of its fate: never three failures after each other, which
# would stop the group; and one at a time, because acks travel later than failures.
HANDLER = "read -r line; case $line in *[0369]) exit 0;; esac; exit 1"


def event_type(number):
    if number % RARE_EVERY == 77:
        return "bench.rare"
    if number % WORK_EVERY == 13:
        return f"bench.work.{number // WORK_EVERY // 10 % 20:02}"
    return f"bench.kind{number % TYPES:02}"


def correlation_id(number, events):
    return f"c-{number % (events // CORRELATED):07}"


def key(number, events):
    return f"k-{number % (events // EVENTS_OF_A_KEY):06}"


def lines_of(first, to, events):
    for number in range(first, to):
        data = f"{number // WORK_EVERY if number % WORK_EVERY == 13 else number:0100}"
        yield (f'{{"specversion":"1.0","source":"bench","type":"{event_type(number)}",'
               f'"id":"e-{number:08}","correlationid":"{correlation_id(number, events)}",'
               f'"partitionkey":"{key(number, events)}","datacontenttype":"text/plain",'
               f'"data":"{data}"}}\n')


def fill(broker, events):
    broker.cli("topics", "create", TOPIC, "--partitions", "1")
    publish = subprocess.Popen(
        [HEADRACE, "publish", TOPIC, "--cloudevents", "--server", broker.listen],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for first in range(0, events, 10_000):
        publish.stdin.writelines(lines_of(first, min(first + 10_000, events), events))
    publish.stdin.close()
    assert publish.wait() == 0
    broker.cli("groups", "create", GROUP, "--topic", TOPIC, "--filter", "bench.work.*",
               "--from", "earliest", "--max-retries", "0", "--dlq-entries", "100000")
    work = events // WORK_EVERY
    handle(broker, int(work * GIVE_UP_SHARE))
    broker.cli("groups", "update", GROUP, "--max-retries", "3", "--retry-delays", "20d,20d,20d")
    handle(broker, int(work * PARK_SHARE))


def handle(broker, count):
    broker.cli("subscribe", GROUP, "--exec", HANDLER, "--count", str(count), "--wait", "5s",
               "--window", "1", timeout_s=3600)


class Questions:
    def __init__(self, broker):
        self.broker = broker
        self.asked = 0
        self.pid = broker.process.pid
        where = urllib.parse.urlsplit(broker.http)
        self.http = http.client.HTTPConnection(where.hostname, where.port, timeout=120)

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path, **params):
        query = urllib.parse.urlencode({k: v for k, v in params.items() if v is not None}, True)
        self.asked += 1
        self.http.request("GET", f"{path}?{query}" if query else path)
        reply = self.http.getresponse()
        body = json.loads(reply.read())
        assert reply.status == 200, (path, params, body)
        return body

    def events(self, pages=1, **params):
        """Seconds that the last of `pages` pages took, and its events. A page may come in parts."""
        cursor = None
        for _ in range(pages):
            events = []
            begun = time.perf_counter()
            while True:
                body = self.get(f"/v1/topics/{TOPIC}/events", cursor=cursor, **params)
                events += body["events"]
                cursor = body.get("next_cursor")
                if cursor is None or events:
                    break
            took = time.perf_counter() - begun
            if cursor is None:
                break
        return took, events

    def timed(self, path, **params):
        begun = time.perf_counter()
        body = self.get(path, **params)
        return time.perf_counter() - begun, body


    def explain(self, event_id):
        begun = time.perf_counter()
        told = self.broker.json("explain", event_id, "--group", GROUP)
        return time.perf_counter() - begun, told


def time_range(questions, events):
    """Append times around most of the log, without its newest events."""
    def appended(number):
        return questions.get(f"/v1/topics/{TOPIC}/events/e-{number:08}")["append_time"]
    return appended(events // 20), appended(events * 9 // 10)


def all_questions(q, events, draw):
    """(name, question) in the order of the table; a question answers (seconds, how much)."""
    def number():
        return draw.randrange(events)
    begun, ended = time_range(q, events)
    ranged = {"from": begun, "to": ended, "group": GROUP}

    def found(expected=None, **params):
        def ask():
            wanted = {k: v() if callable(v) else v for k, v in params.items()}
            took, got = q.events(**wanted)
            assert expected is None or len(got) == expected, (wanted, len(got))
            return took, len(got)
        return ask

    def work():
        return f"bench.work.{draw.randrange(20):02}"

    yield "by id", found(1, id=lambda: f"e-{number():08}")
    yield "by an id that is not there", found(0, id=lambda: f"x-{number():08}")
    yield "one event by id", lambda: q.timed(f"/v1/topics/{TOPIC}/events/e-{number():08}")
    yield "by correlation id", found(CORRELATED,
                                     correlation_id=lambda: correlation_id(number(), events))
    yield "by key", found(min(50, EVENTS_OF_A_KEY), key=lambda: key(number(), events))
    yield "newest, first page", found(50)
    yield "newest, 100th page", found(50, pages=100)
    yield "common type, first page", found(50, type=lambda: f"bench.kind{draw.randrange(12):02}")
    yield "common type, 100th page", found(
        50, pages=100, type=lambda: f"bench.kind{draw.randrange(12):02}")
    yield "rare type, first page", found(min(50, events // RARE_EVERY), type="bench.rare")
    yield "rare type, last page", found(pages=100, type="bench.rare")
    for status in ("dead", "retry", "settled"):
        yield f"type + {status} + range", found(type=work, status=status, **ranged)
        yield f"{status} + range, 100th page", found(pages=100, type="bench.work.*", status=status,
                                                     **ranged)
    letters = f"/v1/groups/{GROUP}/dlq"
    yield "dead letters, first page", lambda: q.timed(letters, limit=50)
    yield "dead letters by type", lambda: q.timed(letters, limit=50, where=f"type == {work()}")
    yield "dead letters by id", lambda: q.timed(
        letters, limit=50, where=f"id == e-{number() // WORK_EVERY * WORK_EVERY + 13:08}")
    yield "describe the group", lambda: q.timed(f"/v1/groups/{GROUP}")
    # Over the native protocol; the time has the start of the command in it.
    yield "explain, command line", lambda: q.explain(
        f"e-{number() // WORK_EVERY * WORK_EVERY + 13:08}")


def ask_all(broker, events, times, seed):
    print(f"{'question':34} {'p50 ms':>8} {'p95 ms':>8} {'CPU ms':>8}")
    questions = Questions(broker)
    results = {}
    for name, ask in all_questions(questions, events, random.Random(seed)):
        count = max(times // 10, 5) if "100th" in name or "last page" in name else times
        cpu_s, asked = questions.cpu_s(), questions.asked
        took = sorted(ask()[0] for _ in range(count))
        asked = max(questions.asked - asked, count)  # earlier pages, too
        cpu_ms = (questions.cpu_s() - cpu_s) * 1e3 / asked
        results[name] = [round(1e3 * took[len(took) // 2], 2),
                         round(1e3 * took[min(len(took) - 1, len(took) * 95 // 100)], 2),
                         round(cpu_ms, 2)]
        print(f"{name:34}" + "".join(f" {figure:8.2f}" for figure in results[name]), flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="data directory; made if it is not there")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=200, help="how often each question is asked")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", action="store_true", help="also print the figures as one line")
    given = parser.parse_args()
    there = os.path.exists(given.data)
    broker = Broker(given.data)
    if not there:
        with broker:
            begun = time.monotonic()
            fill(broker, given.events)
            print(f"filled in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    with broker:
        results = ask_all(broker, given.events, given.times, given.seed)
    if given.json:
        print(json.dumps({"events": given.events, "p50_p95_cpu_ms": results}))
    if not given.keep and not there:
        shutil.rmtree(given.data)


if __name__ == "__main__":
    main()
