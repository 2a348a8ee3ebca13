//! Who is at the keyboard, for the journal.

use crate::journal::lock::running_user;

/// Returns the person's name, also behind sudo.
pub(super) fn who() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(running_user);
    match variable("SUDO_USER") {
        Some(person) if person != user => format!("{person} (as {user})"),
        _ => user,
    }
}
