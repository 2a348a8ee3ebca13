//! Integration tests.

#[cfg(test)]
mod services;
#[cfg(test)]
mod world;
