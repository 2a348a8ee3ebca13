//! `popgate get`: who has POP3, where that is written, since when and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;

use super::args::{Get as Args, TableFormat};
use super::exit::Exit;
use super::session::{Opened, Session};
use super::{Failure, as_of};
use crate::desired::{Desired, EntryRef};
use crate::journal::{self, entry::Record};
use crate::model::{AccountId, AccountRef, Live, Match, Outcome};
use crate::name::Glob;
use crate::report::{self, harmless};

/// One line of the table.
#[derive(serde::Serialize)]
struct Row {
    target: String,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    live: String,
    desired: Option<String>,
    until: Option<String>,
    origin: Option<String>,
    since: Option<Timestamp>,
    reason: Option<String>,
}

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    if let Some(at) = &args.as_of {
        return as_of::run(session, args, at);
    }
    let targets = session.targets()?;
    let since = since(session)?;
    let (mut rows, mut known) = (Vec::new(), BTreeSet::new());
    for target in &targets {
        let live = target.reader().read().await?;
        let desired = if let Ok(Ok(read)) = session.read_settled(&target.source) {
            read.desired
        } else {
            tracing::warn!(
                "The desired state of target {} cannot be used now; `popgate validate` says why.",
                target.name
            );
            let good = session.ledger()?.of(&target.name).and_then(|known| known.good);
            session.kept(target, good).ok_or_else(|| {
                Failure::new(Exit::Invalid, "no desired state can be read").help("run `popgate validate`")
            })?
        };
        let entries = entries_by_account(&desired, &live);
        let today = target.policy.timezone.to_datetime(session.clock.now().wall).date();
        let row = |account: AccountRef<'_>| {
            let entry = entries.get(account.id).and_then(|name| desired.get(name));
            Row {
                target: target.name.clone(),
                user: account.name.to_owned(),
                account: (account.id != account.name).then(|| account.id.to_owned()),
                live: account.state.to_string(),
                desired: entry.map(|entry| entry.access_on(today).to_string()),
                until: entry.and_then(|entry| entry.until).map(|until| until.to_string()),
                origin: entry.map(|entry| place(target, &desired, entry)),
                since: since.get(&(target.name.clone(), account.account_id())).copied(),
                reason: entry.and_then(|entry| entry.reason.map(str::to_owned)),
            }
        };
        if args.users.is_empty() {
            rows.extend(by_name(live.iter().collect()).into_iter().map(row));
        }
        for user in &args.users {
            let found = by_name(find(&live, user));
            rows.extend(found.iter().copied().map(row));
            let listed = desired.get(user).filter(|_| found.is_empty());
            rows.extend(listed.map(|entry| Row {
                target: target.name.clone(),
                user: entry.name.to_owned(),
                account: None,
                live: "missing".to_owned(),
                desired: Some(entry.access_on(today).to_string()),
                until: entry.until.map(|until| until.to_string()),
                origin: Some(place(target, &desired, entry)),
                since: None,
                reason: entry.reason.map(str::to_owned),
            }));
            if !found.is_empty() || listed.is_some() {
                known.insert(user);
            }
        }
    }
    let unknown: Vec<String> =
        args.users.iter().filter(|user| !known.contains(user)).map(|user| unknown_user(user)).collect();
    session.render.result(&match args.format {
        TableFormat::Table => table(&rows, targets.len() > 1),
        TableFormat::Json => report::json::text(&rows),
        TableFormat::Csv => csv(&rows),
    });
    if unknown.is_empty() {
        Ok(Exit::Success)
    } else {
        Err(Failure::operational(unknown.join("; ")).help("`popgate get '*part-of-the-name*'` searches"))
    }
}

/// Live state is in the order of ids, which in some stores are GUIDs.
fn by_name(mut accounts: Vec<AccountRef<'_>>) -> Vec<AccountRef<'_>> {
    accounts.sort_by(|one, other| one.name.cmp(other.name));
    accounts
}

fn unknown_user(user: &str) -> String {
    format!("neither the store nor the files know `{}`", harmless(user))
}

/// Where an entry stands, as a person can open it.
fn place(target: &Opened, desired: &Desired, entry: EntryRef<'_>) -> String {
    let origin = desired.origin(entry);
    format!("{}:{}", target.directory.join(&*origin.file).display(), origin.line)
}

fn find<'a>(live: &'a Live, user: &str) -> Vec<AccountRef<'a>> {
    if user.contains(['*', '?']) {
        let glob = Glob::new(user);
        let named = |account: &AccountRef<'_>| {
            glob.matches(account.name)
                || glob.matches(account.id)
                || account.aliases().any(|alias| glob.matches(alias))
        };
        return live.iter().filter(named).collect();
    }
    match live.resolve(user) {
        Match::None => Vec::new(),
        Match::One(account) => vec![account],
        Match::Many(accounts) => accounts,
    }
}

