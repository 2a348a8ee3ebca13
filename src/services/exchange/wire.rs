//! What is asked of Windows and of Exchange, and what their answers mean. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::psrp::{Command, Pipeline, Value};
use crate::services::Condition;

/// The service that clients of POP3 talk to.
pub(super) const FRONT: &str = "MSExchangePop3";
/// The service behind it, on the server that holds the mailbox.
pub(super) const BACK: &str = "MSExchangePOP3BE";
/// Both.
pub(super) const BOTH: [&str; 2] = [FRONT, BACK];
/// The component that a server in maintenance switches off; both services stop by themselves then.
pub(super) const COMPONENT: &str = "PopProxy";
/// Matches both services and no other.
pub(super) const FILTER: &str = "Name LIKE 'MSExchangePOP3%'";

/// One server of the organisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Its short name.
    pub(super) name: String,
    /// Its full name.
    pub(super) fqdn: String,
}

/// A run of a service: its process, and when that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) process: i64,
    pub(super) since: Timestamp,
}

impl Run {
    /// What tells this run from every other one.
    pub(super) fn identity(&self) -> String {
        format!("process {} since {}", self.process, self.since)
    }

    /// How long it has lasted on a server whose clock shows `now`.
    pub(super) fn age(&self, now: Timestamp) -> Option<Duration> {
        Duration::try_from(now.duration_since(self.since)).ok()
    }
}

pub(super) fn servers() -> Pipeline {
    Pipeline::of([Command::new("Get-ExchangeServer")])
}

pub(super) fn component(server: &str) -> Pipeline {
    let state =
        Command::new("Get-ServerComponentState").with("Identity", server).with("Component", COMPONENT);
    Pipeline::of([state])
}

pub(super) fn services() -> Pipeline {
    Pipeline::of([Command::new("Get-Service").with("Name", BOTH)])
}

pub(super) fn service(name: &str) -> Pipeline {
    Pipeline::of([Command::new("Get-Service").with("Name", name)])
}

pub(super) fn processes() -> Pipeline {
    let services = Command::new("Get-CimInstance").with("ClassName", "Win32_Service").with("Filter", FILTER);
    Pipeline::of([services])
}

pub(super) fn process(id: i64) -> Pipeline {
    Pipeline::of([Command::new("Get-Process").with("Id", id)])
}

pub(super) fn clock() -> Pipeline {
    Pipeline::of([Command::new("Get-Date")])
}

pub(super) fn restart(name: &str, within: Duration) -> Pipeline {
    Pipeline::of([Command::new("Restart-Service").with("Name", name)]).within(within)
}

/// Reads a server; none of those that hold no mailboxes and no clients.
pub(super) fn read_server(value: &Value) -> Option<Found> {
    let text = |name: &str| value.member(name).and_then(Value::text).filter(|text| !text.is_empty());
    let role = text("ServerRole").unwrap_or_default();
    let edge = value.member("IsEdgeServer").and_then(Value::truth) == Some(true);
    if edge || role.split(',').any(|role| role.trim().eq_ignore_ascii_case("Edge")) {
        return None;
    }
    let name = text("Name")?;
    Some(Found { fqdn: text("Fqdn").unwrap_or_else(|| name.clone()), name })
}

/// Reads the state of a component: `Active`, `Inactive` or `Draining`.
pub(super) fn read_state(value: &Value) -> Option<String> {
    value.member("State").and_then(Value::text)
}

/// Reads a service: its name as popgate writes it, and whether it runs.
pub(super) fn read_service(value: &Value) -> Option<(&'static str, Condition)> {
    let name = value.member("Name").or_else(|| value.member("ServiceName")).and_then(Value::text)?;
    let name = BOTH.into_iter().find(|known| known.eq_ignore_ascii_case(&name))?;
    let status = value.member("Status").and_then(Value::text).unwrap_or_default();
    // The name of the number, or the number itself where names were lost on the way.
    let condition = match status.as_str() {
        "Running" | "4" => Condition::Running,
        "Stopped" | "1" => Condition::Stopped,
        "StartPending" | "StopPending" | "ContinuePending" | "PausePending" | "2" | "3" | "5" | "6" => {
            Condition::Changing
        }
        _ => Condition::Unknown,
    };
    Some((name, condition))
}

/// Reads which process runs a service; none while it is stopped.
pub(super) fn read_process(value: &Value) -> Option<(&'static str, i64)> {
    let name = value.member("Name").and_then(Value::text)?;
    let name = BOTH.into_iter().find(|known| known.eq_ignore_ascii_case(&name))?;
    let process = value.member("ProcessId").and_then(Value::number).filter(|process| *process > 0)?;
    Some((name, process))
}

