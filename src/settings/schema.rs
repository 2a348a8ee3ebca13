//! Which fields there are, what each is for, and the JSON schema made of that. The readers of the sections take their
//! field names from these tables, so an editor and popgate know the same fields.

use serde_json::{Map, Value, json};

/// One field of a map.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is for, with its default.
    pub(super) about: &'static str,
    shape: Shape,
    needed: bool,
}

#[derive(Debug)]
enum Shape {
    /// Any of these.
    Any(&'static [Self]),
    Duration,
    Flag,
    Identifier,
    /// A whole number, at least and at most.
    Integer(i64, i64),
    /// A list of this, of at least so many.
    List(&'static Self, usize),
    /// Freely named fields of this shape, at least one.
    Named(&'static Self),
    /// A map with these fields.
    Object(&'static [Field]),
    /// A map whose fields depend on its `type`.
    Tagged(&'static [(&'static str, &'static [Field])]),
    Text,
    Words(&'static [&'static str]),
}

const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, about, shape, needed: false }
}

const fn needed(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, about, shape, needed: true }
}

const PERCENT: Shape = Shape::Integer(0, 100);
const NATURAL: Shape = Shape::Integer(0, i64::MAX);
const POSITIVE: Shape = Shape::Integer(1, i64::MAX);
const COMMAND: Shape = Shape::List(&Shape::Text, 1);
const ON_DRIFT: Shape = Shape::Words(&["restore", "report"]);
const TYPE: Field = needed("type", Shape::Text, "Which kind.");

pub(super) static ROOT: &[Field] = &[
    field("version", Shape::Integer(1, 1), "The version of this format: 1."),
    field("state", Shape::Text, "Directory of the journal, the lock and the socket. Default: .popgate"),
    field("timezone", Shape::Text, "IANA time zone of `until` days and of windows. Default: UTC"),
    field(
        "targets",
        Shape::Named(&Shape::Object(TARGET)),
        "What is kept in order. Default: one target `default`.",
    ),
    field("watch", Shape::Object(WATCH), "How changes of files are noticed."),
    field("notify", Shape::Object(NOTIFY), "Who is told when somebody has to look."),
    field(
        "web",
        Shape::Object(WEB),
        "The read-only status page and metrics. Default: off. Not built in yet.",
    ),
    field("log", Shape::Object(LOG), "The log on standard error."),
];

pub(super) static TARGET: &[Field] = &[
    needed(
        "desired",
        Shape::Any(&[Shape::Text, Shape::Object(GIT)]),
        "The directory of the desired state, or a git repository that popgate fetches.",
    ),
    needed("store", Shape::Tagged(STORES), "The live mail system."),
    needed("service", Shape::Tagged(SERVICES), "What must learn that access changed."),
    field("refresh", Shape::Duration, "How often the store is read again. Default: 60s, Exchange 1h"),
    field(
        "unlisted",
        Shape::Words(&["keep", "disable"]),
        "What happens to accounts that no entry names: `keep` or `disable`. Default: keep",
    ),
    field(
        "ignored",
        Shape::List(&Shape::Text, 0),
        "Patterns of accounts that are neither counted nor touched.",
    ),
    field(
        "protected",
        Shape::List(&Shape::Text, 0),
        "Patterns of accounts that are counted and never written.",
    ),
    field("drift", Shape::Object(DRIFT), "What happens to changes made behind popgate's back."),
    field("guards", Shape::Object(GUARDS), "The limits above which a plan waits for an approval."),
    field(
        "on_blocked",
        Shape::Words(&["enable", "all"]),
        "Which part of a blocked plan waits: `enable`, or `all` of it. Default: enable",
    ),
    field("restart", Shape::Object(RESTART), "When a restart that is owed is due."),
    field(
        "windows",
        Shape::Any(&[Shape::Words(&["always"]), Shape::List(&Shape::Object(WINDOW), 1)]),
        "When writes and restarts are allowed: a list of windows, or `always`. Default: always",
    ),
    field(
        "snapshot",
        Shape::Object(SNAPSHOT),
        "A file with a snapshot for CI, which the daemon keeps fresh.",
    ),
];

pub(super) static SNAPSHOT: &[Field] = &[
    needed("path", Shape::Text, "The file; replaced as a whole each time. Outside of the desired directory."),
    field("interval", Shape::Duration, "How often it is written anew, besides after each batch. Default: 1h"),
];

pub(super) static GIT: &[Field] = &[
    needed("git", Shape::Text, "Address of the repository."),
    field("ref", Shape::Text, "Branch or tag. Default: main"),
    field("path", Shape::Text, "Directory within the repository. Default: desired-state"),
    field("interval", Shape::Duration, "How often it is fetched. Default: 60s"),
    field("verify", Shape::Object(VERIFY), "Which signatures a commit must have. Default: none"),
    field("username", Shape::Text, "Who logs in by HTTPS. Default: git"),
    field("password", Shape::Object(SECRET), "Where the password or token for HTTPS is to be found."),
    field("ssh_key", Shape::Text, "File of the private key for SSH. Default: what ssh itself uses"),
];

/// The ways to a secret, one of which is written.
pub(super) static SECRET: &[Field] = &[
    field("env", Shape::Text, "The environment variable that holds it."),
    field("file", Shape::Text, "The file that holds it."),
    field("command", COMMAND, "The command that prints it."),
];

pub(super) static VERIFY: &[Field] =
    &[needed("allowed_signers", Shape::Text, "File of allowed signers, as ssh-keygen(1) reads it.")];

/// The stores that are built in.
pub(super) static STORES: &[(&str, &[Field])] = &[("exchange", EXCHANGE), ("sqlite", SQLITE)];

pub(super) static SQLITE: &[Field] = &[
    TYPE,
    needed("path", Shape::Text, "The database file."),
    field("table", Shape::Identifier, "The table of accounts. Default: popgate's own, which it creates."),
    field("key", Shape::Identifier, "The column that names an account, unique."),
    field("access", Shape::Object(ACCESS), "The columns that hold the access."),
    field("aliases", Shape::List(&Shape::Identifier, 0), "Columns with other names of an account."),
    field("name", Shape::Identifier, "The column shown to a person. Default: the key"),
    field("where", Shape::Text, "SQL condition that selects the accounts in scope. Trusted as it is."),
    field(
        "missing",
        Shape::Words(&["report", "create"]),
        "What happens to entries without an account: `report`, or `create` in popgate's own table. Default: report",
    ),
    field("busy_timeout", Shape::Duration, "How long to wait for another writer. Default: 5s"),
];

pub(super) static ACCESS: &[Field] = &[
    needed(
        "columns",
        Shape::List(&Shape::Identifier, 1),
        "The columns. If several disagree, the account is mixed.",
    ),
    needed(
        "enabled",
        Shape::Any(&[Shape::Integer(i64::MIN, i64::MAX), Shape::Text]),
        "The value that means enabled.",
    ),
    needed(
        "disabled",
        Shape::Any(&[Shape::Integer(i64::MIN, i64::MAX), Shape::Text]),
        "The value that means disabled.",
    ),
];

/// The services that are built in.
pub(super) static SERVICES: &[(&str, &[Field])] = &[
    ("announce", ANNOUNCE),
    ("command", COMMAND_SERVICE),
    ("dovecot", DOVECOT),
    ("exchange", EXCHANGE_SERVICE),
    ("manual", MANUAL),
    ("none", NONE),
    ("systemd", SYSTEMD),
];

/// The services that a person can restart.
static RESTARTABLE: &[(&str, &[Field])] = &[
    ("command", COMMAND_SERVICE),
    ("dovecot", DOVECOT),
    ("exchange", EXCHANGE_SERVICE),
    ("systemd", SYSTEMD),
];

pub(super) static ANNOUNCE: &[Field] =
    &[TYPE, field("service", Shape::Text, "The name in the line that says what would happen. Default: POP3")];

pub(super) static COMMAND_SERVICE: &[Field] = &[
    TYPE,
    needed("restart", COMMAND, "The command, one word after the other. No shell reads it."),
    field("timeout", Shape::Duration, "How long it may take. Default: 60s"),
    field("name", Shape::Text, "The name shown to a person. Default: the program"),
];

pub(super) static SYSTEMD: &[Field] = &[
    TYPE,
    needed("unit", Shape::Text, "The unit, such as dovecot.service."),
    field("timeout", Shape::Duration, "How long a restart may take. Default: 90s"),
];

pub(super) static DOVECOT: &[Field] = &[
    TYPE,
    field(
        "action",
        Shape::Words(&["flush_and_end_sessions", "reload", "restart"]),
        "What makes a change effective: `flush_and_end_sessions`, `reload` or `restart`. Default: flush_and_end_sessions",
    ),
    field("config", Shape::Text, "Dovecot's configuration file. Default: Dovecot's own"),
    field("doveadm", Shape::Text, "The program doveadm. Default: doveadm"),
    field("timeout", Shape::Duration, "How long each call of doveadm may take. Default: 30s"),
];

const AUTH: Field = field(
    "auth",
    Shape::Words(&["kerberos", "basic"]),
    "How popgate shows who it is: `kerberos`, or `basic` over TLS. Default: kerberos",
);
const USERNAME: Field = field(
    "username",
    Shape::Text,
    "The account, such as svc-popgate@CONTOSO.EXAMPLE. Needed with `auth: basic`. Default: that of the keytab or ticket",
);
const PASSWORD: Field = field("password", WAY, "Where its password is found.");
const KEYTAB: Field =
    field("keytab", Shape::Text, "The file with its Kerberos keys. Default: a ticket that is there");
const SERVICE_HOST: Field = field(
    "service_host",
    Shape::Text,
    "The host in the Kerberos name of the service. Default: that of the URL",
);
const CA_FILE: Field =
    field("ca_file", Shape::Text, "Authorities to trust, in PEM. Default: those of this machine");
const PIN: Field = field(
    "pin",
    Shape::Any(&[Shape::Text, Shape::List(&Shape::Text, 1)]),
    "SHA-256 of the certificate, or of its public key, that is trusted.",
);
const WAY: Shape = Shape::Object(SECRET);
const PORT: Shape = Shape::Any(&[Shape::Integer(1, 65_535), Shape::Words(&["off"])]);

pub(super) static EXCHANGE: &[Field] = &[
    TYPE,
    needed(
        "url",
        Shape::Text,
        "The endpoint of a server or a farm, such as https://ex01.contoso.example/PowerShell/.",
    ),
    field("configuration", Shape::Text, "Its configuration. Default: Microsoft.Exchange"),
    AUTH,
    USERNAME,
    PASSWORD,
    KEYTAB,
    SERVICE_HOST,
    CA_FILE,
    PIN,
    field(
        "scope",
        Shape::Text,
        "Which mailboxes: `domain`, `forest`, or those below a unit such as contoso.example/Users. Default: domain",
    ),
    field("sessions", Shape::Integer(1, 16), "How many sessions write at once. Default: 4"),
    field("timeout", Shape::Duration, "How long a read, or one pipeline of writes, may take. Default: 1h"),
    field(
        "look_ups",
        Shape::Integer(0, 10_000),
        "How many names that are no address may be looked up one by one in a read. Default: 200",
    ),
    field(
        "replication_wait",
        Shape::Duration,
        "How long a write may take to reach every domain controller. Default: 15m",
    ),
];

pub(super) static EXCHANGE_SERVICE: &[Field] = &[
    TYPE,
    needed(
        "servers",
        Shape::Any(&[
            Shape::Words(&["auto"]),
            Shape::List(&Shape::Any(&[Shape::Text, Shape::Object(SERVER)]), 1),
        ]),
        "The servers: `auto` for all that Exchange names but Edge servers, or a list.",
    ),
    field(
        "url",
        Shape::Text,
        "The endpoint of each server, with `{server}` for its name. Default: https://{server}:5986/wsman",
    ),
    field(
        "configuration",
        Shape::Text,
        "Its configuration, such as that of a JEA endpoint. Default: Microsoft.PowerShell",
    ),
    field(
        "auth",
        Shape::Words(&["kerberos", "basic"]),
        "How popgate shows who it is: `kerberos`, or `basic` over TLS. Default: the account of the store, if no other is \
         written",
    ),
    USERNAME,
    PASSWORD,
    KEYTAB,
    SERVICE_HOST,
    CA_FILE,
    PIN,
    field(
        "organisation",
        Shape::Object(ORGANISATION),
        "Where Exchange is asked for its servers and their components. Default: the store",
    ),
    field("pop3", Shape::Object(POP3), "What must greet after a restart."),
    field("timeout", Shape::Duration, "How long the restart of one service may take. Default: 180s"),
    field("ready", Shape::Duration, "How long a server may take to greet again. Default: 120s"),
];

pub(super) static SERVER: &[Field] = &[
    needed("name", Shape::Text, "Its name, as Exchange knows it."),
    field("host", Shape::Text, "Its host. Default: that of the URL, or the name"),
    field("url", Shape::Text, "Its own endpoint. Default: made of the name"),
];

pub(super) static ORGANISATION: &[Field] = &[
    needed("url", Shape::Text, "The endpoint, such as https://ex01.contoso.example/PowerShell/."),
    AUTH,
    USERNAME,
    PASSWORD,
    KEYTAB,
    SERVICE_HOST,
    CA_FILE,
    PIN,
];

pub(super) static POP3: &[Field] = &[
    field("plain", PORT, "The port without TLS, or `off`. Default: 110"),
    field("tls", PORT, "The port with TLS, or `off`. Default: 995"),
    field("tls_name", Shape::Text, "The name in the certificate. Default: the server's host"),
    CA_FILE,
    PIN,
];

pub(super) static MANUAL: &[Field] = &[
    TYPE,
    field("of", Shape::Tagged(RESTARTABLE), "The service that a person restarts."),
    field("instructions", Shape::List(&Shape::Text, 1), "What the person is told to do, line by line."),
];

pub(super) static NONE: &[Field] = &[TYPE];

pub(super) static DRIFT: &[Field] = &[
    field(
        "enabled_by_hand",
        ON_DRIFT,
        "An account that an entry disables was enabled: `restore` or `report`. Default: restore",
    ),
    field(
        "disabled_by_hand",
        ON_DRIFT,
        "An account that an entry enables was disabled: `restore` or `report`. Default: report",
    ),
];

pub(super) static GUARDS: &[Field] = &[
    field(
        "max_disable",
        Shape::Object(SHARE),
        "Disabling within an hour, as a share of all enabled accounts.",
    ),
    field("max_enable", Shape::Object(SHARE), "Enabling within an hour, as a share of all accounts."),
    field("max_changes", POSITIVE, "Changes of one plan. Default: 1000"),
    field("first_contact", Shape::Flag, "Whether the first batch against a store waits. Default: true"),
    field("shrunk_input", PERCENT, "Per cent of its entries that a file may lose at once. Default: 50"),
    field("shrunk_live", PERCENT, "Per cent of the accounts that the store may lose at once. Default: 10"),
    field("unreadable", PERCENT, "Per cent of the accounts that may be unreadable. Default: 5"),
];

pub(super) static SHARE: &[Field] = &[
    field("percent", PERCENT, "Per cent. Default: 5"),
    field("always_allow", NATURAL, "Allowed however small its share is. Default: 10"),
];

pub(super) static RESTART: &[Field] = &[
    field("quiet", Shape::Duration, "How long no further write may come. Default: 30s"),
    field("max_delay", Shape::Duration, "How long after the first write at the latest. Default: 15m"),
    field("min_interval", Shape::Duration, "The least time between two restarts. Default: 10m"),
];

const KIND: Shape = Shape::Words(&["restarts", "writes", "all"]);
const KINDS: Shape = Shape::Any(&[KIND, Shape::List(&KIND, 1)]);
const DAY: Shape = Shape::Words(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);

pub(super) static WINDOW: &[Field] = &[
    field(
        "allow",
        KINDS,
        "What is allowed within the window, and only within such windows: `restarts`, `writes` or `all`.",
    ),
    field("deny", KINDS, "What is forbidden within the window: `restarts`, `writes` or `all`."),
    needed("at", Shape::Text, "From when to when, such as 22:00-02:00."),
    field(
        "days",
        Shape::Any(&[DAY, Shape::List(&DAY, 1)]),
        "The days on which it opens, such as `[mon, tue]`. Default: every day",
    ),
];

pub(super) static WATCH: &[Field] = &[
    field("quiet", Shape::Duration, "How long no further change may come. Default: 500ms"),
    field("max_wait", Shape::Duration, "How long after the first change at the latest. Default: 5s"),
    field("resync", Shape::Duration, "How often files are looked at anyway. Default: 60s"),
];

pub(super) static NOTIFY: &[Field] =
    &[needed("command", COMMAND, "A command that gets an event as JSON on its standard input.")];

pub(super) static WEB: &[Field] =
    &[needed("listen", Shape::Text, "IP address and port, such as 127.0.0.1:9477.")];

pub(super) static LOG: &[Field] =
    &[field("format", Shape::Words(&["text", "json"]), "Its form: `text` or `json`. Default: text")];

/// Makes the JSON schema of a settings file (draft 2020-12).
pub(super) fn json_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "popgate settings",
    });
    if let (Some(schema), Value::Object(root)) = (schema.as_object_mut(), object(ROOT, None)) {
        schema.extend(root);
    }
    schema
}

