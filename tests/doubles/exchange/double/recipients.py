"""Get-CASMailbox and Set-CASMailbox."""

import re

from . import records
from .directory import matches
from .pipeline import Cmdlet, identity_text

MAILBOX = "Deserialized.Microsoft.Exchange.Data.Directory.Management.CASMailbox"
TYPES = [MAILBOX, "Deserialized.Microsoft.Exchange.Data.Directory.ADObject",
         "Deserialized.Microsoft.Exchange.Data.ConfigurableObject", "Deserialized.System.Object"]
MIME = "Deserialized.Microsoft.Exchange.Data.Directory.MimeTextFormat"
DEFAULT_SIZE = 1000

FIRST_THOUSAND = (
    "By default, only the first 1000 items are returned. Use the ResultSize parameter to specify the number of items "
    "returned. To return all items, specify \"-ResultSize Unlimited\". Be aware that, depending on the actual number "
    "of items, returning all items can take a long time and consume a large amount of memory. Also, we don't recommend "
    "storing the results in a variable. Instead, pipe the results to another task or script to perform batch changes.")
MORE_RESULTS = ("There are more results available than are currently displayed. To view them, increase the value for "
                "the ResultSize parameter.")


def describe(mailbox, pop):
    """The whole object, as far as anybody has seen one in a transcript."""
    return records.thing(TYPES, [
        ("EmailAddresses", [f"SMTP:{mailbox.smtp}"] + [f"smtp:{one}" for one in mailbox.addresses]),
        ("LegacyExchangeDN", mailbox.legacy_dn),
        ("LinkedMasterAccount", ""),
        ("PrimarySmtpAddress", mailbox.smtp),
        ("SamAccountName", mailbox.sam),
        ("ServerLegacyDN", f"/o=Contoso/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Configuration/cn=Servers/"
                           f"cn={mailbox.server}"),
        ("ServerName", mailbox.server.lower()),
        ("DisplayName", mailbox.display_name),
        ("ActiveSyncEnabled", True),
        ("OWAEnabled", True),
        ("ECPEnabled", True),
        ("PopEnabled", pop),
        ("PopUseProtocolDefaults", True),
        ("PopMessagesRetrievalMimeFormat", records.named_value(MIME, "BestBodyFormat", 5)),
        ("PopEnableExactRFC822Size", False),
        ("PopSuppressReadReceipt", False),
        ("PopForceICalForCalendarRetrievalOption", False),
        ("ImapEnabled", mailbox.imap),
        ("ImapUseProtocolDefaults", True),
        ("ImapMessagesRetrievalMimeFormat", records.named_value(MIME, "BestBodyFormat", 5)),
        ("MAPIEnabled", True),
        ("EwsEnabled", None),
        ("ExternalDirectoryObjectId", ""),
        ("Identity", mailbox.canonical),
        ("IsValid", not mailbox.corrupted),
        ("ExchangeVersion", "0.20 (15.0.0.0)"),
        ("Name", mailbox.name),
        ("DistinguishedName", mailbox.dn),
        ("Guid", records.guid(mailbox.guid)),
        ("ObjectCategory", f"{mailbox.domain['dns']}/Configuration/Schema/Person"),
        ("ObjectClass", ["top", "person", "organizationalPerson", "user"]),
        ("Id", mailbox.canonical),
        ("OriginatingServer", mailbox.domain["controllers"][0]["name"]),
        ("ObjectState", "Changed"),
    ], to_string=mailbox.canonical)


class Recipient(Cmdlet):
    """What both have in common: finding mailboxes by identity, on one controller."""

    def place(self):
        given = self.bound.get("DomainController")
        domain, controller = self.session.controller(given)
        if controller is None or controller["down"]:
            name = given or controller["name"]
            raise records.Terminate(records.exchange(
                f"The operation couldn't be performed because '{name}' couldn't be contacted: the server is not "
                "operational.", "SuitabilityDirectoryException",
                self.name, self.session.server.name, namespace="Data.Directory"))
        return domain, controller

    def forest(self):
        """Whether other domains are in view; a controller that was named knows only its own."""
        return self.session.entire_forest and "DomainController" not in self.bound

    def candidates(self, identity):
        """All mailboxes of that name that this session can see."""
        domain, controller = self.place()
        found = self.world.directory.find(identity)
        if not self.forest():
            found = [mailbox for mailbox in found if mailbox.domain is domain]
        return found, controller["name"]

    def one(self, identity):
        """The one mailbox of that name, or None after the error was written."""
        fault = self.world.fault("error", cmdlet=self.name, identity=identity)
        if fault:
            self.session.error(records.exchange(fault.get("message", "An error was injected."),
                                                fault.get("exception", "InvalidOperationException"), self.name,
                                                self.session.server.name))
            return None, None
        found, controller = self.candidates(identity)
        if len(found) == 1:
            return found[0], controller
        server = self.session.server.name
        if not found:
            self.session.error(records.exchange(
                f"The operation couldn't be performed because object '{identity}' couldn't be found on '{controller}'.",
                "ManagementObjectNotFoundException", self.name, server))
        else:
            self.session.error(records.exchange(
                f"The operation couldn't be performed because '{identity}' matches multiple entries.",
                "ManagementObjectAmbiguousException", self.name, server))
        return None, None


