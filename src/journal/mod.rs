//! The journal: what popgate remembers between two runs, as a person can read it.
//!
//! A state directory holds segments `journal-000001`, `journal-000002`, … of JSON lines, each line chained to
//! the one before it by a checksum. Segments are numbered, only ever appended to, never renamed or rewritten;
//! a later one begins with a record that sums up its predecessors, so that only the highest number is needed
//! to go on. Exactly one process, the holder of [`lock::Lock`], writes and repairs; readers take no lock.
//!
//! * [`entry`]: the records. [`fold`]: what they add up to. [`history`]: the story they tell. Pure.
//! * [`mod@line`]: one record as one line, and back. Pure.
//! * [`scan`]: the bytes of a segment as lines; what is whole, what is torn, what is damaged. Pure.
//! * [`segment`]: the writer. [`read`]: the readers.
//! * [`lock`]: the lock on a state directory. [`mount`]: which file system it lies on. Pure.
//! * [`keep`]: whole desired states, kept by digest.
//!
//! Nothing but `entry` and `fold` knows what a record says.

pub mod entry;
mod error;
pub mod fold;
pub mod history;
pub mod keep;
pub mod line;
pub mod lock;
pub mod mount;
pub mod read;
pub mod scan;
pub mod segment;

pub use error::JournalError;
pub use line::Line;
pub use lock::{Lock, LockError};
pub use read::{read_all, read_current, verify};
pub use segment::Journal;
