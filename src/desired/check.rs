//! The rules for a file: what fields there are and what they may hold. Takes a decoded file apart into entries
//! and problems, and finds every problem there is.

use std::borrow::Cow;

use jiff::civil::Date;

use super::rules::{self, Objection};
use super::words;
use crate::diagnostic::{Code, codes, shown};
use crate::model::Access;
use crate::yaml::{At, Key, Raw};

/// What is in one file.
#[derive(Default)]
pub(super) struct Checked<'t> {
    pub(super) found: Vec<Found<'t>>,
    pub(super) problems: Vec<Problem>,
}

/// One entry. Where a problem was found in it, its access may not be what is written.
pub(super) struct Found<'t> {
    pub(super) name: Cow<'t, str>,
    pub(super) access: Access,
    pub(super) until: Option<Date>,
    pub(super) reason: Option<Cow<'t, str>>,
    /// The offset of its key, where decoding knows it; else its address says where to look.
    pub(super) key: Result<u32, At>,
}

/// A problem whose places are not yet looked up.
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: String,
    /// The primary place first; none means the whole file.
    pub(super) places: Vec<(At, &'static str)>,
}

/// Checks one decoded file.
pub(super) fn check<'t>(raw: &Raw<'t>) -> Checked<'t> {
    let mut checked = Checked::default();
    match raw {
        Raw::Map(fields) => checked.top(fields),
        Raw::Null => checked.problem(
            codes::EMPTY_FILE,
            "the file lists nothing, not even nobody",
            "write `pop3: {}` to list nobody, or delete the file",
            [],
        ),
        other => checked.problem(
            codes::TOP_KIND,
            format!("a file is a map with the field `pop3`, not {}", other.kind()),
            "begin with `pop3:` and put one user on each line below it: `  name: enabled`",
            [(At::value([]), "not a map")],
        ),
    }
    checked
}

impl<'t> Checked<'t> {
    fn top(&mut self, fields: &[(Key<'t>, Raw<'t>)]) {
        let mut meant_pop3 = false;
        let mut seen = Vec::new();
        for (position, (key, raw)) in (0..).zip(fields) {
            self.twice(&[], position, key, &mut seen);
            match &*key.text {
                "pop3" => {
                    meant_pop3 = true;
                    self.pop3(position, raw);
                }
                "version" => self.version(position, raw),
                unknown => {
                    let meant = words::meant_top_field(unknown);
                    meant_pop3 |= meant == Some("pop3");
                    let help = match meant {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None if matches!(raw, Raw::Text(_) | Raw::Map(_) | Raw::Bool(_)) => {
                            "users stand below `pop3:`, indented".to_owned()
                        }
                        None => "here are only `version` and `pop3`".to_owned(),
                    };
                    self.problem(
                        codes::UNKNOWN_FIELD,
                        format!("unknown field `{}`", shown(unknown)),
                        help,
                        [(At::key([position]), "not a field of the file")],
                    );
                }
            }
        }
        if !meant_pop3 {
            self.problem(
                codes::NO_POP3,
                "the field `pop3` is missing",
                "put the users below `pop3:`, or write `pop3: {}` to list nobody",
                [],
            );
        }
    }

    fn version(&mut self, position: u32, raw: &Raw<'_>) {
        let message = match raw {
            Raw::Number(number) if &**number == "1" => return,
            Raw::Number(number) => format!("version {} of the format is not known", shown(number)),
            Raw::Text(text) => format!("`version` must be the number 1, not the text `{}`", shown(text)),
            other => format!("`version` must be the number 1, not {}", other.kind()),
        };
        let help = "write `version: 1`, or leave the field out";
        self.problem(codes::VERSION, message, help, [(At::value([position]), "not version 1")]);
    }

    fn pop3(&mut self, position: u32, raw: &Raw<'t>) {
        let (message, help) = match raw {
            Raw::Map(entries) => {
                for (ordinal, (key, value)) in (0..).zip(entries) {
                    self.entry([position, ordinal], key, value);
                }
                return;
            }
            Raw::Null => ("`pop3` has no value".to_owned(), "write `pop3: {}` to list nobody"),
            Raw::List => (
                "`pop3` must hold a map, not a list".to_owned(),
                "write each user as `name: enabled`, without the dash",
            ),
            other => (
                format!("`pop3` must hold a map, not {}", other.kind()),
                "write each user as `name: enabled`; a name with ` #` in it must be put in quotes",
            ),
        };
        self.problem(codes::POP3_VALUE, message, help, [(At::value([position]), "no users")]);
    }

