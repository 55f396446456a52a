"""A rater over Kafka, which takes the largest file for the best picture. With --json its votes are JSON."""

import json
import os
import sys
import time
from urllib.request import urlopen

from confluent_kafka import Consumer, Producer
from google.protobuf.json_format import ParseDict
from tributary_pb2 import Claim, DrawnPictures, Feedback

RUN, ME = "studio", "robot-1"
CLUSTER = {"bootstrap.servers": os.environ.get("TRIBUTARY_KAFKA_BROKERS", "localhost:9092")}
drawn = Consumer({**CLUSTER, "group.id": f"{RUN}.drawn.{ME}", "auto.offset.reset": "earliest"})
drawn.subscribe([f"{RUN}.drawn"])
# The partitioner of Kafka's own clients, as the gateway's: so all votes on a group are in one order.
feedback = Producer({**CLUSTER, "partitioner": "murmur2_random"})

while True:
    record = drawn.poll(1)
    if record is None or record.error():
        continue
    is_claim = ("payload", b"claim") in record.headers()
    value = urlopen(Claim.FromString(record.value()).uri).read() if is_claim else record.value()
    group = DrawnPictures.FromString(value)
    sizes = [len(png) for png in group.drawn.pictures]
    if not sizes:  # a prompt that the model cannot draw
        continue
    vote = {"groupId": group.request.id, "voter": ME, "best": sizes.index(max(sizes)), "givenAt": time.time() * 1000}
    headers = {"schema-version": "1"}
    if "--json" in sys.argv:
        value, headers["content-type"] = json.dumps(vote), "application/json"
    else:
        value = ParseDict(vote, Feedback()).SerializeToString()
    feedback.produce(f"{RUN}.feedback", value, key=group.request.id, headers=headers)
    feedback.flush()
    print(group.request.prompt, "->", vote["best"], flush=True)
