"""The cmdlets of a server's own WinRM endpoint: services and processes."""

import datetime
import re
import time

from psrpcore.types import ErrorCategory, PSInt, PSUInt

from . import records
from .directory import matches
from .pipeline import Cmdlet
from .servers import DISPLAY, PROCESS

SERVICE = ["System.ServiceProcess.ServiceController", "System.ComponentModel.Component", "System.MarshalByRefObject",
           "System.Object"]
CIM = ["Microsoft.Management.Infrastructure.CimInstance#root/cimv2/Win32_Service",
       "Microsoft.Management.Infrastructure.CimInstance#root/cimv2/Win32_BaseService", "System.Object"]
STATUS = {"Stopped": 1, "StartPending": 2, "StopPending": 3, "Running": 4}
STATUS_TYPE = "System.ServiceProcess.ServiceControllerStatus"


def controller(server, service):
    """A ServiceController as Get-Service shows it."""
    running = service.status == "Running"
    return records.thing(SERVICE, [
        ("CanPauseAndContinue", False), ("CanShutdown", running), ("CanStop", running),
        ("DisplayName", DISPLAY[service.name]), ("DependentServices", []), ("MachineName", "."),
        ("ServiceName", service.name), ("ServicesDependedOn", ["MSExchangeADTopology"]), ("ServiceHandle", None),
        ("Status", records.named_value(STATUS_TYPE, service.status, STATUS[service.status])),
        ("ServiceType", records.named_value("System.ServiceProcess.ServiceType", "Win32OwnProcess", 16)),
        ("StartType", records.named_value("System.ServiceProcess.ServiceStartMode", "Manual", 3)),
        ("Site", None), ("Container", None), ("Name", service.name), ("RequiredServices", ["MSExchangeADTopology"]),
    ], to_string=service.name)


class ServiceCmdlet(Cmdlet):
    def found(self, name):
        """The services of a name; an error for each name that none has."""
        server = self.session.server
        hits = [service for service in server.services
                if matches(name, service.name) or matches(name, DISPLAY[service.name])]
        if not hits and "*" not in name:
            self.session.error(records.record(
                f"Cannot find any service with service name '{name}'.",
                "Microsoft.PowerShell.Commands.ServiceCommandException", category=ErrorCategory.ObjectNotFound,
                activity=self.name, target=name, target_type="String",
                identifier=f"NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.{self.name.replace('-', '')}Command"))
        return hits

    def names(self, given):
        if given is not None:
            return [str(getattr(given, "Name", given))]
        return self.bound.get("Name") or ["*"]


class GetService(ServiceCmdlet):
    name = "Get-Service"
    parameters = {"Name": ("strings", 0, True), "DisplayName": ("strings", None, False),
                  "DependentServices": ("switch", None, False), "RequiredServices": ("switch", None, False)}

    def process(self, given):
        self.session.wait()
        for name in self.names(given):
            for service in self.found(name):
                yield controller(self.session.server, service)


class RestartService(ServiceCmdlet):
    name = "Restart-Service"
    parameters = {"Name": ("strings", 0, True), "Force": ("switch", None, False), "PassThru": ("switch", None, False),
                  "Confirm": ("switch", None, False), "WhatIf": ("switch", None, False)}

    def process(self, given):
        self.session.wait()
        server = self.session.server
        for name in self.names(given):
            for service in self.found(name):
                fault = self.world.fault("restart", identity=service.name, server=server.name)
                if fault:
                    self.session.error(records.record(
                        f"Failed to start service '{DISPLAY[service.name]} ({service.name})'.",
                        "Microsoft.PowerShell.Commands.ServiceCommandException", category=ErrorCategory.OpenError,
                        activity=self.name, target="System.ServiceProcess.ServiceController",
                        target_type="ServiceController",
                        identifier="StartServiceFailed,Microsoft.PowerShell.Commands.RestartServiceCommand"))
                    service.status = fault.get("leaves", "Stopped")
                    continue
                self.session.warn(f"Waiting for service '{DISPLAY[service.name]} ({service.name})' to stop...")
                time.sleep(float(self.world.scenario.get("restart_seconds", 0)))
                was = service.status
                service.restart()
                server.restarted()
                if self.world.fault("no_banner", server=server.name):
                    server.ready_at = float("inf")
                self.world.note("restart", server=server.name, service=service.name, was=was, user=self.session.user)
                if "PassThru" in self.bound:
                    yield controller(server, service)


class GetProcess(Cmdlet):
    name = "Get-Process"
    parameters = {"Name": ("strings", 0, True), "Id": ("strings", None, False)}

    def process(self, given):
        self.session.wait()
        wanted = self.bound.get("Id")
        names = [str(given)] if given is not None else wanted or self.bound.get("Name") or ["*"]
        for name in names:
            hits = [service for service in self.session.server.services if service.status == "Running"
                    and (str(service.pid) == name if wanted else matches(name, PROCESS[service.name]))]
            if not hits and "*" not in name:
                kind = "process identifier" if wanted else "name"
                self.session.error(records.record(
                    f"Cannot find a process with the {kind} \"{name}\". Verify the process and call the cmdlet again.",
                    "Microsoft.PowerShell.Commands.ProcessCommandException", category=ErrorCategory.ObjectNotFound,
                    activity=self.name, target=name, target_type="String" if not wanted else "Int32",
                    identifier=f"NoProcessFoundForGiven{'Id' if wanted else 'Name'},"
                               "Microsoft.PowerShell.Commands.GetProcessCommand"))
            for service in hits:
                yield records.thing(["System.Diagnostics.Process", "System.ComponentModel.Component", "System.Object"], [
                    ("Id", PSInt(service.pid)), ("ProcessName", PROCESS[service.name]), ("Name", PROCESS[service.name]),
                    ("StartTime", records.moment(service.started)), ("HasExited", False), ("MachineName", "."),
                ], to_string=f"System.Diagnostics.Process ({PROCESS[service.name]})")


class GetCimInstance(Cmdlet):
    """Win32_Service alone, and only the filter that everybody writes: a name, or a pattern of one."""

    name = "Get-CimInstance"
    parameters = {"ClassName": ("string", 0, False), "Filter": ("string", None, False),
                  "Property": ("strings", None, False)}

    def process(self, given):
        self.session.wait()
        if str(self.bound.get("ClassName")).casefold() != "win32_service":
            raise records.Terminate(records.record(
                "Invalid class ", "Microsoft.Management.Infrastructure.CimException", activity=self.name,
                category=ErrorCategory.MetadataError, target="root\\cimv2",
                identifier="HRESULT 0x80041010,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand"))
        pattern = re.search(r"Name\s*(?:=|LIKE)\s*'([^']*)'", self.bound.get("Filter", "Name LIKE '%'"), re.I)[1]
        for service in self.session.server.services:
            if matches(pattern.replace("%", "*"), service.name):
                running = service.status == "Running"
                yield records.thing(CIM, [
                    ("Name", service.name), ("DisplayName", DISPLAY[service.name]), ("State", service.status),
                    ("StartMode", "Manual"), ("Started", running), ("ExitCode", PSUInt(0)),
                    ("ProcessId", PSUInt(service.pid if running else 0)), ("SystemName", self.session.server.name),
                ], to_string=f"Win32_Service: {DISPLAY[service.name]} (Name = \"{service.name}\")")


class GetDate(Cmdlet):
    name = "Get-Date"
    parameters = {"Format": ("string", None, False)}

    def process(self, given):
        yield records.moment(datetime.datetime.now(datetime.timezone.utc)
                             + datetime.timedelta(seconds=float(self.world.scenario.get("server_clock_ahead", 0))))
