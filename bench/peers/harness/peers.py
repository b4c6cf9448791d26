"""The queues that are compared: where they come from, and the settings that are tried for each.

A setting is what the driver is told, key=value. Of several the one that is fastest in a short trial
is kept for the measurement; the first stands where nothing is tried."""
from dataclasses import dataclass, field


@dataclass
class Peer:
    name: str
    title: str
    messages: int  # of a throughput job: about two seconds' work
    settings: dict = field(default_factory=dict)  # job -> what is tried; no entry: cannot do it
    notes: list = field(default_factory=list)


IDLE = ["concurrency=10"]
DEFAULTS = [""]  # what who tunes nothing gets

PEERS = [
    Peer("ours", "this library", 300_000, {
        "produce": ["batch=1000 inflight=32 batch_size=100",
                    "batch=1000 inflight=32 batch_size=500",
                    "batch=100 inflight=64 batch_size=100"],
        "single": ["batch=1 inflight=10000 batch_size=100",
                   "batch=1 inflight=10000 batch_size=500"],
        "consume": ["concurrency=100 prefetch=1000 batch_size=256",
                    "concurrency=100 prefetch=256 batch_size=1000",
                    "concurrency=10 prefetch=1000 batch_size=256"],
        "defaults": DEFAULTS, "latency": IDLE, "delayed": IDLE,
    }),
    Peer("bullmq", "BullMQ", 40_000, {
        "produce": ["batch=500 inflight=4", "batch=100 inflight=16", "batch=1000 inflight=4"],
        "single": ["batch=1 inflight=500", "batch=1 inflight=100"],
        "consume": ["concurrency=50", "concurrency=20", "concurrency=100",
                    "concurrency=100 workers=2"],
        "defaults": DEFAULTS, "latency": IDLE, "delayed": IDLE,
    }, ["handled jobs are removed (removeOnComplete), as the others do"]),
    Peer("mx-rmq-python", "Python mx-rmq", 4_000, {
        "single": ["inflight=90", "inflight=20", "inflight=5"],
        "consume": ["concurrency=5 prefetch=300", "concurrency=20 prefetch=300",
                    "concurrency=5 prefetch=8"],
        "latency": IDLE, "delayed": IDLE,
    }, ["its log line for each message is off"]),
    Peer("saq", "saq", 4_000, {
        "single": ["inflight=50", "inflight=20", "inflight=5"],
        "consume": ["concurrency=10", "concurrency=20", "concurrency=50"],
        "latency": IDLE, "delayed": IDLE,
    }, ["handled jobs are removed (ttl=-1); delayed ones are looked for once a second, which is "
        "the shortest it allows"]),
    Peer("asynq", "asynq", 20_000, {
        "single": ["inflight=100 connections=100", "inflight=50 connections=50",
                   "inflight=200 connections=200"],
        "consume": ["concurrency=50 connections=50 poll_ms=10", "concurrency=10 poll_ms=10",
                    "concurrency=200 connections=200 poll_ms=10"],
        "latency": ["concurrency=10 poll_ms=10"], "delayed": ["concurrency=10 poll_ms=10"],
    }, ["polls every 10 ms here; by default once a second for messages and every 5 s for delayed "
        "ones; its due times are whole seconds, rounded down, hence the early ones"]),
]

BY_NAME = {peer.name: peer for peer in PEERS}
