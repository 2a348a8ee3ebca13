//! Mailboxes on the wire: the pipelines that ask for them, and what their objects mean.

use uuid::Uuid;

use crate::model::{Access, Account, AccountId, State};
use crate::name::fold;
use crate::psrp::{Command, Pipeline, Value};

/// The properties of a mailbox that are needed to know it by every name.
const NAMES: [&str; 10] = [
    "Guid",
    "Name",
    "DisplayName",
    "PrimarySmtpAddress",
    "EmailAddresses",
    "SamAccountName",
    "DistinguishedName",
    "Identity",
    "PopEnabled",
    "IsValid",
];

/// Those that are needed to see what a write did.
const STATES: [&str; 5] = ["Guid", "Identity", "SamAccountName", "PopEnabled", "IsValid"];

/// How mailboxes are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asking<'a> {
    /// The controller that answers.
    pub(super) controller: Option<&'a str>,
    /// Whether `Select-Object` is to be had, which makes a mailbox a tenth of its size.
    pub(super) select: bool,
}

impl Asking<'_> {
    /// Asks for every mailbox, in a unit or in all of the domain.
    pub(super) fn all(self, unit: Option<&str>) -> Pipeline {
        let get = self.get().with("ResultSize", "Unlimited").with_some("OrganizationalUnit", unit);
        self.selected(get, &NAMES)
    }

    /// Asks for the state of every mailbox, in a unit or in all of the domain.
    pub(super) fn every_state(self, unit: Option<&str>) -> Pipeline {
        let get = self.get().with("ResultSize", "Unlimited").with_some("OrganizationalUnit", unit);
        self.selected(get, &STATES)
    }

    /// Asks for the state of these mailboxes. Text, because that is what binds to an identity.
    pub(super) fn states(self, guids: &[Uuid]) -> Pipeline {
        self.selected(self.get(), &STATES).fed(guids.iter().map(Uuid::to_string))
    }

    /// Asks what one name means. One more than can be right is let through, so that two are noticed.
    pub(super) fn one(self, name: &str) -> Pipeline {
        let get = self.get().with("Identity", name).with("ResultSize", "2");
        self.selected(get, &STATES)
    }

    /// Asks for many names at once, to hear which of them nobody has.
    pub(super) fn named(self, names: &[&str]) -> Pipeline {
        self.selected(self.get(), &["Guid"]).fed(names.iter().map(|name| (*name).to_owned()))
    }

    /// Gives these mailboxes this access.
    pub(super) fn set(self, access: Access, guids: &[Uuid]) -> Pipeline {
        let set = Command::new("Set-CASMailbox")
            .with("PopEnabled", access == Access::Enabled)
            .with("Confirm", false)
            .with_some("DomainController", self.controller);
        Pipeline::of([set]).fed(guids.iter().map(Uuid::to_string))
    }

    fn get(self) -> Command {
        Command::new("Get-CASMailbox").with_some("DomainController", self.controller)
    }

    fn selected<const N: usize>(self, get: Command, properties: &[&str; N]) -> Pipeline {
        let select = self.select.then(|| Command::new("Select-Object").with("Property", *properties));
        Pipeline::of(std::iter::once(get).chain(select))
    }
}

/// One mailbox, as the server described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) guid: Uuid,
    /// `contoso.example/Users/Alice`: how errors and warnings name it.
    pub(super) canonical: String,
    pub(super) sam: String,
    pub(super) state: State,
    name: String,
    address: String,
    aliases: Vec<String>,
}

impl Mailbox {
    /// Reads an object; `None` when it has no GUID and so is no mailbox.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.member(name).and_then(Value::text).unwrap_or_default();
        let guid = value.member("Guid")?.guid()?;
        let pop = value.member("PopEnabled").and_then(Value::truth);
        let state = match (pop, value.member("IsValid").and_then(Value::truth)) {
            (_, Some(false)) => State::Unreadable(CORRUPTED.to_owned()),
            (Some(true), _) => State::Is(Access::Enabled),
            (Some(false), _) => State::Is(Access::Disabled),
            (None, _) => State::Unreadable("Exchange did not say whether it has POP3".to_owned()),
        };
        let addresses = value.member("EmailAddresses").map(Value::items).unwrap_or_default();
        let addresses = addresses.iter().filter_map(Value::text).filter_map(|address| {
            let (kind, address) = address.split_once(':')?;
            kind.eq_ignore_ascii_case("smtp").then(|| address.to_owned())
        });
        let mut aliases: Vec<String> = addresses.collect();
        aliases.extend([text("Name"), text("DisplayName"), text("DistinguishedName"), text("Identity")]);
        Some(Self {
            guid,
            canonical: text("Identity"),
            sam: text("SamAccountName"),
            state,
            name: text("Name"),
            address: text("PrimarySmtpAddress"),
            aliases,
        })
    }

    /// Tells whether it is one that Exchange makes for itself, or the one by which an organisation is mended.
    pub(super) fn is_sacred(&self) -> bool {
        self.sam.eq_ignore_ascii_case("Administrator")
            || is_monitoring(&self.name)
            || is_monitoring(&self.sam)
    }

    /// Hands on every name, folded.
    pub(super) fn folded_names(&self, netbios: Option<&str>, each: &mut dyn FnMut(String)) {
        each(self.guid.to_string());
        each(fold(&self.address));
        self.aliases.iter().for_each(|alias| each(fold(alias)));
        if let Some(domain) = netbios.filter(|_| !self.sam.is_empty()) {
            each(fold(&format!("{domain}\\{}", self.sam)));
        }
    }

    /// Notes what a warning said.
    pub(super) fn corrupted(&mut self) {
        self.state = State::Unreadable(CORRUPTED.to_owned());
    }

    /// Turns it into an account; `netbios` is the short name of its domain, and `more` are names that were looked up.
    pub(super) fn account(self, netbios: Option<&str>, more: impl IntoIterator<Item = String>) -> Account {
        let mut aliases = self.aliases;
        if !self.sam.is_empty() {
            aliases.extend(netbios.map(|domain| format!("{domain}\\{}", self.sam)));
        }
        aliases.extend(more);
        let name = if self.address.is_empty() { self.name } else { self.address };
        let mut seen = std::collections::BTreeSet::from([fold(&name)]);
        aliases.retain(|alias| !alias.trim().is_empty() && seen.insert(fold(alias)));
        Account { id: id(self.guid), name, aliases, state: self.state }
    }
}

