"""Real kazoo for tests in Go.

Reads one JSON object a line from standard input, {"id", "op", …}, and answers
each with {"id", "result"} or {"id", "error"}, in whatever order they are done:
every request runs in a thread of its own. Ends when standard input does.
"""
import base64
import datetime
import json
import os
import sys
import threading
import time

try:
    import kazoo.client
    import kazoo.exceptions
    import kazoo.recipe.lease
    import kazoo.security
    import kazoo.version
    import puresasl
except ImportError as e:
    print(json.dumps({"missing": str(e)}), flush=True)
    sys.exit(1)

hosts, session_timeout, security = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
if "auth_data" in security:
    security["auth_data"] = [tuple(a) for a in security["auth_data"]]
if "default_acl" in security:
    security["default_acl"] = getattr(kazoo.security, security["default_acl"])
out = threading.Lock()
clients = []  # all of them, to be stopped at the end
handles = {}  # locks, stalled attempts and racers, by number


def say(message):
    with out:
        print(json.dumps(message), flush=True)


def connect():
    client = kazoo.client.KazooClient(hosts=hosts, timeout=session_timeout, **security)
    client.start(timeout=30)
    clients.append(client)
    return client


def add(handle):
    with out:
        number = len(handles) + 1
        handles[number] = handle
    return number


def clock(now):
    """The utcnow that is always now, or the real one."""
    if not now:
        return datetime.datetime.utcnow
    moment = datetime.datetime.strptime(now, "%Y-%m-%dT%H:%M:%S.%f")
    return lambda: moment


def attempt(client, r):
    """One attempt with a lease recipe; whether it was obtained."""
    recipe = kazoo.recipe.lease.NonBlockingLease
    if r.get("version", 1) != 1:  # what kazoo's test_old_version does to the class
        recipe = type("OtherVersion", (recipe,), {"_version": r["version"]})
    duration = datetime.timedelta(microseconds=r["microseconds"])
    if r.get("slots"):
        return bool(kazoo.recipe.lease.MultiNonBlockingLease(
            client, r["slots"], r["path"], duration, identifier=r["holder"], utcnow=clock(r.get("now"))))
    return bool(recipe(client, r["path"], duration, identifier=r["holder"], utcnow=clock(r.get("now"))))


class HeldLock(object):
    """kazoo's Lock, awaited in a thread."""

    def __init__(self, client, path, holder):
        self.lock = client.Lock(path, holder)
        self.error = None
        self.thread = threading.Thread(target=self.acquire, daemon=True)
        self.thread.start()
        while self.lock.node is None and self.thread.is_alive():
            time.sleep(0.001)
        if self.lock.node is None:
            raise self.error
        self.node = self.lock.node

    def acquire(self):
        try:
            self.lock.acquire()
        except Exception as e:
            self.error = e

    def wait(self):
        self.thread.join()
        if self.error:
            raise self.error

    def unlock(self):
        self.lock.cancel()  # does nothing once it is acquired
        self.thread.join()
        self.lock.release()


class Stalled(object):
    """An attempt that stops before a given request until it is resumed."""

    def __init__(self, r):
        self.client = connect()
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.outcome = self.error = None
        record, parent = r["path"] + "/lease_holder", r["path"] + "/"
        steps = {
            "lock": ("create", lambda p: p.startswith(parent) and "__lock__" in p),
            "exists": ("exists", lambda p: p == record),
            "get": ("get", lambda p: p == record),
            "delete": ("delete", lambda p: p == record),
            "create": ("create", lambda p: p == record),
            "unlock": ("delete", lambda p: p.startswith(parent) and "__lock__" in p),
        }
        method, matches = steps[r["before"]]
        real = getattr(self.client, method)

        def stalling(path, *args, **kwargs):
            if matches(path) and not self.reached.is_set():
                self.reached.set()
                self.go_on.wait()
            return real(path, *args, **kwargs)

        setattr(self.client, method, stalling)
        self.thread = threading.Thread(target=self.run, args=(r,), daemon=True)
        self.thread.start()
        while not self.reached.wait(0.01):
            if not self.thread.is_alive() and not self.reached.is_set():
                raise self.error or RuntimeError("the attempt ended, with %r, before it came to %r" % (self.outcome, r["before"]))

    def run(self, r):
        try:
            self.outcome = attempt(self.client, r)
        except Exception as e:
            self.error = e

    def resume(self):
        self.go_on.set()
        self.thread.join()
        self.client.stop()
        if self.error:
            raise self.error
        return self.outcome


class Racers(object):
    """Clients with a session each, that go for one lease at once."""

    def __init__(self, holders):
        self.clients = [(holder, connect()) for holder in holders]

    def race(self, r):
        outcomes, errors = {}, []

        def one(holder, client):
            time.sleep(max(0, r["start"] - time.time()))
            try:
                outcomes[holder] = attempt(client, dict(r, holder=holder))
            except Exception as e:
                errors.append("%s: %r" % (holder, e))

        threads = [threading.Thread(target=one, args=c, daemon=True) for c in self.clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if errors:
            raise RuntimeError("; ".join(errors))
        return [holder for holder, _ in self.clients if outcomes[holder]]


def serve(client, r):
    op = r["op"]
    if op == "lease":
        return attempt(client, r)
    if op == "lock":
        lock = HeldLock(client, r["path"], r["holder"])
        return {"handle": add(lock), "node": lock.node}
    if op == "await":
        return handles[r["handle"]].wait()
    if op == "unlock":
        return handles[r["handle"]].unlock()
    if op == "stall":
        return add(Stalled(r))
    if op == "resume":
        return handles[r["handle"]].resume()
    if op == "racers":
        return add(Racers(r["holders"]))
    if op == "race":
        return handles[r["handle"]].race(r)
    if op == "create":
        return client.create(r["path"], base64.b64decode(r["data"] or ""), makepath=True,
                             ephemeral=r.get("ephemeral", False), sequence=r.get("sequence", False))
    if op == "set":
        return client.set(r["path"], base64.b64decode(r["data"] or "")).version
    if op == "get":
        data, stat = client.get(r["path"])
        return {"data": base64.b64encode(data).decode(), "version": stat.version, "czxid": stat.czxid}
    if op == "children":
        return sorted(client.get_children(r["path"]))
    if op == "delete":
        return client.delete(r["path"], recursive=r.get("recursive", False))
    raise ValueError("no operation %r" % op)


def answer(client, r):
    try:
        say({"id": r["id"], "result": serve(client, r)})
    except Exception as e:
        say({"id": r["id"], "error": {"type": type(e).__name__, "text": str(e)}})


def main():
    client = connect()
    say({"ready": kazoo.version.__version__})
    for line in sys.stdin:
        r = json.loads(line)
        threading.Thread(target=answer, args=(client, r), daemon=True).start()

    # Close the sessions, so that no lock node waits for their timeouts, but
    # never hang on a server that is gone.
    stops = [threading.Thread(target=c.stop, daemon=True) for c in clients if c.connected]
    for t in stops:
        t.start()
    for t in stops:
        t.join()
    os._exit(0)


main()
