"""The Exchange servers: their two POP3 services, their component states, and the port that is open while both run."""

import datetime
import itertools
import threading
import time

FRONT = "MSExchangePop3"
BACK = "MSExchangePOP3BE"
DISPLAY = {FRONT: "Microsoft Exchange POP3", BACK: "Microsoft Exchange POP3 Backend"}
PROCESS = {FRONT: "Microsoft.Exchange.Pop3", BACK: "Microsoft.Exchange.Pop3service"}

_pids = itertools.count(4000, 4)


class WindowsService:
    """One Windows service and the process that runs it."""

    def __init__(self, name, status, uptime):
        self.name = name
        self.status = status
        self.restarts = 0
        self.comes_back = True
        self.pid = next(_pids)
        self.started = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=uptime)

    def restart(self):
        self.restarts += 1
        if not self.comes_back:
            self.status = "Stopped"
            return
        self.start()

    def start(self):
        self.pid = next(_pids)
        self.started = datetime.datetime.now(datetime.timezone.utc)
        self.status = "Running"


class Server:
    """One Exchange server on a loopback address of its own."""

    def __init__(self, given, address):
        self.name = given["name"]
        self.address = address
        self.fqdn = given.get("fqdn", address)
        self.role = given.get("role", "Mailbox")
        self.site = given.get("site", "Default-First-Site-Name")
        self.version = given.get("version", "Version 15.2 (Build 1544.4)")
        self.components = {"PopProxy": given.get("PopProxy", "Active"), "ServerWideOffline": "Active"}
        self.down = given.get("down", False)
        self.hide_processes = given.get("hide_processes", False)
        self.banner = given.get("banner", "+OK The Microsoft Exchange POP3 service is ready.")
        self.banner_delay = float(given.get("banner_delay", 0))
        self.lock = threading.Lock()
        states = given.get("services", {})
        uptime = float(given.get("uptime", 86400))
        self.services = [WindowsService(name, states.get(name, "Running"), uptime)
                         for name in (FRONT, BACK) if states.get(name) != "Absent"]
        self.ready_at = time.monotonic()

    def service(self, name):
        """Finds a service by its name or its display name, as Get-Service does."""
        folded = name.casefold()
        for service in self.services:
            if folded in (service.name.casefold(), DISPLAY[service.name].casefold()):
                return service
        return None

    def serving(self):
        """Whether the POP3 port answers: both services run, the proxy is active and warm."""
        running = len(self.services) == 2 and all(service.status == "Running" for service in self.services)
        return running and self.components["PopProxy"] == "Active" and not self.down and time.monotonic() >= self.ready_at

    def restarted(self):
        self.ready_at = time.monotonic() + self.banner_delay
