//! YAML as far as popgate reads it: plain data, each piece with its place.

pub mod tree;
