//! Which commands a session lets an account see, and with which parameters: a role may leave out either.

use super::client::Session;
use super::message::Command;
use super::value::Value;
use super::{Ending, Pipeline};

/// A command that is used, and the parameters it is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The command.
    pub command: &'static str,
    /// The parameters.
    pub parameters: &'static [&'static str],
    /// What to do when it cannot be seen.
    pub remedy: &'static str,
}

/// What can be seen of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All that is needed.
    Whole,
    /// Not this parameter.
    Without(&'static str),
    /// Nothing.
    Hidden,
}

/// Looks which of these commands can be seen; `None` where the session does not tell.
pub async fn sight(session: &mut Session, needs: &[Need]) -> Option<Vec<Sight>> {
    let names = Value::List(needs.iter().map(|need| Value::from(need.command)).collect());
    let command = Command::new("Get-Command").with("Name", names);
    // What cannot be seen is an error of its own, and simply not in the output.
    let (found, answer) = session.collect(&Pipeline::of([command])).await;
    if !matches!(answer.ending, Ending::Completed) {
        return None;
    }
    let found: Vec<_> = found.iter().filter_map(read).collect();
    Some(needs.iter().map(|need| compare(need, &found)).collect())
}

fn compare(need: &Need, found: &[(String, Vec<String>)]) -> Sight {
    let Some((_, have)) = found.iter().find(|(name, _)| name.eq_ignore_ascii_case(need.command)) else {
        return Sight::Hidden;
    };
    // Nobody lacks every parameter, so an empty list is one that was lost on the way.
    let lacks =
        |wanted: &&&str| !have.is_empty() && !have.iter().any(|have| have.eq_ignore_ascii_case(wanted));
    need.parameters.iter().find(lacks).map_or(Sight::Whole, |lacking| Sight::Without(lacking))
}

/// Reads a command and the names of its parameters.
fn read(value: &Value) -> Option<(String, Vec<String>)> {
    let name = value.member("Name").and_then(Value::text)?;
    let pairs = match value.member("Parameters") {
        Some(Value::Map(pairs)) => pairs.as_slice(),
        Some(Value::Object(object)) => match &object.inner {
            Value::Map(pairs) => pairs.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    Some((name, pairs.iter().filter_map(|(name, _)| name.text()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_a_role_left_out_is_missed() {
        let need = Need { command: "Set-CASMailbox", parameters: &["Identity", "PopEnabled"], remedy: "" };
        let found = |parameters: &[&str]| {
            vec![(
                "set-casmailbox".to_owned(),
                parameters.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(),
            )]
        };
        assert_eq!(compare(&need, &found(&["identity", "PopEnabled", "Verbose"])), Sight::Whole);
        assert_eq!(compare(&need, &found(&["Identity", "ImapEnabled"])), Sight::Without("PopEnabled"));
        assert_eq!(compare(&need, &found(&[])), Sight::Whole, "unknown, hence not missed");
        assert_eq!(compare(&need, &[]), Sight::Hidden);
    }
}
