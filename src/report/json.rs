//! A plan as JSON: a contract with programs that read it.
//!
//! `format_version` is "1.0": a minor version adds fields, a major one breaks. Readers ignore fields they do not
//! know and refuse a major version they do not know. [`schema`] describes it. Every field is always there; what
//! does not apply is `null`. The text is written piece by piece, however many changes there are.

mod rows;
mod schema;

use std::fmt;
use std::io;

use serde::{Serialize, Serializer};

use super::harmless::is_harmful;
use super::shown::{Extent, Shown};
use crate::model::Digest;
use crate::plan::{Plan, Summary};
use rows::{BaseRow, BlockedRow, ChangeRow, EffectRow, GuardRow, HeldRow, NoteRow, SnapshotRow, UnlistedRow};

pub(super) use rows::each;
pub use schema::schema;

/// The version of the contract.
pub const FORMAT_VERSION: &str = "1.0";

/// Writes plans as JSON: one as an object of its own, several as `targets`. `commits` holds the git commit of
/// each plan's desired state, in the same order. The exit code and its reason are those of the whole run.
///
/// # Errors
/// Only those of `out`.
pub fn plans(
    plans: &[Plan],
    commits: &[Option<String>],
    exit_code: u8,
    exit_reason: &str,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let (all, end) = (Extent::default(), (exit_code, exit_reason));
    let of = |(at, plan)| {
        let commit = commits.get(at).and_then(Option::as_deref);
        Document::new(plan, commit, &all, end)
    };
    documents(plans.len(), || plans.iter().enumerate().map(of), out)
}

/// Like [`plans`], for plans that may be shown in part.
///
/// # Errors
/// Only those of `out`.
pub fn shown<'a>(
    shown: &'a [Shown<'a>],
    exit_code: u8,
    exit_reason: &'a str,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let end = (exit_code, exit_reason);
    documents(
        shown.len(),
        || shown.iter().map(|one| Document::new(one.plan, one.view.commit.as_deref(), &one.view.extent, end)),
        out,
    )
}

/// One document as it is, several as a list.
fn documents<'a, I: Iterator<Item = Document<'a>>>(
    count: usize,
    all: impl Fn() -> I,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    if count == 1 {
        return all().try_for_each(|only| write(&only, out));
    }
    write(&Documents { format_version: FORMAT_VERSION, targets: each(all) }, out)
}

/// Writes a value with an indent of two spaces and a line break at the end, harmless for a terminal.
///
/// # Errors
/// Only those of `out`.
pub fn write(value: &impl Serialize, out: &mut dyn fmt::Write) -> fmt::Result {
    serde_json::to_writer_pretty(Escaped(&mut *out), value).map_err(|_| fmt::Error)?;
    out.write_char('\n')
}

/// Returns a value as [`write()`] writes it.
pub fn text(value: &impl Serialize) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = write(value, &mut out);
    out
}

#[derive(Serialize)]
struct Documents<T> {
    format_version: &'static str,
    targets: T,
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: &'static str,
    plan_id: &'a str,
    target: &'a str,
    digest: Digest,
    commit: Option<&'a str>,
    author: Option<&'a str>,
    generated_at: jiff::Timestamp,
    summary: Summary,
    #[serde(serialize_with = "changes")]
    changes: &'a Plan,
    #[serde(serialize_with = "held")]
    held: &'a Plan,
    #[serde(serialize_with = "blocked")]
    blocked: &'a Plan,
    #[serde(serialize_with = "notes")]
    notes: &'a Plan,
    #[serde(serialize_with = "guards")]
    guards: &'a Plan,
    #[serde(serialize_with = "effects")]
    effects: &'a Plan,
    base: Option<BaseRow<'a>>,
    snapshot: Option<SnapshotRow>,
    only: Option<&'a str>,
    #[serde(serialize_with = "unlisted")]
    unlisted: &'a Extent,
    exit_code: u8,
    exit_reason: &'a str,
}

impl<'a> Document<'a> {
    fn new(
        plan: &'a Plan,
        commit: Option<&'a str>,
        extent: &'a Extent,
        (exit_code, exit_reason): (u8, &'a str),
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            plan_id: plan.id.as_str(),
            target: &plan.target,
            digest: plan.digest,
            commit,
            author: plan.context.author.as_deref(),
            generated_at: plan.generated_at,
            summary: plan.summary,
            changes: plan,
            held: plan,
            blocked: plan,
            notes: plan,
            guards: plan,
            effects: plan,
            base: plan.context.base.as_ref().map(|base| BaseRow::new(base, plan)),
            snapshot: plan.context.snapshot.map(SnapshotRow::new),
            only: extent.only.as_ref().map(|(pattern, _)| &**pattern),
            unlisted: extent,
            exit_code,
            exit_reason,
        }
    }
}

fn changes<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(plan.changes.iter().map(ChangeRow::new))
}

fn held<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(plan.held.iter().map(HeldRow::new))
}

fn blocked<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(plan.blocked.iter().map(BlockedRow::new))
}

fn notes<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(plan.notes.iter().map(|note| NoteRow::new(note, plan)))
}

fn guards<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(plan.guards.iter().map(GuardRow::new))
}

fn effects<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(plan.effects.iter().map(EffectRow::new))
}

fn unlisted<S: Serializer>(extent: &Extent, to: S) -> Result<S::Ok, S::Error> {
    match &extent.unlisted {
        Some(accounts) => to.collect_seq(accounts.iter().map(UnlistedRow::new)),
        None => to.serialize_none(),
    }
}

/// Hands JSON on as text, with characters that would steer a terminal written as `\uXXXX`: the same value for
/// a program, harmless for a person. Within JSON they can only stand in strings; line breaks are the layout's.
struct Escaped<'a>(&'a mut dyn fmt::Write);

impl Escaped<'_> {
    fn text(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| *c != '\n' && is_harmful(*c)) {
            self.0.write_str(&text[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(self.0, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        self.0.write_str(&text[plain..])
    }
}

impl io::Write for Escaped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.text(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
