"""Runs a pipeline of commands: binds parameters as PowerShell does, and hands objects from one command to the next."""

from psrpcore.types import PSBool, PSObject

from . import records


class Cmdlet:
    """One cmdlet. `parameters` maps a name to (kind, position, from the pipeline)."""

    name = ""
    parameters = {}
    common = {"Verbose": "switch", "Debug": "switch", "ErrorAction": "string", "WarningAction": "string",
              "ErrorVariable": "string", "WarningVariable": "string", "OutVariable": "string", "OutBuffer": "int",
              "PipelineVariable": "string", "InformationAction": "string", "InformationVariable": "string"}

    def __init__(self, session, bound):
        self.session = session
        self.world = session.world
        self.bound = bound

    def begin(self):
        """Looks at the parameters before any input comes."""

    def process(self, given):
        """Yields the output for one input object, or for none."""
        return ()

    def end(self):
        return ()

    @classmethod
    def pipeline_parameter(cls):
        return next((name for name, (_, _, piped) in cls.parameters.items() if piped), None)


def bind(cmdlet, command, world):
    """Binds the parameters of a command; a cut name will do if only one parameter begins so."""
    visible = {name for name in cmdlet.parameters
               if f"{cmdlet.name}:{name}".casefold() not in world.hidden_parameters}
    kinds = {name: cmdlet.parameters[name][0] for name in visible} | Cmdlet.common
    bound, positional = {}, []
    for name, value in command.parameters:
        if not name:
            positional.append(value)
            continue
        name = name.lstrip("-").rstrip(":")
        fits = [known for known in kinds if known.casefold() == name.casefold()]
        fits = fits or [known for known in kinds if known.casefold().startswith(name.casefold())]
        if len(fits) != 1:
            raise records.no_parameter(cmdlet.name, name)
        bound[fits[0]] = convert(cmdlet.name, fits[0], kinds[fits[0]], value)
    places = sorted((place, name) for name, (_, place, _) in cmdlet.parameters.items() if place is not None)
    free = [name for _, name in places if name in visible and name not in bound]
    for value in positional:
        if not free:
            raise records.Terminate(records.record(
                f"A positional parameter cannot be found that accepts argument '{value}'.",
                "System.Management.Automation.ParameterBindingException", activity=cmdlet.name,
                identifier=f"PositionalParameterNotFound,{cmdlet.name}"))
        name = free.pop(0)
        bound[name] = convert(cmdlet.name, name, kinds[name], value)
    return bound


def convert(cmdlet, name, kind, value):
    """Makes a value what the parameter wants, as far as PowerShell would."""
    if kind == "bool" or kind == "switch":
        if isinstance(value, bool) or isinstance(value, PSBool):
            return bool(value)
        if isinstance(value, int) and kind == "bool":
            return value != 0
        if kind == "switch" and value is None:
            return True
        raise records.bad_value(cmdlet, name, value, "System.Boolean")
    if kind == "strings":
        values = value if isinstance(value, (list, tuple)) else [value]
        return [str(one) for one in values]
    if kind == "identity":
        return None if value is None else identity_text(value)
    if kind == "int" and not isinstance(value, int):
        try:
            return int(str(value))
        except ValueError:
            raise records.bad_value(cmdlet, name, value, "System.Int32") from None
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value)


def identity_text(value):
    """What MailboxIdParameter makes of an object: a text is itself, an object gives its Guid or Identity."""
    for attribute in ("Guid", "Identity", "DistinguishedName"):
        if isinstance(value, PSObject) and hasattr(value, attribute) and not isinstance(value, str):
            return str(getattr(value, attribute))
    return str(value)


def run(session, commands, source, write):
    """Runs the commands; `source` yields the pipeline's input, or is None when there is none; `write` takes output."""
    stages = []
    for command in commands:
        if command.is_script:
            raise records.no_language()
        cmdlet = session.cmdlet(command.command_text)
        if cmdlet is None:
            raise records.not_recognized(command.command_text)
        stages.append(cmdlet(session, bind(cmdlet, command, session.world)))
    for stage in stages:
        stage.begin()
    flow = source
    for stage in stages:
        flow = _through(stage, flow)
    for output in flow:
        write(output)


def _through(stage, upstream):
    name = type(stage).pipeline_parameter()
    if upstream is None:
        yield from stage.process(None)
    else:
        for given in upstream:
            session = stage.session
            session.check_stopped()
            if name is None:
                session.error(records.record(
                    "The input object cannot be bound to any parameters for the command either because the command "
                    "does not take pipeline input or the input and its properties do not match any of the parameters "
                    "that take pipeline input.", "System.Management.Automation.ParameterBindingException",
                    activity=stage.name, identifier=f"InputObjectNotBound,{stage.name}", target=str(given),
                    target_type="PSObject"))
                continue
            yield from stage.process(given)
    yield from stage.end()
