"""The worker's side of the protocol: one JSON request per line on stdin, one JSON reply per line on stdout.

A worker has `prepare` (untimed: load, fill the cache, warm up) and `sample` (returns nanoseconds per unit).
"""

import json
import os
import sys


def serve(operations):
    """Answers requests with the functions of a dict until stdin ends."""
    # Libraries print to stdout; the protocol keeps the real one to itself and they get stderr.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"value": operations[request.pop("op")](**request)}
        except Exception as e:  # the peer's failure is a row, so its text must reach the report
            text = str(e).strip().splitlines() or [""]
            reply = {"error": f"{type(e).__name__}: {text[0]}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
