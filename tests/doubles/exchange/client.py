"""Runs pipelines with pypsrp and prints what it saw: the witness that the double talks as others expect.

One line of JSON on standard input: {"endpoint": {...}, "pipelines": [{"commands": [...], "input": [...]}]}. The answer
is in the form that popgate's tests give their own client's answers, so that the two can be compared as they are.
"""

import json
import re
import sys
import warnings

from psrpcore.types import ErrorCategory
from pypsrp.complex_objects import GenericComplexObject, PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

warnings.simplefilter("ignore")


def plain(value):
    """A value without what only one of the clients keeps."""
    if isinstance(value, GenericComplexObject):
        members = value.adapted_properties | value.extended_properties
        if not members and value.to_string is not None:
            return value.to_string
        return {name: plain(member) for name, member in members.items()}
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "_extended_properties") or hasattr(value, "_adapted_properties"):
        names = list(getattr(value, "_adapted_properties", ())) + list(getattr(value, "_extended_properties", ()))
        return {meta.name: plain(getattr(value, name)) for name, meta in names}
    return str(value)


def error(record):
    return {"message": str(record.exception.adapted_properties.get("Message", "")
                           or record.exception.extended_properties.get("Message", "")),
            "id": re.sub(r"^\[.*?\] (\[.*?\]) [0-9A-F]+,", r"\1 ", record.fq_error),
            "category": ErrorCategory(record.category).name, "reason": record.reason, "activity": record.activity or "",
            "target": record.target_name or ""}


def run(pool, asked):
    shell = PowerShell(pool)
    for command in asked["commands"]:
        if command.get("script"):
            shell.add_script(command["script"])
            continue
        shell.add_cmdlet(command["name"])
        for name, value in command.get("parameters", {}).items():
            shell.add_parameter(name, value)
    shell.invoke(asked["input"] if asked.get("input") else None)
    errors = [error(record) for record in shell.streams.error]
    ending = {PSInvocationState.COMPLETED: "completed", PSInvocationState.FAILED: "failed"}.get(shell.state)
    if ending == "failed":
        ending = {"failed": errors.pop()}
    return {"output": [plain(one) for one in shell.output], "errors": errors, "ending": ending,
            "warnings": [record.message for record in shell.streams.warning]}


def main():
    asked = json.loads(sys.stdin.readline())
    given = asked["endpoint"]
    options = {key: given[key] for key in ("negotiate_service", "negotiate_hostname_override", "cert_validation")
               if key in given}
    connection = WSMan(given["host"], port=given["port"], username=given.get("username"), ssl=given.get("tls", False),
                       password=given.get("password"), path=given["path"], auth=given.get("auth", "basic"),
                       encryption=given.get("encryption", "auto"), **options)
    with connection, RunspacePool(connection, configuration_name=given["configuration"]) as pool:
        print(json.dumps([run(pool, one) for one in asked["pipelines"]]))


if __name__ == "__main__":
    main()
