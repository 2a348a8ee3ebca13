"""Objects and errors in the shapes that Exchange and Windows give them on the wire."""

import datetime
import enum
import functools
import uuid

from psrpcore.types import (
    ErrorCategory,
    ErrorCategoryInfo,
    ErrorRecord,
    NETException,
    PSDateTime,
    PSGuid,
    PSNoteProperty,
    PSObject,
    add_note_property,
)

NO_LANGUAGE = ("The syntax is not supported by this runspace. This can occur if the runspace is in no-language mode.")


def thing(type_names, properties, to_string=None):
    """Builds an object with properties of its own, as a server sends it: in `Props`."""
    made = selected(type_names, ())
    if to_string is not None:
        made.PSObject.to_string = to_string
    for name, value in properties:
        made.PSObject.adapted_properties.append(PSNoteProperty(name, value=value))
    return made


def selected(type_names, properties):
    """Builds an object with properties that were put on it, as Select-Object does: in `MS`."""
    made = PSObject()
    made.PSObject.type_names = list(type_names)
    for name, value in properties:
        add_note_property(made, name, value)
    return made


@functools.cache
def named_value(type_name, name, number):
    """The value of a .NET enum, an object on the wire: its type, its name as text, its number."""
    namespace, _, short = type_name.rpartition(".")
    return enum.Enum(short, {name: number}, module=namespace)[name]


def guid(value):
    return PSGuid(str(value))


def moment(value):
    return PSDateTime(value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond,
                      tzinfo=value.tzinfo or datetime.timezone.utc)


def record(message, type_name, *, category=ErrorCategory.NotSpecified, activity=None, reason=None, target=None,
           target_type=None, identifier="", target_object=None):
    """Builds an error record without InvocationInfo, hence without PipelineIterationInfo."""
    exception = NETException(Message=message)
    exception.PSObject.type_names = [type_name, "System.Exception", "System.Object"]
    exception.PSObject.to_string = f"{type_name}: {message}"
    info = ErrorCategoryInfo(Category=category, Activity=activity, Reason=reason or type_name.split(".")[-1],
                             TargetName=target, TargetType=target_type)
    made = ErrorRecord(Exception=exception, CategoryInfo=info, TargetObject=target_object,
                       FullyQualifiedErrorId=identifier, InvocationInfo=None)
    made.serialize_extended_info = False
    return made


class Terminate(Exception):
    """Ends the pipeline as failed."""

    def __init__(self, error):
        super().__init__(error.Exception.Message)
        self.record = error


def not_recognized(name):
    return Terminate(record(
        f"The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program. "
        "Check the spelling of the name, or if a path was included, verify that the path is correct and try again.",
        "System.Management.Automation.CommandNotFoundException", category=ErrorCategory.ObjectNotFound, target=name,
        target_type="String", identifier="CommandNotFoundException"))


def no_parameter(cmdlet, parameter):
    return Terminate(record(
        f"A parameter cannot be found that matches parameter name '{parameter}'.",
        "System.Management.Automation.ParameterBindingException", category=ErrorCategory.InvalidArgument,
        activity=cmdlet, target="", target_type="", identifier=f"NamedParameterNotFound,{cmdlet}"))


def bad_value(cmdlet, parameter, value, kind):
    return Terminate(record(
        f"Cannot process argument transformation on parameter '{parameter}'. Cannot convert value \"{value}\" to type "
        f"\"{kind}\".", "System.Management.Automation.ParameterBindingArgumentTransformationException",
        category=ErrorCategory.InvalidData, activity=cmdlet, reason="ParameterBindin...mationException", target="",
        target_type="", identifier=f"ParameterArgumentTransformationError,{cmdlet}"))


def missing_parameter(cmdlet, parameter):
    return Terminate(record(
        f"Cannot process command because of one or more missing mandatory parameters: {parameter}.",
        "System.Management.Automation.ParameterBindingException", category=ErrorCategory.InvalidArgument,
        activity=cmdlet, target="", target_type="", identifier=f"MissingMandatoryParameter,{cmdlet}"))


def no_language():
    return Terminate(record(NO_LANGUAGE, "System.Management.Automation.PSNotSupportedException",
                            category=ErrorCategory.ParserError, identifier="ScriptsNotAllowed"))


def exchange(message, exception, cmdlet, server, *, category=ErrorCategory.NotSpecified, namespace="Configuration.Tasks"):
    """An error of a cmdlet of Exchange: target name and type stay empty, the class stands in the identifier."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%m/%d/%Y %I:%M:%S %p")
    noun = cmdlet.replace("-", "")
    return record(
        message, f"Microsoft.Exchange.{namespace}.{exception}", category=category, activity=cmdlet, reason=exception,
        target="", target_type="",
        identifier=f"[Server={server},RequestId={uuid.uuid4()},TimeStamp={stamp}] "
                   f"[FailureCategory=Cmdlet-{exception}] {abs(hash(message)) & 0xFFFFFFFF:X},"
                   f"Microsoft.Exchange.Management.RecipientTasks.{noun[0].upper() + noun[1:]}")
