"""The cmdlets that a restricted session has besides its own: what Import-PSSession needs."""

from psrpcore.types import PSInt

from . import records
from .directory import matches
from .pipeline import Cmdlet
from .recipients import Shown

COMMAND = ["System.Management.Automation.FunctionInfo", "System.Management.Automation.CommandInfo", "System.Object"]
PARAMETER = ["System.Management.Automation.ParameterMetadata", "System.Object"]
TYPE = {"bool": "System.Boolean", "int": "System.Int32", "switch": "System.Management.Automation.SwitchParameter",
        "strings": "System.String[]", "object": "System.Management.Automation.PSObject"}


def parameter(name, kind):
    """One parameter, as MS-PSRP 2.2.3.23 has it."""
    return records.thing(PARAMETER, [
        ("Name", name), ("ParameterType", TYPE.get(kind, "System.String")), ("Aliases", []),
        ("SwitchParameter", kind == "switch"), ("IsDynamic", False)],
        to_string="System.Management.Automation.ParameterMetadata")


class SelectObject(Cmdlet):
    name = "Select-Object"
    parameters = {"InputObject": ("object", None, True), "Property": ("strings", 0, False),
                  "First": ("int", None, False), "Last": ("int", None, False), "Skip": ("int", None, False),
                  "ExpandProperty": ("string", None, False), "Unique": ("switch", None, False)}

    def begin(self):
        self.left = self.bound.get("First")

    def process(self, given):
        if given is None or self.left == 0:
            return
        if self.left is not None:
            self.left -= 1
        if "ExpandProperty" in self.bound:
            yield getattr(given.build() if isinstance(given, Shown) else given, self.bound["ExpandProperty"])
        elif "Property" in self.bound:
            yield Selected(given, tuple(self.bound["Property"]))
        else:
            yield given


class Selected:
    """Some properties of an object; made late, as `Shown` is."""

    __slots__ = ("of", "names")

    def __init__(self, of, names):
        self.of = of
        self.names = names

    def build(self):
        whole = self.of.build() if isinstance(self.of, Shown) else self.of
        known = {prop.name.casefold(): prop.name for prop in
                 whole.PSObject.extended_properties + whole.PSObject.adapted_properties}
        values = []
        for name in self.names:
            actual = known.get(name.casefold())
            values.append((actual or name, getattr(whole, actual) if actual else None))
        first = whole.PSObject.type_names[0].removeprefix("Deserialized.")
        return records.selected([f"Selected.{first}", "System.Management.Automation.PSCustomObject", "System.Object"], values)

    def key(self):
        return None if not isinstance(self.of, Shown) else self.of.key() + self.names


class MeasureObject(Cmdlet):
    name = "Measure-Object"
    parameters = {"InputObject": ("object", None, True), "Property": ("strings", 0, False)}

    def begin(self):
        self.count = 0

    def process(self, given):
        if given is not None:
            self.count += 1
        return ()

    def end(self):
        yield records.thing(["Deserialized.Microsoft.PowerShell.Commands.GenericMeasureInfo"], [
            ("Count", PSInt(self.count)), ("Average", None), ("Sum", None), ("Maximum", None), ("Minimum", None),
            ("Property", None)])


class OutDefault(Cmdlet):
    name = "Out-Default"
    parameters = {"InputObject": ("object", None, True)}

    def process(self, given):
        if given is not None:
            yield given


class GetCommand(Cmdlet):
    name = "Get-Command"
    parameters = {"Name": ("strings", 0, True), "CommandType": ("string", None, False), "Module": ("strings", None, False),
                  "ArgumentList": ("strings", None, False), "Syntax": ("switch", None, False),
                  "All": ("switch", None, False), "ListImported": ("switch", None, False)}

    def process(self, given):
        names = [str(given)] if given is not None else self.bound.get("Name") or ["*"]
        for pattern in names:
            found = [cmdlet for key, cmdlet in sorted(self.session.endpoint.cmdlets.items())
                     if matches(pattern, cmdlet.name) and self.session.cmdlet(key) is not None]
            if not found and "*" not in pattern:
                self.session.error(records.not_recognized(pattern).record)
            for cmdlet in found:
                yield self.describe(cmdlet)

    def describe(self, cmdlet):
        kinds = {name: kind for name, (kind, _, _) in cmdlet.parameters.items()
                 if f"{cmdlet.name}:{name}".casefold() not in self.world.hidden_parameters}
        parameters = {name: parameter(name, kind) for name, kind in (kinds | Cmdlet.common).items()}
        return records.thing(COMMAND, [
            ("Name", cmdlet.name), ("Namespace", ""), ("HelpUri", ""),
            ("CommandType", records.named_value("System.Management.Automation.CommandTypes", "Function", 2)),
            ("ResolvedCommandName", None), ("OutputType", []), ("Parameters", parameters), ("ModuleName", ""),
        ], to_string=cmdlet.name)

