"""Real kazoo, to be measured: one JSON object a line in, {"op", …}, and one out.

Every contender is a thread with a client of its own.
"""
import datetime
import json
import sys
import threading
import time

import kazoo.client
import kazoo.recipe.lease
import kazoo.version

hosts = sys.argv[1]


def connect():
    client = kazoo.client.KazooClient(hosts=hosts, timeout=10)
    client.start(timeout=60)
    return client


def sessions(r):
    for _ in range(r["n"]):
        client = connect()
        client.stop()
        client.close()


def reads(r):
    client = connect()
    for _ in range(r["n"]):
        client.get(r["path"])
    client.stop()


def writes(r):
    client = connect()
    for _ in range(r["n"]):
        client.set(r["path"], b"x" * 64)
    client.stop()


def lists(r):
    """get_children, and what kazoo's Lock does with the list."""
    client = connect()
    lock = client.Lock(r["path"])
    own = sorted(client.get_children(r["path"]))[0]
    for _ in range(r["n"]):
        lock._get_predecessor(own)
    client.stop()


def herd(r):
    """Everybody opens a session and asks for the lease, at one moment."""
    answers, errors = [], []

    def contend(holder):
        time.sleep(max(0, r["start"] - time.time()))
        began = time.time()
        try:
            client = connect()
            lease = kazoo.recipe.lease.NonBlockingLease(client, r["path"], datetime.timedelta(hours=1), identifier=holder)
            answers.append((time.time() - began, bool(lease)))
            client.stop()
            client.close()
        except Exception as e:
            errors.append("%s: %r" % (holder, e))

    threads = [threading.Thread(target=contend, args=(holder,)) for holder in r["holders"]]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise RuntimeError("; ".join(errors))
    return {"seconds": [seconds for seconds, _ in answers], "granted": sum(obtained for _, obtained in answers)}


operations = {"sessions": sessions, "reads": reads, "writes": writes, "lists": lists, "herd": herd}
print(json.dumps({"version": kazoo.version.__version__}), flush=True)
for line in sys.stdin:
    r = json.loads(line)
    used = time.process_time()
    try:
        result = operations[r["op"]](r)
        print(json.dumps({"result": result, "cpu": time.process_time() - used}), flush=True)
    except Exception as e:
        print(json.dumps({"error": repr(e)}), flush=True)
