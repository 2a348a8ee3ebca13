//! From files to a desired state: every file on its own, then all entries in one order, in which a user that is
//! listed twice stands beside himself.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use super::check::{self, Checked, Problem};
use super::{Desired, File, Inner, Listed, SourceFile};
use crate::diagnostic::{Diagnostic, Label, Lines, MOST_SHOWN, Spot, codes, shown};
use crate::model::Digest;
use crate::name::fold;
use crate::yaml::{self, At, Place, Raw};

/// Reads all files of one directory.
///
/// # Errors
/// Every problem of every file, sorted by file and place. A desired state with any error is not applied, not
/// even in part.
pub fn read(mut files: Vec<SourceFile>) -> Result<Desired, Vec<Diagnostic>> {
    if files.is_empty() {
        return Err(vec![
            Diagnostic::error(codes::NO_FILE, "there is no file that ends in `.yaml` or `.yml`")
                .help("to list nobody, write a file with `pop3: {}`"),
        ]);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut listed = Vec::new();
    let mut problems = Vec::new();
    for (number, file) in (0..).zip(&files) {
        read_file(number, file, &mut listed, &mut problems);
    }
    listed.sort_unstable_by(|a, b| (a.folded(), a.file, a.offset).cmp(&(b.folded(), b.file, b.offset)));
    report_duplicates(&files, &listed, &mut problems);
    if !problems.is_empty() {
        problems.sort_by(|a, b| a.order().cmp(&b.order()));
        return Err(problems);
    }
    let digest = digest(&files);
    let mut files: Vec<File> = files
        .into_iter()
        .map(|source| File { mark: mark(&source.bytes), source, entries: 0, lines: OnceLock::new() })
        .collect();
    for one in &listed {
        files[one.file as usize].entries += 1;
    }
    listed.shrink_to_fit();
    Ok(Desired(Arc::new(Inner { digest, files, listed })))
}

/// Returns the digest of some files: SHA-256 over every path and all bytes, in order of path, each preceded by
/// its length as 64 bits, little-endian, so that nothing can move from one to the next unnoticed.
pub fn digest(files: &[SourceFile]) -> Digest {
    let mut order: Vec<&SourceFile> = files.iter().collect();
    order.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hash = Sha256::new();
    for file in order {
        for part in [file.path.as_bytes(), &file.bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Digest(hash.finalize().into())
}

fn read_file(number: u32, file: &SourceFile, listed: &mut Vec<Listed>, problems: &mut Vec<Diagnostic>) {
    let gated = yaml::inspect(&file.path, &file.bytes);
    problems.extend(gated.problems);
    let Some(text) = gated.text else { return };
    let raw = match yaml::decode(&file.path, text) {
        Ok(raw) => raw,
        Err(found) => {
            problems.extend(found);
            return;
        }
    };
    let Checked { found, problems: unplaced } = check::check(&raw);
    if !unplaced.is_empty() {
        problems.extend(place(&file.path, text, &raw, unplaced));
    }
    drop(raw);
    let mut unknown = Vec::new();
    let first = listed.len();
    listed.reserve(found.len());
    for found in found {
        let offset = found.key.unwrap_or_else(|at| {
            unknown.push((at, listed.len()));
            0
        });
        let folded = fold(&found.entry.name);
        let folded = (*folded != *found.entry.name).then(|| folded.into());
        listed.push(Listed { entry: found.entry, folded, file: number, offset });
    }
    debug_assert!(unknown.is_sorted() && unknown.iter().all(|(_, at)| *at >= first));
    locate_keys(text, &unknown, listed);
}

/// Finds the offsets of names that are written with escapes.
fn locate_keys(text: &str, unknown: &[(At, usize)], listed: &mut [Listed]) {
    if unknown.is_empty() {
        return;
    }
    let lines = Lines::new(text);
    let wanted: Vec<At> = unknown.iter().map(|(at, _)| at.clone()).collect();
    for (place, (_, index)) in yaml::locate(text, &wanted).into_iter().zip(unknown) {
        if let Some(Place { start: (line, column), .. }) = place {
            listed[*index].offset = u32::try_from(lines.offset(text, line, column)).unwrap_or(0);
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

fn spot(text: &str, lines: &Lines, range: Range<usize>, with_source: bool) -> Spot {
    let mut spot = lines.spot(text, range);
    if !with_source {
        spot.source = None;
    }
    spot
}

/// Reports every entry whose name stood already, with the first one that has it. `listed` is sorted.
fn report_duplicates(files: &[SourceFile], listed: &[Listed], problems: &mut Vec<Diagnostic>) {
    // Looked at only in files that have such an entry, and once.
    let mut texts: Vec<Option<(&str, Lines)>> = vec![None; files.len()];
    let mut label = |one: &Listed, with_source: bool, message: &str| {
        let file = &files[one.file as usize];
        let (text, lines) = texts[one.file as usize].get_or_insert_with(|| {
            let text = std::str::from_utf8(&file.bytes[mark(&file.bytes)..]).unwrap_or_default();
            (text, Lines::new(text))
        });
        let start = one.offset as usize;
        let range = start..yaml::key_end(text, start, &one.entry.name);
        Label::spot(&file.path, spot(text, lines, range, with_source)).saying(message)
    };
    let mut count = 0;
    for same in listed.chunk_by(|a, b| a.folded() == b.folded()) {
        let [first, again @ ..] = same else { continue };
        // A name that is empty is a problem already, and no user.
        for again in again.iter().filter(|one| !one.entry.name.is_empty()) {
            let with_source = count < MOST_SHOWN;
            count += 1;
            let name = shown(&again.entry.name);
            let also = if again.entry.name == first.entry.name {
                String::new()
            } else {
                format!(", also as `{}`", shown(&first.entry.name))
            };
            let help = if again.entry.means_same(&first.entry) {
                "keep one of the two; they say the same now, but the next change may miss one"
            } else {
                "keep one of the two: they contradict each other"
            };
            problems.push(
                Diagnostic::error(codes::LISTED_TWICE, format!("user `{name}` is listed twice{also}"))
                    .at(label(again, with_source, "listed again here"))
                    .at(label(first, with_source, "first listed here"))
                    .help(help),
            );
        }
    }
}

/// Returns where the text begins: after a byte order mark.
fn mark(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}
