//! The settings of a target's store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::codes;
use super::nearest::{choice, nearest};
use super::organisation;
use super::piece::{Fields, Piece, from};
use super::problems::{Problems, shown};
use super::schema;
use super::written::{Node, Value};
use crate::name::Glob;
use crate::plan::policy::Missing;
use crate::psrp::Endpoint;
use crate::stores::exchange::Organisation;

/// How long a store waits for another writer, unless the settings say otherwise.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The stores that are planned, so that their names are no typing errors.
const PLANNED: &[&str] = &["exchange_online", "ldap", "mysql", "postgresql"];

/// Which store, and how to reach it.
#[expect(clippy::large_enum_variant, reason = "there is one for each target, made once")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// A table in an `SQLite` database.
    Sqlite(Sqlite),
    /// An Exchange organisation.
    Exchange(Box<Organisation>),
}

/// A table in an `SQLite` database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sqlite {
    /// The database file.
    pub path: PathBuf,
    /// The table, a plain identifier like all names of columns here.
    pub table: String,
    /// The column that names an account.
    pub key: String,
    /// The columns that hold the access; at least one.
    pub columns: Vec<String>,
    /// The value that means enabled; differs from `disabled`.
    pub enabled: SqlValue,
    /// The value that means disabled.
    pub disabled: SqlValue,
    /// Columns with other names of an account.
    pub aliases: Vec<String>,
    /// The column shown to a person, if it is not the key.
    pub name: Option<String>,
    /// An SQL condition that selects the accounts in scope (`where`); trusted as the administrator wrote it.
    pub filter: Option<String>,
    /// What happens to entries without an account. `Create` only with popgate's own table.
    pub missing: Missing,
    /// How long to wait for another writer.
    pub busy_timeout: Duration,
    /// The table is popgate's own, which it creates together with the database.
    pub create: bool,
}

/// A value in a column. Never NULL, which compares with nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlValue {
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
}

impl StoreSettings {
    /// Tells whether popgate creates the store itself, so that there is nothing to adopt.
    pub fn is_own(&self) -> bool {
        match self {
            Self::Sqlite(sqlite) => sqlite.create,
            Self::Exchange(_) => false,
        }
    }

    /// Returns what happens to entries without an account.
    pub fn missing(&self) -> Missing {
        match self {
            Self::Sqlite(sqlite) => sqlite.missing,
            Self::Exchange(_) => Missing::Report,
        }
    }

    /// Returns the endpoint of the organisation, if the store is Exchange.
    pub(super) fn organisation(&self) -> Option<&Endpoint> {
        match self {
            Self::Sqlite(_) => None,
            Self::Exchange(organisation) => Some(&organisation.endpoint),
        }
    }

    /// Returns the accounts that are never written, whatever the settings say.
    pub(super) fn never(&self) -> Vec<Glob> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            Self::Exchange(exchange) => organisation::never(exchange),
        }
    }

    /// Returns how often the store is read again, unless the settings say otherwise.
    pub(super) fn refresh(&self) -> Option<Duration> {
        match self {
            Self::Sqlite(_) => None,
            Self::Exchange(_) => Some(organisation::REFRESH),
        }
    }

    /// Tells whether two targets with these stores could write the same access of the same account. `real` turns a
    /// path into one that can be compared.
    pub(super) fn overlaps(&self, other: &Self, real: &dyn Fn(&Path) -> PathBuf) -> bool {
        let (a, b) = match (self, other) {
            (Self::Sqlite(a), Self::Sqlite(b)) => (a, b),
            (Self::Exchange(a), Self::Exchange(b)) => return organisation::overlap(a, b),
            (Self::Sqlite(_), Self::Exchange(_)) | (Self::Exchange(_), Self::Sqlite(_)) => return false,
        };
        // Two different conditions may well divide a table between two targets.
        let divided = a.filter.is_some() && b.filter.is_some() && a.filter != b.filter;
        let same_column = a.columns.iter().any(|column| b.columns.iter().any(|other| same(column, other)));
        real(&a.path) == real(&b.path) && same(&a.table, &b.table) && same_column && !divided
    }
}

impl Sqlite {
    /// popgate's own table, in this database.
    pub fn own(path: PathBuf) -> Self {
        Self {
            path,
            table: "pop3".to_owned(),
            key: "user".to_owned(),
            columns: vec!["enabled".to_owned()],
            enabled: SqlValue::Integer(1),
            disabled: SqlValue::Integer(0),
            aliases: Vec::new(),
            name: None,
            filter: None,
            missing: Missing::Create,
            busy_timeout: BUSY_TIMEOUT,
            create: true,
        }
    }
}

