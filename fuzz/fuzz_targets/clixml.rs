//! CLIXML from a hostile server: no panic, no endless memory, also when what was read is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use popgate_fuzz::psrp::clixml::{read, write};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(value) = read(text) else { return };
    let _ = (value.text(), value.truth(), value.number(), value.guid(), value.items().len());
    // What is written has another shape (a bare list becomes an object), and an object that lies in many places is written
    // in each; reading it again may go beyond what is bounded, and may not panic.
    let _ = read(&write(&value));
});
