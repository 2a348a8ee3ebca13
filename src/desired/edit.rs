//! Changing one entry in place. Every comment, every blank line and everything else stays byte for byte, and what
//! comes out is read back before anybody sees it.

mod add;
mod change;
mod layout;

use jiff::civil::Date;

use super::read::{digest, read};
use super::{Desired, Entry, EntryRef, SourceFile, rules, write};
use crate::diagnostic::{Diagnostic, Label, Lines, codes, shown};
use crate::model::Access;
use crate::name::fold;
use crate::yaml;
use layout::Layout;

/// A new text for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file, relative to the desired directory.
    pub path: String,
    /// Its text as it is; `None` when the file does not exist yet.
    pub before: Option<String>,
    /// Its text as it shall be.
    pub after: String,
}

impl Edit {
    /// Tells whether there is anything to write.
    pub fn is_change(&self) -> bool {
        self.before.as_deref() != Some(&*self.after)
    }
}

/// Gives a user an access: changes the entry where it stands, or adds one. A reason stays unless a new one is
/// given; an `until` stays only if it is given again. A new entry goes into the file `into`, which may be a new
/// one; without it into the only file, or into the only one that has users of the same domain.
///
/// # Errors
/// The first problem of the files as they are, or why the wish cannot be carried out.
pub fn set(
    files: &[SourceFile],
    name: &str,
    access: Access,
    until: Option<Date>,
    reason: Option<&str>,
    into: Option<&str>,
) -> Result<Edit, Diagnostic> {
    check_wish(name, access, until, reason)?;
    let desired = match (files, into) {
        ([], Some(_)) => Desired::default(),
        _ => read(files.to_vec()).map_err(|mut problems| problems.swap_remove(0))?,
    };
    let listed = desired.get(name);
    let wanted = Entry {
        name: listed.map_or(name, |entry| entry.name).into(),
        access,
        until,
        reason: reason.or_else(|| listed.and_then(|entry| entry.reason)).map(Into::into),
    };
    let edit = match listed {
        Some(entry) => change_listed(files, &desired, entry, &wanted, into)?,
        None => add_new(files, &desired, &wanted, into)?,
    };
    if reads_as(files, &desired, &edit, &wanted) {
        Ok(edit)
    } else {
        Err(wrong_shape(&desired, &wanted, &edit.path))
    }
}

fn check_wish(
    name: &str,
    access: Access,
    until: Option<Date>,
    reason: Option<&str>,
) -> Result<(), Diagnostic> {
    rules::check_name(name)
        .and_then(|()| reason.map_or(Ok(()), rules::check_reason))
        .map_err(|objection| Diagnostic::error(objection.code, objection.message).help(objection.help))?;
    let writable = |until: Date| (0..=9999).contains(&until.year());
    if access == Access::Disabled && until.is_some() {
        return Err(Diagnostic::error(
            codes::UNTIL_DISABLED,
            "`until` is the last day of access, and a disabled user has none",
        )
        .help("leave the date out, or say `enabled`"));
    }
    if !until.is_none_or(writable) {
        return Err(Diagnostic::error(codes::UNTIL_DATE, "the year of `until` must have four digits")
            .help("write the last day of access as YYYY-MM-DD, such as 2026-12-31"));
    }
    Ok(())
}

fn change_listed(
    files: &[SourceFile],
    desired: &Desired,
    entry: EntryRef<'_>,
    wanted: &Entry,
    into: Option<&str>,
) -> Result<Edit, Diagnostic> {
    let path = desired.file_of(entry.name).unwrap_or_default();
    if let Some(into) = into.filter(|into| *into != path) {
        let message = format!("`{}` is listed in {}, not in {}", shown(entry.name), shown(path), shown(into));
        return Err(Diagnostic::error(codes::EDIT_ELSEWHERE, message)
            .at(label(desired, entry).saying("listed here"))
            .help("leave `--file` out to change this entry, or move it to the other file first"));
    }
    edit_file(files, path, |text| {
        if entry.means_same(&wanted.borrowed()) {
            return Some(text.to_owned());
        }
        let layout = Layout::of(text)?;
        let ordinal = layout.find(&wanted.name)?;
        change::change(&layout, ordinal, &entry.to_entry(), wanted)
    })
    .ok_or_else(|| wrong_shape(desired, wanted, path))
}

fn add_new(
    files: &[SourceFile],
    desired: &Desired,
    wanted: &Entry,
    into: Option<&str>,
) -> Result<Edit, Diagnostic> {
    let path = match into {
        Some(into) if files.iter().any(|file| file.path == into) => into,
        Some(into) => return new_file(into, wanted),
        None => choose(desired, &wanted.name)?,
    };
    edit_file(files, path, |text| add::add(&Layout::of(text)?, wanted))
        .ok_or_else(|| wrong_shape(desired, wanted, path))
}

