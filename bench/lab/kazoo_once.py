"""One attempt at a lease, as a cron job in Python makes it."""
import datetime
import sys

from kazoo.client import KazooClient

hosts, path, holder = sys.argv[1:]
client = KazooClient(hosts=hosts)
client.start()
lease = client.NonBlockingLease(path, datetime.timedelta(hours=1), identifier=holder)
granted = bool(lease)
client.stop()
sys.exit(0 if granted else 75)
