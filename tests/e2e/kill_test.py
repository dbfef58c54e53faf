#!/usr/bin/env python3
"""kill -9 in the middle of publishing, again and again: every acked event is there afterwards, with
its content, at its offset. (A kill proves recovery, not syncing: the power-cut test does that.)"""

import random
import unittest

from broker import Broker, Publisher

ROUNDS = 8


class Kill(unittest.TestCase):
    def test_every_acked_event_survives_kill_9(self):
        seed = random.SystemRandom().randrange(1 << 32)
        print("seed", seed, flush=True)
        prng = random.Random(seed)
        acked = {}
        with Broker() as broker:
            for round_number in range(ROUNDS):
                self.publish_and_kill(broker, prng, round_number, acked)
                broker.start()
                self.check(broker, acked)
            self.assertGreater(len(acked), ROUNDS)

    def publish_and_kill(self, broker, prng, round_number, acked):
        sent = [f"{round_number}:{n}:" + "x" * prng.randrange(200) for n in range(30_000)]
        victim_after = prng.randrange(1, 6_000)
        publisher = Publisher(broker, "default", sent)
        for count, ack in enumerate(publisher):
            acked[ack["offset"]] = sent[count]
            if count == victim_after:
                broker.kill()
        publisher.finish()
        if broker.process is not None:
            broker.kill()

    def check(self, broker, acked):
        end = max(acked) + 1
        events = broker.json("consume", "default", "--from", "earliest", "--count", str(end))
        by_offset = {event["offset"]: event["data"] for event in events}
        self.assertEqual(sorted(by_offset), list(range(end)), "offsets are dense")
        lost = [offset for offset, data in acked.items() if by_offset.get(offset) != data]
        self.assertEqual(lost, [], "acked events that are lost or changed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