fn object(fields: &[Field], tag: Option<&str>) -> Value {
    let properties = fields.iter().map(|field| {
        let mut schema = match tag {
            Some(tag) if field.name == "type" => json!({ "const": tag }),
            _ => of(&field.shape),
        };
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), field.about.into());
        }
        (field.name.to_owned(), schema)
    });
    let required: Vec<_> = fields.iter().filter(|field| field.needed).map(|field| field.name).collect();
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "required": required,
        "additionalProperties": false,
    })
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Any(shapes) => json!({ "anyOf": shapes.iter().map(of).collect::<Vec<_>>() }),
        Shape::Duration => {
            json!({ "type": "string", "pattern": r"^(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$" })
        }
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Identifier => {
            json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": 64 })
        }
        Shape::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::List(item, least) => json!({ "type": "array", "items": of(item), "minItems": least }),
        Shape::Named(value) => {
            json!({ "type": "object", "minProperties": 1, "additionalProperties": of(value) })
        }
        Shape::Object(fields) => object(fields, None),
        Shape::Tagged(variants) => {
            json!({ "oneOf": variants.iter().map(|(tag, fields)| object(fields, Some(tag))).collect::<Vec<_>>() })
        }
        Shape::Text => json!({ "type": "string" }),
        Shape::Words(words) => json!({ "enum": words }),
    }
}
