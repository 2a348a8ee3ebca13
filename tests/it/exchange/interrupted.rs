//! A signal while popgate waits for Exchange: no session is left behind, since each counts against the account's limit.

use serde_json::json;

use super::farm::world;
use crate::world::exchange::Exchange;
use crate::world::wait_until;

#[test]
fn a_signal_while_mailboxes_are_read_leaves_no_session_behind() {
    // Each cmdlet takes its time, so every command is in the middle of its first read when the signal comes.
    let double = Exchange::start(&json!({"generate": 20, "latency_ms": 1500}));
    let world = world(&double, "15m");
    for arguments in [&["plan"][..], &["get"], &["export"], &["doctor"], &["apply", "--yes"], &["run"]] {
        for (signal, code) in [("TERM", 143), ("INT", 130)] {
            let before = double.events("create").len();
            let mut daemon = world.start(arguments);
            wait_until("a session", || (double.events("create").len() > before).then_some(()));
            daemon.signal(signal);
            assert_eq!(daemon.wait(), Some(code), "{arguments:?} {signal}: {}", daemon.log());
            assert_eq!(double.state()["open_shells"], 0, "{arguments:?} {signal}: {}", daemon.log());
        }
    }
}
