"""One PowerShell session: who it is, which cmdlets it sees, and where its output goes."""

import time


class Stopped(Exception):
    """The client stopped the pipeline."""


class Session:
    """What the cmdlets of one session share."""

    def __init__(self, world, server, user, endpoint):
        self.world = world
        self.server = server
        self.user = user
        self.endpoint = endpoint
        self.entire_forest = False
        self.preferred = None
        self.running = None

    def cmdlet(self, name):
        """Finds a cmdlet that this session may use, whatever the case of its name."""
        folded = name.casefold().rsplit("\\", 1)[-1]
        if f"{self.endpoint.name}:{folded}" in self.world.hidden_cmdlets or folded in self.world.hidden_cmdlets:
            return None
        found = self.endpoint.cmdlets.get(folded)
        if found is not None and self.running is not None:
            self.world.count(found.name)
        return found

    def controller(self, given=None):
        """Returns (domain, name) of the controller that answers, or raises what Exchange says when it is gone."""
        directory = self.world.directory
        name = given or self.preferred
        if name is None:
            domain = directory.domains[0]
            alive = [controller for controller in domain["controllers"] if not controller["down"]]
            return domain, (alive or domain["controllers"])[0]
        return directory.controller(name)

    def wait(self):
        if self.world.latency:
            time.sleep(self.world.latency)
        self.check_stopped()

    def check_stopped(self):
        if self.running is not None and self.running.stopped:
            raise Stopped

    def error(self, record):
        self.running.write_error(record)

    def warn(self, text):
        self.running.write_warning(text)
