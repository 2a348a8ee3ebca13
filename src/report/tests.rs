//! What stands in a report comes from others. Each hostile text is put wherever others write, and each format has to
//! show it as nothing but text: with the structure that a harmless text would have.

use super::harmless::is_harmful;
use super::problems::Problems;
use super::sample::{crowded, desired, view, with_changes, written};
use super::text::View;
use super::{Extent, Shown, Unlisted, diff, github, gitlab, json, junit, markdown, text};
use crate::desired::{Desired, key, objection_to_name};
use crate::diagnostic::{Diagnostic, Label, Lines, codes};
use crate::model::{Access, AccountId, Origin, State};
use crate::plan::{Blocked, BlockedBecause, Cause, ChangedRule, Held, Note, Plan};

/// Harmless texts of the shapes below, to compare with.
const HARMLESS: &str = "bob@x.example";

const HOSTILE: [&str; 33] = [
    "a|b",
    "a\\|b",
    "|",
    "`x`",
    "```",
    "x`@org/team`y",
    "%0A::error::x",
    "%0a%0d",
    "::error file=x::y",
    "::add-mask::x",
    "::stop-commands::x",
    "a::set-output name=x::y",
    "##[error]x",
    "##vso[task.setvariable]x",
    "<img src=x onerror=alert(1)>",
    "</code></details><script>",
    "--> <!--",
    "]]>",
    "&#64;all &lt;",
    "\" onload='x",
    "@everyone",
    "@org/team",
    "#12 GH-34 a/b#5",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "https://evil.example www.evil.example",
    "**bold** _it_ ~~x~~ $x$ :tada:",
    "# heading",
    "${{ secrets.X }} $(id)",
    "anna\u{202e}moc\u{2066}",
    "\u{1b}[31mred\u{9b}0m\u{7}",
    "one\ntwo\r\nthree\u{85}\u{2028}four",
    "a\u{fffe}b\u{ffff}c\u{200b}\u{0}",
];

/// A plan in which a text stands wherever somebody else could have written it, and the files it was made from.
fn everywhere(evil: &str, listed: bool) -> (Plan, Desired, View) {
    let mut plan = crowded();
    let name = || evil.to_owned();
    let changed = ChangedRule { rule: "unlisted".to_owned(), was: name(), now: name() };
    plan.notes.push(Note::PolicyChanged(changed));
    let entry = if listed { key(evil) } else { "x".to_owned() };
    let desired = desired(&[("a.yaml", &format!("pop3:\n  {entry}: enabled\n"))]);
    let origin = Origin { file: "a.yaml".to_owned(), line: 2, column: 3 };
    let elsewhere = Origin { file: name(), line: 1, column: 1 };
    let mut changes = plan.changes.clone();
    changes.truncate(3);
    for (planned, cause) in
        changes.iter_mut().zip([Cause::Listed(origin), Cause::Listed(elsewhere.clone()), Cause::Unlisted])
    {
        planned.change.name = name();
        planned.change.account = AccountId::new(evil);
        planned.change.cause = cause;
        planned.reason = Some(name());
    }
    plan.changes = with_changes(changes).changes;
    plan.target = name();
    plan.held.iter_mut().for_each(|Held { change, .. }| change.name = name());
    for Blocked { name, origin, why } in &mut plan.blocked {
        evil.clone_into(name);
        *origin = elsewhere.clone();
        match why {
            BlockedBecause::Ambiguous(all) => {
                for (id, name) in all {
                    (*id, *name) = (AccountId::new(evil), evil.to_owned());
                }
            }
            BlockedBecause::Doubled(account, others) => {
                evil.clone_into(account);
                for (name, _) in others {
                    evil.clone_into(name);
                }
            }
            BlockedBecause::Rebound { was, now, .. } => {
                (*was, *now) = (AccountId::new(evil), AccountId::new(evil));
            }
            BlockedBecause::Ignored(glob) | BlockedBecause::Protected(glob) => evil.clone_into(glob),
        }
    }
    for note in &mut plan.notes {
        match note {
            Note::Missing { name, suggestion, .. } => {
                (*name, *suggestion) = (evil.to_owned(), Some(evil.to_owned()));
            }
            Note::Unreadable { name, why, .. } => (*name, *why) = (evil.to_owned(), evil.to_owned()),
            Note::Released { name, .. } => evil.clone_into(name),
            Note::NotEffective { service, names } => {
                (*service, *names) = (evil.to_owned(), vec![evil.to_owned(); 3]);
            }
            Note::FirstContact | Note::PolicyChanged(_) | Note::WritesClosed { .. } => {}
        }
    }
    plan.guards.iter_mut().for_each(|verdict| verdict.detail = Some(name()));
    plan.effects.iter_mut().for_each(|effect| effect.service = name());
    let unlisted =
        Unlisted { account: AccountId::new(evil), name: name(), state: State::Is(Access::Enabled) };
    let extent = Extent { concise: false, only: Some((name(), 3)), unlisted: Some(vec![unlisted]) };
    (plan, desired, View { extent, commit: Some(name()), ..view() })
}

