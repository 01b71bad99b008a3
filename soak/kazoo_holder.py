"""One kazoo process that competes for leases, and logs to standard output what
it was told and when it was allowed to act, as the Go holders do (package
history).

With --plan it makes random calls, by a seed, until it is killed. Without, it
does what standard input says, one command in JSON a line, and ends with it.
"""
import argparse
import calendar
import datetime
import json
import os
import random
import sys
import threading
import time

import kazoo.client
import kazoo.recipe.lease as recipe

arguments = argparse.ArgumentParser()
arguments.add_argument("--run", required=True)
arguments.add_argument("--holder", required=True)
arguments.add_argument("--hosts", required=True)
arguments.add_argument("--session", type=float, default=4.0)
arguments.add_argument("--ahead", type=float, default=0.0, help="by how much this host's clock is ahead, in seconds")
arguments.add_argument("--margin", type=float, default=0.2, help="how long before its end a lease is given up")
arguments.add_argument("--plan", default="")
arguments.add_argument("--seed", default="")
options = arguments.parse_args()

out = threading.Lock()
points = os.environ.get("LEASEHOLD_POINTS", "")


def log(kind, **fields):
    if "at" not in fields:
        fields["at"] = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    fields.update(kind=kind, run=options.run, holder=options.holder, wall=time.time_ns())
    with out:
        print(json.dumps({k: v for k, v in fields.items() if v != ""}), flush=True)


def point(name):
    """Waits here while the test has a file of that name."""
    wait = os.path.join(points, name)
    if not points or not os.path.exists(wait):
        return
    open(wait + ".reached", "w").close()
    while os.path.exists(wait):
        time.sleep(0.005)


def utcnow():
    return datetime.datetime.utcnow() + datetime.timedelta(seconds=options.ahead)


class Lease(object):
    """One attempt by kazoo's recipe, and the lease if it was obtained."""

    def __init__(self, number, client, path, slots, duration):
        self.number, self.path, self.stopped = number, path, False
        times = []  # when the recipe read its clock

        def clock():
            point("now")
            times.append(utcnow())
            return times[-1]

        real = recipe.NonBlockingLease

        class Recorded(real):  # keeps the slot that was obtained
            def __init__(lease, client, path, *args, **kwargs):
                real.__init__(lease, client, path, *args, **kwargs)
                if lease.obtained:
                    self.path = path

        if slots:
            recipe.NonBlockingLease = Recorded
            try:
                self.obtained = bool(recipe.MultiNonBlockingLease(
                    client, slots, path, duration, identifier=options.holder, utcnow=clock))
            finally:
                recipe.NonBlockingLease = real
        else:
            self.obtained = bool(real(client, path, duration, identifier=options.holder, utcnow=clock))
        self.end = calendar.timegm((times[-1] + duration).utctimetuple())

    def sample(self):
        """Whether this process may act: a little less long than its record says."""
        at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        left = self.end - options.margin - options.ahead - time.time()
        if self.stopped:
            return False
        log("sample", at=at, path=self.path, lease=self.number, left=int(max(0, left) * 1e9))
        return left > 0

    def stop(self):
        if not self.stopped:
            self.stopped = True
            log("stop", path=self.path, lease=self.number)


def connect():
    while True:
        client = kazoo.client.KazooClient(hosts=options.hosts, timeout=options.session)
        client.add_listener(lambda state: log("session") if state == "CONNECTED" else None)
        stop_before_delete(client)
        try:
            client.start(timeout=10)
            return client
        except Exception as e:
            log("result", op="connect", outcome="unreachable", reason=repr(e))
            dispose(client)


def stop_before_delete(client):
    real = client.delete

    def delete(path, *args, **kwargs):
        if path.endswith("/lease_holder"):
            point("delete")
        return real(path, *args, **kwargs)

    client.delete = delete


def dispose(client):
    """Ends the session, and with it any lock node that an exception left."""
    try:
        client.stop()
        client.close()
    except Exception as e:
        log("result", op="close", outcome="failed", reason=repr(e))


class Process(object):
    def __init__(self):
        self.client, self.calls, self.held = connect(), 0, {}

    def attempt(self, path, slots, seconds):
        """Gives up the lease it has there, as the recipe does, and tries again."""
        for held in [p for p in self.held if p == path or p.startswith(path + "/")]:
            self.held.pop(held).stop()
        self.calls += 1
        call = dict(op="try slot" if slots else "try", call=self.calls, path=path, duration=int(seconds * 1e9))
        log("call", **call)
        try:
            lease = Lease(self.calls, self.client, path, slots, datetime.timedelta(seconds=seconds))
        except Exception as e:
            log("result", outcome="unknown", reason=repr(e), **call)
            dispose(self.client)
            self.client = connect()
            return None
        if not lease.obtained:
            log("result", outcome="denied", **call)
            return None
        call["path"] = lease.path
        log("result", outcome="granted", lease=lease.number, end=lease.end, **call)
        self.held[lease.path] = lease
        return lease

    def compete(self):
        rng = random.Random(options.seed)
        leases = [(path, int(slots or 0)) for path, _, slots in (lease.partition(":") for lease in options.plan.split(","))]
        while True:
            path, slots = rng.choice(leases)
            lease = self.attempt(path, slots, rng.uniform(2, 6))
            until = time.monotonic() + rng.uniform(0.5, 7)
            while lease and time.monotonic() < until and lease.sample():
                time.sleep(0.05)
            if lease and rng.random() < 0.5:  # kazoo renews by asking again
                continue
            time.sleep(rng.uniform(0.01, 1))

    def run_commands(self):
        for line in sys.stdin:
            c = json.loads(line)
            if c["op"] == "insist":  # until it is granted
                lease = None
                while not lease:
                    lease = self.attempt(c["path"], 0, c["duration"] / 1e9)
                    time.sleep(0.02)
            else:
                lease = self.attempt(c["path"], 0, c["duration"] / 1e9)
            if lease:
                threading.Thread(target=self.watch, args=(lease,), daemon=True).start()

    def watch(self, lease):
        while lease.sample():
            time.sleep(0.02)


log("started")
process = Process()
if options.plan:
    process.compete()
process.run_commands()
dispose(process.client)
