//! The codes of everything that can be wrong with settings, POP100 to POP199. A code never changes its meaning.

use super::{Code, Rule};

codes! {
    UNREADABLE = 100, "The settings file cannot be read",
        "The file is missing, is no file, or popgate's user may not read it. Without `--config`, `popgate.yaml` in \
         the current directory is read if it is there.";
    NOT_TEXT = 101, "The settings file is not UTF-8 text",
        "YAML is text. Save the file as UTF-8.";
    TOO_LONG = 102, "The settings file is too long",
        "Settings have at most 256 KiB. Users belong into the desired directory, not here.";
    NOT_YAML = 103, "Not YAML",
        "The file cannot be read from this place on. The mistake is often a little earlier: a missing quote, bracket \
         or colon, or a line that is indented differently from its neighbours.";
    NOT_PLAIN = 104, "An anchor, alias, tag or merge key",
        "Settings are plain data, so that every reader of the file sees the same: write the value itself.";
    SECOND_DOCUMENT = 105, "A second YAML document",
        "A file holds one document. Remove the line `---` and what belongs to another file.";
    TOO_DEEP = 106, "Maps and lists nested too deeply",
        "Nothing in the settings is nested deeper than eight levels.";
    ODD_CHARACTER = 107, "A character that readers treat differently",
        "Control characters, unusual line breaks and characters that turn the direction of writing make a file look \
         different from what it says. Remove them, or write them as an escape in double quotes.";
    NOT_A_MAP = 108, "The settings are empty or no map",
        "The file holds fields, each with its value. An empty file is more often an accident than an intention: \
         remove the file to use the defaults.";
    READERS_DISAGREE = 109, "Two YAML readers do not agree on the file",
        "popgate reads settings with two readers and goes on only if both see the same. Write the place more simply: \
         in block style, with quotes around text.";
    UNKNOWN_FIELD = 110, "An unknown field",
        "A misspelt field would silently have no effect, so it is an error. The help names the field that was \
         probably meant, or all that may stand there.";
    DOUBLED_FIELD = 111, "A field written twice",
        "Readers of YAML disagree on which of two equal fields counts. Keep one.";
    MISSING_FIELD = 112, "A required field is missing",
        "The help says what to write.";
    WRONG_TYPE = 113, "A value of the wrong kind",
        "For example a text where a list belongs. Text that YAML would read as a number, as `true` or as nothing \
         needs quotes.";
    WRONG_WORD = 114, "Not one of the allowed words",
        "The field takes only the words that the help names, in lower case.";
    BAD_DURATION = 115, "Not a duration",
        "Durations have units, largest first: `500ms`, `30s`, `15m`, `1h`, `1h30m`. At most 366 days (8784h).";
    OUT_OF_RANGE = 116, "A number or duration out of range",
        "For example more than 100 per cent, or zero where zero makes no sense.";
    BAD_TEXT = 117, "A text that cannot be used here",
        "Empty, too long, or with a character that may not occur.";
    BAD_VERSION = 118, "An unknown version of the settings",
        "This popgate reads version 1. Settings of a later version need a later popgate.";
    UNKNOWN_TIME_ZONE = 120, "An unknown time zone",
        "Time zones are written as in the IANA database: `Asia/Taipei`, `Europe/Berlin`, `UTC`.";
    BAD_HOURS = 121, "Hours that cannot be a window",
        "Hours are written as `22:00-02:00`, in 24 hours. A window that ends before it begins ends on the next day; \
         `00:00-24:00` is a whole day.";
    NEVER_OPEN = 122, "Windows that never open",
        "The windows forbid everything they speak of at all times. A warning: nothing of the kind will ever be done \
         by itself.";
    LATE_BEFORE_EARLY = 123, "A longest wait that is shorter than the shortest",
        "For example `max_delay` below `min_interval`: a restart could be overdue before it may happen.";
    BAD_TARGET_NAME = 125, "A name that cannot be a target's",
        "Target names stand in commands and file names: letters, digits, `-`, `_` and `.`, at most 64, beginning with \
         a letter or digit.";
    NO_TARGET = 126, "No target",
        "Settings with `targets` name at least one. Without the field, the target `default` is used.";
    STATE_AND_DESIRED = 130, "The state directory and a desired directory within each other",
        "popgate watches the desired directory and writes to the state directory: it would wake itself up for ever, \
         and whoever may edit the desired state could edit the journal.";
    SHARED_STORE = 131, "Two targets with the same store",
        "They would undo each other's changes. It is allowed only if both say `unlisted: keep`.";
    SETTINGS_IN_DESIRED = 133, "The settings file lies in a desired directory",
        "Guards are meant to hold against mistakes in the desired state, so they should not be editable with it; \
         and the file would be read as desired state. A warning.";
    NOT_BUILT_IN = 140, "Something that is not built into this version",
        "The word is right, but this popgate cannot do it. A warning where it can go on without.";
    BAD_IDENTIFIER = 142, "A name that cannot be a table's or column's",
        "Letters, digits and `_`, at most 64, not beginning with a digit. Other names need a view in the database.";
    FOREIGN_TABLE = 143, "`missing: create` for a table that is not popgate's",
        "popgate knows the columns only of its own table. Leave `table` out to use it, or create accounts in the way \
         your mail system does.";
    SAME_VALUE = 144, "The same value for enabled and disabled",
        "popgate could not tell the two apart.";
    DOUBLED_COLUMN = 145, "A column with two meanings",
        "A column that holds the access cannot at the same time name the account.";
    NOT_A_LIST = 151, "A command written as one text",
        "No shell reads the command, so its words are written as a list.";
    EMPTY_COMMAND = 152, "An empty command",
        "A command is a list of at least one word, its program.";
    BAD_MANUAL = 153, "A manual service of something that is never restarted by popgate",
        "`of` names the service that a person restarts: `command`, `dovecot`, `exchange` or `systemd`.";
    NO_WINDOW = 154, "Exchange without windows",
        "A restart of Exchange's services ends the POP3 sessions of everybody on a server. Say when that may be: \
         windows, or `windows: always`.";
    INLINE_SECRET = 160, "A secret written into the settings",
        "Settings are copied, shown and committed. Write where the secret is to be found, and change it: it was \
         readable here.";
    BAD_SECRET = 161, "Not a way to a secret",
        "Exactly one of `{env: NAME}`, `{file: PATH}` and `{command: [PROGRAM, ARGUMENT]}`.";
    BAD_GIT = 170, "A git address, reference or path that cannot be used",
        "Passwords do not belong into an address, addresses that run commands are refused, and the path stays within \
         the repository.";
    BAD_ADDRESS = 171, "Not an address to listen on",
        "An IP address and a port: `127.0.0.1:9477` or `[::1]:9477`.";
    BAD_SNAPSHOT = 172, "A snapshot file that cannot be used",
        "A snapshot holds one target, so each target needs a file of its own; and it lies outside of every desired \
         directory, or each new one would look like a change of the desired state.";
    BAD_URL = 173, "Not a URL of an endpoint",
        "`https://` or `http://` and a host, without a name or a password in it. Basic authentication needs TLS, and a URL \
         for several servers has `{server}` where the name belongs.";
}
