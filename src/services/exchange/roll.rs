//! One server at a time: a server that did not come back stops the roll before the next one. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// What is known of the servers while they are restarted one after the other.
#[derive(Debug, Default)]
pub(super) struct Roll {
    /// Servers that do not serve since popgate touched them, and why.
    broken: BTreeMap<String, String>,
    /// (server, service): stopped, and by popgate, whose restart did not bring it back.
    halted: BTreeSet<(String, String)>,
}

impl Roll {
    /// Returns a server other than this one that has to come back first, and what is wrong with it.
    pub(super) fn before(&self, server: &str) -> Option<(String, String)> {
        let other = self.broken.iter().find(|(broken, _)| *broken != server);
        other.map(|(broken, why)| (broken.clone(), why.clone()))
    }

    /// A restart on this server failed, or it does not serve after one.
    pub(super) fn broke(&mut self, server: &str, why: &str) {
        self.broken.insert(server.to_owned(), why.to_owned());
    }

    /// The server serves.
    pub(super) fn mended(&mut self, server: &str) {
        self.broken.remove(server);
    }

    /// A restart is under way, which may leave the service stopped.
    pub(super) fn halting(&mut self, server: &str, service: &str) {
        self.halted.insert((server.to_owned(), service.to_owned()));
    }

    /// The service runs again.
    pub(super) fn runs(&mut self, server: &str, service: &str) {
        self.halted.remove(&(server.to_owned(), service.to_owned()));
    }

    /// Tells whether popgate itself stopped the service: then it is not one that somebody stopped on purpose.
    pub(super) fn is_halted(&self, server: &str, service: &str) -> bool {
        self.halted.contains(&(server.to_owned(), service.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_server_stops_the_others_and_not_itself() {
        let mut roll = Roll::default();
        assert_eq!(roll.before("ex02"), None);
        roll.broke("ex01", "no banner");
        assert_eq!(roll.before("ex01"), None);
        assert_eq!(roll.before("ex02"), Some(("ex01".to_owned(), "no banner".to_owned())));
        roll.mended("ex01");
        assert_eq!(roll.before("ex02"), None);
    }

    #[test]
    fn what_popgate_stopped_was_not_stopped_on_purpose() {
        let mut roll = Roll::default();
        roll.halting("ex01", "MSExchangePop3");
        assert!(roll.is_halted("ex01", "MSExchangePop3"));
        assert!(!roll.is_halted("ex01", "MSExchangePOP3BE"));
        roll.runs("ex01", "MSExchangePop3");
        assert!(!roll.is_halted("ex01", "MSExchangePop3"));
    }
}