type Format = fn(&[Shown<'_>], &mut String) -> std::fmt::Result;

const FORMATS: [(&str, Format); 7] = [
    ("text", |all, out| all.iter().try_for_each(|one| text::plan(one.plan, one.view, out))),
    ("diff", |all, out| diff::plans(all, out)),
    ("json", |all, out| json::shown(all, 0, "success", out)),
    ("markdown", |all, out| markdown::plans(all, out)),
    ("github", |all, out| github::plans(all, out)),
    ("gitlab", |all, out| gitlab::plans(all, out)),
    ("junit", |all, out| junit::plans(all, out)),
];

fn shown(format: Format, evil: &str, listed: bool) -> String {
    let (plan, desired, view) = everywhere(evil, listed);
    written(|out| format(&[Shown { plan: &plan, desired: &desired, view: &view }], out))
}

#[test]
fn every_format_shows_every_hostile_text_as_nothing_but_text() {
    for (name, format) in FORMATS {
        for evil in HOSTILE {
            // The reader of the files would refuse some of them; live accounts may have any name.
            let listed = objection_to_name(evil).is_none();
            let (text, usual) = (shown(format, evil, listed), shown(format, HARMLESS, listed));
            let say = || format!("{evil:?} as {name}:\n{text}");
            check(name, &text, &usual).unwrap_or_else(|what| panic!("{what}: {}", say()));
        }
    }
}

#[test]
fn what_is_wrong_with_files_is_shown_as_nothing_but_text_too() {
    type Render = fn(&Problems<'_>, &mut String) -> std::fmt::Result;
    let formats: [(&str, Render); 6] = [
        ("text", |all, out| all.text(out)),
        ("json", |all, out| all.json(out)),
        ("markdown", |all, out| markdown::problems(all, out)),
        ("github", |all, out| github::problems(all, out)),
        ("gitlab", |all, out| gitlab::problems(all, out)),
        ("junit", |all, out| junit::problems(all, out)),
    ];
    for (name, format) in formats {
        let shown = |evil: &str| {
            let lines = Lines::new("pop3:\n");
            let found = [Diagnostic::error(codes::ACCESS_WORD, format!("`{evil}` is no word"))
                .at(Label::spot(evil, lines.spot("pop3:\n", 0..4)).saying(evil))
                .at(Label::spot(evil, lines.spot("pop3:\n", 0..4)).saying(evil))
                .help(evil)];
            let failure = Some((evil, Some(evil)));
            written(|out| format(&Problems { failure, ..Problems::of(&found, 3, "invalid") }, out))
        };
        let usual = shown(HARMLESS);
        for evil in HOSTILE {
            let text = shown(evil);
            check(name, &text, &usual).unwrap_or_else(|what| panic!("{what}: {evil:?} as {name}:\n{text}"));
        }
    }
}

/// Keeps the length of the longest piece that it is given, and of all together.
#[derive(Default)]
struct Meter {
    longest: usize,
    total: usize,
}

impl std::fmt::Write for Meter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.longest = self.longest.max(text.len());
        self.total += text.len();
        Ok(())
    }
}

#[test]
fn no_report_is_held_as_one_text() {
    type Render = fn(&[Shown<'_>], &mut Meter) -> std::fmt::Result;
    let names = (0..20_000).map(|n| format!("u{n:05}@x.example"));
    let lines: Vec<String> = names.map(|name| format!("  {name}: disabled")).collect();
    let desired = desired(&[("a.yaml", &format!("pop3:\n{}\n", lines.join("\n")))]);
    let changes = desired.iter().map(|entry| {
        let cause = Cause::Listed(desired.origin(entry));
        super::sample::planned(entry.name, State::Is(Access::Enabled), Access::Disabled, cause)
    });
    let (plan, view) = (with_changes(changes.collect()), view());
    let one = Shown { plan: &plan, desired: &desired, view: &view };
    let renders: [(&str, Render); 6] = [
        ("text", |all, out| all.iter().try_for_each(|one| text::plan(one.plan, one.view, out))),
        ("diff", |all, out| diff::plans(all, out)),
        ("json", |all, out| json::shown(all, 0, "success", out)),
        ("github", |all, out| github::plans(all, out)),
        ("gitlab", |all, out| gitlab::plans(all, out)),
        ("junit", |all, out| junit::plans(all, out)),
    ];
    for (name, render) in renders {
        let mut meter = Meter::default();
        render(&[one], &mut meter).unwrap();
        assert!(meter.longest < 500, "{name}: a piece of {} bytes", meter.longest);
        assert!(meter.total > 1_000_000 || name == "github", "{name}: {} bytes", meter.total);
    }
}

/// Compares the structure of a report with that of a harmless one.
fn check(format: &str, text: &str, usual: &str) -> Result<(), String> {
    let same = |what: &str, count: fn(&str) -> usize| match (count(text), count(usual)) {
        (have, want) if have == want => Ok(()),
        (have, want) => Err(format!("{have} {what}, not {want}")),
    };
    if let Some(c) = text.chars().find(|c| is_harmful(*c) && *c != '\n' && *c != '\t') {
        return Err(format!("{c:?} reaches the terminal"));
    }
    same("lines", |text| text.lines().count())?;
    let command = |line: &&str| line.trim_start().starts_with("::");
    if let Some(line) = text.lines().find(command).filter(|_| format != "github") {
        return Err(format!("a command for GitHub: {line}"));
    }
    if matches!(format, "text" | "diff") && ["##[", "##vso["].iter().any(|sign| text.contains(sign)) {
        return Err("a command for a CI".to_owned());
    }
    match format {
        "github" => text.lines().try_for_each(annotation),
        "json" | "gitlab" => {
            let [have, want] = [text, usual].map(serde_json::from_str::<serde_json::Value>);
            let (have, want) =
                (have.map_err(|error| error.to_string())?, want.map_err(|error| error.to_string())?);
            if skeleton(&have) == skeleton(&want) { Ok(()) } else { Err("another structure".to_owned()) }
        }
        "junit" => {
            same("<", |text| text.matches('<').count())?;
            same(">", |text| text.matches('>').count())?;
            same("quotes", |text| text.matches('"').count())?;
            if text.contains(['\u{fffe}', '\u{ffff}']) {
                Err("not a character of XML".to_owned())
            } else {
                Ok(())
            }
        }
        "markdown" => markdown(text, usual),
        _ => Ok(()),
    }
}

/// The kinds of all values, without the texts and numbers.
fn skeleton(value: &serde_json::Value) -> String {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String as Text};
    match value {
        Array(items) => format!("[{}]", items.iter().map(skeleton).collect::<Vec<_>>().join(",")),
        Object(fields) => {
            let field = |(name, value): (&String, &serde_json::Value)| format!("{name}:{}", skeleton(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Bool(_) => "b".to_owned(),
        Null => "-".to_owned(),
        Number(_) => "n".to_owned(),
        Text(_) => "t".to_owned(),
    }
}

/// Reads a line as the runner of GitHub does.
fn annotation(line: &str) -> Result<(), String> {
    let (command, message) =
        line.strip_prefix("::").and_then(|rest| rest.split_once("::")).ok_or("no command")?;
    let (kind, properties) = command.split_once(' ').ok_or("no properties")?;
    if !["error", "warning", "notice"].contains(&kind) {
        return Err(format!("the command {kind}"));
    }
    for property in properties.split(',') {
        let (name, value) = property.split_once('=').ok_or_else(|| format!("property {property}"))?;
        if !["file", "line", "col", "title"].contains(&name) || value.contains(':') {
            return Err(format!("property {property}"));
        }
    }
    let decoded = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    if [properties, message].iter().any(|text| decoded(text).contains(['\r', '\n'])) {
        Err("a line break comes out".to_owned())
    } else {
        Ok(())
    }
}

/// Takes away what popgate writes itself; nothing that is syntax may be left.
fn markdown(text: &str, usual: &str) -> Result<(), String> {
    for (line, usual) in text.lines().zip(usual.lines()) {
        if line.matches('|').count() != usual.matches('|').count() {
            return Err(format!("cells: {line}"));
        }
        let mut outside = String::new();
        for (position, part) in line.split("<code>").enumerate() {
            let (code, after) =
                if position == 0 { ("", part) } else { part.split_once("</code>").ok_or("open")? };
            if code.contains(['<', '>', '`', '@', '[', ']', '(', ')', '*', '_', '|', '$', '~']) {
                return Err(format!("in code: {code}"));
            }
            outside.push_str(after);
        }
        for own in [
            "<details>",
            "</details>",
            "<summary>",
            "</summary>",
            markdown::MARKER,
            "> [!CAUTION]",
            "**",
            "* ",
            "### ",
        ] {
            outside = outside.replace(own, "");
        }
        let outside = outside.trim_start_matches("> ");
        let references = outside.split("&#").skip(1).map(|rest| rest.split(';').next().unwrap_or_default());
        let bad = |number: &str| number.parse::<u8>().ok().is_some_and(|c| b"@#$/!^".contains(&c));
        if outside.replace("&#", "").contains(['<', '>', '`', '@', '[', '*', '_', '#', '!', '~', '$'])
            || references.into_iter().any(bad)
        {
            return Err(format!("outside of code: {outside}"));
        }
    }
    Ok(())
}
