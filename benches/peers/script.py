"""What a good script does: PyYAML's C loader, one SELECT, a comparison in a dictionary."""

import pathlib
import sqlite3
import sys

import yaml

desired = {}
for path in sorted(pathlib.Path("desired-state").glob("*.yaml")):
    for user, access in yaml.load(path.read_bytes(), yaml.CSafeLoader)["pop3"].items():
        access = access["access"] if isinstance(access, dict) else access
        desired[user] = 1 if access == "enabled" else 0
live = dict(sqlite3.connect("users.db").execute("SELECT username, enablepop3 FROM mailbox"))
changes = [user for user, access in desired.items() if live.get(user, access) != access]
print(len(changes), "changes")
sys.exit(0)
