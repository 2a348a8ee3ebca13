"""Who is calling: Basic, or Negotiate with a real Kerberos behind it."""

import base64
import binascii
import collections

Verdict = collections.namedtuple("Verdict", "user challenges")


class Authenticator:
    """The authentication of one connection. Basic comes with each request; Negotiate is said once."""

    def __init__(self, world, tls, address):
        self.world = world
        # A client may have meant either; the ticket says which, but only to the one that is meant.
        self.hosts = ("localhost", address)
        self.tls = tls
        self.methods = [name.casefold() for name in world.scenario.get("auth", ["basic"])]
        self.context = None
        self.user = None

    def must_seal(self):
        """Over plain HTTP whoever said Negotiate has to seal."""
        return self.context is not None and not self.tls

    def challenges(self):
        offered = []
        if "negotiate" in self.methods or "kerberos" in self.methods:
            offered += ["Negotiate", "Kerberos"]
        if "basic" in self.methods:
            offered.append('Basic realm="WSMAN"')
        return offered

    def check(self, headers):
        scheme, _, rest = headers.get("Authorization", "").partition(" ")
        scheme = scheme.casefold()
        if scheme == "basic" and "basic" in self.methods:
            return Verdict(self._basic(rest), self.challenges())
        if scheme in ("negotiate", "kerberos") and "negotiate" in self.methods:
            return self._negotiate(scheme, rest)
        if self.user is not None:
            return Verdict(self.user, ())
        return Verdict(None, self.challenges())

    def _basic(self, text):
        try:
            name, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        for user, secret in self.world.users.items():
            if user.casefold() == name.casefold() and secret == password:
                return user
        return None

    def _negotiate(self, scheme, text):
        # Imported late: the library is not needed for Basic.
        import spnego

        token = None
        for host in self.hosts if self.context is None or self.context.complete else [None]:
            if host is not None:
                self.context = spnego.server(hostname=host, service="HTTP", protocol=scheme)
            try:
                token = self.context.step(base64.b64decode(text.strip()))
                break
            # Where the ticket is refused, pyspnego stumbles over the flags of a context that never came to be.
            except (spnego.exceptions.SpnegoError, AttributeError) as problem:
                said = str(problem)
        else:
            self.context = None
            self.world.note("gss", error=said)
            return Verdict(None, self.challenges())
        answer = [f"{scheme.capitalize()} {base64.b64encode(token).decode()}"] if token else []
        if not self.context.complete:
            return Verdict(None, answer)
        self.user = self.context.client_principal
        return Verdict(self.user, answer)
