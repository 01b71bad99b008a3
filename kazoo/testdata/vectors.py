"""Asks the real kazoo what it does, so that package kazoo can be held to it.

    /usr/bin/python3 vectors.py write DIR   write marshal.json, parse.json and names.json
    /usr/bin/python3 vectors.py answer      answer requests, one a line, until end of file

Every verdict comes from kazoo's own NonBlockingLease, run over a dictionary
that stands in for the client.
"""
import base64
import contextlib
import datetime
import hashlib
import json
import math
import os
import sys

from kazoo.client import KazooClient
from kazoo.recipe.lease import NonBlockingLease

PATH = "/vectors"
NODE = PATH + "/lease_holder"
LONG_AGO = datetime.datetime(1, 1, 1)
FAR_AHEAD = datetime.datetime(9999, 12, 31, 23, 59, 58, 999999)


class Nodes:
    """What an attempt needs of a client: nodes, and a lock that is free."""

    def __init__(self, raw=None):
        self.nodes = {} if raw is None else {NODE: raw}

    def ensure_path(self, path):
        pass

    def Lock(self, path, ident):
        return contextlib.nullcontext()

    def exists(self, path):
        return path in self.nodes

    def get(self, path):
        return self.nodes[path], None

    def delete(self, path):
        del self.nodes[path]

    def create(self, path, raw):
        assert path not in self.nodes
        self.nodes[path] = raw


def new_lease():
    lease = NonBlockingLease.__new__(NonBlockingLease)  # its __init__ would replace an empty holder
    lease.obtained = False
    return lease


def attempt(raw, holder, now, duration):
    """Returns (whether the lease was obtained, the record then); raises what kazoo raises."""
    client, lease = Nodes(raw), new_lease()
    lease._attempt_obtaining(client, PATH, duration, holder, lambda: now)
    return bool(lease), client.nodes.get(NODE)


def verdict(raw, holder, now):
    try:
        obtained, after = attempt(raw, holder, now, datetime.timedelta(0))  # now + 0 is always in range
    except Exception as e:
        return type(e).__name__
    assert obtained or after == raw, "a denial changed the record"
    return "obtained" if obtained else "refused"


def fits_text(value):
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def read(raw):
    """What kazoo gets to see of a record: its values, or the exception."""
    lease = new_lease()
    try:
        data = lease._decode(raw)
        version = data["version"]
        if version != lease._version:
            value = version
            if isinstance(value, float) and not math.isfinite(value):
                value = repr(value)
            return {"version": value, "other_version": True}
        end = datetime.datetime.strptime(data["end"], lease._date_format)
        holder = data["holder"]
    except Exception as e:
        return {"raises": type(e).__name__}
    seen = {"version": version, "end": "%04d" % end.year + end.strftime("-%m-%dT%H:%M:%SZ")}
    if not fits_text(holder):
        seen["odd_holder"] = ascii(holder)
    elif len(holder) > 1000:
        seen["holder_sha256"] = hashlib.sha256(holder.encode()).hexdigest()
    else:
        seen["holder"] = holder
    return seen


# Marshal: what a grant writes.

HOLDERS = [
    "host-a", "", " ", "web 1.example.com", "a/b", "<script>&amp;</script>", "it's \"quoted\"",
    "back\\slash", "\\u0041", "\\n", "Bücher", "日本語", "Ελλάδα", "עברית", "e\u0301 and \u00e9",
    "😀", "a😀b😀", "👩‍💻", "\U00010000", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd", "\ufffe\uffff",
    "\u2028\u2029", "\ufeffBOM", "\u200b", "\u0085\u00a0", "\x80\x9f\xff", "\x7f", "~\x7f\x80",
    "".join(map(chr, range(32))), "x" * 1024, "é" * 512,
] + ["control%sin the middle" % chr(c) for c in range(33)]