class GetCasMailbox(Recipient):
    name = "Get-CASMailbox"
    parameters = {
        "Identity": ("identity", 1, True), "Filter": ("string", None, False), "ResultSize": ("string", None, False),
        "DomainController": ("string", None, False), "OrganizationalUnit": ("string", None, False),
        "ReadFromDomainController": ("switch", None, False), "IgnoreDefaultScope": ("switch", None, False),
        "Anr": ("string", None, False), "SortBy": ("string", None, False), "Monitoring": ("switch", None, False),
        "ProtocolSettings": ("switch", None, False), "Credential": ("string", None, False),
    }

    def begin(self):
        self.predicate = opath(self.bound["Filter"], self.name) if "Filter" in self.bound else None
        size = str(self.bound.get("ResultSize", DEFAULT_SIZE))
        if size.casefold() == "unlimited":
            self.limit = None
        elif size.isdigit():
            self.limit = int(size)
        else:
            raise records.bad_value(self.name, "ResultSize", size, "Microsoft.Exchange.Data.Unlimited`1[System.UInt32]")

    def process(self, given):
        self.session.wait()
        identity = identity_text(given) if given is not None else self.bound.get("Identity")
        if identity and not (self.world.unknown_is_everybody and not self.candidates(identity)[0]):
            mailbox, controller = self.one(identity)
            if mailbox is not None:
                yield self.show(mailbox, controller)
        else:
            yield from self.every()

    def every(self):
        """Without an identity, or with a null one: everything in scope. That is the trap."""
        domain, controller = self.place()
        unit = self.bound.get("OrganizationalUnit")
        if unit and not any(within(mailbox, unit) for mailbox in self.world.directory.all()):
            raise records.Terminate(records.exchange(
                f'The organizational unit "{unit}" was not found. Please make sure you have typed it correctly.',
                "ManagementObjectNotFoundException", self.name, self.session.server.name))
        fault = self.world.fault("truncate", cmdlet=self.name)
        limit = int(fault["at"]) if fault else self.limit
        sent = 0
        for mailbox in self.world.directory.all():
            self.session.check_stopped()
            if mailbox.monitoring != self.bound.get("Monitoring", False):
                continue
            if not self.forest() and mailbox.domain is not domain:
                continue
            if unit and not within(mailbox, unit):
                continue
            if self.predicate and not self.predicate(mailbox, self.pop(mailbox, controller["name"])):
                continue
            if limit is not None and sent >= limit:
                if fault and "words" in fault:  # in another language than the session asked for, or without any
                    if fault["words"]:
                        self.session.warn(fault["words"])
                    return
                self.session.warn(FIRST_THOUSAND if "ResultSize" not in self.bound else MORE_RESULTS)
                return
            sent += 1
            yield self.show(mailbox, controller["name"])

    def pop(self, mailbox, controller):
        directory = self.world.directory
        # Across the forest a global catalog answers, unless the controller is asked itself.
        stale = self.session.entire_forest and not self.bound.get("ReadFromDomainController")
        return mailbox.pop(None if stale and "DomainController" not in self.bound else controller, directory.delay)

    def show(self, mailbox, controller):
        if mailbox.corrupted:
            self.session.warn(f"The object {mailbox.canonical} has been corrupted, and it's in an inconsistent state. "
                              "The following validation errors happened:")
            self.session.warn("Database is mandatory on UserMailbox.")
        return Shown(mailbox, self.pop(mailbox, controller))


class Shown:
    """A mailbox on its way out; made into an object late, so that equal ones are serialized once."""

    __slots__ = ("mailbox", "pop")

    def __init__(self, mailbox, pop):
        self.mailbox = mailbox
        self.pop = pop

    def build(self):
        return describe(self.mailbox, self.pop)

    def key(self):
        return (id(self.mailbox), self.mailbox.version, self.pop)


