"""kazoo, timed where it is used.

Reads one order a line from standard input and answers each with a line, "ok"
and numbers, or "error" and why. Times are nanoseconds of the monotonic clock,
which all processes of a machine share.
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


def starts(prefix, n, path, start):
    """n hosts start a job at one moment: each opens a session, asks for the
    lease, which another has, and closes the session. Answers how long each
    waited for its answer."""
    waits, errors = [], []

    def contend(name):
        time.sleep(max(0, int(start) - now()) / 1e9)
        begin = now()
        try:
            c = connect(10)
            if kazoo.recipe.lease.NonBlockingLease(c, path, HOUR, identifier=name):
                raise RuntimeError("granted what another has")
            waits.append(now() - begin)
            c.stop()
            c.close()
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=contend, args=(prefix + str(i),)) for i in range(int(n))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return waits


# What one request costs: each answers with the processor time of this process.

def cost(n, request):
    begin = time.process_time_ns()
    for _ in range(int(n)):
        request()
    return (time.process_time_ns() - begin,)


def sessions(n):
    def session():
        c = connect(10)
        c.stop()
        c.close()
    return cost(n, session)


def reads(n, path):
    return cost(n, lambda: client.get(path))


def writes(n, path):
    return cost(n, lambda: client.set(path, b"x" * 64))


def lists(n, path):
    """get_children, and what kazoo's Lock does with the list."""
    lock = client.Lock(path)
    own = sorted(client.get_children(path))[0]
    return cost(n, lambda: lock._get_predecessor(own))


orders = {f.__name__: f for f in (lease, slots, herd, race, starts, sessions, reads, writes, lists)}
print("ok", flush=True)
for line in sys.stdin:
    name, *arguments = line.split()
    try:
        print("ok", *orders[name](*arguments), flush=True)
    except Exception as e:
        print("error", type(e).__name__, " ".join(str(e).split()), flush=True)
os._exit(0)  # its sessions end with the servers, and would take long to close
