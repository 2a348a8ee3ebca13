//! `popgate export`: live state as desired-state YAML. Planning what was exported finds nothing to change.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Failure;
use super::args::{Export as Args, ExportFormat, Only};
use super::exit::Exit;
use super::get::csv_cell;
use super::known::Known;
use super::session::{Opened, Session};
use crate::desired::{self, Entry};
use crate::model::{Access, AccountRef, Live, Match, State};
use crate::report::harmless;

pub(super) async fn run(session: &Session, args: &Args) -> Result<Exit, Failure> {
    let target = session.one_target()?;
    if args.format == ExportFormat::Snapshot {
        return snapshot(session, args, &target).await;
    }
    let live = target.reader().read().await?;
    let mut left_out = Vec::new();
    let entries = live
        .iter()
        .filter(|account| !is_out_of_hand(&target, *account))
        .filter_map(|account| match entry(account, &live) {
            Ok(entry) => Some(entry),
            Err(why) => {
                left_out.push(format!("{}: {why}", harmless(account.name)));
                None
            }
        })
        .filter(|entry| match args.only {
            None => true,
            Some(Only::Enabled) => entry.access == Access::Enabled,
            Some(Only::Disabled) => entry.access == Access::Disabled,
        })
        .collect::<Vec<_>>();
    for why in &left_out {
        session.render.message(&format!("warning: left out {why}"));
    }
    match (&args.out, args.split) {
        (None, _) => session.render.result(&render(&entries, args.format)),
        (Some(directory), None) => {
            write(directory, &BTreeMap::from([(file_name("users", args.format), entries)]), args.format)?;
        }
        (Some(directory), Some(super::args::Split::Domain)) => {
            let mut files: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
            for entry in entries {
                let domain = entry.name.rsplit_once('@').map_or("no-domain", |(_, domain)| domain);
                files.entry(file_name(&safe(domain), args.format)).or_default().push(entry);
            }
            write(directory, &files, args.format)?;
        }
    }
    Ok(Exit::Success)
}

/// Writes all that `plan --live` needs.
async fn snapshot(session: &Session, args: &Args, target: &Opened) -> Result<Exit, Failure> {
    if args.only.is_some() || args.split.is_some() {
        let message = "a snapshot holds all accounts of a target, so --only and --split do not go with it";
        return Err(Failure::usage(message).help("leave them out"));
    }
    let ledger = session.ledger()?;
    let known = Known::ask(session, target, &ledger).await?;
    let good = ledger.of(&target.name).and_then(|known| known.good);
    let good = session.kept(&target.name, good);
    let text = known.snapshot(target.reader().name(), good.as_ref(), session.clock.now()).write();
    match &args.out {
        None => session.render.result(&text),
        Some(directory) => write_texts(directory, &BTreeMap::from([("snapshot.json".to_owned(), text)]))?,
    }
    Ok(Exit::Success)
}

/// Entries for ignored or protected accounts would be refused by the next plan.
fn is_out_of_hand(target: &Opened, account: AccountRef<'_>) -> bool {
    let names = || [account.id, account.name].into_iter().chain(account.aliases());
    let listed = target.policy.ignored.iter().chain(&target.policy.protected);
    listed.into_iter().any(|glob| names().any(|name| glob.matches(name)))
}

fn entry(account: AccountRef<'_>, live: &Live) -> Result<Entry, String> {
    let access = match account.state {
        State::Is(access) => *access,
        State::Unreadable(why) => {
            return Err(format!("the store could not say whether POP3 is enabled ({why})"));
        }
        other => return Err(format!("its state is {other}, which an entry cannot say")),
    };
    let means_it = |name: &&str| {
        matches!(live.resolve(name), Match::One(found) if found.id == account.id)
            && desired::objection_to_name(name).is_none()
    };
    let names = [account.name, account.id];
    let name = names.into_iter().chain(account.aliases()).find(|name| means_it(name));
    let name = name.ok_or("no name of it can stand in YAML and means it alone")?;
    Ok(Entry { name: name.into(), access, until: None, reason: None })
}

fn render(entries: &[Entry], format: ExportFormat) -> String {
    match format {
        ExportFormat::Yaml => desired::write(entries),
        ExportFormat::Json | ExportFormat::Snapshot => {
            let rows: Vec<_> = entries
                .iter()
                .map(|entry| serde_json::json!({"user": entry.name, "access": entry.access}))
                .collect();
            format!("{:#}\n", serde_json::Value::from(rows))
        }
        ExportFormat::Csv => {
            let mut out = "user,access\n".to_owned();
            for entry in entries {
                let _ = writeln!(out, "{},{}", csv_cell(&entry.name), entry.access);
            }
            out
        }
    }
}

fn file_name(stem: &str, format: ExportFormat) -> String {
    let ending = match format {
        ExportFormat::Yaml => "yaml",
        ExportFormat::Json | ExportFormat::Snapshot => "json",
        ExportFormat::Csv => "csv",
    };
    format!("{stem}.{ending}")
}

/// Makes a mail domain a file name that stays in its directory and does not hide.
fn safe(domain: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
    let name: String = crate::name::fold(domain).chars().map(keep).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "no-domain".to_owned() } else { name.to_owned() }
}

fn write(
    directory: &std::path::Path,
    files: &BTreeMap<String, Vec<Entry>>,
    format: ExportFormat,
) -> Result<(), Failure> {
    let texts = files.iter().map(|(name, entries)| (name.clone(), render(entries, format)));
    write_texts(directory, &texts.collect())
}

fn write_texts(directory: &std::path::Path, texts: &BTreeMap<String, String>) -> Result<(), Failure> {
    let failed = |path: &std::path::Path, error: &std::io::Error| {
        Failure::operational(format!("writing {}: {error}", path.display()))
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    // All or nothing: no file is begun when one of them is there already.
    if let Some(there) = texts.keys().map(|name| directory.join(name)).find(|path| path.exists()) {
        return Err(Failure::operational(format!("{} exists already", there.display()))
            .help("choose an empty directory with --out"));
    }
    for (name, text) in texts {
        let path = directory.join(name);
        crate::replace::replace(&path, text.as_bytes()).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}
