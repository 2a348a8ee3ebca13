//! From files to a desired state: every file on its own, then all entries together, so that a user who is listed
//! twice is found wherever he stands.

use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use super::file::{File, hash, parse, spot};
use super::listed::{Desired, Inner, place};
use super::{Parsed, SourceFile};
use crate::diagnostic::{Diagnostic, Label, MOST_SHOWN, codes, shown};
use crate::model::Digest;
use crate::name::{self, Index, TOGETHER};
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
    let mut hashed = Vec::with_capacity(TOGETHER);
    for (file, first) in files.iter().zip(&firsts) {
        for start in (0..file.len()).step_by(TOGETHER) {
            let block = start..file.len().min(start + TOGETHER);
            hashed.extend(block.clone().map(|position| names.hash(file.name(position))));
            names.fetch(hashed.iter().copied());
            for (number, (position, hashed)) in (*first..).skip(start).zip(block.zip(hashed.drain(..))) {
                let name = file.name(position);
                let is_same = |number| {
                    let (file, position) = place(&files, &firsts, number);
                    name::same(file.name(position), name)
                };
                doubled |= names.insert(hashed, number, is_same).is_some();
            }
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
    let digest = digest_of(files.iter().map(|file| (&*file.source.path, file.hash)));
    Ok(Desired(Arc::new(Inner { digest, files, firsts: firsts.into(), names, order: OnceLock::new() })))
}

/// Returns the digest of some files: SHA-256 over every path and the SHA-256 of the bytes behind it, in order of path,
/// each preceded by its length as 64 bits, little-endian, so that nothing can move from one to the next unnoticed.
///
/// Two levels, so that the files can be hashed at once, and one that has not changed need not be hashed again.
pub fn digest(files: &[SourceFile]) -> Digest {
    let mut order: Vec<&SourceFile> = files.iter().collect();
    order.sort_by(|a, b| a.path.cmp(&b.path));
    digest_of(order.into_iter().map(|file| (&*file.path, hash(&file.bytes))))
}

fn digest_of<'f>(files: impl Iterator<Item = (&'f str, [u8; 32])>) -> Digest {
    let mut digest = Sha256::new();
    for (path, hash) in files {
        for part in [path.as_bytes(), &hash] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    Digest(digest.finalize().into())
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