fn entries_by_account<'a>(desired: &'a Desired, live: &'a Live) -> BTreeMap<&'a str, &'a str> {
    desired
        .iter()
        .filter_map(|entry| match live.resolve(entry.name) {
            Match::One(account) => Some((account.id, entry.name)),
            Match::None | Match::Many(_) => None,
        })
        .collect()
}

/// Finds when popgate last wrote each account, by target.
fn since(session: &Session) -> Result<BTreeMap<(String, AccountId), Timestamp>, Failure> {
    let lines = journal::read_all::<Record>(session.state())
        .map_err(|error| Failure::operational(error.to_string()))?;
    let (mut since, mut target) = (BTreeMap::new(), String::new());
    for line in lines {
        match line.record {
            Record::Batch { target: of, .. } => target = of,
            Record::Outcome { account, outcome: Outcome::Done, .. } => {
                since.insert((target.clone(), account), line.at);
            }
            _ => {}
        }
    }
    Ok(since)
}

fn table(rows: &[Row], several: bool) -> String {
    if rows.is_empty() {
        return "No accounts.\n".to_owned();
    }
    let head = ["TARGET", "USER", "LIVE", "DESIRED", "WHERE", "SINCE", "WHY"].map(str::to_owned);
    let day = |at: &Timestamp| at.strftime("%Y-%m-%d %H:%MZ").to_string();
    let cells = rows.iter().map(|row| {
        let desired = match (&row.desired, &row.until) {
            (Some(desired), Some(until)) => format!("{desired} until {until}"),
            (Some(desired), None) => desired.clone(),
            (None, _) => "not listed".to_owned(),
        };
        [
            row.target.clone(),
            harmless(&row.user),
            row.live.clone(),
            desired,
            row.origin.as_deref().map_or_else(|| "-".to_owned(), harmless),
            row.since.as_ref().map_or_else(|| "-".to_owned(), day),
            row.reason.as_deref().map_or_else(|| "-".to_owned(), harmless),
        ]
    });
    if several {
        return columns(&head, cells);
    }
    // One target needs no column that says which.
    let [_, head @ ..] = head;
    columns(&head, cells.map(|[_, rest @ ..]| rest))
}

/// Sets a table in columns.
pub(super) fn columns<const N: usize>(
    head: &[String; N],
    cells: impl Iterator<Item = [String; N]>,
) -> String {
    let lines: Vec<[String; N]> = std::iter::once(head.clone()).chain(cells).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn csv(rows: &[Row]) -> String {
    let head = ["target", "user", "account", "live", "desired", "until", "origin", "since", "reason"]
        .map(str::to_owned);
    let cells = rows.iter().map(|row| {
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        [
            row.target.clone(),
            row.user.clone(),
            row.account.clone().unwrap_or_else(|| row.user.clone()),
            row.live.clone(),
            text(&row.desired),
            text(&row.until),
            text(&row.origin),
            row.since.map(|at| at.to_string()).unwrap_or_default(),
            text(&row.reason),
        ]
    });
    csv_lines(&head, cells)
}

/// Sets a table in lines with commas.
pub(super) fn csv_lines<const N: usize>(
    head: &[String; N],
    cells: impl Iterator<Item = [String; N]>,
) -> String {
    let mut out = format!("{}\n", head.join(","));
    for cells in cells {
        let line: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
        let _ = writeln!(out, "{}", line.join(","));
    }
    out
}

/// Quotes a cell as RFC 4180 says; one that a spreadsheet would take for a formula is made text, and what would
/// steer a terminal is spelled out.
pub(super) fn csv_cell(cell: &str) -> String {
    let cell = harmless(cell);
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::csv_cell;

    #[test]
    fn a_csv_cell_neither_breaks_the_line_nor_runs_as_a_formula() {
        assert_eq!(csv_cell("plain"), "plain");
        assert_eq!(csv_cell("a,b"), "\"a,b\"");
        assert_eq!(csv_cell("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(csv_cell("=1+1"), "'=1+1");
    }
}