    fn entry(&mut self, at: [u32; 2], key: &Key<'t>, raw: &Raw<'t>) {
        let name = &*key.text;
        if let Err(objection) = rules::check_name(name) {
            self.objection(objection, At::key(at));
        }
        let mut entry = Found {
            name: key.text.clone(),
            access: Access::Disabled,
            until: None,
            reason: None,
            key: key.offset.ok_or_else(|| At::key(at)),
        };
        match raw {
            Raw::Map(fields) => self.fields(at, &mut entry, fields),
            Raw::Null => self.problem(
                codes::NO_ACCESS,
                format!("`{}` has neither `enabled` nor `disabled`", shown(name)),
                "write `enabled` or `disabled` after the colon",
                [(At::value(at), "no value")],
            ),
            word => match rules::access(word) {
                Ok(access) => entry.access = access,
                Err(objection) => self.objection(objection, At::value(at)),
            },
        }
        self.found.push(entry);
    }

    fn fields(&mut self, at: [u32; 2], entry: &mut Found<'t>, fields: &[(Key<'t>, Raw<'t>)]) {
        let [top, ordinal] = at;
        let mut access = None;
        let mut until_at = None;
        let mut meant_access = false;
        let mut seen = Vec::new();
        for (position, (key, raw)) in (0..).zip(fields) {
            let path = [top, ordinal, position];
            self.twice(&at, position, key, &mut seen);
            match &*key.text {
                "access" => {
                    meant_access = true;
                    match rules::access(raw) {
                        Ok(word) => {
                            access = access.or(Some((word, path)));
                        }
                        Err(objection) => self.objection(objection, At::value(path)),
                    }
                }
                "until" => {
                    until_at = until_at.or(Some(path));
                    match rules::until(raw) {
                        Ok(date) => entry.until = Some(date),
                        Err(objection) => self.objection(objection, At::value(path)),
                    }
                }
                "reason" => match rules::reason(raw) {
                    Ok(reason) => entry.reason = Some(reason.clone()),
                    Err(objection) => self.objection(objection, At::value(path)),
                },
                unknown => {
                    let meant = words::meant_field(unknown);
                    meant_access |= meant == Some("access");
                    let help = match meant {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "an entry has `access`, `until` and `reason`".to_owned(),
                    };
                    self.problem(
                        codes::UNKNOWN_FIELD,
                        format!("unknown field `{}`", shown(unknown)),
                        help,
                        [(At::key(path), "not a field of an entry")],
                    );
                }
            }
        }
        match (access, until_at) {
            (Some((Access::Disabled, access)), Some(until)) => self.problem(
                codes::UNTIL_DISABLED,
                "`until` is the last day of access, and this user has none",
                "remove `until`, or write `access: enabled`",
                [(At::value(until), "means nothing here"), (At::value(access), "disabled here")],
            ),
            (None, _) if !meant_access => self.problem(
                codes::NO_ACCESS,
                format!("`{}` has no `access`", shown(&entry.name)),
                "add `access: enabled` or `access: disabled`",
                [(At::key(at), "no access")],
            ),
            _ => {}
        }
        if let Some((word, _)) = access {
            entry.access = word;
        }
    }

    /// Reports a field that stood already.
    fn twice<'k>(&mut self, at: &[u32], position: u32, key: &'k Key<'_>, seen: &mut Vec<(&'k str, u32)>) {
        // Unknown fields are reported as such, and there may be very many of them.
        if !["pop3", "version", "access", "until", "reason"].contains(&&*key.text) {
            return;
        }
        let Some((_, first)) = seen.iter().find(|(earlier, _)| *earlier == key.text) else {
            seen.push((&key.text, position));
            return;
        };
        let path = |last| At::key([at, &[last]].concat());
        self.problem(
            codes::FIELD_TWICE,
            format!("the field `{}` is given twice", key.text),
            "keep one of the two",
            [(path(position), "given again here"), (path(*first), "first given here")],
        );
    }

    fn objection(&mut self, objection: Objection, at: At) {
        let Objection { code, message, label, help } = objection;
        self.problem(code, message, help, [(at, label)]);
    }

    fn problem<const N: usize>(
        &mut self,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
        places: [(At, &'static str); N],
    ) {
        let (message, help) = (message.into(), help.into());
        self.problems.push(Problem { code, message, help, places: places.into() });
    }
}
