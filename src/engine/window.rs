//! Windows: when writes and restarts are allowed.

/// When writes and restarts are allowed. Allow windows unite, deny wins, none means always.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows {}