class SetCasMailbox(Recipient):
    name = "Set-CASMailbox"
    parameters = {
        "Identity": ("identity", 1, True), "PopEnabled": ("bool", None, False), "ImapEnabled": ("bool", None, False),
        "DomainController": ("string", None, False), "IgnoreDefaultScope": ("switch", None, False),
        "Confirm": ("switch", None, False), "WhatIf": ("switch", None, False), "OWAEnabled": ("bool", None, False),
        "PopUseProtocolDefaults": ("bool", None, False), "ActiveSyncEnabled": ("bool", None, False),
    }

    def process(self, given):
        identity = identity_text(given) if given is not None else self.bound.get("Identity")
        if not identity:
            raise records.missing_parameter(self.name, "Identity")
        self.session.running.seen(identity)
        self.session.wait()
        mailbox, controller = self.one(identity)
        if mailbox is not None:
            self.write(mailbox, controller)
        return ()

    def write(self, mailbox, controller):
        server = self.session.server.name
        if mailbox.out_of_scope:
            self.session.error(records.exchange(
                f"The operation on object '{mailbox.canonical}' can't be performed because the object isn't within "
                "your current write scopes.", "InvalidOperationException", self.name, server))
            return
        if mailbox.denied:
            self.session.error(records.exchange(
                f"Active Directory operation failed on {controller}. This error is not retriable. Additional "
                "information: Access is denied. Active directory response: 00000005: SecErr: DSID-031A1256, problem "
                "4003 (INSUFF_ACCESS_RIGHTS), data 0.", "ADOperationException", self.name, server,
                namespace="Data.Directory"))
            return
        if "PopEnabled" not in self.bound or self.bound.get("WhatIf"):
            return
        wanted = self.bound["PopEnabled"]
        if mailbox.pop(controller, self.world.directory.delay) == wanted:
            self.session.warn("The command completed successfully but no settings of "
                              f"'{mailbox.canonical}' have been modified.")
            return
        mailbox.write(controller, wanted)
        self.world.note("set", guid=str(mailbox.guid), name=mailbox.name, pop=wanted, controller=controller,
                        server=server)


def within(mailbox, unit):
    folded = unit.casefold().strip("/")
    here = f"{mailbox.domain['dns']}/{mailbox.ou}".casefold()
    dn = mailbox.dn.split(",", 1)[1].casefold()
    return here == folded or here.startswith(folded + "/") or folded == mailbox.ou.casefold() or dn.endswith(folded)


_TERM = re.compile(r"\s*\(?\s*(\w+)\s+-(eq|ne|like)\s+(?:'((?:[^']|'')*)'|\"([^\"]*)\"|(\$?\w+))\s*\)?\s*", re.I)


def opath(text, cmdlet):
    """The part of OPATH that anybody uses here: comparisons joined by -and."""
    terms = []
    for part in re.split(r"\s+-and\s+", text.strip(), flags=re.I):
        found = _TERM.fullmatch(part)
        if not found:
            raise records.Terminate(records.record(
                f"Cannot bind parameter 'Filter' to the target. Exception setting \"Filter\": \"Invalid filter syntax. "
                f"For a description of the filter parameter syntax see the command help. \"{text}\"",
                "System.Management.Automation.ParameterBindingException", activity=cmdlet,
                identifier=f"ParameterBindingFailed,{cmdlet}"))
        name, how, single, double, bare = found.groups()
        value = single.replace("''", "'") if single is not None else double if double is not None else bare
        terms.append((name.casefold(), how.casefold(), value))

    def holds(mailbox, pop):
        return all(_compare(mailbox, pop, *term) for term in terms)

    return holds


def _compare(mailbox, pop, name, how, value):
    actual = {"popenabled": pop, "imapenabled": mailbox.imap, "name": mailbox.name, "alias": mailbox.alias,
              "displayname": mailbox.display_name, "primarysmtpaddress": mailbox.smtp, "guid": str(mailbox.guid),
              "userprincipalname": mailbox.upn, "samaccountname": mailbox.sam}.get(name)
    if isinstance(actual, bool):
        same = actual == (value.lstrip("$").casefold() == "true")
    elif how == "like":
        return actual is not None and matches(value, actual)
    else:
        same = actual is not None and actual.casefold() == value.casefold()
    return same if how == "eq" else not same
