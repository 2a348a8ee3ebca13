"""pyinfra at its best: one fact for all users, one operation for each one that differs."""

import pathlib
import sqlite3

import yaml
from pyinfra.operations import server

desired = {}
for path in sorted(pathlib.Path("desired-state").glob("*.yaml")):
    for user, access in yaml.load(path.read_bytes(), yaml.CSafeLoader)["pop3"].items():
        access = access["access"] if isinstance(access, dict) else access
        desired[user] = 1 if access == "enabled" else 0
live = dict(sqlite3.connect("users.db").execute("SELECT username, enablepop3 FROM mailbox"))
for user, access in desired.items():
    if live.get(user, access) != access:
        update = f"UPDATE mailbox SET enablepop3 = {access} WHERE username = '{user}'"
        server.shell(name=user, commands=[f'sqlite3 users.db "{update}"'])
