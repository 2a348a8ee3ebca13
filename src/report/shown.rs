//! What every form of a report is made from.

use crate::desired::Desired;
use crate::model::{AccountId, State};
use crate::plan::Plan;

use super::text::View;

/// A plan with what a reader needs to know besides.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The desired state that was planned, with its files.
    pub desired: &'a Desired,
    /// How it is shown.
    pub view: &'a View,
}

/// How much of a plan is shown. The plan itself, its id and its guards are always those of the whole.
#[derive(Clone, Debug, Default)]
pub struct Extent {
    /// Only the summary, what happens and what the guards say: no list of users.
    pub concise: bool,
    /// Only users whose name matches this pattern are listed; carries how many changes are not.
    pub only: Option<(String, u64)>,
    /// The accounts that no entry names, those with POP3 first, where somebody asked for them.
    pub unlisted: Option<Vec<Unlisted>>,
}

/// An account that no entry names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    /// Its canonical id.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What the store says.
    pub state: State,
}
