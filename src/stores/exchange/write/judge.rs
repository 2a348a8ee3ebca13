//! What a change comes to, from what was seen before and after it. Pure.

use crate::model::{Access, Fault, Outcome};
use crate::plan::Change;
use crate::stores::exchange::look::Look;
use crate::stores::exchange::verdict::Verdict;

/// What became of one identity that was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// Exchange said that it was so already.
    pub(super) already: bool,
    /// The pipeline's end was not heard.
    pub(super) lost: bool,
    /// What an error said.
    pub(super) verdict: Option<Verdict>,
    /// Its words.
    pub(super) message: String,
}

/// Returns the outcome of a change that is not to be sent; `None` for one that is.
pub(super) fn before(change: &Change, look: Option<&Look>, never: bool) -> Option<Outcome> {
    let mailbox = match look {
        Some(Look::There(mailbox)) => mailbox,
        Some(Look::Gone) => return Some(Outcome::Missing),
        Some(Look::Failed(verdict)) => return Some(Outcome::NotApplied(verdict.fault())),
        None => return Some(Outcome::NotApplied(Fault::TRANSIENT)),
    };
    if mailbox.state.is(change.to) {
        return Some(Outcome::Already);
    }
    if never || mailbox.is_sacred() {
        return Some(Outcome::NotApplied(Fault::Denied));
    }
    // Somebody was here since it was planned, and did something else: that needs a new plan.
    (mailbox.state != change.from).then_some(Outcome::NotApplied(Fault::TRANSIENT))
}

/// Returns the outcome of a change that was sent.
pub(super) fn after(to: Access, sent: Option<&Sent>, now: Option<&Look>) -> Outcome {
    let Some(sent) = sent else { return Outcome::NotApplied(Fault::TRANSIENT) };
    match now {
        Some(Look::There(mailbox)) if mailbox.state.is(to) => {
            if sent.already {
                Outcome::Already
            } else {
                Outcome::Done
            }
        }
        // It may still be written, by a pipeline that runs on.
        _ if sent.lost => Outcome::Unknown,
        Some(Look::Gone) => Outcome::Missing,
        Some(Look::There(_)) => {
            sent.verdict.as_ref().map_or(Outcome::NotApplied(Fault::TRANSIENT), Verdict::outcome)
        }
        // A refusal needs no second look.
        Some(Look::Failed(_)) | None => sent.verdict.as_ref().map_or(Outcome::Unknown, Verdict::outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, State};
    use crate::plan::Cause;
    use crate::psrp::{Object, Value};
    use crate::stores::exchange::wire::Mailbox;
    use std::sync::Arc;

    fn there(pop: bool) -> Look {
        let members =
            vec![("Guid".into(), Value::Guid(uuid::Uuid::from_u128(1))), ("PopEnabled".into(), pop.into())];
        let object = Value::Object(Arc::new(Object { members, ..Object::default() }));
        Look::There(Mailbox::read(&object).unwrap())
    }

    fn change(from: State, to: Access) -> Change {
        Change { account: AccountId::new("x"), name: "x".into(), from, to, cause: Cause::Unlisted }
    }

    use Access::{Disabled, Enabled};

    #[test]
    fn only_what_is_as_the_plan_saw_it_is_sent() {
        let disable = change(State::Is(Enabled), Disabled);
        assert_eq!(before(&disable, Some(&there(true)), false), None);
        assert_eq!(before(&disable, Some(&there(false)), false), Some(Outcome::Already));
        assert_eq!(before(&disable, Some(&Look::Gone), false), Some(Outcome::Missing));
        assert_eq!(before(&disable, None, false), Some(Outcome::NotApplied(Fault::TRANSIENT)));
        assert_eq!(before(&disable, Some(&there(true)), true), Some(Outcome::NotApplied(Fault::Denied)));
        let missing = change(State::Missing, Enabled);
        assert_eq!(before(&missing, Some(&there(false)), false), Some(Outcome::NotApplied(Fault::TRANSIENT)));
    }

    #[test]
    fn what_reads_back_decides_and_what_was_not_heard_is_unknown() {
        let sent = |lost, verdict| Sent { lost, verdict, ..Sent::default() };
        let none = sent(false, None);
        let transient = Outcome::NotApplied(Fault::TRANSIENT);
        assert_eq!(after(Disabled, Some(&none), Some(&there(false))), Outcome::Done);
        assert_eq!(after(Disabled, Some(&sent(true, None)), Some(&there(false))), Outcome::Done);
        assert_eq!(after(Disabled, Some(&sent(true, None)), Some(&there(true))), Outcome::Unknown);
        assert_eq!(after(Disabled, Some(&none), Some(&there(true))), transient);
        assert_eq!(after(Disabled, Some(&none), None), Outcome::Unknown);
        assert_eq!(after(Disabled, Some(&none), Some(&Look::Gone)), Outcome::Missing);
        let denied = sent(false, Some(Verdict::Denied("")));
        assert_eq!(after(Disabled, Some(&denied), Some(&there(true))), Outcome::NotApplied(Fault::Denied));
        assert_eq!(after(Disabled, Some(&denied), None), Outcome::NotApplied(Fault::Denied));
        let already = Sent { already: true, ..Sent::default() };
        assert_eq!(after(Disabled, Some(&already), Some(&there(false))), Outcome::Already);
    }
}
