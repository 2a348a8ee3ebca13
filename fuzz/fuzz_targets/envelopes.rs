//! Envelopes, fragments and messages from a hostile server, in the order in which a session meets them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use popgate_fuzz::psrp::fragment::{FragmentError, Joiner};
use popgate_fuzz::psrp::{message, wsman};

fuzz_target!(|bytes: &[u8]| {
    let Some((how, rest)) = bytes.split_first() else { return };
    if how & 1 == 0 {
        let Ok(text) = std::str::from_utf8(rest) else { return };
        if let Ok(answer) = wsman::read(text, uuid::Uuid::nil()) {
            hear(&answer.stream, 4096);
        }
    } else {
        hear(rest, usize::from(*how));
    }
});

fn hear(bytes: &[u8], cut: usize) {
    let mut joiner = Joiner::default();
    for piece in bytes.chunks(cut.max(1)) {
        let heard = joiner.push::<FragmentError>(piece, |message| {
            let _ = message::parse(&message);
            Ok(())
        });
        if heard.is_err() {
            return;
        }
    }
}