fn new_file(path: &str, wanted: &Entry) -> Result<Edit, Diagnostic> {
    let is_read = matches!(path.rsplit_once('.'), Some((_, "yaml" | "yml")));
    let inside = !path.split(['/', '\\']).any(|part| part.is_empty() || part.starts_with('.'));
    if is_read && inside {
        return Ok(Edit { path: path.to_owned(), before: None, after: write([wanted]) });
    }
    Err(Diagnostic::error(codes::EDIT_WHERE, format!("`{}` would not be read", shown(path))).help(
        "name a file below the desired directory that ends in `.yaml` or `.yml`; no part of the path may begin \
         with a dot",
    ))
}

/// Chooses the file for a new user.
fn choose<'d>(desired: &'d Desired, name: &str) -> Result<&'d str, Diagnostic> {
    let files: Vec<&str> = desired.files().map(|(file, _)| &*file.path).collect();
    if let [only] = *files {
        return Ok(only);
    }
    let domain = |name: &str| name.rsplit_once('@').map(|(_, domain)| fold(domain));
    let mut candidates = Vec::new();
    if let Some(wanted) = domain(name) {
        let relatives = desired.iter().filter(|entry| domain(entry.name).as_ref() == Some(&wanted));
        candidates.extend(relatives.filter_map(|entry| desired.file_of(entry.name)));
        candidates.sort_unstable();
        candidates.dedup();
    }
    if let [only] = *candidates {
        return Ok(only);
    }
    let message = match candidates.len() {
        0 => format!("no file has users of the domain of `{}`", shown(name)),
        several => format!("{several} files have users of the domain of `{}`", shown(name)),
    };
    let options = if candidates.is_empty() { files } else { candidates };
    let listed: Vec<String> = options.iter().take(5).map(|path| shown(path)).collect();
    let more = if options.len() > listed.len() { ", …" } else { "" };
    Err(Diagnostic::error(codes::EDIT_WHERE, message)
        .help(format!("name the file with `--file`: {}{more}", listed.join(", "))))
}

/// Applies a change to the text of a file, a byte order mark aside.
fn edit_file(files: &[SourceFile], path: &str, change: impl FnOnce(&str) -> Option<String>) -> Option<Edit> {
    let file = files.iter().find(|file| file.path == path)?;
    let before = std::str::from_utf8(&file.bytes).ok()?;
    let text = before.strip_prefix('\u{feff}').unwrap_or(before);
    let mark = &before[..before.len() - text.len()];
    let after = format!("{mark}{}", change(text)?);
    Some(Edit { path: path.to_owned(), before: Some(before.to_owned()), after })
}

/// Reads the result and tells whether it means exactly what was wanted and nothing else changed.
fn reads_as(files: &[SourceFile], before: &Desired, edit: &Edit, wanted: &Entry) -> bool {
    let mut files: Vec<SourceFile> = files.iter().filter(|file| file.path != edit.path).cloned().collect();
    files.push(SourceFile { path: edit.path.clone(), bytes: edit.after.clone().into_bytes() });
    if digest(&files) == before.digest() {
        return before.get(&wanted.name) == Some(wanted.borrowed());
    }
    let Ok(after) = read(files) else { return false };
    let name = fold(&wanted.name);
    let others = |desired: &Desired| -> Vec<(Entry, Option<String>)> {
        desired
            .iter()
            .filter(|entry| fold(entry.name) != name)
            .map(|entry| (entry.to_entry(), desired.file_of(entry.name).map(str::to_owned)))
            .collect()
    };
    after.get(&wanted.name) == Some(wanted.borrowed())
        && after.file_of(&wanted.name) == Some(&*edit.path)
        && others(&after) == others(before)
}

fn wrong_shape(desired: &Desired, wanted: &Entry, path: &str) -> Diagnostic {
    let label = desired.get(&wanted.name).map_or_else(|| Label::file(path), |entry| label(desired, entry));
    Diagnostic::error(
        codes::EDIT_SHAPE,
        format!("the file is written in a way in which `{}` cannot be set in place", shown(&wanted.name)),
    )
    .at(label)
    .help(format!("edit the file by hand; the value shall be `{}`", shown(&write::flow(wanted, false))))
}

/// Points at the name of an entry.
fn label(desired: &Desired, entry: EntryRef<'_>) -> Label {
    let origin = desired.origin(entry);
    let source = desired.files().find(|(file, _)| file.path == origin.file);
    let text = source.and_then(|(file, _)| std::str::from_utf8(&file.bytes).ok()).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines::new(text);
    let start = lines.offset(text, origin.line, origin.column);
    Label::spot(&origin.file, lines.spot(text, start..yaml::key_end(text, start, entry.name)))
}

#[cfg(test)]
mod tests;
