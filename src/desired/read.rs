//! From files to a desired state: every file on its own, then all entries together, so that a user who is listed
//! twice is found wherever he stands.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use super::file::{File, hash, parse, spot};
use super::listed::{Desired, Inner, place};
use super::names::Names;
use super::{Parsed, SourceFile};
use crate::diagnostic::{Diagnostic, Label, MOST_SHOWN, codes, shown};
use crate::model::Digest;
use crate::name;
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
    let firsts = firsts(&files);
    let (names, unique) = Names::of(&files);
    let mut problems: Vec<Diagnostic> = files.iter().flat_map(|file| file.problems.iter().cloned()).collect();
    if !unique {
        report_duplicates(&files, &firsts, &mut problems);
    }
    if !problems.is_empty() {
        problems.sort_by(|a, b| a.order().cmp(&b.order()));
        return Err(problems);
    }
    Ok(listed(files, firsts, names))
}

/// Returns the state of a directory that differs from that of another state in a few files: it lacks those of these
/// paths, and has these, perhaps in place of others. The same as what [`assemble`] makes of all its files, and faster.
///
/// # Errors
/// Like [`read`].
pub fn reassemble(before: &Desired, without: &[&str], with: Vec<Parsed>) -> Result<Desired, Vec<Diagnostic>> {
    let new = with.iter().map(|Parsed(file)| &*file.source.path);
    let others: BTreeSet<&str> = without.iter().copied().chain(new).collect();
    let (old, mut files): (Vec<_>, Vec<_>) =
        before.0.files.iter().cloned().partition(|file| others.contains(&*file.source.path));
    let new: Vec<Arc<File>> = with.into_iter().map(|Parsed(file)| file).collect();
    let names = before.0.names.edited(&old, &new);
    let good = new.iter().all(|file| file.problems.is_empty());
    files.extend(new);
    match names.filter(|_| good && !files.is_empty()) {
        Some(names) => {
            files.sort_by(|a, b| a.source.path.cmp(&b.source.path));
            let firsts = firsts(&files);
            Ok(listed(files, firsts, names))
        }
        // Whatever is wrong, or too much, is worth a look at everything.
        None => assemble(files.into_iter().map(Parsed).collect()),
    }
}

fn firsts(files: &[Arc<File>]) -> Box<[u32]> {
    let mut count = 0;
    let counted = files.iter().map(|file| {
        count += file.len();
        u32::try_from(count).unwrap_or(u32::MAX)
    });
    std::iter::once(0).chain(counted).collect()
}

fn listed(files: Vec<Arc<File>>, firsts: Box<[u32]>, names: Names) -> Desired {
    let digest = digest_of(files.iter().map(|file| (&*file.source.path, *file.hash())));
    Desired(Arc::new(Inner { digest, files, firsts, names, order: OnceLock::new() }))
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