/// Reads when a process began.
pub(super) fn read_start(value: &Value) -> Option<Timestamp> {
    value.member("StartTime").and_then(moment)
}

/// Reads a moment with its offset from UTC; without one nobody knows when it was.
pub(super) fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Moment(text) => text.parse().ok(),
        Value::Object(object) => match &object.inner {
            Value::Moment(text) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::psrp::Object;

    fn object(members: &[(&str, Value)]) -> Value {
        let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Value::Object(Arc::new(Object { members, ..Object::default() }))
    }

    fn named(text: &str, number: i64) -> Value {
        Value::Object(Arc::new(Object {
            text: Some(text.to_owned()),
            inner: Value::Int(number),
            ..Object::default()
        }))
    }

    #[test]
    fn the_jea_role_of_the_examples_lets_through_all_that_is_asked_of_a_server() {
        let role = include_str!("../../../examples/exchange/jea/Popgate/RoleCapabilities/Popgate.psrc");
        for pipeline in [
            services(),
            service(FRONT),
            processes(),
            process(7),
            clock(),
            restart(BACK, Duration::from_mins(1)),
        ] {
            for command in &pipeline.commands {
                let name = format!("'{}'", command.name());
                let (_, behind) =
                    role.split_once(&name).unwrap_or_else(|| panic!("{name} is not let through"));
                let next = ["'Get-", "'Restart-"].iter().filter_map(|verb| behind.find(verb)).min();
                let own = &behind[..next.unwrap_or(behind.len())];
                for parameter in command.parameters() {
                    assert!(own.contains(&format!("Name = '{parameter}'")), "{name} -{parameter}");
                }
            }
        }
        for value in [FRONT, BACK] {
            assert_eq!(role.matches(&format!("'{value}'")).count(), 2, "{value} is seen and restarted");
        }
        assert!(role.contains(&format!("\"{FILTER}\"")));
    }

    #[test]
    fn edge_servers_have_no_pop3() {
        let server = |role: &str| {
            object(&[
                ("Name", "EX01".into()),
                ("Fqdn", "ex01.contoso.example".into()),
                ("ServerRole", named(role, 1)),
            ])
        };
        assert_eq!(read_server(&server("Edge")), None);
        assert_eq!(read_server(&server("Mailbox, ClientAccess")).unwrap().fqdn, "ex01.contoso.example");
        assert_eq!(read_server(&object(&[("Name", "EX02".into())])).unwrap().fqdn, "EX02");
    }

    #[test]
    fn a_service_is_known_whatever_the_case_of_its_name() {
        let service =
            |name: &str, status: Value| read_service(&object(&[("Name", name.into()), ("Status", status)]));
        assert_eq!(service("msexchangepop3", named("Running", 4)), Some((FRONT, Condition::Running)));
        assert_eq!(service("MSExchangePOP3BE", Value::Int(1)), Some((BACK, Condition::Stopped)));
        assert_eq!(service("MSExchangePop3", named("StopPending", 3)), Some((FRONT, Condition::Changing)));
        assert_eq!(service("MSExchangeImap4", named("Running", 4)), None);
    }

    #[test]
    fn a_run_is_told_by_process_and_start_and_its_age_by_the_servers_own_clock() {
        let start = object(&[("StartTime", Value::Moment("2026-11-25T11:00:00.1234567+08:00".into()))]);
        let run = Run { process: 4812, since: read_start(&start).unwrap() };
        assert_eq!(run.identity(), "process 4812 since 2026-11-25T03:00:00.1234567Z");
        let now = moment(&Value::Moment("2026-11-25T03:00:10.1234567Z".into())).unwrap();
        assert_eq!(run.age(now), Some(Duration::from_secs(10)));
        assert_eq!(run.age("2026-11-25T02:00:00Z".parse().unwrap()), None, "a clock that was set back");
        assert_eq!(moment(&Value::Moment("2026-11-25T03:00:10".into())), None, "no offset, no moment");
    }

    #[test]
    fn a_stopped_service_has_no_process() {
        assert_eq!(read_process(&object(&[("Name", FRONT.into()), ("ProcessId", Value::Int(0))])), None);
        assert_eq!(
            read_process(&object(&[("Name", FRONT.into()), ("ProcessId", Value::Int(8))])),
            Some((FRONT, 8))
        );
    }
}
