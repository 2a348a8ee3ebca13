//! `popgate get --as-of`: how accounts stood at a moment, as far as the journal knows. The store is not asked: it
//! only knows the present.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Failure;
use super::args::{Get as Args, TableFormat};
use super::exit::Exit;
use super::get::{columns, csv_lines};
use super::session::Session;
use crate::journal::history::{self, Known, Meant};
use crate::journal::{self, entry::Record};
use crate::report::harmless;

pub(super) fn run(session: &Session, args: &Args, at: &str) -> Result<Exit, Failure> {
    let now = session.clock.now().wall;
    let Some(at) = moment(at, &session.settings.timezone, now) else {
        return Err(Failure::usage(format!(
            "--as-of {at}: write a day (2027-01-01) or a moment (2027-01-01T08:00:00Z)"
        )));
    };
    if at > now {
        return Err(Failure::usage("--as-of is in the future").help("`popgate plan --at` looks ahead"));
    }
    let lines = journal::read_all::<Record>(session.state())
        .map_err(|error| Failure::operational(error.to_string()))?;
    let events = history::tell(&lines);
    let mut known = history::as_of(&events, at);
    if let Some(target) = &session.global.target {
        known.retain(|known| known.target == *target);
    }
    if !args.users.is_empty() {
        let meant: Vec<Meant> = args.users.iter().map(|user| Meant::new(&lines, user)).collect();
        let asked = |known: &Known| meant.iter().any(|meant| meant.is(&known.account, &known.name));
        let nobody = meant
            .iter()
            .zip(&args.users)
            .filter(|(meant, _)| !known.iter().any(|known| meant.is(&known.account, &known.name)));
        let nobody: Vec<String> = nobody.map(|(_, user)| harmless(user)).collect();
        if !nobody.is_empty() {
            session.render.remark(&format!("popgate never wrote: {}", nobody.join(", ")));
        }
        known.retain(asked);
    }
    session.render.result(&shown(&known, args.format));
    Ok(Exit::Success)
}

/// Reads a moment, or a day, which means its end, or now if it has not ended yet.
fn moment(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let start = |day: Date| day.to_zoned_datetime(zone.clone()).ok().map(|zoned| zoned.timestamp());
    let day: Date = text.parse().ok()?;
    let (begins, ends) = (start(day)?, start(day.tomorrow().ok()?)?);
    Some(if begins <= now { ends.min(now) } else { begins })
}

fn shown(known: &[Known], format: TableFormat) -> String {
    let state = |known: &Known| known.state.map_or("unknown", |access| access.word());
    match format {
        TableFormat::Json => {
            let rows = known.iter().map(|known| {
                let by = known.by.as_ref();
                serde_json::json!({
                    "user": known.name,
                    "account": known.account.as_str(),
                    "target": known.target,
                    "state": state(known),
                    "since": by.map(|(made, batch)| since(made, batch)),
                    "batch": by.map(|(_, batch)| batch.number),
                    "by": by.map(|(_, batch)| &batch.by),
                    "commit": by.and_then(|(_, batch)| batch.commit.as_ref()),
                    "cause": by.map(|(made, _)| made.cause.word()),
                    "reason": by.and_then(|(made, _)| made.reason.as_ref()),
                })
            });
            format!("{:#}\n", rows.collect::<serde_json::Value>())
        }
        TableFormat::Csv => csv_lines(&HEAD.map(str::to_lowercase), known.iter().map(row)),
        TableFormat::Table if known.is_empty() => "The journal knows of no write.\n".to_owned(),
        TableFormat::Table => {
            let cells = known.iter().map(|known| row(known).map(|cell| dash(&cell)));
            columns(&HEAD.map(str::to_owned), cells)
        }
    }
}

const HEAD: [&str; 6] = ["USER", "STATE", "SINCE", "BATCH", "BY", "WHY"];

fn row(known: &Known) -> [String; 6] {
    let state = known.state.map_or("unknown", |access| access.word()).to_owned();
    let name = known.name.clone();
    let Some((made, batch)) = &known.by else {
        return [name, state, String::new(), String::new(), String::new(), "not written before".to_owned()];
    };
    let why = match (&made.reason, made.cause.origin()) {
        (Some(reason), _) => reason.clone(),
        (None, Some(origin)) => format!("{} in {origin}", made.cause.word()),
        (None, None) => made.cause.word().to_owned(),
    };
    [name, state, since(made, batch).to_string(), batch.number.to_string(), batch.by.clone(), why]
}

fn since(made: &history::Made, batch: &history::Batch) -> Timestamp {
    match made.fate {
        history::Fate::Known(_, at) => at,
        history::Fate::NotSent | history::Fate::InDoubt => batch.at,
    }
}

fn dash(cell: &str) -> String {
    if cell.is_empty() { "-".to_owned() } else { harmless(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_means_its_end_and_today_means_now() {
        let zone = TimeZone::get("Asia/Taipei").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-05-10T03:00:00Z");
        assert_eq!(moment("2026-05-08", &zone, now), Some(at("2026-05-08T16:00:00Z")));
        assert_eq!(moment("2026-05-10", &zone, now), Some(now));
        assert_eq!(moment("2026-05-08T01:02:03Z", &zone, now), Some(at("2026-05-08T01:02:03Z")));
        assert!(moment("2026-05-11", &zone, now).unwrap() > now);
        assert_eq!(moment("yesterday", &zone, now), None);
    }
}
