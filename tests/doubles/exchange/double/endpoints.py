"""The three endpoints: Exchange's own without a language, a server's WinRM, and a JEA one on it."""

from .basics import GetCommand, MeasureObject, OutDefault, SelectObject
from .recipients import GetCasMailbox, SetCasMailbox
from .topology import (
    GetAdServerSettings,
    GetDomainController,
    GetExchangeServer,
    GetPowerShellVirtualDirectory,
    GetServerComponentState,
    SetAdServerSettings,
)
from .windows import GetCimInstance, GetDate, GetProcess, GetService, RestartService

RESTRICTED = [GetCommand, SelectObject, MeasureObject, OutDefault]


class Endpoint:
    """A path, a resource URI, and what is visible behind them."""

    def __init__(self, name, paths, uri, cmdlets):
        self.name = name
        self.paths = paths
        self.uri = uri
        self.cmdlets = {cmdlet.name.casefold(): cmdlet for cmdlet in cmdlets}


PREFIX = "http://schemas.microsoft.com/powershell/"
EXCHANGE = Endpoint("exchange", ("/powershell", "/powershell/"), PREFIX + "Microsoft.Exchange", RESTRICTED + [
    GetCasMailbox, SetCasMailbox, GetExchangeServer, GetServerComponentState, GetAdServerSettings, SetAdServerSettings,
    GetDomainController, GetPowerShellVirtualDirectory])
WINRM = Endpoint("winrm", ("/wsman",), PREFIX + "Microsoft.PowerShell",
                 RESTRICTED + [GetService, RestartService, GetProcess, GetCimInstance, GetDate])
JEA = Endpoint("jea", ("/wsman",), PREFIX + "Popgate",
               RESTRICTED + [GetService, RestartService, GetProcess, GetCimInstance, GetDate])

ALL = (EXCHANGE, WINRM, JEA)


def find(path, uri):
    """Returns the endpoint of a path and a resource URI, or None, which is fault 2150858811."""
    path = path.split("?", 1)[0].casefold()
    for endpoint in ALL:
        if path in endpoint.paths and uri.casefold() == endpoint.uri.casefold():
            return endpoint
    return None


def is_path(path):
    path = path.split("?", 1)[0].casefold()
    return any(path in endpoint.paths for endpoint in ALL)
