//! CLIXML, the way PowerShell writes objects (MS-PSRP 2.2.5): the subset that is needed, both ways.
//!
//! Reading never panics and is bounded: in depth, also through references; in the number of values; unknown elements
//! are passed over.

mod escape;
mod read;
mod write;

pub use read::read;
pub(super) use write::Writer;
pub use write::write;
