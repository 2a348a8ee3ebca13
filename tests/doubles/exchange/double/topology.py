"""What Exchange says of its servers, its controllers and itself."""

import uuid

from . import records
from .directory import NAMESPACE
from .pipeline import Cmdlet

SERVER = ["Deserialized.Microsoft.Exchange.Data.Directory.Management.ExchangeServer", "Deserialized.System.Object"]
SETTINGS = ["Deserialized.Microsoft.Exchange.Data.Directory.Management.RunspaceServerSettingsPresentationObject",
            "Deserialized.System.Object"]
CONTROLLER = ["Deserialized.Microsoft.Exchange.Data.Directory.ADServer", "Deserialized.System.Object"]
STATE = ["Deserialized.Microsoft.Exchange.Data.Directory.Management.ServerComponentStatePresentationObject",
         "Deserialized.System.Object"]
ROLE = "Deserialized.Microsoft.Exchange.Data.Directory.Management.ServerRole"


class GetExchangeServer(Cmdlet):
    name = "Get-ExchangeServer"
    parameters = {"Identity": ("identity", 1, True), "DomainController": ("string", None, False),
                  "Status": ("switch", None, False), "Domain": ("string", None, False)}

    def process(self, given):
        self.session.wait()
        identity = self.bound.get("Identity") if given is None else str(given)
        for server in self.world.servers:
            if identity and identity.casefold() not in (server.name.casefold(), server.fqdn.casefold()):
                continue
            edge = server.role == "Edge"
            site = f"{self.world.directory.domains[0]['dns']}/Configuration/Sites/{server.site}"
            yield records.thing(SERVER, [
                ("Name", server.name), ("Fqdn", server.fqdn), ("Domain", self.world.directory.domains[0]["dns"]),
                ("Edition", records.named_value(f"{ROLE}Edition", "Enterprise", 3)),
                ("AdminDisplayVersion", server.version),
                ("ServerRole", records.named_value(ROLE, server.role, 64 if edge else 16439)),
                ("IsMailboxServer", not edge), ("IsClientAccessServer", not edge), ("IsEdgeServer", edge),
                ("IsFrontendTransportServer", not edge), ("IsHubTransportServer", not edge),
                ("Site", site), ("OrganizationalUnit", f"{self.world.directory.domains[0]['dns']}/{server.name}"),
                ("Guid", records.guid(uuid.uuid5(NAMESPACE, server.name))), ("Identity", server.name), ("Id", server.name),
            ], to_string=server.name)


class GetServerComponentState(Cmdlet):
    name = "Get-ServerComponentState"
    parameters = {"Identity": ("identity", 1, True), "Component": ("string", None, False),
                  "DomainController": ("string", None, False)}

    def process(self, given):
        self.session.wait()
        identity = self.bound.get("Identity") if given is None else str(given)
        if not identity:
            raise records.missing_parameter(self.name, "Identity")
        server = self.world.server(identity)
        if server is None:
            self.session.error(records.exchange(
                f"The operation couldn't be performed because object '{identity}' couldn't be found on "
                f"'{self.session.controller()[1]['name']}'.", "ManagementObjectNotFoundException", self.name,
                self.session.server.name))
            return
        if server.down:
            self.session.error(records.exchange(
                f"Failed to connect to the remote registry on server '{server.fqdn}'.", "RemoteRegistryTimedOutException",
                self.name, self.session.server.name))
            return
        wanted = self.bound.get("Component")
        for component, state in server.components.items():
            if wanted is None or wanted.casefold() == component.casefold():
                yield records.thing(STATE, [
                    ("ServerFqdn", server.fqdn), ("Component", component),
                    ("State", records.named_value("Deserialized.Microsoft.Exchange.Data.Directory.ServiceState", state,
                                                {"Inactive": 0, "Active": 1, "Draining": 2}.get(state, 1))),
                    ("LocalStates", None), ("RemoteStates", None),
                ])


class GetAdServerSettings(Cmdlet):
    name = "Get-ADServerSettings"
    parameters = {}

    def process(self, given):
        session = self.session
        domain, controller = session.controller()
        name = controller["name"]
        yield records.thing(SETTINGS, [
            ("DefaultGlobalCatalog", name), ("PreferredDomainControllerForDomain", f"<{domain['dns']}, {name}>"),
            ("DefaultConfigurationDomainController", name),
            ("DefaultPreferredDomainControllers", [name]), ("UserPreferredGlobalCatalog", session.preferred),
            ("UserPreferredConfigurationDomainController", session.preferred),
            ("UserPreferredDomainControllers", [session.preferred] if session.preferred else []),
            ("RecipientViewRoot", None if session.entire_forest else domain["dns"]),
            ("ViewEntireForest", session.entire_forest), ("Identity", None), ("IsValid", True),
        ])


class SetAdServerSettings(Cmdlet):
    name = "Set-AdServerSettings"
    parameters = {"ViewEntireForest": ("bool", None, False), "PreferredServer": ("string", 1, False),
                  "RecipientViewRoot": ("string", None, False), "PreferredGlobalCatalog": ("string", None, False),
                  "ConfigurationDomainController": ("string", None, False),
                  "SetPreferredDomainControllers": ("strings", None, False), "Confirm": ("switch", None, False),
                  "WhatIf": ("switch", None, False)}

    def process(self, given):
        self.session.wait()
        preferred = self.bound.get("PreferredServer")
        if preferred is not None:
            _, controller = self.world.directory.controller(preferred)
            if controller is None:
                self.session.error(records.exchange(
                    f"The server '{preferred}' could not be found.", "ADTransientException", self.name,
                    self.session.server.name, namespace="Data.Directory"))
                return ()
            self.session.preferred = controller["name"]
        if "ViewEntireForest" in self.bound:
            self.session.entire_forest = self.bound["ViewEntireForest"]
        return ()


class GetDomainController(Cmdlet):
    name = "Get-DomainController"
    parameters = {"DomainName": ("string", None, False), "Forest": ("string", None, False),
                  "GlobalCatalog": ("switch", None, False), "Credential": ("string", None, False)}

    def process(self, given):
        self.session.wait()
        wanted = self.bound.get("DomainName")
        for domain in self.world.directory.domains:
            if wanted and wanted.casefold() != domain["dns"].casefold():
                continue
            for controller in domain["controllers"]:
                name = controller["name"]
                site = f"{self.world.directory.domains[0]['dns']}/Configuration/Sites/{controller['site']}"
                yield records.thing(CONTROLLER, [
                    ("DnsHostName", name), ("Domain", domain["dns"]), ("ADSite", site),
                    ("Forest", self.world.directory.domains[0]["dns"]), ("Name", name.split(".")[0].upper()),
                    ("Identity", f"{site}/{name.split('.')[0].upper()}"), ("IsValid", True),
                ], to_string=name)


class GetPowerShellVirtualDirectory(Cmdlet):
    name = "Get-PowerShellVirtualDirectory"
    parameters = {"Identity": ("identity", 1, True), "Server": ("string", None, False)}

    def process(self, given):
        for server in self.world.servers:
            if server.role != "Edge":
                yield records.thing(["Deserialized.Microsoft.Exchange.Data.Directory.Management."
                                     "ADPowerShellVirtualDirectory"], [
                    ("Name", "PowerShell (Default Web Site)"), ("Server", server.name),
                    ("RequireSSL", False), ("BasicAuthentication", "basic" in self.world.scenario.get("auth", [])),
                    ("WindowsAuthentication", True), ("AdminDisplayVersion", "15.2"),
                ])
