"""Everything that a test can set, and everything that it can ask about afterwards."""

import collections
import threading
import time

from .directory import Directory
from .servers import Server


class World:
    """One organisation, from the JSON of one scenario."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.directory = Directory(scenario)
        given = scenario.get("servers", [{"name": "EX01"}])
        self.servers = [Server(one, f"127.0.0.{number}") for number, one in enumerate(given, start=1)]
        self.latency = float(scenario.get("latency_ms", 0)) / 1000
        self.unknown_is_everybody = bool(scenario.get("unknown_is_everybody", False))
        self.session_limit = int(scenario.get("session_limit", 18))
        self.own_names = bool(scenario.get("own_names", False))  # what shells and commands are called
        self.require_cookie = bool(scenario.get("require_cookie", False))
        self.hidden_cmdlets = {name.casefold() for name in scenario.get("hidden_cmdlets", [])}
        self.hidden_parameters = {name.casefold() for name in scenario.get("hidden_parameters", [])}
        self.users = scenario.get("users", {"CONTOSO\\svc-popgate": "Passw0rd!"})
        self.not_local_admin = {user.casefold() for user in scenario.get("not_local_admin", [])}
        self.script_allowed_on_wsman = True
        self.faults = list(scenario.get("faults", []))
        self.lock = threading.Lock()
        self.counters = collections.Counter()
        self.cmdlets = collections.Counter()
        self.events = collections.deque(maxlen=int(scenario.get("keep_events", 20000)))
        self.most_sessions = 0

    def note(self, kind, **what):
        """Remembers one thing that happened."""
        with self.lock:
            self.counters[kind] += 1
            self.events.append({"at": round(time.monotonic(), 4), "kind": kind, **what})

    def count(self, cmdlet):
        with self.lock:
            self.cmdlets[cmdlet] += 1

    def fault(self, kind, **where):
        """Takes an injected fault of this kind that fits, and uses it up by one."""
        if not self.faults:
            return None
        with self.lock:
            for fault in self.faults:
                fits = all(where.get(key) is None or _same(fault[key], where[key])
                           for key in ("cmdlet", "identity", "server", "action") if key in fault and key in where)
                if fault["kind"] != kind or not fits:
                    continue
                if fault.get("after", 0) > 0:
                    fault["after"] -= 1
                    continue
                left = fault.get("times", 1)
                if left <= 0:
                    continue
                fault["times"] = left - 1
                return dict(fault)
        return None

    def server(self, name):
        folded = name.casefold()
        for server in self.servers:
            if folded in (server.name.casefold(), server.fqdn.casefold()):
                return server
        return None


def _same(left, right):
    return str(left).casefold() == str(right).casefold()
