//! The `popgate` program.

fn main() {}
