#!/usr/bin/env python3
"""The package log as CloudEvents, and the comparison after the round trip (`tools/dev run`).

convert < dpkg.log                 a CloudEvent in JSON per line
compare LINES ACKS EVENTS          prints "published N, consumed N, lost N"; exit 1 on a difference
"""
import json
import sys


def event_of(number, line):
    """dpkg.<action>, or dpkg.status.<state>; the key is the package, where there is one."""
    words = line.split()
    action = words[2] if len(words) > 2 else "unknown"
    event_type = "dpkg." + action
    key = words[3] if len(words) > 3 else None
    if action == "status" and len(words) > 4:
        event_type += "." + words[3]
        key = words[4]
    if action == "startup":
        key = None  # the rest says which phase, not which package
    event = {
        "specversion": "1.0",
        "id": "line-%d" % number,
        "source": "/var/log/dpkg.log",
        "type": event_type,
        "datacontenttype": "text/plain",
        "data": line,
    }
    if key:
        event["partitionkey"] = key
    return event


def read_lines(stream):
    text = stream.buffer.read().decode("utf-8", "replace")
    return text.removesuffix("\n").split("\n") if text else []


def convert():
    for number, line in enumerate(read_lines(sys.stdin), 1):
        print(json.dumps(event_of(number, line)))


def differences(lines, acks, events):
    """Sentences about what did not come back as it was published, and how many were lost."""
    if len(acks) != len(lines):
        yield "%d lines, but %d acks" % (len(lines), len(acks))
    back = {}
    for event in events:
        place = (event["partition"], event["offset"])
        if place in back:
            yield "offset %d came twice" % event["offset"]
        back[place] = event
    for number, (line, ack) in enumerate(zip(lines, acks), 1):
        wanted = event_of(number, line)
        got = back.pop((ack["partition"], ack["offset"]), None)
        if got is None:
            yield "line %d (offset %d) was not consumed" % (number, ack["offset"])
            continue
        seen = (got["id"], got["type"], got["source"], got["key"], got.get("data"))
        sent = (wanted["id"], wanted["type"], wanted["source"], wanted.get("partitionkey"), line)
        if seen != sent:
            yield "line %d came back as %r, not %r" % (number, seen, sent)
    for place in back:
        yield "offset %d was never published" % place[1]


def compare(lines_path, acks_path, events_path):
    with open(lines_path, encoding="utf-8") as file:
        lines = read_lines(file)
    with open(acks_path, encoding="utf-8") as file:
        acks = [json.loads(line) for line in file]
    with open(events_path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    wrong = list(differences(lines, acks, events))
    for sentence in wrong[:20]:
        print(sentence, file=sys.stderr)
    returned = {(event["partition"], event["offset"]) for event in events}
    lost = sum((ack["partition"], ack["offset"]) not in returned for ack in acks)
    lost += max(0, len(lines) - len(acks))
    print("published %d, consumed %d, lost %d" % (len(acks), len(events), lost))
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["convert"]:
        convert()
    elif len(sys.argv) == 5 and sys.argv[1] == "compare":
        sys.exit(compare(*sys.argv[2:]))
    else:
        sys.exit(__doc__)