TIMES = [  # now, duration in microseconds
    ("2026-11-22T18:34:12.000000", 1_000_000),
    ("2026-11-22T18:34:12.999999", 1_000_000),
    ("2026-11-22T18:34:12.500000", 1_499_999),
    ("2026-11-22T18:34:12.500000", 1_500_000),
    ("2026-11-22T18:34:12.999999", 1),
    ("2026-11-22T18:34:12.999998", 1),
    ("2026-11-22T18:34:12.400000", 999_000),
    ("2026-11-22T18:34:12.000001", 4_199_999_998),
    ("2026-12-31T23:59:59.999999", 1_000_001),
    ("2027-12-31T23:00:00.000000", 3_600_000_000),
    ("2028-02-28T23:59:59.000000", 1_000_000),
    ("2100-02-28T23:59:59.000000", 1_000_000),
    ("2026-03-29T00:59:59.750000", 4_250_000),
    ("1969-12-31T23:59:58.500000", 1_000_000),  # before 1970 it is still cut off downwards
    ("1969-12-31T23:59:58.500000", 1_499_999),
    ("1969-12-31T23:59:58.500000", 1_500_000),
    ("1000-01-01T00:00:00.000000", 0),
    ("0999-12-31T23:59:59.999999", 0),
    ("0999-12-31T23:59:59.999999", 1),
    ("9999-12-31T23:59:58.999999", 1_000_000),
    ("9999-12-31T23:59:59.000000", 1_000_000),
    ("2026-11-22T18:34:12.000000", -1_000_001),
    ("1900-01-01T00:00:00.000000", 9_000_000_000_000_000),
]


def marshal_vectors():
    cases = [(h, "2026-11-22T17:24:12.250000", 4_200_000_000) for h in HOLDERS]
    cases += [("host-a", now, d) for now, d in TIMES]
    for holder, now, micros in cases:
        vector = {"holder": holder, "now": now + "Z", "duration_us": micros}
        try:
            at = datetime.datetime.fromisoformat(now)
            _, raw = attempt(None, holder, at, datetime.timedelta(microseconds=micros))
            vector["record"] = raw.decode("ascii")
            vector["read"] = read(raw)
        except Exception as e:
            vector["raises"] = type(e).__name__
        yield vector


# Parse: what an attempt makes of a record that is there.

def record(version="1", holder='"host-a"', end='"2026-11-22T18:34:12"', extra=""):
    return '{"version": %s, "holder": %s, "end": %s%s}' % (version, holder, end, extra)


