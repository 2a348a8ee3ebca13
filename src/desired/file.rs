//! One file, read on its own.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use super::check::{self, Checked, Found, Problem};
use super::content::{Content, Detail, Form, Listed};
use super::{Brief, EntryRef, SourceFile, plain};
use crate::diagnostic::{Diagnostic, Label, Lines, MOST_SHOWN, Spot};
use crate::yaml::{self, At, Place, Raw};

/// One file as it was read, good or not. Opaque; a clone is cheap.
#[derive(Clone)]
pub struct Parsed(pub(super) Arc<File>);

impl Parsed {
    /// Returns the file that it was read from.
    pub fn source(&self) -> &SourceFile {
        &self.0.source
    }

    /// Hashes the file now, by whoever has the time, and not when its hash is asked for first.
    #[must_use]
    pub fn hashed(self) -> Self {
        self.0.hash();
        self
    }

    /// Tells whether this and another are the same piece of work, not only equal.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// One file and what it lists.
pub(super) struct File {
    pub(super) source: SourceFile,
    /// What [`hash`] makes of its bytes, once somebody asked.
    hash: OnceLock<[u8; 32]>,
    /// The length of a byte order mark; offsets count from behind it.
    mark: usize,
    content: Content,
    pub(super) problems: Vec<Diagnostic>,
    lines: OnceLock<Lines>,
}

/// Reads one file. Its problems, if it has any, are told by [`super::assemble`].
pub fn parse(source: SourceFile) -> Parsed {
    let mut file = File {
        hash: OnceLock::new(),
        mark: mark(&source.bytes),
        content: plain::content(&source.bytes).unwrap_or_default(),
        problems: Vec::new(),
        lines: OnceLock::new(),
        source,
    };
    if file.content.listed.is_empty() {
        let SourceFile { path, bytes } = std::mem::take(&mut file.source);
        file.decode(&path, &bytes);
        file.source = SourceFile { path, bytes };
    }
    file.content.shrink_to_fit();
    Parsed(Arc::new(file))
}

/// Returns the SHA-256 of a file's bytes, of which the digest of a desired state is made.
pub(super) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Reads a file with the full decoder, whatever its shape, for comparison.
#[cfg(test)]
pub(super) fn decoded(bytes: &[u8]) -> Result<Content, Vec<Diagnostic>> {
    let source = SourceFile { path: "a.yaml".to_owned(), bytes: Vec::new() };
    let mut file = File {
        source,
        hash: OnceLock::new(),
        mark: 0,
        content: Content::default(),
        problems: Vec::new(),
        lines: OnceLock::new(),
    };
    file.decode("a.yaml", bytes);
    if file.problems.is_empty() { Ok(file.content) } else { Err(file.problems) }
}

impl File {
    pub(super) fn len(&self) -> usize {
        self.content.listed.len()
    }

    /// Returns the SHA-256 of the file.
    pub(super) fn hash(&self) -> &[u8; 32] {
        self.hash.get_or_init(|| hash(&self.source.bytes))
    }

    pub(super) fn name(&self, position: usize) -> &str {
        self.content.name(self.text(), position)
    }

    pub(super) fn name_bytes(&self, position: usize) -> &[u8] {
        self.content.name_bytes(self.text(), position)
    }

    pub(super) fn entry(&self, position: usize) -> EntryRef<'_> {
        self.content.entry(self.text(), position)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.content.entries(self.text())
    }

