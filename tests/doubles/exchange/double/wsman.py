"""WS-Management: shells are made, fed, asked and deleted."""

import base64
import secrets
import threading
import time
import uuid

from . import endpoints, soap
from .shell import Shell
from .soap import NS, SHELL, TRANSFER, Fault

MAX_ENVELOPE = 512000
QUOTA = ("Fail to create a runspace because you have exceeded the maximum number of connections allowed: {limit} for "
         "the policy party : MaxConcurrency. Please close existing runspace and try again.")
LOAD = ("The user load quota of 1000 requests per 2 seconds has been exceeded. Send future requests at a slower rate or "
        "raise the quota for this user. The next request from this user will not be approved for at least {wait} "
        "milliseconds.")


class Host:
    """All shells of the organisation: the limit on sessions counts one user's on all servers."""

    def __init__(self, world):
        self.world = world
        self.lock = threading.Lock()
        self.shells = {}
        self.actions = {
            TRANSFER + "Create": self.create, TRANSFER + "Delete": self.delete, TRANSFER + "Get": self.get,
            SHELL + "Command": self.command, SHELL + "Send": self.send, SHELL + "Receive": self.receive,
            SHELL + "Signal": self.signal,
        }

    def handle(self, server, path, user, body, cookies):
        """Answers one request: (status, body, cookie to set)."""
        request = None
        try:
            request = soap.Request(body)
            verb = request.action.rsplit("/", 1)[-1]
            self.world.note("request", verb=verb, server=server.name)
            self._injected(server, verb)
            act = self.actions.get(request.action)
            if act is None:
                raise Fault(2150858752, "The WS-Management service does not support the action.", "w:ActionNotSupported")
            return act(server, path, user, request, cookies)
        except Fault as problem:
            self.world.note("fault", code=problem.code)
            return problem.status, soap.fault(request, problem, server.fqdn), None

    def _injected(self, server, verb):
        throttled = self.world.fault("throttle", server=server.name, action=verb)
        if throttled:
            raise Fault(throttled.get("code", 2150859173),
                        throttled.get("message") or LOAD.format(wait=throttled.get("wait_ms", 200)), "w:QuotaLimit")
        plain = self.world.fault("fault", server=server.name, action=verb)
        if plain:
            raise Fault(plain["code"], plain.get("message", "A fault was injected."), status=plain.get("status", 500))

    def _expire(self):
        now = time.monotonic()
        for name, shell in list(self.shells.items()):
            if now - shell.touched > shell.idle_timeout:
                self.world.note("expired", shell=name)
                shell.close()
                del self.shells[name]

    def open_sessions(self, user=None):
        with self.lock:
            return sum(1 for shell in self.shells.values()
                       if shell.session.endpoint.name == "exchange" and user in (None, shell.session.user))

    def create(self, server, path, user, request, cookies):
        endpoint = endpoints.find(path, request.uri)
        if endpoint is None:
            raise Fault(soap.INVALID_RESOURCE_URI,
                        "The WS-Management service cannot process the request. The resource URI "
                        f"({request.uri}) was not found in the WS-Management catalog. The catalog contains the metadata "
                        "that describes resources, or logical endpoints.", "w:InvalidResourceURI")
        if endpoint.name == "winrm" and user.casefold() in self.world.not_local_admin:
            raise Fault(soap.ACCESS_DENIED, "Access is denied.", "w:AccessDenied")
        element = request.body.find("rsp:Shell", NS)
        name = self._name(element.get("ShellId"))
        with self.lock:
            self._expire()
            if endpoint.name == "exchange":
                mine = sum(1 for shell in self.shells.values()
                           if shell.session.endpoint is endpoint and shell.session.user == user)
                if mine >= self.world.session_limit:
                    raise Fault(soap.QUOTA_SHELLS, QUOTA.format(limit=self.world.session_limit), "w:QuotaLimit")
                self.world.most_sessions = max(self.world.most_sessions, mine + 1)
            shell = Shell(self.world, server, endpoint, user, name, secrets.token_hex(16))
            idle = element.find("rsp:IdleTimeOut", NS)
            written = idle.text if idle is not None else element.get("IdleTimeOut")
            if written:
                shell.idle_timeout = soap.duration(written)
            self.shells[name] = shell
        self.world.note("create", endpoint=endpoint.name, server=server.name, user=user, idle=shell.idle_timeout)
        creation = element.find("pwsh:creationXml", NS)
        shell.feed(base64.b64decode(creation.text))
        body = (f'<x:ResourceCreated><a:Address>http://{server.address}{path}</a:Address><a:ReferenceParameters>'
                f'<w:ResourceURI>{request.uri}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{name}'
                "</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
                f"<rsp:Shell><rsp:ShellId>{name}</rsp:ShellId><rsp:ResourceUri>{request.uri}</rsp:ResourceUri>"
                f"<rsp:Owner>{user}</rsp:Owner><rsp:IdleTimeOut>PT{shell.idle_timeout:.3f}S</rsp:IdleTimeOut>"
                "<rsp:InputStreams>stdin pr</rsp:InputStreams><rsp:OutputStreams>stdout</rsp:OutputStreams></rsp:Shell>")
        cookie = shell.cookie if endpoint.name == "exchange" else None
        return 200, soap.answer(request, TRANSFER + "CreateResponse", body), cookie

    def _name(self, asked):
        """Returns the name of what is made: the one that was asked for, unless the server has its own way."""
        return (asked if asked and not self.world.own_names else str(uuid.uuid4())).upper()

    def shell(self, server, request, cookies):
        with self.lock:
            self._expire()
            shell = self.shells.get((request.shell or "").upper())
        lost = shell is not None and self.world.require_cookie and shell.session.endpoint.name == "exchange" \
            and cookies.get("MS-WSMAN") != shell.cookie
        if shell is None or lost or self.world.fault("lost_shell", server=server.name):
            raise Fault(soap.INVALID_SELECTORS,
                        "The WS-Management service cannot process the request because the request contained invalid "
                        "selectors for the resource.", "w:InvalidSelectors")
        shell.touched = time.monotonic()
        return shell

    def command(self, server, path, user, request, cookies):
        shell = self.shell(server, request, cookies)
        line = request.body.find("rsp:CommandLine", NS)
        asked = line.get("CommandId")
        name = self._name(asked)
        shell.names[name] = (asked or name).upper()
        data = b"".join(base64.b64decode(one.text or "") for one in line.iterfind("rsp:Arguments", NS))
        shell.command(shell.names[name], data)
        return 200, soap.answer(request, SHELL + "CommandResponse",
                                f"<rsp:CommandResponse><rsp:CommandId>{name}</rsp:CommandId></rsp:CommandResponse>"), None

    def send(self, server, path, user, request, cookies):
        shell = self.shell(server, request, cookies)
        stream = request.body.find("rsp:Send/rsp:Stream", NS)
        name = stream.get("CommandId")
        shell.feed(soap.streams(request.body), uuid.UUID(shell.names[name.upper()]) if name else None)
        return 200, soap.answer(request, SHELL + "SendResponse", "<rsp:SendResponse/>"), None

    def receive(self, server, path, user, request, cookies):
        shell = self.shell(server, request, cookies)
        desired = request.body.find("rsp:Receive/rsp:DesiredStream", NS)
        name = desired.get("CommandId") if desired is not None else None
        limit = min(request.envelope, MAX_ENVELOPE) - 4096
        try:
            got = shell.receive(name and shell.names[name.upper()], limit, request.timeout)
        except KeyError:
            raise Fault(soap.INVALID_SELECTORS, "The command ID is not known to the shell.", "w:InvalidSelectors") from None
        if got is None:
            raise Fault(soap.OPERATION_TIMEOUT,
                        "The WS-Management service cannot complete the operation within the time specified in "
                        "OperationTimeout.", "w:TimedOut")
        shell.touched = time.monotonic()
        return 200, soap.answer(request, SHELL + "ReceiveResponse", soap.receive_body(name, *got)), None

    def signal(self, server, path, user, request, cookies):
        shell = self.shell(server, request, cookies)
        element = request.body.find("rsp:Signal", NS)
        code = element.findtext("rsp:Code", "", NS)
        try:
            shell.signal(shell.names[element.get("CommandId").upper()], code.endswith("/terminate"))
        except KeyError:
            raise Fault(soap.INVALID_SELECTORS, "The command ID is not known to the shell.", "w:InvalidSelectors") from None
        return 200, soap.answer(request, SHELL + "SignalResponse", "<rsp:SignalResponse/>"), None

    def delete(self, server, path, user, request, cookies):
        shell = self.shell(server, request, cookies)
        with self.lock:
            self.shells.pop(shell.id, None)
        shell.close()
        self.world.note("delete", endpoint=shell.session.endpoint.name, server=server.name)
        return 200, soap.answer(request, TRANSFER + "DeleteResponse", ""), None

    def get(self, server, path, user, request, cookies):
        if not path.casefold().startswith("/wsman"):
            raise Fault(soap.INVALID_RESOURCE_URI, "The resource URI was not found in the WS-Management catalog.",
                        "w:InvalidResourceURI")
        body = ('<cfg:Config xmlns:cfg="http://schemas.microsoft.com/wbem/wsman/1/config">'
                "<cfg:MaxEnvelopeSizekb>500</cfg:MaxEnvelopeSizekb></cfg:Config>")
        return 200, soap.answer(request, TRANSFER + "GetResponse", body), None