const CORRUPTED: &str =
    "Exchange says that the object is corrupted: look at it with Get-CASMailbox, mend what its warning names";

fn is_monitoring(name: &str) -> bool {
    name.get(..13).is_some_and(|start| start.eq_ignore_ascii_case("HealthMailbox"))
        || name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("SM_"))
}

/// Returns the id of the account with this GUID.
pub(super) fn id(guid: Uuid) -> AccountId {
    AccountId::new(guid.to_string())
}

/// Returns the GUID in an id; `None` for an id that no mailbox can have.
pub(super) fn guid(id: &AccountId) -> Option<Uuid> {
    Uuid::parse_str(id.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::psrp::Object;
    use std::sync::Arc;

    fn object(members: &[(&str, Value)]) -> Value {
        let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Value::Object(Arc::new(Object { members, ..Object::default() }))
    }

    const GUID: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_mailbox_is_known_by_all_its_names_once() {
        let value = object(&[
            ("Guid", GUID.to_string().as_str().into()),
            ("Name", "Alice".into()),
            ("DisplayName", "alice".into()),
            ("PrimarySmtpAddress", "alice@x".into()),
            (
                "EmailAddresses",
                Value::List(vec!["SMTP:alice@x".into(), "smtp:al@x".into(), "X500:/o=x".into()]),
            ),
            ("SamAccountName", "al".into()),
            ("DistinguishedName", "CN=Alice,DC=x".into()),
            ("Identity", "x/Alice".into()),
            ("PopEnabled", true.into()),
        ]);
        let account = Mailbox::read(&value).unwrap().account(Some("X"), ["upn@x".to_owned()]);
        assert_eq!((account.id, account.name.as_str()), (id(GUID), "alice@x"));
        assert_eq!(account.aliases, ["al@x", "Alice", "CN=Alice,DC=x", "x/Alice", "X\\al", "upn@x"]);
        assert_eq!(account.state, State::Is(Access::Enabled));
    }

    #[test]
    fn what_was_not_said_is_unreadable_and_never_disabled() {
        let bare = |more: &[(&str, Value)]| {
            let mut members = vec![("Guid", Value::Guid(GUID))];
            members.extend_from_slice(more);
            Mailbox::read(&object(&members)).unwrap().state
        };
        assert!(matches!(bare(&[]), State::Unreadable(_)));
        assert!(matches!(bare(&[("PopEnabled", Value::Nil)]), State::Unreadable(_)));
        assert!(matches!(
            bare(&[("PopEnabled", false.into()), ("IsValid", false.into())]),
            State::Unreadable(_)
        ));
        assert_eq!(bare(&[("PopEnabled", "False".into())]), State::Is(Access::Disabled));
        assert_eq!(Mailbox::read(&object(&[("Name", "x".into())])), None);
    }

    #[test]
    fn monitoring_mailboxes_and_the_administrator_are_sacred() {
        for (sam, name, sacred) in [
            ("administrator", "Admin", true),
            ("SM_0123456789abcdef0", "HealthMailbox0a1b", true),
            ("healthmailbox", "x", true),
            ("alice", "Alice Administrator", false),
            ("", "é", false),
        ] {
            let value =
                object(&[("Guid", Value::Guid(GUID)), ("Name", name.into()), ("SamAccountName", sam.into())]);
            assert_eq!(Mailbox::read(&value).unwrap().is_sacred(), sacred, "{sam} {name}");
        }
    }

    #[test]
    fn a_pipeline_never_asks_for_nothing_in_particular() {
        let asking = Asking { controller: Some("dc01"), select: false };
        assert!(asking.states(&[]).input.is_empty());
        let all = asking.all(None);
        assert_eq!(all.commands[0].parameters().collect::<Vec<_>>(), ["DomainController", "ResultSize"]);
    }
}
