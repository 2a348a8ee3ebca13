//! The daemon as a state machine without I/O: inputs in, effects out, `now` as an argument.

pub mod window;