/// `SQLite` compares identifiers without regard to the case of ASCII letters.
fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Reads `store`.
pub(super) fn read(of: Piece<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<StoreSettings> {
    match variant(of, schema::STORES.iter().map(|(name, _)| *name), PLANNED, base, problems)? {
        "sqlite" => {
            sqlite(Fields::open(of, schema::SQLITE, problems)?, base, problems).map(StoreSettings::Sqlite)
        }
        "exchange" => {
            let fields = Fields::open(of, schema::EXCHANGE, problems)?;
            let read = organisation::read(fields, base, problems)?;
            Some(StoreSettings::Exchange(Box::new(read)))
        }
        // `variant` returns only what is built in.
        _ => None,
    }
}

/// Reads the `type` of a map: one of those that are built in. Of all others, only secrets are looked at.
pub(super) fn variant(
    of: Piece<'_>,
    built_in: impl Iterator<Item = &'static str> + Clone,
    planned: &'static [&'static str],
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<&'static str> {
    let Value::Map(entries) = &of.node.value else { return of.wrong("a map with a `type`", problems) };
    let Some((key, node)) = entries.iter().find(|(key, _)| key.text == "type") else {
        problems
            .error(codes::MISSING_FIELD, of.key, format!("missing field `type` in `{}`", shown(of.name)))
            .help(format!("write `type: {}`", choice(built_in.clone()).replace('`', "")));
        return None;
    };
    let named = Piece::new(key, node).text(problems)?;
    if let Some(name) = built_in.clone().find(|name| *name == named) {
        return Some(name);
    }
    if planned.contains(&named) {
        problems
            .error(
                codes::NOT_BUILT_IN,
                node.at,
                format!("the type `{named}` is not built into this version of popgate"),
            )
            .help(format!("built in: {}", choice(built_in)));
        inline_secrets(entries, base, problems);
        return None;
    }
    let report = problems.error(
        codes::WRONG_WORD,
        node.at,
        format!("`{}` is no type of `{}`", shown(named), shown(of.name)),
    );
    let all = || built_in.clone().chain(planned.iter().copied());
    match nearest(named, all()) {
        Some(meant) => drop(report.help(format!("did you mean `{meant}`?"))),
        None => drop(report.help(format!("built in: {}", choice(built_in)))),
    }
    None
}

/// A secret written inline is worth a word even where nothing else is.
fn inline_secrets(entries: &[(crate::yaml::tree::Key, Node)], base: &Path, problems: &mut Problems<'_>) {
    for (key, node) in entries {
        if ["password", "client_secret", "secret", "token"].contains(&&*key.text) {
            Piece::new(key, node).secret(base, problems);
        }
    }
}

