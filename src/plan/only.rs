//! Looking at a part of a plan. What the guards say and what an approval names stays that of the whole.

use super::{Blocked, Held, Note, Plan, Planned};
use crate::model::Access;
use crate::name::Glob;

impl Plan {
    /// Keeps only what concerns users whose name matches, and returns how many changes were left out. The id, the
    /// guards, the effects and the counts of the store stay those of the whole plan.
    #[must_use]
    pub fn only(mut self, glob: &Glob) -> (Self, u64) {
        let before = self.changes.len();
        self.changes.retain(|Planned { change, .. }| glob.matches(&change.name));
        self.held.retain(|Held { change, .. }| glob.matches(&change.name));
        self.blocked.retain(|Blocked { name, .. }| glob.matches(name));
        self.notes.retain(|note| match note {
            Note::Missing { name, .. } | Note::Unreadable { name, .. } | Note::Released { name, .. } => {
                glob.matches(name)
            }
            Note::FirstContact
            | Note::NotEffective { .. }
            | Note::PolicyChanged(_)
            | Note::WritesClosed { .. } => true,
        });
        let to = |access| self.changes.iter().filter(|planned| planned.change.to == access).count() as u64;
        let noted = |kind: fn(&Note) -> bool| self.notes.iter().filter(|note| kind(note)).count() as u64;
        self.summary.disable = to(Access::Disabled);
        self.summary.enable = to(Access::Enabled);
        self.summary.blocked = self.blocked.len() as u64;
        self.summary.missing = noted(|note| matches!(note, Note::Missing { .. }));
        self.summary.released = noted(|note| matches!(note, Note::Released { .. }));
        let hidden = (before - self.changes.len()) as u64;
        (self, hidden)
    }
}