def parse_cases():
    """Yields name and raw bytes, and what %s in it stands for, with how often, where that is long."""
    yield "as kazoo writes it", record()
    for raw in ["true", "false", "null", "1.0", "1e0", "10e-1", "1.00000000000000000001", '"1"', '""', "2", "0", "-0",
                "-1", "+1", "01", "1.", "0x1", "1.5", "2.0", "1e400", "NaN", "Infinity", "-Infinity", "[]", "[1]", "{}",
                "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
                "18446744073709551617", "\u0661", "1 ", "\t1\r\n"]:
        yield "version " + ascii(raw), record(version=raw)
    for raw in ["2", "1.5", '"1"', "null", "true"]:
        yield "version %s and nothing else" % raw, '{"version": %s}' % raw
        yield "version %s, the rest of odd types" % raw, record(raw, "[7]", "false")
    yield "version 2 with more keys", record(version="2", extra=', "zone": "eu", "slots": [1, {"a": null}]')
    yield "version 2 cut short", '{"version": 2, "holder": "host-a'
    yield "version 2, NaN elsewhere", record(version="2", extra=', "x": NaN')
    yield "version 2, lone surrogate in holder", record(version="2", holder=r'"\ud800"')

    for raw in ["null", "true", "0", "1.5", "[]", "{}", '["host-a"]', "host-a", "'host-a'", "NaN"]:
        yield "holder " + raw, record(holder=raw)
    for raw in ["", "\\ud800", "\\udc00", "\\ude00\\ud83d", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\ud83d\\ud83d\\ude00",
                "\\ud83d\\ude00\\ude00", "\\ud83dx\\ude00", "\\ud83d\\\\ude00", "\\\\ud83d\\ude00", "\\\\ud83d",
                "\\ud83d\\n\\ude00", "\\ud83d\\u0041", "\\ud83d😀", "\\ud83d\\", "\\ud83d\\u", "\\ud83d\\udeg0", "\\ud83",
                "\\ufffd", "\ufffd", "\\u0000", "\x00", "\x1f", "\\u001f", "\x7f", "\t", "\n", "\\t\\n\\r\\f\\b\\/\\\\\\\"",
                "\\'", "\\x41", "\\a", "\\U0001f600", "\\u 041", "\\u+041", "\\u-041", "\\u00e9", "\\u00E9", "é", "😀",
                "\u2028", "\ufeff", "\ufffe\uffff", "\\", "HOST-A", "host-a ", "host\\u002da"]:
        yield "holder text " + ascii(raw), record(holder='"%s"' % raw)

    for raw in ["null", "0", "1795372452", "[]", "true", "{}"]:
        yield "end " + raw, record(end=raw)
    for raw in [
            "2026-1-2T3:4:5", "2026-11-22t18:34:12", "2026-11- 2T18:34:12", "2026-11-02T18:34:12", "2026- 1-02T18:34:12",
            "2026-11-2 T18:34:12", "2026-11-22T 8:34:12", "2026-11-22T18: 4:12", "2026-11-22T18:34: 2", "2026-11-  2T18:34:12",
            "2026-11-22T18:34:12Z", "2026-11-22T18:34:12z", "2026-11-22T18:34:12+00:00", "2026-11-22T18:34:12.5",
            "2026-11-22T18:34:12.000000", "2026-11-22T18:34:12,5", "2026-11-22 18:34:12", "2026-11-22T18:34", "2026-11-22",
            "2026-11-22T18:34:59", "2026-11-22T18:34:60", "2026-11-22T18:34:61", "2026-11-22T18:34:62", "2026-11-22T18:34:99",
            "2026-11-22T18:60:00", "2026-11-22T24:00:00", "2026-11-22T23:59:59", "2026-02-28T00:00:00", "2026-02-29T00:00:00",
            "2026-02-30T00:00:00", "2028-02-29T00:00:00", "2100-02-29T00:00:00", "2000-02-29T00:00:00", "1900-02-29T00:00:00",
            "2026-04-31T00:00:00", "2026-12-31T00:00:00", "2026-12-32T00:00:00", "2026-13-01T00:00:00", "2026-00-01T00:00:00",
            "2026-01-00T00:00:00", "2026-1-0T00:00:00", "2026-01- 0T00:00:00", "0000-01-01T00:00:00", "0001-01-01T00:00:00",
            "0999-12-31T23:59:59", "1000-01-01T00:00:00", "1970-01-01T00:00:00", "9999-12-31T23:59:59", "10000-01-01T00:00:00",
            "12026-11-22T18:34:12", "226-11-22T18:34:12", "-026-11-22T18:34:12", "-2026-11-22T18:34:12", "+2026-11-22T18:34:12",
            "2026-+1-22T18:34:12", "2026-011-22T18:34:12", "2026-11-022T18:34:12", "2026-11-22T018:34:12", "2026-11-22T18:034:12",
            "2026-11-22T18:34:012", "2026-11-22T18:34:125", "2026-11-22T18:34:1", "2026-11-22T18:34:", "", " ", "T",
            " 2026-11-22T18:34:12", "2026-11-22T18:34:12 ", "2026-11-22T18:34:12\\n", "\\n2026-11-22T18:34:12",
            "2026-11-22T18:34:12\\u0000", "2026-11-22\\u0000T18:34:12", "2026-11-22T18:34:12\\r\\n", "2026-11-22T18:34:12\\u2028",
            "2026-11-22T18:34:12\\ud800", "2026-11-22T18:34:12\\u00a0", "2026-11-22\\u005418:34:12", "\\u0032026-11-22T18:34:12",
            "2026-11-22\uff3418:34:12", "2026-11-22\ufb0518:34:12", "2026-11-22\u24c918:34:12", "2026\u201311\u201322T18:34:12",
            "2026/11/22T18:34:12", "2026-11-22TT18:34:12", "2026-W47-7T18:34:12", "20261122T183412", "2026-Nov-22T18:34:12",
            "\u0662\u0660\u0662\u0666-11-22T18:34:12", "202\u0666-11-22T18:34:12", "2026-1\u0661-22T18:34:12",
            "2026-\u0661-22T18:34:12", "2026-11-2\u0662T18:34:12", "2026-11-22T1\u0668:34:12", "2026-11-22T18:3\u0664:12",
            "2026-11-22T18:34:1\u0662", "2026-11-22T\u0668:34:12", "2026-11-22T18:34:\u0662", "202\uff16-11-22T18:34:12",
            "2026-11-22T18:34:1\u00b2", "2026-11-22T18:34:1\U0001d7d0", "2026-11-22T18:34:1\u2468"]:
        yield "end text " + ascii(raw), record(end='"%s"' % raw)

    for key, value in [("version", "1"), ("holder", '"host-a"'), ("end", '"2026-11-22T18:34:12"')]:
        others = record().replace('"%s": %s' % (key, value), '"x": 0')
        yield "no " + key, others
        yield key + " in capitals only", others.replace('"x": 0', '"%s": %s' % (key.upper(), value))
        yield key + " escaped", others.replace('"x": 0', '"\\u%04x%s": %s' % (ord(key[0]), key[1:], value))
        yield key + " with a space", others.replace('"x": 0', '"%s ": %s' % (key, value))
        yield key + " with a NUL", others.replace('"x": 0', '"%s\\u0000": %s' % (key, value))
        yield key + " with a lone surrogate", others.replace('"x": 0', '"%s\\ud800": %s' % (key, value))
        yield key + " null at last", record(extra=', "%s": null' % key)
    for key, value in [("VERSION", "2"), ("Version", "2"), ("HOLDER", '"host-b"'), ("Holder", '"host-b"'),
                       ("END", '"1970-01-01T00:00:00"'), ("End", '"1970-01-01T00:00:00"'), ("ver\u017fion", "2")]:
        yield "also %s after it" % ascii(key), record(extra=', "%s": %s' % (key, value))
        yield "also %s before it" % ascii(key), '{"%s": %s, %s' % (key, value, record()[1:])
    for key, value in [("version", "2"), ("version", "1"), ("version", "true"), ("holder", '"host-b"'), ("holder", "7"),
                       ("end", '"1970-01-01T00:00:00"'), ("end", '"never"'), ("\\u0065nd", '"1970-01-01T00:00:00"'),
                       ("vers\\u0069on", "2"), ("\\u0068older", '"host-b"')]:
        yield "%s again as %s" % (key, value), record(extra=', "%s": %s' % (key, value))
        yield "%s before as %s" % (key, value), '{"%s": %s, %s' % (key, value, record()[1:])

    for raw in ["null", "true", "[]", "{}", "1", "-1.5e-300", "1e999999", "1E400", '"\\ud800"', "[[[{}]]]", '{"end": 1, "end": 2}',
                "NaN", "-Infinity", "[NaN]", "nan", "None", "undefined", "1.", ".5", "-", "-01", '"\\q"', "'x'", "", "tru"]:
        yield "extra key " + raw, record(extra=', "extra": ' + raw)
    yield "keys in another order", '{"end": "2026-11-22T18:34:12", "holder": "host-a", "version": 1}'
    yield "no spaces", record().replace(" ", "")
    yield "white space everywhere", " \t\r\n" + record().replace(" ", "\n\t \r").replace("}", " }") + "\n \r\t"
    for c in "\x00\x0b\x0c\x1c\x85\xa0\u2028\u3000\ufeff":
        yield "then " + ascii(c), record() + c
        yield ascii(c) + " first", c + record()
        yield ascii(c) + " between", record().replace(" ", c)

    for text in ["", " ", "\n", "null", "true", "1", '"version"', "[]", "{}", "[%s]" % record(), '"%s"' % record().replace('"', '\\"'),
                 record() + record(), record() + ",", record() + "}", record() + " x", record() + "//", record()[:-1] + ",}",
                 "{," + record()[1:], "//\n" + record(), record().replace('"', "'"), record().replace(":", ""), "{version: 1}",
                 record().replace(", ", ","), record().replace(", ", ";"), "(" + record() + ")"]:
        yield "document " + ascii(text), text
    for cut in range(1, len(record())):
        yield "cut off after %d" % cut, record()[:cut]

    h = record().encode()
    for name, raw in [("BOM", b"\xef\xbb\xbf" + h), ("UTF-16", record().encode("utf-16")), ("UTF-16 LE", record().encode("utf-16-le")),
                      ("UTF-32", record().encode("utf-32"))]:
        yield name, raw
    for name, junk in [("Latin-1", b"\xe9"), ("a stray continuation", b"\x80"), ("0xff", b"\xff"), ("overlong NUL", b"\xc0\x80"),
                       ("overlong quote", b"\xc0\xa2"), ("overlong slash in three", b"\xe0\x80\xaf"), ("CESU-8", b"\xed\xa0\xbd\xed\xb8\x80"),
                       ("a high surrogate", b"\xed\xa0\x80"), ("a low surrogate", b"\xed\xb0\x80"), ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
                       ("five bytes", b"\xf8\x88\x80\x80\x80"), ("half a character", b"\xe2\x82"), ("U+10FFFF", b"\xf4\x8f\xbf\xbf"),
                       ("half a pair escaped, half raw", b"\\ud83d\xed\xb8\x80")]:
        yield "holder with " + name, h.replace(b"host-a", b"host-" + junk)
        yield "extra key with " + name, h.replace(b"}", b', "x": "' + junk + b'"}')
    yield "end with Latin-1", h.replace(b"T18", b"\xd418")
    yield "cut off inside a character", h + b"\xe2\x82"

    yield "holder of 1 MB", record(holder='"%s"'), ("x", 1 << 20)
    yield "white space of 1 MB", "%s" + record(), (" ", 1 << 20)
    yield "version of 4300 digits", record(version="%s"), ("7", 4300)
    yield "version of 4301 digits", record(version="%s"), ("7", 4301)
    yield "version of minus 4300 digits", record(version="-%s"), ("7", 4300)
    yield "version of minus 4301 digits", record(version="-%s"), ("7", 4301)
    yield "extra of 4300 digits", record(extra=', "x": %s'), ("7", 4300)
    yield "extra of 4301 digits", record(extra=', "x": [%s]'), ("7", 4301)
    yield "extra of 4301 digits in a string", record(extra=', "x": "%s"'), ("7", 4301)
    yield "extra of 4301 digits and an exponent", record(extra=', "x": %se5'), ("7", 4301)
    yield "extra of 4301 digits and a fraction", record(extra=', "x": %s.5'), ("7", 4301)
    yield "extra with a fraction of 4301 digits", record(extra=', "x": 0.%s'), ("7", 4301)
    yield "extra with an exponent of 4301 digits", record(extra=', "x": 1e%s'), ("7", 4301)
    yield "extra of 4301 digits that is not the last of its key", record(extra=', "x": %s, "x": 0'), ("7", 4301)
    for depth in 100, 499, 600, 2000:
        yield "lists %d deep" % depth, record(extra=', "x": ' + "[" * depth + "]" * depth)
    yield "objects 2000 deep", record(extra=', "x": ' + '{"x":' * 2000 + "0" + "}" * 2000)
    yield "version 2 and lists 2000 deep", record("2", extra=', "x": ' + "[" * 2000 + "]" * 2000)
    yield "a string that looks 2000 deep", record(extra=', "x": "%s"'), ("[", 2000)
    yield "many lists, none deep", record(extra=', "x": [%s[]]'), ("[],", 2000)


