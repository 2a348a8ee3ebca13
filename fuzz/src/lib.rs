//! The pure half of popgate's PowerShell remoting, compiled by itself: what a fuzzer has to reach, and a build of a
//! minute. `psrp` is a link to the sources.

#![allow(dead_code, unused_imports, reason = "the other half uses what is not used here")]

/// The protocol.
pub mod psrp {
    pub mod clixml;
    pub mod fragment;
    pub mod message;
    pub mod value;
    pub mod wsman;
    mod xml;

    pub use value::{Object, Value};
}
