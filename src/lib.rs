//! popgate: a declarative reconciler for per-user POP3 access.
//!
//! The map of this house, from the pure core outwards:
//!
//! * [`model`], [`name`], [`diagnostic`]: the vocabulary. Pure.
//! * [`yaml`], [`desired`]: YAML text in, desired state and diagnostics out. Pure.
//! * [`plan`]: (desired, live, memory, policy, now) to a plan. Pure.
//! * [`engine`]: the daemon as a state machine without I/O; inputs in, effects out.
//! * [`journal`]: what is remembered: entries and their fold (pure), segments and the lock (I/O).
//! * [`report`]: plans and diagnostics in every form that people, programs and CI read. Pure.
//! * [`source`]: one consistent read of a directory, and watching it.
//! * [`psrp`], [`tls`]: PowerShell remoting: a pure protocol and a client around it; whom to trust.
//! * [`elsewhere`]: threads that begin on another processor.
//! * [`stores`], [`services`]: live mail systems: who has POP3, and what must learn of a change.
//! * [`daemon`]: the driver that turns effects into tasks and their results into inputs.
//! * [`web`]: the control socket of a running daemon, and its client.
//! * [`settings`], [`secret`], [`replace`]: settings as written to settings validated; secrets; whole-file
//!   replacement.
//! * [`cli`]: one file per command, the only part that prints and that knows exit codes.
//!
//! Direction: `model` ← pure modules ← `engine` ← `daemon` ← `cli`. A test reads the sources of the pure
//! modules and fails when they reach for a clock, a socket, a file or the environment.

pub mod cli;
pub mod daemon;
pub mod desired;
pub mod diagnostic;
pub mod elsewhere;
pub mod engine;
pub mod journal;
pub mod model;
pub mod name;
pub mod plan;
pub mod psrp;
pub mod replace;
pub mod report;
pub mod secret;
pub mod services;
pub mod settings;
pub mod source;
pub mod stores;
pub mod tls;
pub mod web;
pub mod yaml;
