"""kazoo's leases, timed where they are made.

Reads one order a line from standard input and answers each with a line, "ok"
and numbers, or "error" and why. Times are nanoseconds of the monotonic clock,
which all processes of a machine share. Ends when standard input does.
"""
import datetime
import os
import resource
import sys
import threading
import time

import kazoo.client
import kazoo.recipe.lease

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
threading.stack_size(256 * 1024)

now = time.monotonic_ns


def connect(timeout):
    client = kazoo.client.KazooClient(hosts=sys.argv[1], timeout=timeout)
    client.start(timeout=60)
    return client


class Contender(object):
    """A client with a session and a thread of its own."""

    def __init__(self, name):
        self.name, self.client = name, connect(120)
        self.order, self.done = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            self.order.acquire()
            time.sleep(max(0, self.start - now()) / 1e9)
            self.granted = self.error = None
            try:
                self.granted = bool(kazoo.recipe.lease.NonBlockingLease(
                    self.client, self.path, HOUR, identifier=self.name))
            except Exception as e:
                self.error = e
            self.end = now()
            self.done.release()

    def begin(self, path, start):
        self.path, self.start = path, start
        self.order.release()


HOUR = datetime.timedelta(hours=1)
client = connect(60)
contenders = []


def lease(path, holder):
    begin = now()
    granted = bool(kazoo.recipe.lease.NonBlockingLease(client, path, HOUR, identifier=holder))
    return now() - begin, int(granted)


def slots(path, n, holder):
    begin = now()
    granted = bool(kazoo.recipe.lease.MultiNonBlockingLease(client, int(n), path, HOUR, identifier=holder))
    return now() - begin, int(granted)


def herd(prefix, n):
    while len(contenders) < int(n):
        contenders.append(Contender("%s%d" % (prefix, len(contenders))))
    return ()


def race(path, start):
    for c in contenders:
        c.begin(path, int(start))
    for c in contenders:
        c.done.acquire()
        if c.error:
            raise c.error
    return max(c.end for c in contenders), sum(c.granted for c in contenders)


orders = {"lease": lease, "slots": slots, "herd": herd, "race": race}
print("ok", flush=True)
for line in sys.stdin:
    name, *arguments = line.split()
    try:
        print("ok", *orders[name](*arguments), flush=True)
    except Exception as e:
        print("error", type(e).__name__, " ".join(str(e).split()), flush=True)
os._exit(0)  # its sessions end with the servers, and would take long to close
