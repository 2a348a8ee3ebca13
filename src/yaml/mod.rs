//! YAML as popgate accepts it: plain data, the same for every reader.
//!
//! * [`gate`] refuses, before anything is decoded, whatever makes YAML more than plain data.
//! * [`decode`] turns what passed into [`Raw`] values with `serde_yaml`. It refuses nothing but syntax.
//!   What saphyr reads as other data is refused as well.
//! * [`locate`] finds the line and column of a value, addressed by its position in the file, with saphyr. It
//!   runs only on a file with a problem.
//!
//! * [`tree`] is a whole small file as a tree that knows its places, for the settings.
//!
//! This module does not know what a user is.

mod agree;
mod decode;
mod gate;
mod locate;
mod quote;
mod syntax;
pub mod tree;

pub use decode::{Key, Raw, decode};
pub use gate::{Gated, LARGEST_FILE, certain, gate, inspect};
pub use locate::{At, Part, Place, key_end, locate};
pub use quote::{plain_or_quoted, quote};