    pub(super) fn brief(&self, positions: Range<usize>) -> impl Iterator<Item = Brief<'_>> {
        self.content.brief(self.text(), positions)
    }

    /// Iterates over the entries that say more than an access.
    pub(super) fn detailed(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.content.detailed(self.text())
    }

    /// Returns where an entry begins.
    pub(super) fn offset(&self, position: usize) -> usize {
        self.content.listed[position].offset as usize
    }

    /// Returns line and column of an entry.
    pub(super) fn position(&self, position: usize) -> (u32, u32) {
        self.lines().position(self.text(), self.offset(position))
    }

    pub(super) fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::new(self.text()))
    }

    /// Returns the whole text, which costs a look at all of it; nothing of one that is no text.
    pub(super) fn valid(&self) -> &str {
        std::str::from_utf8(self.text()).unwrap_or_default()
    }

    fn text(&self) -> &[u8] {
        &self.source.bytes[self.mark..]
    }

    fn decode(&mut self, path: &str, bytes: &[u8]) {
        let gated = yaml::inspect(path, bytes);
        self.problems.extend(gated.problems);
        let Some(text) = gated.text else { return };
        let raw = match yaml::decode(path, text) {
            Ok(raw) => raw,
            Err(found) => {
                self.problems.extend(found);
                return;
            }
        };
        let Checked { found, problems: unplaced } = check::check(&raw);
        if !unplaced.is_empty() {
            self.problems.extend(place(path, text, &raw, unplaced));
        }
        let mut unknown = Vec::new();
        self.content.listed.reserve(found.len());
        for (position, found) in (0..).zip(found) {
            self.list(text, position, found, &mut unknown);
        }
        self.locate_keys(text, &unknown);
    }

    fn list(&mut self, text: &str, position: u32, found: Found<'_>, unknown: &mut Vec<(At, u32)>) {
        let Found { name, access, until, reason, key } = found;
        let offset = key.unwrap_or_else(|at| {
            unknown.push((at, position));
            0
        });
        let stands = |quote| text.get(offset as usize + quote..).is_some_and(|rest| rest.starts_with(&*name));
        let length =
            u16::try_from(name.len()).ok().filter(|_| unknown.last().is_none_or(|(_, at)| *at != position));
        let form = match length {
            Some(_) if stands(0) => Form::Plain,
            Some(_) if stands(1) => Form::Quoted,
            _ => Form::Elsewhere,
        };
        if form == Form::Elsewhere {
            self.content.name_elsewhere(text, position, &name);
        }
        if until.is_some() || reason.is_some() {
            let reason = reason.map(|reason| self.content.take(text, &reason));
            self.content.details.push(Detail { position, until, reason });
        }
        self.content.listed.push(Listed { offset, length: length.unwrap_or_default(), access, form });
    }

    /// Finds the offsets of names that are written with escapes.
    fn locate_keys(&mut self, text: &str, unknown: &[(At, u32)]) {
        if unknown.is_empty() {
            return;
        }
        let lines = Lines::new(text);
        let wanted: Vec<At> = unknown.iter().map(|(at, _)| at.clone()).collect();
        debug_assert!(wanted.is_sorted());
        for (place, (_, position)) in yaml::locate(text, &wanted).into_iter().zip(unknown) {
            if let Some(Place { start: (line, column), .. }) = place {
                self.content.listed[*position as usize].offset =
                    u32::try_from(lines.offset(text, line, column)).unwrap_or(0);
            }
        }
    }
}

/// Looks up where the problems of one file are.
fn place(path: &str, text: &str, raw: &Raw<'_>, problems: Vec<Problem>) -> impl Iterator<Item = Diagnostic> {
    let mut wanted: Vec<At> =
        problems.iter().flat_map(|problem| problem.places.iter().map(|(at, _)| at.clone())).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let places = yaml::locate(text, &wanted);
    let lines = Lines::new(text);
    problems.into_iter().enumerate().map(move |(count, problem)| {
        let mut diagnostic = Diagnostic::error(problem.code, problem.message).help(problem.help);
        if problem.places.is_empty() {
            diagnostic = diagnostic.at(Label::file(path));
        }
        for (at, message) in problem.places {
            let place = wanted.binary_search(&at).ok().and_then(|found| places[found]);
            let range = match place {
                Some(Place { start, end, .. }) => {
                    Some(lines.offset(text, start.0, start.1)..lines.offset(text, end.0, end.1))
                }
                // The other parser stopped before it, at a tab after a colon for instance.
                None => raw.nearest_key(&at.path).and_then(|key| {
                    let start = key.offset? as usize;
                    Some(start..yaml::key_end(text, start, &key.text))
                }),
            };
            let label = match range {
                Some(range) => Label::spot(path, spot(text, &lines, range, count < MOST_SHOWN)),
                None => Label::file(path),
            };
            diagnostic = diagnostic.at(label.saying(message));
        }
        diagnostic
    })
}

pub(super) fn spot(text: &str, lines: &Lines, range: Range<usize>, with_source: bool) -> Spot {
    let mut spot = lines.spot(text, range);
    if !with_source {
        spot.source = None;
    }
    spot
}

/// Returns where the text begins: after a byte order mark.
fn mark(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}
