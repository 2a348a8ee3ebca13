//! The driver: turns the engine's effects into tasks and their results into inputs. The only part that reads
//! clocks, catches signals and holds stores and services.

mod ahead;
mod answering;
mod begin;
pub mod clock;
pub mod crash;
mod driver;
mod fetch;
mod keep;
pub mod notify;
mod parse;
mod signals;
pub mod snapshot;
mod staged;
mod supervisor;
pub mod world;

pub use ahead::{Begun, Reading, begin};
pub use clock::Clock;
pub use driver::{Driven, Fatal, Hooks, drive};
pub use parse::Parsing;
pub use world::{Store, TargetIo, World};
