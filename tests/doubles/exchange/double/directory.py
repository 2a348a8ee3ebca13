"""Mailboxes, domain controllers and the time that a change takes from one controller to the next."""

import fnmatch
import re
import threading
import time
import uuid

NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


class Mailbox:
    """One mailbox; its POP3 access is a history of writes, because each controller may see a different one."""

    def __init__(self, given, domain, controllers):
        self.name = given["name"]
        self.domain = domain
        self.ou = given.get("ou", "Users")
        self.alias = given.get("alias") or re.sub(r"[^A-Za-z0-9._-]", "", self.name) or "user"
        self.display_name = given.get("display_name", self.name)
        self.smtp = given.get("smtp") or f"{self.alias.lower()}@{domain['dns']}"
        self.addresses = list(given.get("addresses", []))
        self.upn = given.get("upn") or f"{self.alias.lower()}@{domain['dns']}"
        self.sam = given.get("sam") or self.alias[:20]
        self.guid = uuid.UUID(given["guid"]) if given.get("guid") else uuid.uuid5(NAMESPACE, self.upn)
        self.monitoring = given.get("monitoring", False)
        self.corrupted = given.get("corrupted", False)
        self.out_of_scope = given.get("out_of_scope", False)
        self.denied = given.get("denied", False)
        self.imap = given.get("imap", True)
        self.server = given.get("server", "EX01")
        self.writes = [(float("-inf"), None, bool(given.get("pop", True)))]
        self.controllers = controllers
        self.version = 0  # counts changes of anything but POP3

    @property
    def dn(self):
        parts = [f"CN={self.name}", f"OU={self.ou}"]
        parts += [f"DC={part}" for part in self.domain["dns"].split(".")]
        return ",".join(parts)

    @property
    def canonical(self):
        return f"{self.domain['dns']}/{self.ou}/{self.name}"

    @property
    def legacy_dn(self):
        return f"/o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={self.alias}"

    def identities(self):
        """Everything that names it in an Identity parameter."""
        yield from (self.name, self.alias, self.display_name, self.dn, self.canonical, self.smtp, self.upn)
        yield from (self.sam, str(self.guid), "{%s}" % self.guid, self.legacy_dn, f"{self.domain['netbios']}\\{self.sam}")
        yield from self.addresses

    def pop(self, controller, delay, now=None):
        """POP3 access as `controller` sees it now; None is a global catalog, the last to hear."""
        now = time.monotonic() if now is None else now
        seen = [value for at, where, value in self.writes if where is None or where == controller or at + delay <= now]
        return seen[-1]

    def write(self, controller, value):
        self.writes.append((time.monotonic(), controller, value))
        if len(self.writes) > 64:
            del self.writes[1:32]


class Directory:
    """All domains of one forest."""

    DEFAULT = [{"dns": "contoso.example", "netbios": "CONTOSO", "controllers": [{"name": "dc01"}, {"name": "dc02"}]}]

    def __init__(self, scenario):
        self.lock = threading.RLock()
        self.delay = float(scenario.get("replication_delay", 0))
        self.domains = [self._domain(given) for given in scenario.get("domains", self.DEFAULT)]
        self.mailboxes = []
        self.index = {}
        for given in scenario.get("mailboxes", []):
            self.add(given)
        for number in range(int(scenario.get("generate", 0))):
            self.add({"name": f"User {number:05}", "alias": f"user{number:05}", "pop": number % 2 == 0})

    @staticmethod
    def _domain(given):
        controllers = []
        for controller in given.get("controllers", [{"name": "dc01"}]):
            name = controller["name"] if "." in controller["name"] else f"{controller['name']}.{given['dns']}"
            site = controller.get("site", "Default-First-Site-Name")
            controllers.append({"name": name, "site": site, "down": controller.get("down", False)})
        return {"dns": given["dns"], "netbios": given.get("netbios", given["dns"].split(".")[0].upper()[:15]),
                "controllers": controllers}

    def add(self, given):
        domain = next((d for d in self.domains if d["dns"] == given.get("domain", self.domains[0]["dns"])))
        mailbox = Mailbox(given, domain, domain["controllers"])
        with self.lock:
            self.mailboxes.append(mailbox)
            self._index(mailbox)
        return mailbox

    def _index(self, mailbox):
        for identity in {identity.casefold() for identity in mailbox.identities()}:
            self.index.setdefault(identity, []).append(mailbox)

    def _forget(self, mailbox):
        for identity in {identity.casefold() for identity in mailbox.identities()}:
            known = self.index.get(identity, [])
            if mailbox in known:
                known.remove(mailbox)

    def remove(self, mailbox):
        with self.lock:
            self.mailboxes.remove(mailbox)
            self._forget(mailbox)

    def change(self, mailbox, fields):
        """Changes what a person might change behind popgate's back; `pop` is written on every controller at once."""
        with self.lock:
            if "pop" in fields:
                mailbox.writes = [(float("-inf"), None, bool(fields["pop"]))]
            named = {key: value for key, value in fields.items() if key != "pop"}
            if named:
                self._forget(mailbox)
                for key, value in named.items():
                    setattr(mailbox, key, value)
                mailbox.version += 1
                self._index(mailbox)

    def controller(self, name):
        """Finds a domain controller by its name, short or full, with its domain."""
        folded = name.casefold()
        for domain in self.domains:
            for controller in domain["controllers"]:
                if folded in (controller["name"].casefold(), controller["name"].split(".")[0].casefold()):
                    return domain, controller
        return None, None

    def find(self, identity):
        with self.lock:
            return list(self.index.get(identity.casefold(), []))

    def all(self):
        with self.lock:
            return list(self.mailboxes)


def matches(pattern, text):
    """PowerShell's -like."""
    return fnmatch.fnmatchcase(text.casefold(), pattern.casefold())