fn sqlite(fields: Fields<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<Sqlite> {
    let path = fields.need("path", "write the database file: `path: /var/vmail/users.db`", problems);
    let path = path.and_then(|path| path.text(problems)).map(|path| from(base, path));
    let busy_timeout =
        fields.get("busy_timeout").and_then(|field| field.duration(problems)).unwrap_or(BUSY_TIMEOUT);
    let missing_field = fields.get("missing");
    let words = [("report", Missing::Report), ("create", Missing::Create)];
    let missing = missing_field.and_then(|field| field.word(&words, problems));
    let Some(table) = fields.get("table") else {
        for name in ["key", "access", "aliases", "name", "where"] {
            if let Some(field) = fields.get(name) {
                let message = format!("`{name}` without `table`");
                problems.error(codes::MISSING_FIELD, field.key, message).help(
                    "name the table it belongs to; without `table`, popgate uses its own, whose columns it knows",
                );
            }
        }
        return path.map(|path| Sqlite {
            missing: missing.unwrap_or(Missing::Create),
            busy_timeout,
            ..Sqlite::own(path)
        });
    };
    if missing == Some(Missing::Create) {
        let at = missing_field.map_or(table.key, |field| field.node.at);
        problems
            .error(codes::FOREIGN_TABLE, at, "`missing: create` is only for popgate's own table")
            .help("write `missing: report`, or remove `table` to use popgate's own");
    }
    let table = identifier(table, problems);
    let key = fields.need("key", "name the column that names an account: `key: username`", problems);
    let key = key.and_then(|field| Some((field, identifier(field, problems)?)));
    let aliases = identifiers(fields.get("aliases"), problems);
    let name = fields.get("name").and_then(|field| identifier(field, problems));
    let filter = fields.get("where").and_then(|field| condition(field, problems));
    let example = "write for example `access: {columns: [enablepop3], enabled: 1, disabled: 0}`";
    let access = fields.need("access", example, problems)?;
    let access = Fields::open(access, schema::ACCESS, problems)?;
    let columns = access.need("columns", "name the columns that hold the access", problems);
    let columns = identifiers(columns, problems);
    let [enabled, disabled] = ["enabled", "disabled"].map(|name| {
        let field = access.need(name, &format!("write the value that means {name}"), problems);
        field.and_then(|field| Some((field, sql_value(field, problems)?)))
    });
    let named = key.iter().map(|(field, column)| (field.node.at, column));
    check_columns(&columns, named.chain(aliases.iter().map(|(at, column)| (*at, column))), problems);
    let ((_, enabled), (field, disabled)) = (enabled?, disabled?);
    if enabled.text() == disabled.text() {
        problems
            .error(codes::SAME_VALUE, field.node.at, "the same value for enabled and disabled")
            .help("write the value that the column holds when POP3 is disabled");
    }
    let texts = |found: Vec<(_, String)>| found.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    Some(Sqlite {
        path: path?,
        table: table?,
        key: key?.1,
        columns: texts(columns),
        enabled,
        disabled,
        aliases: texts(aliases),
        name,
        filter,
        missing: Missing::Report,
        busy_timeout,
        create: false,
    })
}

type Located = (crate::yaml::tree::Place, String);

/// A column that is written cannot at the same time name the account.
fn check_columns<'a>(
    columns: &[Located],
    names: impl Iterator<Item = (crate::yaml::tree::Place, &'a String)>,
    problems: &mut Problems<'_>,
) {
    for (at, name) in names {
        if let Some((column_at, _)) = columns.iter().find(|(_, column)| same(column, name)) {
            let label = problems.label(at, "names the account here");
            problems
                .error(
                    codes::DOUBLED_COLUMN,
                    *column_at,
                    format!("the column `{name}` cannot hold the access and name the account"),
                )
                .also(label)
                .help("name the column that says whether POP3 is enabled");
        }
    }
}

fn identifiers(field: Option<Piece<'_>>, problems: &mut Problems<'_>) -> Vec<Located> {
    let Some(field) = field else { return Vec::new() };
    if let Value::Text(text) = &field.node.value {
        let message = format!("`{}` must be a list of columns, not text", shown(field.name));
        problems.error(codes::WRONG_TYPE, field.node.at, message).help(format!("write `[{}]`", shown(text)));
        return Vec::new();
    }
    let Some(items) = field.items("a list of columns", problems) else { return Vec::new() };
    if items.is_empty() && field.name == "columns" {
        field.too_few::<()>(problems);
    }
    let mut found: Vec<Located> = Vec::new();
    for item in items {
        let Some(column) = identifier(item, problems) else { continue };
        match found.iter().find(|(_, other)| same(other, &column)) {
            Some((first, _)) => {
                let label = problems.label(*first, "first written here");
                let message = format!("the column `{column}` is written twice");
                problems
                    .error(codes::DOUBLED_COLUMN, item.node.at, message)
                    .also(label)
                    .help("keep one of the two");
            }
            None => found.push((item.node.at, column)),
        }
    }
    found
}

/// Reads a name of SQL: `[A-Za-z_][A-Za-z0-9_]*`, at most 64 characters.
fn identifier(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.text(problems)?;
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Some(text.to_owned());
    }
    problems
        .error(
            codes::BAD_IDENTIFIER,
            field.node.at,
            format!("`{}` cannot be the name of a table or column", shown(text)),
        )
        .help(
            "letters, digits and `_`, at most 64, not beginning with a digit; for other names, make a view",
        );
    None
}

fn sql_value(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<SqlValue> {
    match &field.node.value {
        Value::Integer(number, _) => Some(SqlValue::Integer(*number)),
        Value::Text(text) if !text.contains('\0') => Some(SqlValue::Text(text.clone())),
        Value::Flag(flag) => {
            let message = format!("{} must be a whole number or text, not `{flag}`", field.title());
            problems.error(codes::WRONG_TYPE, field.node.at, message).help(format!(
                "write `{}`, or \"{flag}\" in quotes if the column holds that text",
                i64::from(*flag)
            ));
            None
        }
        Value::Nothing => {
            problems
                .error(codes::WRONG_TYPE, field.node.at, format!("{} may not be NULL", field.title()))
                .help("NULL compares with nothing; write the value that the column holds");
            None
        }
        _ => field.wrong("a whole number or text", problems),
    }
}

impl SqlValue {
    /// `SQLite` may store the number 1 and the text "1" as the same, depending on the column.
    fn text(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A condition may be written over several lines.
fn condition(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<String> {
    match &field.node.value {
        Value::Text(text) if text.trim().is_empty() || text.contains('\0') => {
            let message = "`where` must be an SQL condition";
            problems
                .error(codes::BAD_TEXT, field.node.at, message)
                .help("remove `where` to select every row");
            None
        }
        Value::Text(text) => Some(text.trim().to_owned()),
        _ => field.wrong("an SQL condition as text", problems),
    }
}
