//! One file of a kept desired state.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::desired::SourceFile;
use crate::model::Digest;

/// The first line: short, so that it is quickly read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<Digest>,
    /// How many others it stands on.
    #[serde(default)]
    pub(super) depth: u32,
    /// How many bytes follow.
    pub(super) rest: u64,
}

/// The second line: what follows it, and what of the base does not count.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parts {
    files: Vec<Part>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Part {
    path: String,
    length: usize,
}

impl Parts {
    pub(super) fn of(files: &[&SourceFile], gone: &[&str]) -> Self {
        let part = |file: &&SourceFile| Part { path: file.path.clone(), length: file.bytes.len() };
        Self {
            files: files.iter().map(part).collect(),
            gone: gone.iter().map(|&path| path.to_owned()).collect(),
        }
    }
}

/// A file that is as long as it says, and read up to its second line.
pub(super) struct Layer {
    head: Head,
    rest: BufReader<File>,
}

impl Layer {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut rest = BufReader::new(file);
        let (head, first): (Head, usize) = line(&mut rest, "first")?;
        if (first as u64).checked_add(head.rest) != Some(length) {
            return Err(damaged(format!("{} bytes should follow its first line", head.rest)));
        }
        Ok(Self { head, rest })
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Puts its files over those of its base.
    pub(super) fn read_over(mut self, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
        let (parts, _): (Parts, usize) = line(&mut self.rest, "second")?;
        for path in parts.gone {
            files.remove(&path);
        }
        for Part { path, length } in parts.files {
            let mut bytes = Vec::new();
            if self.rest.by_ref().take(length as u64).read_to_end(&mut bytes)? != length {
                return Err(damaged(format!("it ends inside `{path}`")));
            }
            files.insert(path, bytes);
        }
        if self.rest.fill_buf()?.is_empty() { Ok(()) } else { Err(damaged("it has bytes too many")) }
    }
}

/// Reads one line of JSON, and says how long it is with its end.
fn line<T: serde::de::DeserializeOwned>(from: &mut BufReader<File>, which: &str) -> io::Result<(T, usize)> {
    let mut line = Vec::new();
    let length = from.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(damaged(format!("it has no {which} line")));
    }
    let read =
        serde_json::from_slice(&line).map_err(|error| damaged(format!("its {which} line: {error}")))?;
    Ok((read, length))
}

fn damaged(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}