def verdicts(raw):
    """The rule: for holders and moments that matter to this record, what kazoo decides."""
    seen = read(raw)
    moments = [LONG_AGO, FAR_AHEAD]
    if "end" in seen:
        end = datetime.datetime.strptime(seen["end"], "%Y-%m-%dT%H:%M:%SZ")
        if LONG_AGO < end < FAR_AHEAD:
            moments += [end - datetime.timedelta(microseconds=1), end, end + datetime.timedelta(microseconds=1)]
    holders = ["host-a", "host-b"]
    if seen.get("holder"):
        holders += [h for h in (seen["holder"], seen["holder"] + " ", seen["holder"].swapcase()) if h not in holders]
    for holder in holders:
        for now in moments:
            yield {"holder": holder, "now": iso(now), "verdict": verdict(raw, holder, now)}


def iso(t):
    return t.isoformat(timespec="microseconds") + "Z"


def parse_vectors():
    names = set()
    for name, raw, *fill in parse_cases():
        if name in names:
            raise ValueError("two vectors are named %r" % name)
        names.add(name)
        raw = raw if isinstance(raw, bytes) else raw.encode()
        vector = {"name": name}
        try:
            vector["text"] = raw.decode()
        except UnicodeDecodeError:
            vector["base64"] = base64.b64encode(raw).decode()
        if fill:
            text, times = fill[0]
            vector["fill"], vector["times"] = text, times
            raw = raw.replace(b"%s", text.encode() * times)
        vector["read"] = read(raw)
        vector["rule"] = list(verdicts(raw))
        yield vector


