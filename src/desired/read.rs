//! From files to a desired state: every file on its own, then all entries together, so that a user who is listed
//! twice is found wherever he stands.

use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use super::file::{File, parse, spot};
use super::listed::{Desired, Inner, place};
use super::{Parsed, SourceFile};
use crate::diagnostic::{Diagnostic, Label, MOST_SHOWN, codes, shown};
use crate::model::Digest;
use crate::name::{self, Index};
use crate::yaml;

/// Reads all files of one directory.
///
/// # Errors
/// Every problem of every file, sorted by file and place. A desired state with any error is not applied, not
/// even in part.
pub fn read(files: Vec<SourceFile>) -> Result<Desired, Vec<Diagnostic>> {
    assemble(files.into_iter().map(parse).collect())
}

/// Puts all files of one directory together.
///
/// # Errors
/// Like [`read`].
pub fn assemble(files: Vec<Parsed>) -> Result<Desired, Vec<Diagnostic>> {
    if files.is_empty() {
        return Err(vec![
            Diagnostic::error(codes::NO_FILE, "there is no file that ends in `.yaml` or `.yml`")
                .help("to list nobody, write a file with `pop3: {}`"),
        ]);
    }
    let mut files: Vec<Arc<File>> = files.into_iter().map(|Parsed(file)| file).collect();
    files.sort_by(|a, b| a.source.path.cmp(&b.source.path));
    let mut count = 0;
    let mut firsts = vec![0];
    firsts.extend(files.iter().map(|file| {
        count += file.len();
        u32::try_from(count).unwrap_or(u32::MAX)
    }));
    let mut names = Index::for_names(count);
    let mut doubled = false;
    let mut number = 0;
    for file in &files {
        for position in 0..file.len() {
            let name = file.name(position);
            let is_same = |number| {
                let (file, position) = place(&files, &firsts, number);
                name::same(file.name(position), name)
            };
            doubled |= names.insert(name, number, is_same).is_some();
            number += 1;
        }
    }
    let mut problems: Vec<Diagnostic> = files.iter().flat_map(|file| file.problems.iter().cloned()).collect();
    if doubled {
        report_duplicates(&files, &firsts, &mut problems);
    }
    if !problems.is_empty() {
        problems.sort_by(|a, b| a.order().cmp(&b.order()));
        return Err(problems);
    }
    let digest = digest_of(files.iter().map(|file| &file.source));
    Ok(Desired(Arc::new(Inner { digest, files, firsts: firsts.into(), names, order: OnceLock::new() })))
}

/// Returns the digest of some files: SHA-256 over every path and all bytes, in order of path, each preceded by
/// its length as 64 bits, little-endian, so that nothing can move from one to the next unnoticed.
pub fn digest(files: &[SourceFile]) -> Digest {
    let mut order: Vec<&SourceFile> = files.iter().collect();
    order.sort_by(|a, b| a.path.cmp(&b.path));
    digest_of(order.into_iter())
}

fn digest_of<'f>(files: impl Iterator<Item = &'f SourceFile>) -> Digest {
    let mut hash = Sha256::new();
    for file in files {
        for part in [file.path.as_bytes(), &file.bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Digest(hash.finalize().into())
}

/// Reports every entry whose name stood already, with the first one that has it.
fn report_duplicates(files: &[Arc<File>], firsts: &[u32], problems: &mut Vec<Diagnostic>) {
    let at = |number: &u32| place(files, firsts, *number);
    let name_of = |number: &u32| {
        let (file, position) = at(number);
        file.name(position)
    };
    let label = |number: &u32, with_source: bool, message: &str| {
        let (file, position) = at(number);
        let start = file.offset(position);
        let range = start..yaml::key_end(file.valid(), start, file.name(position));
        Label::spot(&file.source.path, spot(file.valid(), file.lines(), range, with_source)).saying(message)
    };
    let mut numbers: Vec<u32> = (0..firsts.last().copied().unwrap_or_default()).collect();
    numbers.sort_by(|one, other| name::order(name_of(one), name_of(other)));
    let mut count = 0;
    for same in numbers.chunk_by(|one, other| name::same(name_of(one), name_of(other))) {
        let [first, again @ ..] = same else { continue };
        // A name that is empty is a problem already, and no user.
        for again in again.iter().filter(|number| !name_of(number).is_empty()) {
            let with_source = count < MOST_SHOWN;
            count += 1;
            let name = shown(name_of(again));
            let also = if name_of(again) == name_of(first) {
                String::new()
            } else {
                format!(", also as `{}`", shown(name_of(first)))
            };
            let entry = |number| {
                let (file, position) = at(number);
                file.entry(position)
            };
            let help = if entry(again).means_same(&entry(first)) {
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
