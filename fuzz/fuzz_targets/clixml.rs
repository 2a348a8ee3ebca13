//! CLIXML from a hostile server: no panic, no endless memory, and what was read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use popgate_fuzz::psrp::clixml::{read, write};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(value) = read(text) else { return };
    let _ = (value.text(), value.truth(), value.number(), value.guid(), value.items().len());
    let written = write(&value);
    // An object that lies in many places is written in each, so the copy may be beyond what is bounded.
    if let Ok(again) = read(&written) {
        assert_eq!(write(&again), written);
    }
});