# Names: which children of a path contend for kazoo's lock, and who has it.

NAMES = ["__lock__0000000000", "0123456789abcdef0123456789abcdef__lock__0000000007", "x__lock__2147483647", "x__lock__9999999999",
         "x__lock__-2147483648", "x__lock__-1000000000", "x__lock__-999999999", "x__lock__--000000001", "x__lock__+000000001",
         "__lock____lock__0000000001", "x__lock__000000001", "x__lock__00000000001", "x__lock__0000000001 ", "x__lock__ 000000001",
         "x__lock__0000000001\n", "x__lock__0000000001\n\n", "x__lock__000000000\u0661", "x__lock__000000000\uff11",
         "x__lock__000000000\u00b9", "x__lock__000000000a", "x__LOCK__0000000001", "x_lock_0000000001", "x__lock_0000000001",
         "x__rlock__0000000001", "x-lock-0000000001", "lease_holder", "grant-0123456789abcdef-0000000001", "", "__lock__", "0000000001",
         "é__lock__0000000001", "x\n__lock__0000000001", "x__lock__0000000001__lock__", "x__lock__0000000001/x"]


def names_vectors():
    lock = KazooClient().Lock(PATH, "host-a")
    for name in NAMES:
        match = lock._contenders_re.search(name)
        yield {"name": name, "sequence": match and int(match.group(1))}


def write(folder):
    for name, vectors in ("marshal", marshal_vectors()), ("parse", parse_vectors()), ("names", names_vectors()):
        with open(os.path.join(folder, name + ".json"), "w", encoding="ascii") as f:
            f.write("[\n" + ",\n".join(json.dumps(v) for v in vectors) + "\n]\n")


def answer():
    """A request: the record, the holder in base64 and a moment. The answer: what read and verdict say."""
    for line in sys.stdin:
        raw, holder, now = line.rstrip("\n").split(" ")
        raw, holder = base64.b64decode(raw), base64.b64decode(holder).decode()
        now = datetime.datetime.fromisoformat(now.rstrip("Z"))
        print(json.dumps({"read": read(raw), "verdict": verdict(raw, holder, now)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["answer"]:
        answer()
    elif len(sys.argv) == 3 and sys.argv[1] == "write":
        write(sys.argv[2])
    else:
        sys.exit(__doc__)
