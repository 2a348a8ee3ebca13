"""A table of users as a DNS provider, so that octoDNS has the same work: each user is a record with one of two values."""

import logging
import sqlite3

from octodns.provider.base import BaseProvider
from octodns.record import Record


class SqliteProvider(BaseProvider):
    SUPPORTS_GEO = False
    SUPPORTS_DYNAMIC = False
    SUPPORTS = {"A"}

    def __init__(self, id):
        self.log = logging.getLogger(id)
        super().__init__(id)

    def populate(self, zone, target=False, lenient=False):
        for user, access in sqlite3.connect("users.db").execute("SELECT username, enablepop3 FROM mailbox"):
            label = user.replace("@", "-at-").replace(".", "-")
            data = {"type": "A", "ttl": 300, "values": [f"192.0.2.{access + 1}"]}
            zone.add_record(Record.new(zone, label, data, source=self, lenient=True), lenient=True)
        return True

    def _apply(self, plan):
        raise NotImplementedError
